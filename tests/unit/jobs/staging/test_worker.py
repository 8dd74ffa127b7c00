"""What happens to a copy while it is made: a kill, a silent share, data that change, holes, other users."""

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

import mlops_desk
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.staging import StagingProgress
from mlops_desk.jobs.run.job_workers import Postponed
from mlops_desk.jobs.staging import copy_task, file_copy, worker
from mlops_desk.jobs.staging import file_copy as entries
from mlops_desk.jobs.staging import words as staging_words
from mlops_desk.kit.base import interpreter
from mlops_desk.kit.base.errors import TimedOut, Unavailable
from mlops_desk.kit.base.people.person import person
from mlops_desk.kit.base.process import run_command
from tests.unit.jobs.staging.conftest import MIB

NOBODY = 65_534


@pytest.mark.slow
def test_after_a_kill_what_was_verified_is_not_read_again(cache, monkeypatch):
    data = cache.data(**{f"f{number:04}": b"x" * 1000 for number in range(2000)})
    cache.submit("j", data)
    start, pids = worker.start_child, []

    def started(*words, **more):
        process = start(*words, **more)
        pids.append(process.pid)
        return process

    monkeypatch.setattr(worker, "start_child", started)
    copied = copy_task.run_copier

    def kill_midway():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for path in (cache.root / "cache").glob("*/*/*/manifest"):
                if path.stat().st_size > 10_000:
                    os.kill(pids[-1], signal.SIGKILL)
                    return
            time.sleep(0.002)

    def killed(request, *words, **more):
        if request["act"] == "copy":
            threading.Thread(target=kill_midway).start()
        return copied(request, *words, **more)

    monkeypatch.setattr(copy_task, "run_copier", killed)
    with pytest.raises(Postponed, match="ended without an answer"):
        cache.stage("j")
    monkeypatch.setattr(copy_task, "run_copier", copied)
    done = list((cache.root / "cache").glob("*/*/*/manifest"))
    before = {path: path.stat().st_ino for path in (cache.root / "cache").glob("*/*/*/tree/*")}
    lines = sum(len(path.read_bytes().splitlines()) for path in done)
    assert 50 < lines < 2000
    cache.stage("j")
    tree = cache.tree("j")
    assert sum(1 for _ in tree.iterdir()) == 2000
    kept = sum(before.get(path) == path.stat().st_ino for path in tree.iterdir())
    assert kept >= lines


@pytest.mark.slow
def test_data_that_change_while_they_are_copied_are_copied_anew_or_told_of(cache, monkeypatch):
    data = cache.data(a="0", b="same")
    cache.submit("j", data)
    copied, rounds = copy_task.run_copier, []

    def written(request, *words, **more):
        if request["act"] == "copy":
            rounds.append(1)
            if len(rounds) <= limit:
                (data / "a").write_text(str(len(rounds)) * 20)
        return copied(request, *words, **more)

    monkeypatch.setattr(copy_task, "run_copier", written)
    limit = 1
    cache.stage("j")
    assert (cache.tree("j") / "a").read_text() == "1" * 20
    rounds.clear()
    limit = 99
    cache.submit("k", data, at=4e9)
    (data / "a").write_text("another")
    job = cache.stage("k")
    assert (job.state, job.reason.class_) == (JobState.FAILED, "staging_failed")
    assert f"{data} was written to each time that it was copied (a), 3 times." in job.reason.text


@pytest.mark.slow
def test_data_that_change_once_their_copy_is_done_are_copied_anew_from_there(cache, monkeypatch):
    """The copy itself has seen no change: only the look at the source afterwards does."""
    data = cache.data(a="0", b="same")
    cache.submit("j", data)
    copied, rounds = copy_task.run_copier, []

    def written_afterwards(request, *words, **more):
        answer = copied(request, *words, **more)
        if request["act"] == "copy":
            rounds.append(answer["changed"])
            if len(rounds) == 1:
                (data / "a").write_text("another")
                (data / "new").write_text("new")
        return answer

    monkeypatch.setattr(copy_task, "run_copier", written_afterwards)
    cache.stage("j")
    assert rounds == [[], []]
    assert {path.name: path.read_text() for path in cache.tree("j").iterdir()} == {
        "a": "another", "b": "same", "new": "new",
    }  # fmt: skip


