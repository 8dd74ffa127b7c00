"""What a retraining sees of the endpoints that it leads: how far they are, what they wait for, also by a wrong clock."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest

from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState, PipelineStep, StepName, StepState
from mlops_desk.automation.rollouts import EndpointRollouts
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.serving.records.endpoint import (
    AliasFollowing,
    Endpoint,
    EndpointRevision,
    EndpointState,
    ModelRef,
    Replica,
    RevisionState,
    Traffic,
)
from mlops_desk.serving.records.rollout import Rollout, RolloutGuard
from mlops_desk.serving.rollout import StepHold

BEGAN = 1_000_000.0
GUARD = RolloutGuard(requests=100, bake_seconds=300.0)
RUN = PipelineRun(
    "run-1", "again", PipelineState.RUNNING, model="m", alias="champion", challenger_version="2",
    steps=(PipelineStep(StepName.SHADOW, StepState.RUNNING, started_at=BEGAN),),
)  # fmt: skip


@dataclass
class World:
    """One endpoint; what a retraining asks for is counted."""

    endpoint: Endpoint
    now: float = BEGAN
    uptime: float = 0.0
    begun: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        service = SimpleNamespace(
            list=lambda: [self.endpoint],
            show=lambda _name: self.endpoint,
            led=SimpleNamespace(begin=lambda name, _version, _run: self.begun.append(name)),
        )
        hold = StepHold(lambda: self.now, lambda: self.uptime)
        self.rollouts = EndpointRollouts(service, lambda _model, _number: None, hold)

    def move(self):
        (found,) = self.rollouts.moves(RUN)
        return found


def revision(number: int, version: str, state: RevisionState, created: float) -> EndpointRevision:
    return EndpointRevision(number, ModelRef("m", version, f"models:/m/{version}"), state, created=created)


def endpoint(percent: float | None, created: float = BEGAN + 1, **more) -> Endpoint:
    """Return one that answers by version 1 and tries version 2 as a shadow, or with a share."""
    live = revision(1, "1", RevisionState.LIVE, 0.0)
    state = RevisionState.SHADOW if percent == 0.0 else RevisionState.CANARY
    steps = tuple(step for step in (5.0, 25.0, 50.0, 100.0) if step > (percent or 0.0))
    rollout = None if percent is None else Rollout(2, percent, steps, GUARD, created, **more)
    return Endpoint(
        "front", EndpointState.LIVE, None, 1, live.model, replicas=(Replica(1, "c", "running"),), follows="champion",
        revisions=(live,) if percent is None else (live, revision(2, "2", state, created)), rollout=rollout,
        following=AliasFollowing("1", 0.0, led_by="run-1"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("percent", "more", "told"),
    [
        (0.0, {}, "It gets copies of the requests, for 5 min."),
        (5.0, {}, "It gets 5 % of the requests, and 25 % once it has had them for 5 min and answered 100."),
        (50.0, {}, "It gets 50 % of the requests, and 100 % once it has had them for 5 min and answered 100."),
        (25.0, {"is_held": True}, "It gets 25 % of the requests, a share that was set by hand: it goes on by hand."),
        (5.0, {"waits_for": Reason("gpu", "A GPU is lent.")}, "A GPU is lent."),
    ],
)
def test_it_says_what_has_to_happen_before_it_gets_further(percent, more, told):
    assert World(endpoint(percent, **more)).move().text == told


def test_a_canary_that_nobody_asks_says_that_its_answers_are_lacking():
    unasked = replace(endpoint(5.0), canary_answered=0)
    assert World(unasked).move().text.endswith("and answered 100: none came so far, so all are lacking.")
    assert World(replace(unasked, canary_answered=1)).move().text.endswith("and answered 100.")


def test_one_that_failed_says_why_and_one_that_is_built_that_it_is():
    failed = endpoint(0.0)
    failed = replace(
        failed,
        rollout=None,
        revisions=(
            failed.revisions[0],
            replace(failed.revisions[1], state=RevisionState.FAILED, reason=Reason("x", "No.")),
        ),
    )
    assert (World(failed).move().state, World(failed).move().text) == ("failed", "No.")
    built = replace(
        failed, revisions=(failed.revisions[0], replace(failed.revisions[1], state=RevisionState.BUILDING, reason=None))
    )
    assert World(built).move().text == "It is made ready."


def test_a_clock_that_was_set_back_begins_nothing_a_second_time():
    world = World(endpoint(0.0, created=BEGAN - 86_400.0), now=BEGAN - 86_400.0)
    world.rollouts.shadow(RUN, "front")
    assert world.begun == []
    assert world.move().state == "waiting"
    world.uptime = 300.0
    world.endpoint = replace(world.endpoint, shadow_load=Traffic(requests_total=1))
    assert world.move().state == "shadow"


@pytest.mark.parametrize(
    ("copies", "state", "told"),
    [
        (None, "waiting", "no request came"),
        (Traffic(), "waiting", "no request came"),
        (Traffic(requests_total=3, errors_total=3), "waiting", "no request without an error"),
        (Traffic(requests_total=3, errors_total=2), "shadow", "It gets copies"),
    ],
)
def test_a_shadow_that_nobody_asked_holds_for_nothing_however_long_it_is_there(copies, state, told):
    world = World(endpoint(0.0))
    assert world.move().state == "waiting"
    world.uptime = 1e6
    world.endpoint = replace(world.endpoint, shadow_load=copies)
    move = world.move()
    assert (move.state, move.is_unknown, told in move.text) == (state, state == "waiting", True), move.text


def test_one_of_an_earlier_retraining_is_none_of_this_one():
    earlier = replace(endpoint(0.0, created=BEGAN - 5.0), rollout=None)
    world = World(earlier)
    world.rollouts.shadow(RUN, "front")
    assert world.begun == ["front"]
