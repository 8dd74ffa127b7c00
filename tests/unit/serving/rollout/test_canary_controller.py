"""Canaries led by what the gateway counts, over steps, restarts of the gateway, and silence."""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.serving.gateway.traffic import Snapshot, TrafficCounters, snapshot_of
from mlops_desk.serving.records.endpoint import AliasFollowing, Endpoint, EndpointState, ModelRef
from mlops_desk.serving.records.rollout import RolloutGuard
from mlops_desk.serving.rollout import Finding, Pilot, StepBase, StepBases, StepHold, begin, gone_on, reason_of

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

    def pilot(self, kept: StepBases | None = None) -> Pilot:
        return Pilot(
            lambda: [self.endpoint, replace(self.endpoint, name="other", rollout=None)],
            lambda name, number: self.acts.append(("promote", name, str(number))),
            self.go_on,
            self.go_back,
            StepHold(lambda: self.now + self.set_by, lambda: self.now),
            kept,
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


GATEWAY, ANOTHER = "boot/100/7", "boot/200/9"


def test_an_agent_that_begins_in_the_midst_of_a_step_goes_on_with_what_was_counted(
    world: World, tmp_path: Path
) -> None:
    file = tmp_path / "canaries.json"
    world.pilot(StepBases(file)).look({"front": {1: counted(50), 2: counted(7)}}, GATEWAY)
    world.now = 1400.0
    then = {"front": {1: counted(350), 2: counted(99)}}
    again = world.pilot(StepBases(file))
    assert again.answered(then, GATEWAY) == {"front": 92}
    again.look(then, GATEWAY)
    assert world.acts == [], "92 of 100"
    last = {"front": {1: counted(360), 2: counted(107)}}
    world.pilot(StepBases(file)).look(last, GATEWAY)
    assert world.acts == [("go on", "front")]


def test_what_failed_while_no_agent_looked_sends_it_back_at_the_first_look(world: World, tmp_path: Path) -> None:
    file = tmp_path / "canaries.json"
    world.pilot(StepBases(file)).look({"front": {}}, GATEWAY)
    world.pilot(StepBases(file)).look({"front": {1: counted(200), 2: counted(0, 20)}}, GATEWAY)
    assert world.acts == [("go back", "front")]


def test_what_another_gateway_has_counted_is_never_held_against_what_this_one_has(world: World, tmp_path: Path) -> None:
    file = tmp_path / "canaries.json"
    world.pilot(StepBases(file)).look({"front": {1: counted(50), 2: counted(7)}}, GATEWAY)
    world.now = 1400.0
    more = {"front": {1: counted(900), 2: counted(700)}}
    again = world.pilot(StepBases(file))
    assert again.answered(more, ANOTHER) == {}
    again.look(more, ANOTHER)
    assert world.acts == [], "it counts from here"
    again.look({"front": {1: counted(999), 2: counted(799)}}, ANOTHER)
    assert world.acts == []
    again.look({"front": {1: counted(999), 2: counted(800)}}, ANOTHER)
    assert world.acts == [("go on", "front")]


def test_a_step_of_another_rollout_counts_anew_and_what_is_over_is_not_kept(world: World, tmp_path: Path) -> None:
    kept = StepBases(tmp_path / "canaries.json")
    first = {"front": {1: counted(50), 2: counted(7)}}
    pilot = world.pilot(kept)
    pilot.look(first, GATEWAY)
    assert [*kept.read()] == ["front"]
    assert world.endpoint.rollout is not None
    world.endpoint = replace(world.endpoint, rollout=replace(world.endpoint.rollout, since=2000.0))
    again = world.pilot(StepBases(tmp_path / "canaries.json"))
    assert again.answered(first, GATEWAY) == {}
    world.endpoint = replace(world.endpoint, rollout=None)
    again.look(first, GATEWAY)
    assert kept.read() == {}


def test_what_can_not_be_read_counts_anew_and_is_logged(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "canaries.json"
    file.write_bytes(b"{")
    pilot = world.pilot(StepBases(file))
    assert "can't be read, so it counts anew" in caplog.text
    first = {"front": {1: counted(50), 2: counted(7)}}
    pilot.look(first, GATEWAY)
    assert pilot.answered(first, GATEWAY) == {"front": 0}
    assert StepBases(file).read()["front"].gateway == GATEWAY


def test_a_full_disk_holds_no_canary_up_is_told_once_and_tried_again(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "canaries.json"
    pilot = world.pilot(StepBases(file))

    def full(*_given: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk, caplog.at_level(logging.WARNING):
        disk.setattr("mlops_desk.serving.rollout.write_atomically", full)
        pilot.look({"front": {}}, GATEWAY)
        pilot.look({"front": {}}, GATEWAY)
        assert caplog.text.count("No space left on device") == 1
        assert not file.exists()
        assert pilot.answered({"front": {2: counted(3)}}, GATEWAY) == {"front": 3}
    pilot.look({"front": {}}, GATEWAY)
    assert isinstance(StepBases(file).read()["front"], StepBase)
    pilot.look({"front": {1: counted(200), 2: counted(0, 20)}}, GATEWAY)
    assert world.acts == [("go back", "front")]