@pytest.mark.slow
def test_a_share_from_which_nothing_comes_ends_the_worker_and_the_job_waits(cache, monkeypatch):
    data = cache.data(a="1")
    cache.submit("j", data)
    monkeypatch.setattr(worker, "_WORKER", "tests.unit.jobs.staging.silent_worker")
    with pytest.raises(TimedOut, match="Nothing was read from") as caught:
        worker.run_copier({"act": "list", "source": str(data)}, [], os.getuid(), lambda *_: None, lambda: False, 1.0)
    assert "was ended" in str(caught.value)


@pytest.mark.slow
def test_holes_stay_holes_and_are_hashed_as_zeros(cache):
    data = cache.data()
    with (data / "sparse").open("wb") as file:
        file.seek(300 * MIB)
        file.write(b"end")
    cache.submit("j", data)
    cache.stage("j")
    copy = cache.tree("j") / "sparse"
    facts = copy.stat()
    assert facts.st_size == 300 * MIB + 3
    assert facts.st_blocks * 512 < 2 * MIB
    with copy.open("rb") as file:
        file.seek(300 * MIB - 1)
        assert file.read() == b"\0end"


def test_a_folder_of_the_cache_that_others_could_write_to_is_not_used(cache):
    (cache.root / "cache").mkdir(mode=0o777)
    (cache.root / "cache").chmod(0o777)
    cache.submit("j", cache.data(a="1"))
    job = cache.stage("j")
    assert job.state is JobState.FAILED
    assert "not a private folder of the agent's" in job.reason.evidence


