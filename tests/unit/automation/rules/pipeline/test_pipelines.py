"""Runs of pipelines: killed at every step, paused, resumed, tried again, cancelled, and the same data twice."""

from dataclasses import replace

import pytest

from mlops_desk.automation.records.pipelines.run import PipelineState, StepName, StepState
from mlops_desk.automation.records.retraining_rule import Retraining, RetrainState
from mlops_desk.jobs.records.job import JobState
from mlops_desk.kit.base.errors import NotFound, Refused, Unavailable
from mlops_desk.registry.records.model import ModelVersion
from tests.unit.automation.rules.test_service import World, wait_for


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    assert world.loop.stop() == []
    world.state.close()


def states(run):
    return {step.name: step.state for step in run.steps}


def run_of(world):
    return world.pipelines.show(world.pipelines.list()[0].id)


def to_approval(world, accuracy=0.95):
    retraining = world.trained(accuracy)
    return world.pipelines.show(retraining.id)


def test_a_run_tells_each_step_with_its_times_and_what_it_found(world):
    run = to_approval(world)
    world.service.approve(run.id)
    run = run_of(world)
    assert run.state is PipelineState.PROMOTED
    assert states(run) == {
        name: StepState.SKIPPED if name in {"validate", "augment", "shadow", "canary"} else StepState.DONE
        for name in StepName
    }
    for step in run.steps:
        assert step.started_at <= step.ended_at
        assert step.evidence.text
    assert run.step(StepName.FREEZE).evidence.manifest.files == 3
    assert run.step(StepName.TRAIN).evidence.version == "2"
    assert run.step(StepName.EVALUATE).evidence.evaluation.scores[0].rows == 100
    assert [gate.gate for gate in run.step(StepName.GATE).evidence.gates] == ["metric", "size", "latency"]
    assert (run.comparison.better, run.comparison.champion.value, run.comparison.challenger.value) == (True, 0.9, 0.95)
    assert world.aliases == {"champion": "2", "challenger": "2"}


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", list(StepName))
def test_a_run_that_is_killed_at_a_step_ends_the_same(tmp_path, name, when):
    """The agent dies in the step, before its work or right after it and before anything of it is written down."""
    world = World(tmp_path)
    try:
        driver = world.pipelines._driver
        real, killed = driver._steps[name], []

        def dies(run):
            if killed:
                return real(run)
            killed.append(run)
            if when == "after":
                real(run)
            raise Killed

        driver._steps = {**driver._steps, name: dies}
        world.service.create("again", "digits", "accuracy")
        champion = world.champion("digits", "champion")
        rule = world.shelf.get("again")
        world.pipelines._driver.drive_soon = lambda run: None
        run = world.pipelines.begin(rule, champion, world.jobs["job-1"], "by me", {}, "f" * 32)

        def agent():
            """Drive to where it waits, through a kill; the next agent has nothing but the database."""
            try:
                world.pipelines._driver.drive(run.id)
            except Killed:
                old = world.pipelines._driver
                world.service = world.make()
                world.pipelines._driver.drive_soon = lambda run: None
                world.pipelines._driver._steps = {**world.pipelines._driver._steps, name: old._steps[name]}
                world.pipelines._driver.drive(run.id)

        agent()
        for job in [one for one in world.jobs.values() if one.origin is not None]:
            world.end(job.id, accuracy=0.95)
        agent()
        assert run_of(world).state is PipelineState.WAITING_FOR_APPROVAL
        try:
            world.service.approve(run.id)
        except Killed:
            agent()
        agent()
        found = run_of(world)
        assert killed, "the kill never came"
        assert found.state is PipelineState.PROMOTED
        assert len(world.submitted) == 1, "nothing is trained twice"
        assert world.aliases == {"champion": "2", "challenger": "2"}
        assert all(state.is_over for state in states(found).values())
    finally:
        assert world.loop.stop() == []
        world.state.close()


def test_the_same_data_with_the_same_recipe_are_not_trained_twice(world):
    world.manifest = "these very data"
    run = to_approval(world)
    world.service.reject(run.id)
    again = world.service.fire("again")
    world.settle()
    found = world.pipelines.show(again.id)
    assert (found.state, len(world.submitted)) == (PipelineState.ALREADY_TRAINED, 1)
    assert found.step(StepName.FREEZE).evidence.same_as == run.id
    assert "version 2" in found.text
    assert world.service.retraining(again.id).state == "not_better"


@pytest.mark.slow
def test_against_another_champion_what_was_trained_is_scored_again_and_not_trained(world):
    world.manifest = "these very data"
    world.service.reject(to_approval(world).id)
    world.versions.append(ModelVersion("digits", "3", "run-3", None, "READY"))
    world.metrics["run-3"] = {"accuracy": 0.93}
    world.jobs["job-3"] = replace(world.jobs["job-1"], id="job-3", mlflow_run_id="run-3")
    world.aliases["champion"] = "3"
    again = world.service.fire("again")
    world.settle()
    found = world.pipelines.show(again.id)
    assert (found.state, found.challenger_version) == (PipelineState.WAITING_FOR_APPROVAL, "2")
    assert found.step(StepName.TRAIN).state is StepState.SKIPPED
    assert len(world.submitted) == 1


