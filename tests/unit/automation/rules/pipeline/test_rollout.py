"""After the approval: endpoints led by shadow and canary to the challenger, lost ones taken back, and what was left."""

import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mlops_desk.automation.records.pipelines.evidence import EndpointMove
from mlops_desk.automation.records.pipelines.run import PipelineState, StepName, StepState
from mlops_desk.automation.records.retraining_rule import RetrainState
from mlops_desk.automation.rules.pipeline.repository import retraining_of
from mlops_desk.kit.base.errors import Refused, Unavailable
from mlops_desk.registry.records.model import ModelVersion
from tests.unit.automation.rules.test_service import World, wait_for


class Led(World):
    """A world with endpoints that follow the alias; each asked-for stage is reached at the next look."""

    def __init__(self, folder):
        self.endpoints = {"front": "waiting", "side": "waiting"}
        self.reached = {"shadow": "shadow", "canary": "live"}
        self.coming: dict[str, str] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.left = [EndpointMove("old", follows=False, state="left", version="1", text="It is stopped.")]
        self.swept: list[bool] = []
        super().__init__(folder)

    def moves(self, run):
        led = [EndpointMove(name, follows=True, state=state, text="why") for name, state in self.endpoints.items()]
        return [*led, *self.left]

    def shadow(self, run, name):
        self._ask("shadow", name, self.reached["shadow"])

    def canary(self, run, name):
        self._ask("canary", name, self.reached["canary"])

    def promote(self, run, name):
        self._ask("promote", name, "live")

    def back(self, run, name):
        self._ask("back", name, "rolled_back")

    def sweep(self, is_over):
        self.swept.append(is_over(self.pipelines.list()[0].id))

    def _ask(self, what, name, state):
        self.asked.append((what, name, self.aliases["champion"]))
        self.coming[name] = state

    def approved(self):
        run = self.pipelines.show(self.trained(0.95).id)
        self.service.approve(run.id)
        return self.run()

    def look(self):
        self.endpoints |= self.coming
        self.coming.clear()
        self.pipelines.go_on_now()
        return self.run()

    def run(self):
        return self.pipelines.show(self.pipelines.list()[0].id)


@pytest.fixture
def world(tmp_path):
    world = Led(tmp_path)
    yield world
    assert world.loop.stop() == []
    world.state.close()


def test_all_are_led_by_shadow_and_canary_before_the_alias_moves(world):
    run = world.approved()
    assert (run.state, run.step(StepName.SHADOW).state) == (PipelineState.RUNNING, StepState.RUNNING)
    assert run.text == "The challenger is on its way. Endpoint front: why Endpoint side: why"
    assert (retraining_of(run).state, retraining_of(run).stage) == (RetrainState.APPROVED, "shadow")
    assert world.aliases == {"champion": "1", "challenger": "2"}
    run = world.look()
    assert [run.step(name).state for name in (StepName.SHADOW, StepName.CANARY)] == [StepState.DONE, StepState.RUNNING]
    run = world.look()
    assert run.state is PipelineState.PROMOTED
    assert (retraining_of(run).state, retraining_of(run).stage) == (RetrainState.APPROVED, None)
    assert world.aliases == {"champion": "2", "challenger": "2"}
    assert world.asked == [
        ("shadow", "front", "1"), ("shadow", "side", "1"), ("canary", "front", "1"), ("canary", "side", "1"),
        ("promote", "front", "2"), ("promote", "side", "2"),
    ]  # fmt: skip
    assert run.text == "digits@champion is version 2. old serves version 1. It is stopped."
    assert [one.name for one in run.step(StepName.PROMOTE).evidence.endpoints] == ["front", "side", "old"]


@pytest.mark.slow
def test_of_a_shadow_that_nobody_asks_nothing_is_known_and_a_person_is_told_how_to_go_on(world):
    world.reached["shadow"] = "waiting"
    world.approved()
    move, world.silent = world.moves, "Whether the challenger holds is unknown: no request came."
    world.moves = lambda run: [
        replace(one, text=world.silent, is_unknown=True) if one.name == "side" and one.state == "waiting" else one
        for one in move(run)
    ]
    for _ in range(3):
        run = world.look()
    assert (run.state, run.step(StepName.SHADOW).state) == (PipelineState.RUNNING, StepState.RUNNING)
    assert run.text == f"The challenger is on its way. Endpoint front: why Endpoint side: {world.silent}"
    assert run.hint.endswith("mlops-desk endpoints promote side")
    assert {one[0] for one in world.asked} == {"shadow"}
    world.endpoints = {"front": "shadow", "side": "live"}  # a person has promoted it
    world.coming.clear()
    run = world.look()
    assert run.step(StepName.SHADOW).state is StepState.DONE


def test_one_that_does_not_hold_takes_all_back_and_the_alias_stays(world):
    world.approved()
    world.look()
    world.coming = {"front": "live", "side": "rolled_back"}
    run = world.look()
    assert run.state is PipelineState.ROLLED_BACK
    assert run.step(StepName.CANARY).state is StepState.FAILED
    assert run.text == "The challenger did not hold on endpoint side, and was taken back. why"
    assert world.aliases == {"champion": "1", "challenger": "2"}
    assert [one[:2] for one in world.asked[-2:]] == [("back", "front"), ("back", "side")]
    assert ("promote", "front", "2") not in world.asked
    assert world.asked.count(("canary", "side", "1")) == 1, "what has gone back is not led there again"


