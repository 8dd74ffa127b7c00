"""An endpoint that a retraining leads to its challenger: copies, a share, all requests; and back whatever comes between."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.automation.records.pipelines.evidence import EndpointMove
from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState, PipelineStep, StepName, StepState
from mlops_desk.automation.rollouts import EndpointRollouts
from mlops_desk.kit.base.errors import Refused, Unavailable
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState
from mlops_desk.serving.rollout import StepHold
from tests.end2end.endpoint_house import House, open_house

pytestmark = [pytest.mark.end2end]


class Led:
    """A house in which "front" follows the champion, version 1, and a run whose challenger is version 2."""

    def __init__(self, house: House) -> None:
        self.house = house
        house.registry.aliases["champion"] = "1"
        for number in range(1, 7):
            house.replica(number)
        house.service.deploy("digits@champion", "front", follow="champion", canary=10)
        self.now = 0.0
        self.run = PipelineRun(
            "run-1", "again", PipelineState.RUNNING, model="digits", alias="champion", challenger_version="2"
        )
        self.begin()

    def begin(self) -> None:
        """Let the run's step begin anew, as a retry does."""
        step = PipelineStep(StepName.SHADOW, StepState.RUNNING, started_at=time.time())
        others = tuple(one for one in self.run.steps if one.name is not StepName.SHADOW)
        self.run = replace(self.run, steps=(*others, step))

    @property
    def rollouts(self) -> EndpointRollouts:
        """Return what a new agent has."""
        return EndpointRollouts(self.house.service, self._version, StepHold(lambda: time.time() + self.now))

    def _version(self, model: str, number: str) -> ModelVersion:
        return self.house.registry.resolve(f"{model}/{number}")

    def move(self) -> EndpointMove:
        (found,) = self.rollouts.moves(self.run)
        return found

    def front(self) -> Endpoint:
        return self.house.service.show("front")

    def until(self, is_so: Callable[[Endpoint], bool]) -> Endpoint:
        """Let the follower look, which must do nothing meanwhile, until the endpoint is as wanted."""

        def looked() -> bool:
            self.house.service._follower.look()
            return is_so(self.front())

        self.house.wait(looked)
        return self.front()

    def shadowed(self) -> Endpoint:
        self.rollouts.shadow(self.run, "front")
        return self.until(lambda found: found.rollout is not None and found.state is EndpointState.LIVE)

    def asked(self, *, is_started: bool = False) -> None:
        """Let a caller ask, and the shadow answer the copy, which an agent that is started counts by itself."""
        self.house.answer()

        def is_counted() -> bool:
            if not is_started:
                self.house.service._switchboard.poll()
            told = self.front().shadow_load
            return told is not None and told.requests_total > 0

        self.house.wait(is_counted)

    def waits(self) -> str | None:
        told = self.front().following
        return told.waits_for.class_ if told and told.waits_for else None


@pytest.fixture
def led(tmp_path: Path) -> Iterator[Led]:
    with open_house(tmp_path) as built:
        yield Led(built)


def test_it_gets_copies_then_a_share_then_all_requests_and_the_alias_is_followed_again(led: Led) -> None:
    assert led.move() == EndpointMove("front", follows=True, state="waiting", version="1")
    beside = led.shadowed()
    assert (beside.model.version, beside.rollout.revision, beside.rollout.percent) == ("1", 2, 0.0)
    assert (beside.follows, beside.following.led_by, beside.following.version) == ("champion", "run-1", "1")
    assert (led.move().state, led.move().is_unknown) == ("waiting", False), "a shadow has to hold for a while"
    for _ in range(3):
        led.rollouts.shadow(led.run, "front")
    assert len(led.front().revisions) == 2, "it is begun once"
    led.now = 10_000.0
    led.house.service._switchboard.poll()
    unknown = led.move()
    assert (unknown.state, unknown.is_unknown, unknown.text) == (
        "waiting", True, "Whether the challenger holds is unknown: no request came.",
    ), "time alone tells nothing"  # fmt: skip
    led.asked()
    assert (led.move().state, led.move().revision) == ("shadow", 2)
    led.rollouts.canary(led.run, "front")
    led.rollouts.canary(led.run, "front")
    assert led.front().rollout.percent == 5.0, "further it is led by its guard"
    assert led.move().state == "canary"
    led.house.service.promote("front")
    assert led.until(lambda found: found.model.version == "2").revision == 2
    assert led.move().state == "live"
    assert led.waits() == "led", "the alias does not mean it yet"
    led.house.registry.aliases["champion"] = "2"
    led.rollouts.promote(led.run, "front")
    after = led.until(lambda found: found.following.version == "2")
    assert (after.following.led_by, len(after.revisions), after.model.version) == (None, 2, "2")
    assert led.waits() is None
    assert led.house.answer() == {"predictions": ["yes", "yes"]}


