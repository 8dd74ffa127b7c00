"""What comes between a step and its result: other threads, the agent's end, another champion, data that are broken."""

import threading
from dataclasses import replace

import pytest

from mlops_desk.automation.records.pipelines.comparison import ModelEvaluation
from mlops_desk.automation.records.pipelines.evidence import StepEvidence
from mlops_desk.automation.records.pipelines.run import PipelineState, StepName, StepState
from mlops_desk.automation.rules.pipeline.machine import StepOutcome
from mlops_desk.drift.records.report import DatasetDrift, DriftReport
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.jobs.records.job import JobState
from mlops_desk.kit.base.errors import Refused, TimedOut, Unavailable
from mlops_desk.registry.records.model import ModelVersion
from tests.unit.automation.rules.pipeline.test_pipelines import Killed, run_of, states, to_approval
from tests.unit.automation.rules.test_service import World, wait_for


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    assert world.loop.stop() == []
    world.state.close()


@pytest.fixture
def ended(world):
    """Give a world whose training has ended, and nobody has looked since."""
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    world.end(fired.job_id, accuracy=0.95)
    wait_for(world, lambda: not world.pipelines._driver._turns._again)
    return world


def step(world, name, work):
    """Let a step do something else; return what it does really."""
    real = world.pipelines._driver._steps[name]
    world.pipelines._driver._steps = {**world.pipelines._driver._steps, name: work}
    return real


def parts(world, name, **ways):
    """Let a step find its house otherwise."""
    owner = world.pipelines._driver._steps[name].__self__
    owner._parts = replace(owner._parts, **ways)


def test_what_comes_while_a_run_is_driven_is_looked_at_in_the_same_drive(ended):
    driver, run, seen = ended.pipelines._driver, run_of(ended), []

    def evaluate(one):
        seen.append(one.id)
        if len(seen) > 1:
            return real(one)
        driver.drive(one.id)  # as another thread would, that has heard of something
        return StepOutcome(one, StepEvidence("It is being scored."), StepState.RUNNING)

    real = step(ended, StepName.EVALUATE, evaluate)
    driver.drive(run.id)
    assert (run_of(ended).state, len(seen)) == (PipelineState.WAITING_FOR_APPROVAL, 2)


def test_a_run_whose_thread_broke_is_driven_again(ended):
    driver, left = ended.pipelines._driver, [True]

    def evaluate(one):
        if left:
            left.pop()
            raise Killed
        return real(one)

    real = step(ended, StepName.EVALUATE, evaluate)
    with pytest.raises(Killed):
        driver.drive(run_of(ended).id)
    driver.drive(run_of(ended).id)
    assert run_of(ended).state is PipelineState.WAITING_FOR_APPROVAL


def test_a_paused_run_begins_nothing_whoever_drives_it(ended):
    ended.pipelines.pause(run_of(ended).id)
    ended.pipelines.go_on_now()
    assert (run_of(ended).state, run_of(ended).challenger_version) == (PipelineState.PAUSED, None)


def test_what_breaks_off_as_the_agent_ends_is_not_written_down(ended):
    def evaluate(_run):
        ended.loop.ending.set()
        raise Unavailable("The worker was ended.")

    step(ended, StepName.EVALUATE, evaluate)
    ended.pipelines._driver.drive(run_of(ended).id)
    found = run_of(ended)
    assert (found.state, found.step(StepName.EVALUATE).state) == (PipelineState.RUNNING, StepState.RUNNING)
    assert "was ended" not in f"{found.text}{found.step(StepName.EVALUATE).evidence.text}"


def test_a_run_that_was_changed_before_its_step_began_goes_on_as_it_is_then(ended):
    book, real, left = ended.pipelines._book, ended.pipelines._book.apply, [True]

    def apply(loaded, changed):
        if left:
            left.pop()
            ended.pipelines.pause(loaded.id)
            book.change(loaded.id, lambda known: replace(known, state=PipelineState.RUNNING, paused_in=None))
        return real(loaded, changed)

    book.apply = apply
    ended.pipelines._driver.drive(run_of(ended).id)
    assert run_of(ended).state is PipelineState.WAITING_FOR_APPROVAL