@pytest.fixture
def open_place(monkeypatch):
    """A folder that anybody may enter, with the program in it, run by an interpreter that anybody may run."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        package = Path(mlops_desk.__file__).parent  # it may lie in a home that is closed to others
        for part in ("kit/base", "jobs"):
            shutil.copytree(package / part, place / "mlops_desk" / part)
        for folder in ("", "kit"):
            shutil.copy(package / folder / "__init__.py", place / "mlops_desk" / folder)
        monkeypatch.setattr(interpreter, "PROGRAM", f"{name}/mlops_desk/kit/base/interpreter.py")
        for program in (sys.executable, "/usr/bin/python3"):
            if run_command([program, "-c", ""], 20, as_person=person(NOBODY)).code == 0:
                monkeypatch.setattr(sys, "executable", program)
                yield place
                return
        pytest.fail("no interpreter here that everybody may run")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_gets_no_copy_of_ones_data_and_none_of_what_they_may_not_read(cache, open_place):
    data = open_place / "data"
    data.mkdir()
    (data / "a").write_text("secret")
    (data / "a").chmod(0o600)
    cache.submit("mine", data, uid=0)
    cache.stage("mine")
    cache.submit("theirs", data, uid=NOBODY, at=2.0)
    job = cache.stage("theirs")
    assert (job.state, job.capsule) == (JobState.FAILED, None)
    assert "You may not read" in job.reason.evidence
    (data / "a").chmod(0o644)
    cache.submit("later", data, uid=NOBODY, at=3.0)
    cache.stage("later")
    mine, theirs = cache.tree("mine"), cache.tree("later")
    assert mine != theirs
    assert ((theirs / "a").stat().st_uid, (theirs / "a").read_text()) == (NOBODY, "secret")
    closed = [path for path in (cache.root / "cache").rglob("*") if "tree" not in path.relative_to(cache.root).parts]
    assert {path.stat().st_mode & 0o077 for path in (cache.root / "cache", *closed)} <= {0}


@pytest.mark.slow
def test_a_file_that_is_replaced_by_a_link_is_not_followed(cache, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    data = cache.data(a="1")
    (data / "a").unlink()
    (data / "a").symlink_to(secret)
    cache.submit("j", data)
    cache.stage("j")
    assert (cache.tree("j") / "a").is_symlink()
    cache.submit("k", data / "a")
    assert cache.stage("k").reason.evidence.endswith("has become a link since the job was submitted.")


def test_lines_that_are_not_whole_are_the_end_of_a_manifest(tmp_path):
    whole = entries.SourceEntry("a", entries.FILE, 1, 2, 3, digest="d")
    path = tmp_path / "manifest"
    path.write_bytes(entries.line_of(whole) + entries.line_of(whole)[:-5])
    with path.open("rb") as file:
        assert list(entries.read_lines(file)) == [whole]


def test_what_lies_there_otherwise_than_it_was_written_is_told(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"data")
    facts = (tmp_path / "a").stat()
    entry = entries.SourceEntry("a", entries.FILE, 4, facts.st_mtime_ns, 4096)
    monkeypatch.setattr(file_copy, "hash_part", lambda *_: b"other")
    source, folder = os.open(tmp_path / "a", os.O_RDONLY), os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(Unavailable, match="its disk is not sound"):
        file_copy.FileCopy(lambda _: None, lambda _: None, lambda *_: None, {}).copy(entry, source, folder, "b")
    os.close(source)
    os.close(folder)


def test_a_job_whose_share_hangs_says_so_and_is_given_up_at_once(cache, monkeypatch):
    """The share blocks the worker, whatever it is asked: the agent's own thread is never in it."""
    data = cache.data(a="1")
    cache.submit("j", data)
    monkeypatch.setattr(worker, "_WORKER", "tests.unit.jobs.staging.silent_worker")
    start, pids = worker.start_child, []

    def started(*words, **more):
        process = start(*words, **more)
        pids.append(process.pid)
        return process

    monkeypatch.setattr(worker, "start_child", started)
    hand = threading.Thread(target=cache.stager.stage, args=("j",))
    hand.start()
    deadline = time.monotonic() + 30
    while not pids or not cache.stager._progress:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    key = (os.getuid(), str(data))
    silent = StagingProgress("/in0", str(data), "copying", time.time() - 65.0, 1, 1 << 30, 9, 4 << 30)
    cache.stager._progress[key] = silent
    begun = time.monotonic()
    reason = cache.stager.unready(cache.queue())["j"]
    assert reason.text.startswith(f"Nothing has come from {data} for 60 s: does its share answer? Copies {data}")
    assert (reason.class_, "of 4.0 GiB" in reason.text, "cancel the job" in reason.hint) == (
        "data_staging",
        True,
        True,
    )
    assert cache.stager.due(cache.queue()) == []
    assert time.monotonic() - begun < 5.0  # asked while the share hangs
    cache.book.change("j", lambda job: replace(job, cancel_requested=True))
    hand.join(20)
    assert not hand.is_alive()
    assert not Path(f"/proc/{pids[0]}").exists()
    assert (cache.stager._progress, cache.shelf.copies.all()) == ({}, {})
    assert [path for path in (cache.root / "cache").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("silent", "says"),
    [(None, False), (19.0, False), (20.0, True), (39.0, True), (-5.0, False)],
)
def test_silence_is_told_once_it_is_long(silent, says):
    progress = StagingProgress("/in", "/mnt/s", "listing", 1000.0, 7)
    reason = staging_words.going_on(progress, None if silent is None else 1000.0 + silent)
    assert ("Nothing has come from /mnt/s for 20 s" in reason.text) is says
    assert "7 files so far" in reason.text
    waiting = replace(progress, phase="waiting")
    assert staging_words.going_on(waiting, 9000.0) == staging_words.going_on(waiting)
