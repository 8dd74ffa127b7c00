"""Made rows in a pipeline: when they are made, what keeps them out of a training, and what is told of them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState, PipelineStep, StepName, StepState
from mlops_desk.automation.records.pipelines.synthetic import Augmentation
from mlops_desk.automation.rules.document.document import format_rule
from mlops_desk.automation.rules.pipeline.augmentation import gates_of_rows, made_for
from mlops_desk.automation.rules.pipeline.origins import maker_origin, origin_of, run_of_origin
from mlops_desk.automation.rules.pipeline.training_steps import recipe_of
from mlops_desk.automation.rules.storage.rule_repository import spec_of
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.base.errors import Invalid, Refused, TimedOut, Unavailable
from tests.unit.automation.rules.test_service import World, report_on_rows, wait_for

ASKED = Augmentation("synthetic-copula", 500)


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    assert world.loop.stop() == []
    world.state.close()


def fired(world, asked=ASKED):
    """Begin a retraining with made rows, and return its run once the maker is queued or it has ended."""
    world.service.create("again", "digits", "accuracy")
    rule = replace(world.shelf.get("again"), augment=asked)
    world.service.remove("again")
    world.service.keep(format_rule(spec_of(rule)))
    retraining = world.service.retrain(world.shelf.get("again"), "by hand", {}, "run-1", 1)
    del retraining
    wait_for(world, lambda: not world.pipelines._driver._turns._again)
    return run_of(world)


def run_of(world):
    return world.pipelines.show("run-1")


def maker(world):
    return next(job for job in world.jobs.values() if job.origin == maker_origin(run_of(world)))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("mlops_desk.automation.rules.service._FIRE_SECONDS", 0.1)


@pytest.mark.slow
def test_rows_are_made_before_the_training_which_gets_them_over_its_own_file(world) -> None:
    run = fired(world)
    assert (run.step(StepName.AUGMENT).state, run.step(StepName.TRAIN).state) == (StepState.RUNNING, StepState.WAITING)
    assert run.job_id is None
    world.jobs[maker(world).id] = replace(maker(world), state=JobState.SUCCEEDED)
    world.settle()
    run = run_of(world)
    step = run.step(StepName.AUGMENT)
    assert (step.state, [one.gate for one in step.evidence.gates]) == (
        StepState.DONE, ["quality", "copies", "protection"],
    )  # fmt: skip
    assert step.evidence.text == "500 rows of synthetic-copula are trained on with the real ones."
    assert world.over == [{"/data/train.csv": "/made/train.csv"}]
    world.end(run.job_id, accuracy=0.95)
    world.settle()
    assert run_of(world).state is PipelineState.WAITING_FOR_APPROVAL
    assert world.rows.told == [(f"run-of-{run.job_id}", "m" * 64)], "the training's run tells what it was given"
    assert world.rows.taken == 1


def test_a_recipe_that_asks_for_none_makes_none(world) -> None:
    run = fired(world, None)
    assert run.step(StepName.AUGMENT).state is StepState.SKIPPED
    assert world.over == [{}]


@pytest.mark.parametrize(
    ("report", "gate"),
    [
        (report_on_rows(copies=0.0011), "0.11% of the made rows are copies of real ones"),
        (report_on_rows(quality=0.69), "The quality of the made rows is 0.690; at least 0.7 is asked."),
        (report_on_rows(quality=None), "The quality of the made rows is not known."),
        (report_on_rows(protection=0.79), "The protection of the rows learned from is 0.790"),
        (report_on_rows(protection=None), "The protection of the rows learned from is not known."),
    ],
)
def test_rows_that_a_gate_stops_are_not_trained_on_and_the_report_is_kept(world, report, gate) -> None:
    world.rows.report = report
    fired(world)
    world.jobs[maker(world).id] = replace(maker(world), state=JobState.SUCCEEDED)
    world.settle()
    run = run_of(world)
    assert (run.state, run.step(StepName.AUGMENT).state) == (PipelineState.FAILED, StepState.FAILED)
    assert gate in run.text
    assert run.step(StepName.AUGMENT).evidence.synthetic.report == report
    assert (world.over, made_for(run)) == ([], None)


def test_others_are_made_at_a_retry_by_another_job(world) -> None:
    world.rows.report = report_on_rows(quality=0.1)
    fired(world)
    first = maker(world)
    world.jobs[first.id] = replace(first, state=JobState.SUCCEEDED)
    world.settle()
    world.rows.report = report_on_rows()
    world.pipelines.retry("run-1")
    world.settle()
    assert run_of(world).tries == 2
    assert maker(world).id != first.id
    assert run_of_origin(maker(world).origin) == "run-1"
    world.jobs[maker(world).id] = replace(maker(world), state=JobState.SUCCEEDED)
    world.settle()
    assert run_of(world).step(StepName.TRAIN).state is StepState.RUNNING


@pytest.mark.parametrize(
    ("state", "ends", "told"),
    [
        (JobState.FAILED, PipelineState.FAILED, "The job that makes rows has failed: out of memory"),
        (JobState.CANCELLED, PipelineState.FAILED, "The job that makes rows has been cancelled."),
        (JobState.UNKNOWN, PipelineState.UNKNOWN, "Nobody saw how the job that makes rows ended"),
    ],
)
def test_a_maker_that_ends_otherwise_ends_the_run(world, state, ends, told) -> None:
    fired(world)
    reason = Reason("oom_kernel", "out of memory") if state is JobState.FAILED else None
    world.jobs[maker(world).id] = replace(maker(world), state=state, reason=reason)
    world.settle()
    assert run_of(world).state is ends
    assert run_of(world).text.startswith(told)
    assert world.over == []


def test_output_that_is_refused_ends_the_run_and_a_registry_that_is_away_is_waited_for(world) -> None:
    fired(world)
    world.jobs[maker(world).id] = replace(maker(world), state=JobState.SUCCEEDED)
    world.rows.fails = Unavailable("The tracking server does not answer.")
    world.settle()
    step = run_of(world).step(StepName.AUGMENT)
    assert (run_of(world).state, step.evidence.text) == (
        PipelineState.RUNNING, "Waiting: The tracking server does not answer.",
    )  # fmt: skip
    world.rows.fails = Invalid("The maker left a link, rows.csv, which is not followed.")
    world.settle()
    assert run_of(world).state is PipelineState.FAILED
    assert run_of(world).text == "The maker left a link, rows.csv, which is not followed."


def test_a_queue_that_does_not_answer_is_asked_for_the_job_that_it_may_have_taken(world, monkeypatch) -> None:
    monkeypatch.setattr("mlops_desk.automation.rules.service._FIRE_SECONDS", 60.0)  # its run ends long before
    world.rows.fails = TimedOut("The queue did not answer.")
    with pytest.raises(Refused, match="The queue did not answer, and no rows are made"):
        fired(world)
    assert run_of(world).state is PipelineState.FAILED


def test_made_rows_that_were_changed_are_not_trained_on(world) -> None:
    fired(world)
    world.jobs[maker(world).id] = replace(maker(world), state=JobState.SUCCEEDED)
    world.rows.whole = False
    world.settle()
    assert run_of(world).state is PipelineState.FAILED
    assert "have changed since they were frozen" in run_of(world).text
    assert world.over == []


def test_a_cancel_ends_the_maker(world) -> None:
    run = fired(world)
    world.pipelines.cancel("run-1")
    assert world.cancelled == [maker(world).id]
    assert run_of(world).step(StepName.AUGMENT).state is StepState.CANCELLED
    del run


def test_a_run_from_before_there_was_the_step_goes_on_without_it() -> None:
    steps = tuple(PipelineStep(name) for name in StepName if name is not StepName.AUGMENT)
    run = PipelineRun("r", "rule", PipelineState.RUNNING, steps)
    assert run.step(StepName.AUGMENT).state is StepState.SKIPPED
    assert made_for(run) is None


def test_the_recipe_is_another_with_made_rows_and_the_same_without_as_before() -> None:
    job = Job("j", "train", JobState.SUCCEEDED, JobSpec("train", "image"), 0.0, 0, "me")
    plain = recipe_of(job)
    assert recipe_of(job, None) == plain
    found = {recipe_of(job, ASKED), recipe_of(job, replace(ASKED, rows=501)), recipe_of(job, replace(ASKED, seed=1))}
    assert len(found | {plain}) == 4
    assert recipe_of(replace(job, spec=replace(job.spec, network="none"))) == plain


def test_origins_are_told_apart_and_name_their_run() -> None:
    run = PipelineRun("abc", "rule", PipelineState.RUNNING)
    names = [f(replace(run, tries=n)) for f in (origin_of, maker_origin) for n in (1, 2)]
    assert names == ["retraining:abc", "retraining:abc/2", "retraining:abc/rows/1", "retraining:abc/rows/2"]
    assert {run_of_origin(one) for one in names} == {"abc"}


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_copies_are_held_against_the_limit_or_what_chance_makes_of_real_rows(copies, by_chance, limit) -> None:
    gate = gates_of_rows(report_on_rows(copies, by_chance), replace(ASKED, copies=limit))[1]
    assert gate.passed == (copies <= limit or copies <= by_chance)


def test_rows_of_just_what_is_asked_pass() -> None:
    asked = replace(ASKED, quality=0.8, protection=0.9, copies=0.0)
    assert [one.passed for one in gates_of_rows(report_on_rows(quality=0.8, protection=0.9), asked)] == [True] * 3
    assert [one.passed for one in gates_of_rows(report_on_rows(quality=0.79, protection=0.89), asked)] == [
        False, True, False,
    ]  # fmt: skip