@pytest.mark.slow
@pytest.mark.parametrize("delta", [0.0, 0.1])
def test_what_was_not_better_is_judged_anew_where_the_rule_judges_otherwise_by_now(world, delta):
    world.manifest = "these very data"
    run = to_approval(world, accuracy=0.5)
    assert run.state is PipelineState.NOT_BETTER
    world.metrics[f"run-of-{run.job_id}"] = {"accuracy": 0.97}
    world.service.remove("again")
    world.service.create("again", "digits", "accuracy", endpoint="digits", delta=delta)
    again = world.service.fire("again")
    world.settle()
    found = world.pipelines.show(again.id)
    assert found.challenger_version == ("2" if delta else None)
    assert found.state is (PipelineState.WAITING_FOR_APPROVAL if delta else PipelineState.ALREADY_TRAINED)
    assert len(world.submitted) == 1, "nothing is trained twice"


def test_data_that_change_while_they_are_trained_on_propose_nothing(world):
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    world.manifest = "other data"
    world.end(fired.job_id, accuracy=0.99)
    world.settle()
    found = run_of(world)
    assert (found.state, states(found)[StepName.TRAIN]) == (PipelineState.FAILED, StepState.FAILED)
    assert "have changed since they were frozen" in found.text
    world.pipelines.retry(found.id)
    world.settle()
    again = run_of(world)
    assert (again.state, len(world.submitted)) == (PipelineState.RUNNING, 2)
    world.end(again.job_id, accuracy=0.99)
    world.settle()
    assert run_of(world).state is PipelineState.WAITING_FOR_APPROVAL, "what is there now was frozen"


def test_data_that_change_before_they_are_trained_on_are_frozen_again_by_a_retry(world):
    first = world.pipelines._driver._steps[StepName.VALIDATE]

    def changes(run):
        world.manifest = "other data"
        return first(run)

    world.pipelines._driver._steps[StepName.VALIDATE] = changes
    world.service.create("again", "digits", "accuracy")
    with pytest.raises(Refused, match="have changed since they were frozen, so nothing is trained on them"):
        world.service.fire("again")
    found = run_of(world)
    assert (found.state, states(found)[StepName.TRAIN], world.submitted) == (PipelineState.FAILED, "failed", [])
    world.pipelines.retry(found.id)
    world.settle()
    assert (run_of(world).state, len(world.submitted)) == (PipelineState.RUNNING, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("registered", "challenger"),
    [(["9", "10"], "10"), (["10", "9"], "10"), (["99", "100", "11"], "100"), (["2"], "2"), (["3", "1", "2"], "3")],
)
def test_the_newest_version_of_a_run_is_proposed_by_its_number(world, registered, challenger):
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    world.end(fired.job_id, accuracy=0.95, model="letters")
    run_id = f"run-of-{fired.job_id}"
    world.versions += [ModelVersion("digits", number, run_id, None, "READY") for number in registered]
    world.settle()
    assert run_of(world).challenger_version == challenger


@pytest.mark.slow
def test_a_paused_run_begins_nothing_and_goes_on_where_it_was(world):
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    assert world.pipelines.pause(fired.id).state is PipelineState.PAUSED
    assert world.pipelines.pause(fired.id).state is PipelineState.PAUSED
    world.end(fired.job_id, accuracy=0.95)
    world.settle()
    assert run_of(world).state is PipelineState.PAUSED
    assert world.service.retraining(fired.id).state == "training"
    world.pipelines.resume(fired.id)
    wait_for(world, lambda: run_of(world).state is PipelineState.WAITING_FOR_APPROVAL)
    with pytest.raises(Refused, match="is not paused"):
        world.pipelines.resume(fired.id)
    world.pipelines.pause(fired.id)
    with pytest.raises(Refused, match="paused"):
        world.pipelines.approve(fired.id, None)
    assert world.pipelines.resume(fired.id).state is PipelineState.WAITING_FOR_APPROVAL


def test_what_a_step_found_while_it_was_paused_is_dropped_and_found_again(world):
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    world.end(fired.job_id, accuracy=0.95)
    real, seen = world.evaluate, []

    def paused_meanwhile(run, champion, challenger):
        seen.append(run.id)
        if len(seen) == 1:
            world.pipelines.pause(run.id)
        return real(run, champion, challenger)

    world.pipelines._driver._steps[StepName.EVALUATE].__self__._parts = replace(
        world.pipelines._parts, evaluate=paused_meanwhile
    )
    world.settle()
    found = run_of(world)
    assert (found.state, found.comparison) == (PipelineState.PAUSED, None)
    world.pipelines.resume(fired.id)
    wait_for(world, lambda: run_of(world).state is PipelineState.WAITING_FOR_APPROVAL)
    assert len(seen) == 2