def test_while_it_is_led_a_move_of_the_alias_is_not_followed_and_afterwards_it_is(led: Led) -> None:
    led.shadowed()
    led.house.registry.aliases["champion"] = "3"
    led.until(lambda _found: led.waits() == "led")
    assert len(led.front().revisions) == 2
    led.rollouts.back(led.run, "front")
    found = led.until(lambda found: found.rollout is not None and found.rollout.revision == 3)
    assert found.revisions[-1].model.version == "3"
    assert led.move().state == "rolled_back"


@pytest.mark.parametrize("is_live", [False, True])
def test_what_is_taken_back_leaves_the_champion_and_is_not_tried_again(led: Led, is_live: bool) -> None:
    led.shadowed()
    if is_live:
        led.house.service.promote("front")
        led.until(lambda found: found.model.version == "2")
    led.rollouts.back(led.run, "front")
    after = led.until(lambda found: found.model.version == "1" and found.rollout is None)
    assert (after.following.led_by, after.follows) == (None, "champion")
    assert led.move().state == "rolled_back"
    for _ in range(3):
        led.house.service._follower.look()
    assert led.front().model.version == "1"
    assert led.waits() is None
    led.begin()
    assert led.move().state == "waiting", "a retry begins anew"
    assert led.shadowed().rollout.revision == 3


def test_what_cannot_be_started_is_failed_with_its_reason(led: Led) -> None:
    led.house.engine.build_error = "No matching distribution found"
    led.house.engine.remove_image(led.front().image)
    led.rollouts.shadow(led.run, "front")
    led.until(lambda _found: led.move().state == "failed")
    assert "No matching distribution found" in led.move().text
    assert led.front().model.version == "1"


def test_an_endpoint_that_is_pinned_stopped_or_follows_another_alias_is_left_and_says_why(led: Led) -> None:
    led.house.service.pin("front")
    left = led.move()
    assert (left.follows, left.state, left.version, left.text) == (
        False, "left", "1", "It does not go with the alias.",
    )  # fmt: skip
    led.house.service.follow("front", "champion")
    led.house.service.stop("front")
    assert (led.move().follows, led.move().text) == (
        False, "It is stopped, so nothing is tried beside it; it goes with the alias.",
    )  # fmt: skip
    with pytest.raises(Refused, match="does not answer requests now"):
        led.rollouts.shadow(led.run, "front")
    led.house.registry.resolve = lambda _text: ModelVersion("other", "1", None, None, "READY")
    assert led.rollouts.moves(replace(led.run, model="letters")) == []


def test_of_two_runs_one_leads(led: Led) -> None:
    led.shadowed()
    other = replace(led.run, id="run-2", challenger_version="3")
    with pytest.raises(Refused, match="led to another version by run-1 already"):
        led.rollouts.shadow(other, "front")
    led.rollouts.back(other, "front")
    assert led.front().rollout is not None, "what another run leads is none of its business"
    assert led.front().following.led_by == "run-1"


def test_while_something_else_is_deployed_it_waits(led: Led) -> None:
    assert led.house.service._claims.claim("front")
    with pytest.raises(Unavailable, match="is being deployed"):
        led.rollouts.shadow(led.run, "front")
    led.house.service._claims.release("front")
    assert led.shadowed().rollout.revision == 2


@pytest.mark.parametrize("is_live", [False, True])
def test_what_a_run_has_left_that_is_over_is_taken_back_by_the_next_agent(led: Led, is_live: bool) -> None:
    led.shadowed()
    if is_live:
        led.house.service.promote("front")
        led.until(lambda found: found.model.version == "2")
    led.rollouts.sweep(lambda run_id: run_id != "run-1")
    assert led.front().following.led_by == "run-1", "it is under way"
    led.rollouts.sweep(lambda run_id: run_id == "run-1")
    after = led.until(lambda found: found.model.version == "1" and found.rollout is None)
    assert after.following.led_by is None


def test_another_agent_goes_on_where_the_last_one_ended(led: Led) -> None:
    led.shadowed()
    led.house.agent().start()
    assert led.front().following.led_by == "run-1"
    led.now = 10_000.0
    led.asked(is_started=True)
    led.rollouts.shadow(led.run, "front")
    assert (led.move().state, len(led.front().revisions)) == ("shadow", 2)


def test_whoever_deploys_by_hand_meanwhile_wins(led: Led) -> None:
    led.shadowed()

    def is_begun() -> bool:
        """The deployment of the shadow is told as live a moment before it lets go of the endpoint."""
        with contextlib.suppress(Refused):
            led.house.service.deploy("digits/3", "front")
            return True
        return False

    led.house.wait(is_begun)
    led.until(lambda found: found.model.version == "3")
    assert led.move() == EndpointMove(
        "front", follows=False, state="left", version="3", text="It does not go with the alias."
    )
