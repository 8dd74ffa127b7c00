"""The code of a job from its submit into its container, by the service on the fake engine."""

import os

import pytest

from mlops_desk.jobs.provenance.source.snapshot_capture import Snapshots, places_in_source
from mlops_desk.jobs.provenance.submit_snapshot import Freezing
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.provenance import Capsule, Difference
from mlops_desk.jobs.records.spec import JobSpec, Mount, Source
from mlops_desk.jobs.runtimes.local.container import code_mount
from mlops_desk.kit.base.errors import NotFound, Refused, Unavailable
from tests.unit.jobs.test_service import HEAD, desk

__all__ = ["desk"]


@pytest.fixture
def code(tmp_path):
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "train.py").write_text("print(1)\n")
    return folder


def with_source(folder, more=""):
    return HEAD + f"command: [short]\nsource: {{folder: {folder}}}\n{more}"


@pytest.mark.slow
def test_what_runs_is_what_was_submitted_and_runs_again_as_it_was(desk, code):
    first = desk.jobs.submit(with_source(code))
    (code / "train.py").write_text("print(2)\n")
    tree = desk.folder.sources / "trees" / first.capsule.source_sha256
    assert (tree / "train.py").read_text() == "print(1)\n"
    desk.wait(first.id, JobState.SUCCEEDED)
    again = desk.jobs.rerun(first.id)
    assert again.capsule.source_sha256 == first.capsule.source_sha256
    assert again.repeat.differs == ()
    fresh = desk.jobs.submit(with_source(code))
    assert fresh.capsule.source_sha256 != first.capsule.source_sha256
    assert "capsule.source_sha256" in {one.path for one in desk.jobs.diff(first.id, fresh.id)}


@pytest.mark.slow
def test_with_another_source_it_is_taken_anew(desk, code, tmp_path):
    first = desk.jobs.submit(with_source(code))
    other = tmp_path / "other"
    other.mkdir()
    (other / "x.py").write_text("x")
    again = desk.jobs.rerun(first.id, {"source.folder": str(other)})
    assert again.capsule.source_sha256 != first.capsule.source_sha256
    assert again.repeat.differs == (Difference("spec.source.folder", str(code), str(other)),)


@pytest.mark.slow
def test_the_container_starts_in_its_code(desk, code):
    job = desk.jobs.submit(with_source(code).replace("short", "forever"))
    desk.wait(job.id, JobState.RUNNING)
    spec = desk.engine._containers[desk.jobs.show(job.id).container].spec
    tree = desk.folder.sources / "trees" / job.capsule.source_sha256
    assert Mount(str(tree), "/work", "ro") in spec.own_mounts
    assert spec.working_dir == "/work"


def test_parameters_and_seed_are_frozen(desk):
    job = desk.jobs.submit(HEAD + "command: [short]\nparams: {lr: 0.10}\nseed: 7\n")
    assert (job.capsule.params, job.capsule.seed, job.capsule.source_sha256) == ({"lr": "0.10"}, 7, None)


@pytest.mark.slow
def test_a_snapshot_that_is_not_kept_any_more_is_not_run_again(desk, code):
    first = desk.jobs.submit(with_source(code))
    desk.wait(first.id, JobState.SUCCEEDED)
    desk.jobs._freezing._snapshots._budget_bytes = lambda: 0
    desk.jobs._kept.tidy_snapshots()
    with pytest.raises(NotFound, match="not kept any more"):
        desk.jobs.rerun(first.id)
    assert len(desk.jobs.list()) == 1


@pytest.mark.slow
def test_a_snapshot_of_a_job_that_is_not_over_stays(desk, code):
    job = desk.jobs.submit(with_source(code).replace("short", "forever"))
    desk.jobs._freezing._snapshots._budget_bytes = lambda: 0
    desk.jobs._kept.tidy_snapshots()
    assert (desk.folder.sources / "trees" / job.capsule.source_sha256).is_dir()


def test_without_its_code_nothing_is_queued(desk, tmp_path):
    with pytest.raises(NotFound):
        desk.jobs.submit(with_source(tmp_path / "nowhere"))
    assert desk.jobs.list() == []


def test_it_is_protected_until_its_job_is_known(code, tmp_path):
    snapshots = Snapshots(tmp_path / "s", budget_bytes=lambda: 0)
    freezing = Freezing(snapshots)
    spec = JobSpec("a", "img", source=Source(folder=str(code)))
    with freezing.frozen(spec, os.getuid()) as capsule:
        freezing.tidy(list)
        assert snapshots.store.has(capsule.source_sha256)
        freezing.tidy(lambda: [None, Capsule(), capsule])
    freezing.tidy(lambda: [capsule])
    assert snapshots.store.has(capsule.source_sha256)
    freezing.tidy(list)
    assert not snapshots.store.has(capsule.source_sha256)


def test_what_is_mounted_inside_the_source_has_a_place_there(code, tmp_path):
    snapshots = Snapshots(tmp_path / "s")
    spec = JobSpec("a", "img", source=Source(folder=str(code)), mounts=(Mount("/x", "/work/data"), Mount("/y", "/y")))
    with Freezing(snapshots).frozen(spec, os.getuid()) as capsule:
        assert (snapshots.store.tree(capsule.source_sha256) / "data").is_dir()
        with Freezing(snapshots).frozen(spec, os.getuid(), capsule) as again:
            assert again.source_sha256 == capsule.source_sha256
    assert places_in_source(JobSpec("a", "img")) == []
    with pytest.raises(Refused, match="target /work"):
        places_in_source(JobSpec("a", "img", source=Source(folder="/c"), mounts=(Mount("/x", "/work/"),)))


def test_the_snapshot_is_mounted_read_only_where_the_spec_says(tmp_path):
    sha = "a" * 64
    spec = JobSpec("a", "img", source=Source(folder="/c", target="/code"))
    job = Job("1", "a", JobState.QUEUED, spec, 1.0, 0, "me", capsule=Capsule(source_sha256=sha))
    with pytest.raises(Refused, match="gone"):
        code_mount(job, tmp_path)
    (tmp_path / "trees" / sha).mkdir(parents=True)
    assert code_mount(job, tmp_path) == Mount(str(tmp_path / "trees" / sha), "/code", "ro")
    for capsule in (None, Capsule(), Capsule(source_sha256="../../etc")):
        odd = Job("1", "a", JobState.QUEUED, spec, 1.0, 0, "me", capsule=capsule)
        with pytest.raises(Refused, match="no snapshot"):
            code_mount(odd, tmp_path)
    plain = Job("1", "a", JobState.QUEUED, JobSpec("a", "img"), 1.0, 0, "me")
    assert code_mount(plain, None) is None


def test_a_disk_that_takes_no_snapshot_queues_nothing(desk, code, monkeypatch):
    def full(_self, _target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlops_desk.jobs.provenance.source.store.Path.replace", full)
    with pytest.raises(Unavailable, match="No space left"):
        desk.jobs.submit(with_source(code))
    monkeypatch.undo()
    assert desk.jobs.list() == []
