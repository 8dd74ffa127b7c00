"""Data of jobs brought to the cache by the real worker: verified, shared, kept, made room for, given up."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.staging import StagingProgress
from mlops_desk.jobs.run.job_workers import Postponed
from mlops_desk.kit.base.errors import Refused, Unavailable
from tests.unit.jobs.staging.conftest import ME


def test_a_job_gets_a_copy_that_is_like_its_source(cache):
    data = cache.data(a="1\n", sub__b=b"\0" * 70_000, sub__deep__c="")
    (data / "link").symlink_to("sub/b")
    (data / "empty").mkdir()
    (data / "run.sh").write_text("echo")
    (data / "run.sh").chmod(0o755)
    job = cache.submit("j", data)
    assert cache.stager.unready([job])["j"].class_ == "data_staging"
    job = cache.stage("j")
    assert cache.stager.unready([job]) == {}
    tree = cache.tree("j")
    assert (tree / "a").read_text() == "1\n"
    assert (tree / "sub/b").read_bytes() == b"\0" * 70_000
    assert (tree / "sub/deep/c").read_bytes() == b""
    assert (tree / "link").readlink() == Path("sub/b")
    assert (tree / "empty").is_dir()
    assert (tree / "run.sh").stat().st_mode & 0o777 == 0o555
    assert (tree / "a").stat().st_mode & 0o777 == 0o444
    (staged,) = job.capsule.staged
    assert (staged.target, staged.source, staged.files, staged.size_bytes) == ("/in0", str(data), 4, 70_006)
    assert len(staged.sha256) == 64
    assert job.staging is None
    shown = [told.staging for told in cache.announced if told.staging is not None]
    assert list(dict.fromkeys(one.phase for one in shown)) == ["listing", "copying", "checking"]
    copied = [one for one in shown if one.phase == "copying"][-1]
    assert (copied.size_bytes, copied.total_bytes, copied.files, copied.files_total) == (70_006, 70_006, 4, 4)


def test_a_source_that_is_one_file_is_mounted_as_one(cache):
    data = cache.data(weights=b"w" * 5000)
    cache.submit("j", data / "weights")
    cache.stage("j")
    assert cache.tree("j").read_bytes() == b"w" * 5000


@pytest.mark.slow
def test_two_jobs_share_a_copy_and_a_later_submit_looks_at_the_source_anew(cache):
    data = cache.data(a="1", b="2")
    cache.submit("one", data)
    cache.submit("two", data)
    cache.stage("one")
    assert cache.stager.due(cache.queue()) == []
    assert cache.book.get("two").capsule.staged == cache.book.get("one").capsule.staged
    first = cache.tree("one")
    data = cache.data(b="changed")
    cache.submit("three", data, at=4e9)  # after any look
    cache.run("one")
    three = cache.stage("three")
    assert cache.tree("one") == first
    assert (first / "b").read_text() == "2"  # the running job's copy stays as it is
    tree = cache.tree("three")
    assert (tree / "b").read_text() == "changed"
    assert (tree / "a").stat().st_ino == (first / "a").stat().st_ino  # only what changed was copied
    assert three.capsule.staged[0].sha256 != cache.book.get("one").capsule.staged[0].sha256
    cache.run("one", JobState.SUCCEEDED)
    cache.run("two", JobState.SUCCEEDED)
    cache.submit("four", data, at=4e9)
    cache.stage("four")
    assert not first.exists()  # nobody uses what has been replaced
    assert [copy.jobs for copy in cache.shelf.show(cache.book.active()).copies] == [("four", "three")]


@pytest.mark.slow
def test_the_same_data_from_elsewhere_have_the_same_hash(cache):
    one, other = cache.data("one", a="1"), cache.data("other", a="1")
    cache.submit("j", one, other)
    job = cache.stage("j")
    assert job.capsule.staged[0].sha256 == job.capsule.staged[1].sha256
    assert job.capsule.staged[0].copy != job.capsule.staged[1].copy


@pytest.mark.slow
def test_data_of_a_job_that_waits_for_another_are_copied_when_that_has_ended(cache):
    data = cache.data(a="old")
    cache.submit("makes", at=1.0)
    cache.submit("early", data)
    cache.stage("early")
    cache.submit("uses", data, after=("makes",))
    assert cache.stager.due(cache.queue()) == []
    assert cache.stager.unready(cache.queue()).keys() == {"uses"}
    data = cache.data(a="made")
    cache.run("makes", JobState.SUCCEEDED)
    cache.book.change("makes", lambda job: replace(job, ended_at=4e9))
    cache.stage("uses")
    assert (cache.tree("uses") / "a").read_text() == "made"


def test_the_next_few_are_brought_and_of_one_source_only_once(cache):
    folders = [cache.data(f"d{number}", a="1") for number in range(3)]
    cache.submit("late", folders[0], at=9.0)
    cache.submit("soon", folders[1], at=8.0)
    cache.submit("important", folders[2], at=9.5, priority=5)
    cache.submit("same", folders[2], at=9.6, priority=4)
    cache.submit("tomorrow", folders[0], at=1.0, begin_at=4e9)
    assert cache.stager.due(cache.queue()) == ["important", "soon"]


def test_what_can_never_be_copied_fails_the_job_with_its_reason(cache):
    data = cache.data(a="1")
    os.mkfifo(data / "pipe")
    cache.submit("j", data)
    job = cache.stage("j")
    assert (job.state, job.reason.class_) == (JobState.FAILED, "staging_failed")
    assert "pipe is a pipe, which can't be copied" in job.reason.evidence
    cache.refusal = Refused("You may not read it.")
    (data / "pipe").unlink()
    cache.submit("k", data)
    assert cache.stage("k").reason.evidence == "You may not read it."


def test_a_source_that_is_not_there_blocks_its_job(cache):
    cache.submit("j", cache.share / "gone")
    with pytest.raises(Postponed) as caught:
        cache.stage("j")
    assert caught.value.blocked
    assert caught.value.reason.class_ == "staging_source_missing"
    assert str(cache.share / "gone") in caught.value.reason.text


@pytest.mark.slow
def test_what_is_too_large_for_the_budget_blocks_with_what_is_missing_and_the_setting(cache):
    cache.budget_bytes = 100 << 20
    data = cache.data()
    with (data / "big").open("wb") as file:
        for _ in range(130):
            file.write(b"x" * (1 << 20))
    cache.submit("j", data)
    with pytest.raises(Postponed) as caught:
        cache.stage("j")
    reason = caught.value.reason
    assert (caught.value.blocked, reason.class_) == (True, "staging_no_room")
    assert reason.command == "mlops-desk settings set jobs.staging_mebibytes 130"
    assert "30" in reason.text
    cache.budget_bytes = 130 << 20
    assert cache.stage("j").capsule.staged


@pytest.mark.slow
def test_unused_copies_go_for_a_new_one_and_what_a_running_job_uses_stays(cache):
    cache.budget_bytes = 12_000
    folders = [cache.data(f"d{number}", a=b"x" * 4000) for number in range(4)]
    for number in range(3):
        cache.submit(f"j{number}", folders[number])
        cache.stage(f"j{number}")
        cache.run(f"j{number}", JobState.SUCCEEDED if number else JobState.RUNNING)
    cache.budget_bytes = 12_288
    cache.submit("next", folders[3])
    cache.stage("next")
    assert sorted(copy.source for copy in cache.shelf.show([]).copies) == [str(folders[n]) for n in (0, 2, 3)]
    assert (cache.tree("j0") / "a").exists()


def test_a_full_disk_is_told_before_anything_is_copied(cache):
    cache.reserve_bytes = 1 << 60
    cache.submit("j", cache.data(a="1"))
    with pytest.raises(Postponed) as caught:
        cache.stage("j")
    assert (caught.value.blocked, caught.value.reason.class_) == (True, "staging_no_room")
    assert "kept free" in caught.value.reason.text


def test_a_share_that_can_not_be_asked_now_is_asked_again(cache):
    cache.refusal = Unavailable("The share does not answer.")
    cache.submit("j", cache.data(a="1"))
    with pytest.raises(Postponed) as caught:
        cache.stage("j")
    assert not caught.value.blocked
    assert caught.value.reason.text == "Its data can't be copied now: The share does not answer."


@pytest.mark.slow
def test_after_a_restart_of_the_machine_a_copy_is_verified_before_it_is_used(cache):
    data = cache.data(a="1", b="2")
    cache.submit("one", data)
    cache.stage("one")
    copy = cache.book.get("one").capsule.staged[0].copy
    with cache.shelf.locked():
        cache.shelf.copies.put(copy, replace(cache.shelf.copies.get(copy), boot="another"))
    torn = cache.shelf.copies.path(copy) / "tree" / "b"
    times = torn.stat()
    torn.chmod(0o644)
    torn.write_text("?")
    os.utime(torn, ns=(times.st_mtime_ns, times.st_mtime_ns))
    assert list(cache.stager.unready(cache.queue())) == ["one"]
    cache.stage("one")
    assert cache.book.get("one").capsule.staged[0].copy == copy
    assert (cache.tree("one") / "b").read_text() == "2"


def test_copies_outlive_the_agent_and_what_is_not_known_of_goes(cache):
    cache.submit("j", cache.data(a="1"))
    cache.stage("j")
    damaged = cache.root / "cache" / f"{os.getuid()}" / ("0" * 16) / ("0" * 32)
    damaged.mkdir(parents=True)
    (damaged / "copy.json").write_text("{")
    cache.agent()
    assert cache.stager.unready(cache.queue()) == {}
    cache.shelf.tidy(cache.book.active())
    assert not damaged.exists()
    assert list((cache.root / "cache").glob(".*")) == []


def test_a_cancelled_job_stops_its_copy_and_what_was_copied_stays(cache, monkeypatch):
    data = cache.data(a="1")
    cache.submit("j", data)
    told = cache.stager._tell

    def cancelled(key, progress):
        told(key, progress)
        cache.book.change("j", lambda job: replace(job, state=JobState.CANCELLED, cancel_requested=True))

    monkeypatch.setattr(cache.stager, "_tell", cancelled)
    cache.stage("j")
    assert cache.book.get("j").state is JobState.CANCELLED
    assert cache.book.get("j").capsule is None


def test_when_data_are_expected_is_known_once_all_that_lacks_is_being_copied(cache):
    one, two = cache.data("one", a="1"), cache.data("two", a="1")
    job = cache.submit("j", one, two)
    assert cache.stager.ready_by([job]) == {}

    def under_way(source, left):
        progress = StagingProgress("/in", str(source), "copying", 1000.0, left_seconds=left)
        cache.stager._progress[ME, str(source)] = progress

    under_way(one, 60.0)
    assert cache.stager.ready_by([job]) == {}
    under_way(two, None)
    assert cache.stager.ready_by([job]) == {}
    under_way(two, 90.0)
    assert cache.stager.ready_by([job]) == {"j": 1090.0}