def test_what_could_not_be_started_is_not_given_requests(world):
    world.reached["shadow"] = "failed"
    world.approved()
    run = world.look()
    assert (run.state, run.step(StepName.SHADOW).state) == (PipelineState.ROLLED_BACK, StepState.FAILED)
    assert "canary" not in {one[0] for one in world.asked}


@pytest.mark.slow
def test_after_a_rollback_it_is_tried_again_from_the_shadow(world):
    world.reached["shadow"] = "failed"
    world.approved()
    world.look()
    world.reached["shadow"] = "shadow"
    world.endpoints, world.coming = dict.fromkeys(world.endpoints, "waiting"), {}
    world.pipelines.retry(world.run().id)
    wait_for(world, lambda: world.look().state is PipelineState.PROMOTED)
    assert len(world.submitted) == 1, "it is not trained anew"


def test_an_endpoint_that_is_busy_is_waited_for_and_one_that_can_not_be_led_ends_the_run(world):
    shadow = world.shadow

    def busy(run, name):
        raise Unavailable("Endpoint front is being deployed.")

    world.shadow = busy
    run = world.approved()
    assert (run.state, run.text) == (PipelineState.RUNNING, "Waiting: Endpoint front is being deployed.")
    world.shadow = shadow
    world.look()
    assert world.coming == {"front": "shadow", "side": "shadow"}

    def refused(run, name):
        raise Refused("Endpoint front is led to another version by run-9 already.")

    world.canary = refused
    run = world.look()
    assert (run.state, run.text) == (
        PipelineState.FAILED, "Endpoint front is led to another version by run-9 already.",
    )  # fmt: skip
    assert world.aliases["champion"] == "1"


def test_a_run_that_is_cancelled_takes_the_challenger_out(world):
    world.approved()
    world.look()
    world.pipelines.cancel(world.run().id)
    assert [one[:2] for one in world.asked[-2:]] == [("back", "front"), ("back", "side")]
    assert world.aliases["champion"] == "1"


def test_without_an_endpoint_that_follows_the_alias_moves_at_once(world):
    world.endpoints = {}
    run = world.approved()
    assert run.state is PipelineState.PROMOTED
    assert {run.step(name).state for name in (StepName.SHADOW, StepName.CANARY)} == {StepState.SKIPPED}
    assert run.step(StepName.SHADOW).evidence.text == "No endpoint that answers requests follows digits@champion."


@pytest.mark.slow
def test_what_runs_have_left_is_looked_for_and_which_of_them_are_over_is_known(world):
    world.endpoints = {}
    world.approved()
    world.pipelines.go_on()
    for _ in range(200):
        if True in world.swept:
            break
        world.loop.ending.wait(0.02)
    assert True in world.swept
    assert world.pipelines._driver._is_over(replace(world.run(), id="gone").id)


@pytest.mark.slow
@pytest.mark.parametrize("looks", [0, 1])
@pytest.mark.parametrize("newer", [0.92, 0.99])
def test_who_was_made_champion_meanwhile_is_not_moved_away_unseen(world, looks, newer):
    world.approved()
    for _ in range(looks):
        world.look()
    world.versions.append(ModelVersion("digits", "3", "run-3", None, "READY"))
    world.metrics["run-3"] = {"accuracy": newer}
    world.aliases["champion"] = "3"
    run = world.look()
    assert world.aliases["champion"] == "3"
    assert [one[:2] for one in world.asked[-2:]] == [("back", "front"), ("back", "side")]
    is_better = newer < 0.95
    assert run.state is (PipelineState.WAITING_FOR_APPROVAL if is_better else PipelineState.NOT_BETTER)
    assert (run.champion_version, run.step(StepName.PROMOTE).state) == ("3", StepState.WAITING)
    if is_better:
        world.endpoints, world.coming = {}, {}
        world.service.approve(run.id)
        assert world.run().state is PipelineState.PROMOTED
        assert world.aliases["champion"] == "2"


@pytest.mark.slow
def test_what_is_away_for_a_moment_ends_no_canary_that_has_waited_for_days(world, monkeypatch):
    clocks = SimpleNamespace(time=time.time, monotonic=time.monotonic)
    monkeypatch.setattr("mlops_desk.automation.rules.pipeline.driver.time", clocks)
    world.reached["canary"] = "canary"
    world.approved()
    world.look()
    days = 3 * 86_400.0
    clocks.time, clocks.monotonic = (lambda: time.time() + days), (lambda: time.monotonic() + days)
    moves = world.moves

    def away(run):
        raise Unavailable("The registry does not answer.")

    world.moves = away
    assert (world.look().state, world.run().text) == (PipelineState.RUNNING, "Waiting: The registry does not answer.")
    world.moves = moves
    assert world.look().state is PipelineState.RUNNING
    later = days + 90_000.0  # another time, of which the first one says nothing
    clocks.monotonic = lambda: time.monotonic() + later
    world.moves = away
    assert world.look().state is PipelineState.RUNNING
    clocks.monotonic = lambda: time.monotonic() + later + 86_000.0
    assert world.look().state is PipelineState.RUNNING
    clocks.monotonic = lambda: time.monotonic() + later + 87_000.0
    assert world.look().state is PipelineState.FAILED