def test_of_two_who_worked_on_one_record_the_second_drops_its_result(world):
    run = to_approval(world)
    book = world.pipelines._book
    first = book.apply(run, replace(run, text="first"))
    assert (first.revision, first.text) == (run.revision + 1, "first")
    assert book.apply(run, replace(run, text="second")) is None
    assert book.get(run.id).text == "first"


def test_a_step_that_took_too_long_is_waited_for(ended):
    left = [TimedOut("The registry took too long.")]

    def evaluate(run):
        if left:
            raise left.pop()
        return real(run)

    real = step(ended, StepName.EVALUATE, evaluate)
    ended.settle()
    assert (run_of(ended).state, run_of(ended).text) == (
        PipelineState.RUNNING, "Waiting: The registry took too long.",
    )  # fmt: skip
    ended.settle()
    assert run_of(ended).state is PipelineState.WAITING_FOR_APPROVAL


def test_endpoints_are_swept_again_and_again(world):
    swept = threading.Semaphore(0)

    class Rollouts:
        def sweep(self, _is_over):
            swept.release()

    world.pipelines._driver._rollouts = Rollouts()
    for _ in range(3):
        world.pipelines._driver.sweep_soon()
        assert swept.acquire(timeout=30)
        wait_for(world, lambda: not world.pipelines._driver._sweeping.locked())


@pytest.mark.parametrize(("state", "level"), [(JobState.FAILED, "warning"), (JobState.SUCCEEDED, "info")])
def test_how_it_ended_is_told_as_what_it_is(world, state, level):
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    world.end(fired.job_id, state, accuracy=0.5)
    world.settle()
    assert (run_of(world).state.is_final, world.notices()[-1].level) == (True, level)


def test_data_that_are_broken_train_nothing_and_a_retry_freezes_what_is_there_then(world):
    broken = DriftReport(Verdict.DRIFT, (), DatasetDrift(100, 29, 1, 0, 0.0, missing_columns=("age",)))
    parts(world, StepName.VALIDATE, report=lambda run, job: broken)
    world.service.create("again", "digits", "accuracy")
    with pytest.raises(Refused, match="not such as the champion was trained on"):
        world.service.fire("again")
    found = run_of(world)
    assert (found.state, states(found)[StepName.VALIDATE], world.submitted) == (PipelineState.FAILED, "failed", [])
    assert "There are 29 rows" in found.text
    assert "And 1 more." in found.text
    whole = replace(broken, dataset=DatasetDrift(100, 30, 1, 0, 0.0))
    parts(world, StepName.VALIDATE, report=lambda run, job: whole)
    world.manifest = "mended data"
    world.pipelines.retry(found.id)
    wait_for(world, lambda: len(world.submitted) == 1)
    assert run_of(world).step(StepName.VALIDATE).evidence.text == "All 2 checks of the data pass."
    assert run_of(world).manifest_sha256 == "mended data"


def test_where_nobody_knows_what_the_champion_learned_from_it_is_trained_all_the_same_and_why_is_told(world):
    world.service.create("again", "digits", "accuracy")
    world.service.fire("again")
    step = run_of(world).step(StepName.VALIDATE)
    assert (step.state, len(world.submitted)) == (StepState.SKIPPED, 1)
    assert step.evidence.text == "Run old has logged no data set. So the new data are held against nothing."


def test_a_training_that_was_queued_though_nobody_answered_is_the_one(world):
    real = world.resubmit

    def slow(*given):
        real(*given)
        raise TimedOut("No answer.")

    parts(world, StepName.TRAIN, resubmit=slow)
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    assert (fired.job_id, len(world.submitted)) == ("job-2", 1)
    assert run_of(world).state is PipelineState.RUNNING


