"""Canaries led by what the gateway counts, over steps, restarts of the gateway, and silence."""

from dataclasses import dataclass, field, replace

import pytest

from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.serving.endpoint import AliasFollowing, Endpoint, EndpointState, ModelRef
from mlops_desk.records.serving.rollout import RolloutGuard
from mlops_desk.serving.gateway.traffic import Snapshot, TrafficCounters, snapshot_of
from mlops_desk.serving.rollout.guard import Finding
from mlops_desk.serving.rollout.hold import StepHold
from mlops_desk.serving.rollout.ladder import begin, gone_on
from mlops_desk.serving.rollout.pilot import Pilot, reason_of

GUARD = RolloutGuard(more_errors=0.01, times_latency=1.5, requests=100, bake_seconds=300.0)


def counted(good: int, bad: int = 0, seconds: float = 0.01) -> Snapshot:
    counters = TrafficCounters()
    for _ in range(good):
        counters.count(200, seconds)
    for _ in range(bad):
        counters.count(500, seconds)
    return snapshot_of(counters, 0.0)


@dataclass
class World:
    endpoint: Endpoint
    now: float = 1000.0
    set_by: float = 0.0
    acts: list[tuple[str, ...]] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)

    def pilot(self) -> Pilot:
        return Pilot(
            lambda: [self.endpoint, replace(self.endpoint, name="other", rollout=None)],
            lambda name, number: self.acts.append(("promote", name, str(number))),
            self.go_on,
            self.go_back,
            StepHold(lambda: self.now + self.set_by, lambda: self.now),
        )

    def go_on(self, name: str) -> None:
        self.acts.append(("go on", name))
        assert self.endpoint.rollout is not None
        self.endpoint = replace(self.endpoint, rollout=gone_on(self.endpoint.rollout, self.now))

    def go_back(self, name: str, reason: Reason) -> None:
        self.acts.append(("go back", name))
        self.reasons.append(reason)


@pytest.fixture
def world() -> World:
    rollout = begin(2, 25, GUARD, 1000.0)
    model = ModelRef("m", "1", "models:/m/1")
    return World(Endpoint("front", EndpointState.LIVE, "http://x/front", 1, model, rollout=rollout))


def test_what_a_canary_has_answered_counts_from_the_begin_of_its_step(world: World) -> None:
    pilot = world.pilot()
    first = {"front": {1: counted(50), 2: counted(7)}}
    assert pilot.answered(first) == {}, "nothing is known before its step was seen"
    pilot.look(first)
    assert pilot.answered(first) == {"front": 0}
    assert pilot.answered({"front": {1: counted(60), 2: counted(17, 2)}}) == {"front": 12}
    assert pilot.answered({"front": {1: counted(3), 2: counted(1)}}) == {}, "a gateway that began anew"
    assert world.endpoint.rollout is not None
    world.endpoint = replace(world.endpoint, rollout=replace(world.endpoint.rollout, percent=0.0))
    assert pilot.answered(first) == {}, "a shadow gets copies"


@pytest.mark.parametrize("set_by", [86_400.0, -86_400.0])
def test_a_step_lasts_as_long_as_it_lasts_whatever_the_clock_is_set_to(world: World, set_by: float) -> None:
    pilot = world.pilot()
    pilot.look({"front": {1: counted(50), 2: counted(0)}})
    world.set_by = set_by
    world.now = 1299.0
    pilot.look({"front": {1: counted(350), 2: counted(200)}})
    assert world.acts == []
    world.now = 1300.0
    pilot.look({"front": {1: counted(350), 2: counted(200)}})
    assert world.acts == [("go on", "front")]


def test_another_agent_counts_what_passed_before_it_and_no_less_than_nothing(world: World) -> None:
    world.set_by = 200.0
    pilot = world.pilot()
    pilot.look({"front": {1: counted(50), 2: counted(0)}})
    world.now = 1100.0
    pilot.look({"front": {1: counted(350), 2: counted(200)}})
    assert world.acts == [("go on", "front")]
    world.acts.clear()
    world.set_by = -86_400.0
    pilot = world.pilot()
    pilot.look({"front": {1: counted(350), 2: counted(200)}})
    world.now = 1400.0
    pilot.look({"front": {1: counted(500), 2: counted(300)}})
    assert world.acts == [("promote", "front", "2")]


def test_it_goes_on_step_by_step_and_takes_over(world: World) -> None:
    pilot = world.pilot()
    pilot.look({"front": {1: counted(50), 2: counted(0)}})
    world.now = 1300.0
    pilot.look({"front": {1: counted(350), 2: counted(99)}})
    assert world.acts == []
    pilot.look({"front": {1: counted(350), 2: counted(100)}})
    assert world.acts == [("go on", "front")]
    world.now = 1600.0
    pilot.look({"front": {1: counted(400), 2: counted(190)}})  # what was answered before the step does not count
    pilot.look({"front": {1: counted(400), 2: counted(280)}})
    assert len(world.acts) == 1
    pilot.look({"front": {1: counted(400), 2: counted(290)}})
    assert world.acts[1:] == [("promote", "front", "2")]


@pytest.mark.parametrize(("led_by", "acts"), [(None, []), ("run-1", [("go back", "front")])])
def test_a_shadow_that_fails_goes_back_where_a_retraining_leads_it(
    world: World, led_by: str | None, acts: list[tuple[str, ...]]
) -> None:
    following = AliasFollowing("1", 1.0, led_by=led_by)
    world.endpoint = replace(
        world.endpoint, rollout=begin(2, 0, GUARD, 1000.0), follows="champion", following=following
    )
    pilot = world.pilot()
    pilot.look({"front": {}})
    pilot.look({"front": {1: counted(200), 2: counted(0, 20)}})
    assert world.acts == acts


def test_it_goes_back_at_the_first_sure_fault_and_says_why(world: World) -> None:
    pilot = world.pilot()
    pilot.look({"front": {}})
    pilot.look({"front": {1: counted(200), 2: counted(0, 20)}})
    assert world.acts == [("go back", "front")]
    assert world.reasons[0].class_ == "canary_errors"
    assert world.reasons[0].text == ("100 % of its 20 answers were errors; beside the live one it may have 1 %.")


def test_errors_from_before_the_step_do_not_send_it_back(world: World) -> None:
    pilot = world.pilot()
    pilot.look({"front": {1: counted(200), 2: counted(0, 50)}})
    pilot.look({"front": {1: counted(300), 2: counted(80, 50)}})
    assert world.acts == []


def test_a_gateway_that_began_anew_is_counted_from_there(world: World) -> None:
    pilot = world.pilot()
    pilot.look({"front": {1: counted(500), 2: counted(90)}})
    pilot.look({"front": {1: counted(3), 2: counted(0, 2)}})
    world.now = 5000.0
    pilot.look({"front": {1: counted(10), 2: counted(90, 2)}})
    assert world.acts == []
    pilot.look({"front": {1: counted(10), 2: counted(100, 2)}})
    assert world.acts == [("go on", "front")]


def test_silence_moves_nothing(world: World) -> None:
    pilot = world.pilot()
    for world.now in (1000.0, 2000.0, 90_000.0):
        pilot.look({})
    assert world.acts == []


def test_why_it_went_back_in_words() -> None:
    assert reason_of(Finding("latency", 0.4, 0.05, 200, 0.0155)).text == (
        "40 % of its 200 answers took longer than 16 ms; beside the live one 5 % may."
    )
    assert reason_of(Finding("latency", 0.4, 0.05, 200, 1.25)).text.startswith(
        "40 % of its 200 answers took longer than 1.2 s"
    )