def test_a_failed_training_is_tried_again_by_a_job_of_its_own(world):
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    world.end(fired.job_id, JobState.FAILED)
    world.settle()
    assert run_of(world).state is PipelineState.FAILED
    world.pipelines.retry(fired.id)
    wait_for(world, lambda: run_of(world).job_id is not None)
    again = run_of(world)
    assert (again.tries, len(world.submitted)) == (2, 2)
    assert again.job_id != fired.job_id
    world.end(again.job_id, accuracy=0.95)
    world.settle()
    assert run_of(world).state is PipelineState.WAITING_FOR_APPROVAL
    with pytest.raises(Refused, match="can't be tried again"):
        world.pipelines.retry(fired.id)


def test_a_run_that_was_not_better_is_scored_anew_and_not_trained_anew(world):
    run = to_approval(world, accuracy=0.5)
    assert run.state is PipelineState.NOT_BETTER
    world.metrics[f"run-of-{run.job_id}"] = {"accuracy": 0.97}
    world.pipelines.retry(run.id)
    wait_for(world, lambda: run_of(world).state is PipelineState.WAITING_FOR_APPROVAL)
    assert len(world.submitted) == 1


def test_a_cancelled_run_ends_its_job_and_can_be_taken_up_again(world):
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    found = world.pipelines.cancel(fired.id)
    assert (found.state, states(found)[StepName.TRAIN]) == (PipelineState.CANCELLED, StepState.CANCELLED)
    assert world.cancelled == [fired.job_id]
    assert world.service.retraining(fired.id).state == "failed"
    assert world.pipelines.cancel(fired.id).state is PipelineState.CANCELLED
    world.pipelines.retry(fired.id)
    wait_for(world, lambda: len(world.submitted) == 2)


def test_two_runs_of_a_rule_are_never_under_way(world):
    world.service.create("again", "digits", "accuracy")
    first = world.service.fire("again")
    world.pipelines.cancel(first.id)
    second = world.service.fire("again")
    with pytest.raises(Refused, match=f"Pipeline {second.id} of the rule again is under way"):
        world.pipelines.retry(first.id)


def test_what_can_not_be_had_now_is_waited_for_and_a_bug_ends_the_run(world, caplog):
    world.service.create("again", "digits", "accuracy")
    fired = world.service.fire("again")
    world.end(fired.job_id, accuracy=0.95)
    steps = world.pipelines._driver._steps
    errors = [Unavailable("The engine is away."), ZeroDivisionError("bug")]

    def fails(run):
        raise errors.pop(0)

    world.pipelines._driver._steps = {**steps, StepName.EVALUATE: fails}
    world.settle()
    found = run_of(world)
    assert (found.state, found.text) == (PipelineState.RUNNING, "Waiting: The engine is away.")
    world.settle()
    found = run_of(world)
    assert (found.state, states(found)[StepName.EVALUATE]) == (PipelineState.FAILED, StepState.FAILED)
    assert "Something went wrong in the step evaluate" in found.text
    assert "ZeroDivisionError" in caplog.text


def test_retrainings_of_before_there_were_pipelines_go_on(world):
    world.service.create("again", "digits", "accuracy")
    rule = world.shelf.get("again")
    training = Retraining(
        "a" * 32, "again", RetrainState.TRAINING, "drift", "job-2", "1", 0.9, created_at=rule.created_at
    )
    waiting = replace(
        training, id="b" * 32, state=RetrainState.WAITING_FOR_APPROVAL, challenger_version="2", challenger_value=0.99
    )
    gone = replace(waiting, id="c" * 32, rule="removed")
    over = replace(training, id="d" * 32, state=RetrainState.APPROVED)
    world.state.retrainings.put_all([training, waiting, gone, over])
    world.jobs["job-2"] = world.job("job-2", JobState.RUNNING, None, f"retraining:{training.id}")
    world.end("job-2", accuracy=0.95)
    world.service.start()
    wait_for(world, lambda: world.service.retraining(training.id).state == "waiting_for_approval")
    wait_for(world, lambda: world.pipelines.show(waiting.id).comparison is not None)
    assert world.pipelines.show(waiting.id).comparison.challenger.value == 0.95, "scored on the same rows, and not 0.99"
    assert world.service.retraining(gone.id).state == "rejected"
    assert world.service.retraining(over.id) == over
    with pytest.raises(NotFound):
        world.pipelines.show(over.id)


def test_a_retraining_that_was_not_written_before_the_kill_is_written_by_the_next_agent(world):
    run = to_approval(world)
    world.state.retrainings.remove(run.id)
    world.service = world.make()
    world.service.start()
    wait_for(world, world.service.retrainings)
    assert world.service.retraining(run.id).state == "waiting_for_approval"


def test_lists_are_brief_and_by_rule_and_state(world):
    run = to_approval(world)
    (brief,) = world.pipelines.list(rule="again", state="waiting_for_approval")
    assert (brief.id, brief.step, brief.comparison) == (run.id, StepName.APPROVE, run.comparison)
    assert world.pipelines.list(rule="other") == []
    assert world.pipelines.page(limit=1).next is None
    with pytest.raises(Exception, match="no state of a pipeline"):
        world.pipelines.list(state="lost")
    with pytest.raises(NotFound):
        world.pipelines.show("nothing")