def test_what_was_trained_by_a_run_that_failed_later_is_taken_and_judged(world):
    world.manifest = "these very data"
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    world.end(fired.job_id, accuracy=0.95)
    evaluate = world.evaluate
    parts(world, StepName.EVALUATE, evaluate=lambda *_: ModelEvaluation(()))
    world.settle()
    assert (run_of(world).state, "can't be compared" in run_of(world).text) == (PipelineState.FAILED, True)
    parts(world, StepName.EVALUATE, evaluate=evaluate)
    again = world.service.fire("again")
    world.settle()
    found = world.pipelines.show(again.id)
    assert (found.state, found.challenger_version, len(world.submitted)) == (
        PipelineState.WAITING_FOR_APPROVAL, "2", 1,
    )  # fmt: skip


def test_what_is_champion_by_now_is_not_held_against_itself(ended):
    ended.settle()
    run = run_of(ended)
    ended.aliases["champion"] = "2"
    ended.pipelines._book.change(run.id, lambda known: replace(known, state=PipelineState.FAILED))
    ended.pipelines.retry(run.id)
    wait_for(ended, lambda: run_of(ended).state.is_final)
    assert (run_of(ended).state, run_of(ended).text) == (
        PipelineState.NOT_BETTER, "Version 2 is digits@champion already.",
    )  # fmt: skip


def test_who_approves_sees_what_the_challenger_was_not_held_against_and_against_whose_rows_it_was(ended):
    real = ended.evaluate

    def evaluate(run, champion, challenger):
        assert champion.run_id == run.champion_run
        return replace(real(run, champion, challenger), missing=("The fixed rows are gone.",))

    parts(ended, StepName.EVALUATE, evaluate=evaluate)
    ended.versions.append(ModelVersion("digits", "3", "run-3", None, "READY"))
    ended.metrics["run-3"] = {"accuracy": 0.92}
    ended.aliases["champion"] = "3"
    ended.settle()
    found = run_of(ended)
    assert (found.state, found.champion_run) == (PipelineState.WAITING_FOR_APPROVAL, "run-3")
    assert found.step(StepName.EVALUATE).evidence.text == (
        "Both were scored on 100 rows of the new rows. The fixed rows are gone."
    )


def test_without_an_evaluation_nothing_passes_its_gates(ended):
    def evaluate(run):
        return StepOutcome(run, StepEvidence("It was scored, they say."))

    step(ended, StepName.EVALUATE, evaluate)
    ended.settle()
    assert (run_of(ended).state, run_of(ended).text) == (
        PipelineState.FAILED, "There is no evaluation to judge by.",
    )  # fmt: skip


def test_anothers_word_in_between_takes_none_away(world):
    world.approving.people = 3
    run = to_approval(world)
    real, left = world.pipelines._book.apply, [True]

    def apply(loaded, changed):
        if left:
            left.pop()
            world.pipelines._book.change(loaded.id, lambda known: replace(known, text="another's word"))
        return real(loaded, changed)

    world.pipelines._book.apply = apply
    world.pipelines.approve(run.id, None, why="it is better")
    assert [one.why for one in run_of(world).said] == ["it is better"]


def test_a_yes_holds_for_the_comparison_that_was_seen_and_for_no_other(world):
    run = to_approval(world)
    seen = world.pipelines._book.get(run.id)
    world.pipelines._book.change(run.id, lambda known: replace(known, challenger_version="9"))
    with pytest.raises(Refused, match="It was changed meanwhile"):
        world.pipelines._decided(seen, StepOutcome(seen, StepEvidence("yes")), "ann")
    assert run_of(world).state is PipelineState.WAITING_FOR_APPROVAL


def test_what_its_policy_lacks_by_now_keeps_a_run_waiting_at_each_look(world):
    world.approving.people = 2
    to_approval(world)
    for _ in range(2):
        world.settle()
    assert (run_of(world).state, world.aliases) == (PipelineState.WAITING_FOR_APPROVAL, {"champion": "1"})
