"""A job once more, and two jobs beside each other, by the service on the fake engine."""

import os
from dataclasses import replace

import pytest

from mlops_desk.jobs.provenance.rerun import Repeating, drift
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.provenance import Capsule, CapsuleDrift, Difference, Repeat, Verdict
from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.jobs.repository import JobBook
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.storage.state import State
from mlops_desk.kit.verbs.access import SingleUser
from tests.permission import Shared
from tests.unit.jobs.test_service import HEAD, as_uid, desk

__all__ = ["desk"]


@pytest.mark.slow
def test_a_job_runs_again_on_the_same_image_and_says_what_was_changed(desk):
    first = desk.jobs.submit(HEAD + "command: [short]\nenv: {LR: 0.1}")
    desk.wait(first.id, JobState.SUCCEEDED)
    again = desk.jobs.rerun(first.id, {"env.LR": "0.2"})
    assert (again.image_id, again.spec.env, again.submitted_by) == (first.image_id, {"LR": "0.2"}, os.getuid())
    assert again.repeat.of == first.id
    assert again.repeat.differs == (Difference("spec.env.LR", "0.1", "0.2"),)
    assert any("seed" in note for note in again.repeat.notes)
    ended = desk.wait(again.id, JobState.SUCCEEDED).repeat
    assert (ended.of, ended.differs, ended.notes) == (first.id, again.repeat.differs, again.repeat.notes)
    assert [one for one in desk.jobs.diff(first.id, again.id) if one.path.startswith("spec")] == [
        Difference("spec.env.LR", "0.1", "0.2")
    ]


def test_what_can_not_be_done_again_is_refused(desk):
    job = desk.jobs.submit(HEAD + "command: [forever]")
    for changed, data, kind in (
        ({"resources.gpu": "2"}, {}, Invalid),
        ({}, {"/data": "/new"}, Invalid),
    ):
        with pytest.raises(kind):
            desk.jobs.rerun(job.id, changed, data)
    with pytest.raises(NotFound):
        desk.jobs.rerun("zz")
    with pytest.raises(NotFound):
        desk.jobs.diff(job.id, "zz")
    assert len(desk.jobs.list()) == 1


@pytest.fixture
def book(tmp_path):
    state = State(tmp_path / "state.db")
    yield JobBook(state.jobs, lambda _job: None)
    state.close()


def a_job(book, job_id="a", **fields):
    spec = JobSpec("train", "img", mounts=(Mount("/a", "/data"),))
    job = Job(job_id, "train", JobState.SUCCEEDED, spec, 1.0, 1234, "anna", image_id="sha256:1")
    return book.add(replace(job, **fields))


def test_other_data_are_named(book):
    a_job(book)
    again = Repeating(book, SingleUser(os.getuid()), None).repeat("a", {}, {"/data": "/b"})
    assert again.spec.mounts == (Mount("/b", "/data"),)
    assert again.repeat.differs == (Difference('spec.mounts["/data"].source', "/a", "/b"),)
    assert any("/data" in note for note in again.repeat.notes)
    with pytest.raises(Invalid, match="not an absolute path"):
        Repeating(book, SingleUser(os.getuid()), None).again("a", {}, {"/data": "b"})


def test_a_parameter_that_is_put_in_nowhere_is_told(book):
    a_job(book, spec=JobSpec("train", "img", ("train", "{lr}"), env={"D": "{depth}"}, params={"lr": "1", "depth": "2"}))
    repeating = Repeating(book, SingleUser(os.getuid()), None)
    (note,) = [one for one in repeating.repeat("a", {"params.lrr": "2"}, {}).repeat.notes if "variables" in one]
    assert "{lrr}" in note
    right = repeating.repeat("a", {"params.lr": "2", "params.depth": "3", "priority": "4"}, {})
    assert not [one for one in right.repeat.notes if "variables" in one]


def test_another_image_is_looked_for_anew(book):
    a_job(book)
    repeating = Repeating(book, SingleUser(os.getuid()), None)
    assert repeating.repeat("a", {}, {}).image_id == "sha256:1"
    assert repeating.repeat("a", {"image": "other"}, {}).image_id is None
    a_job(book, "b", image_id=None)
    assert any("image" in note for note in repeating.repeat("b", {}, {}).repeat.notes)


def test_somebody_elses_job_runs_as_who_asks_and_their_code_is_not_handed_out(book):
    a_job(book)
    a_job(book, "b", capsule=Capsule(source_sha256="f" * 64))
    repeating = Repeating(book, Shared(os.getuid()), None)
    assert as_uid(4321, lambda: repeating.again("a", {}, {})).uid == 4321
    assert as_uid(1234, lambda: repeating.again("b", {}, {})).uid == 1234
    with pytest.raises(Refused, match="anna"):
        as_uid(4321, lambda: repeating.again("b", {}, {}))


def test_an_orphan_is_not_repeated(book):
    a_job(book, orphan=True)
    with pytest.raises(Refused, match="not known"):
        Repeating(book, SingleUser(os.getuid()), None).again("a", {}, {})


def test_metrics_that_can_not_be_had_are_said_to_be_unknown(book):
    a_job(book, mlflow_run_id="r1")
    a_job(book, "b", mlflow_run_id="r2")

    def metrics(run_id):
        if run_id == "r2":
            raise Unavailable("The tracking server does not answer.")
        return {"auc": 0.5}

    found = Repeating(book, SingleUser(os.getuid()), metrics).diff("a", "b")
    assert [(one.path, one.a, one.b) for one in found] == [
        ("metrics.auc", "0.5", None),
        ("metrics", None, "not known: The tracking server does not answer."),
    ]


def test_a_drift_is_what_both_know_and_that_is_not_the_same():
    first = Capsule(driver="550", versions={"kernel": "6.1"}, gpus=("GPU-a",), gpu_models=("H100",), params={"a": "1"})
    now = Capsule(driver="560", versions={}, gpus=("GPU-b",), gpu_models=("H100",), source_sha256="f")
    assert drift(first, now) == (Difference("capsule.driver", "550", "560"),)
    assert drift(None, now) == ()


def test_how_a_repetition_differs_is_told_again_once_its_capsule_is_whole(book):
    a_job(book, capsule=Capsule(driver="550", gpus=("GPU-a",)))
    changed = Difference("spec.seed", None, "1")
    repeat = Repeat("a", (changed, Difference("capsule.driver", "550", "1")), ("note",))
    job = a_job(book, "b", capsule=Capsule(driver="560"), repeat=repeat)
    repeating = Repeating(book, SingleUser(os.getuid()), None)
    told = repeating.told(job)
    assert told.repeat.differs == (changed, Difference("capsule.driver", "550", "560"))
    assert told.repeat.notes == ("note",)
    assert (told.repeat.verdict, told.repeat.drifts[-1]) == (
        Verdict.DRIFTED, CapsuleDrift("driver", "", "550", "560")
    )  # fmt: skip
    assert repeating.told(a_job(book, "c")).repeat is None
    gone = replace(job, repeat=replace(repeat, of="zz"))
    assert repeating.told(gone) is gone
