"""The steps that a new revision takes, by the clock and by what it answered."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.serving.records.rollout import Rollout, RolloutGuard
from mlops_desk.serving.rollout import Answered, RolloutDecision, Turn, begin, decide, gone_on, next_percent

GUARD = RolloutGuard(more_errors=0.01, times_latency=1.5, requests=100, bake_seconds=300.0)
GOOD = Answered(100, 0, ())
FEW = Answered(99, 0, ())
BAD = Answered(100, 90, ())
LIVE = Answered(10_000, 0, ())


def test_a_canary_begins_where_it_is_told_and_has_the_larger_steps_to_come() -> None:
    assert begin(7, 5, GUARD, 1000.0) == Rollout(7, 5, (25.0, 50.0, 100.0), GUARD, 1000.0)
    assert begin(7, 10, GUARD, 1000.0).steps == (25.0, 50.0, 100.0)
    assert begin(7, 60, GUARD, 1000.0).steps == (100.0,)
    assert begin(7, 0, GUARD, 1000.0).steps == (5.0, 25.0, 50.0, 100.0)


@pytest.mark.parametrize("percent", [-1, 100, 150, float("nan"), float("inf")])
def test_a_share_that_is_none_is_refused(percent: float) -> None:
    with pytest.raises(Invalid, match="A canary can't have"):
        begin(1, percent, GUARD, 0.0)


def test_it_goes_on_after_its_time_with_its_requests() -> None:
    canary = begin(2, 5, GUARD, 1000.0)
    assert decide(canary, GOOD, LIVE, 299.9) == RolloutDecision(Turn.STAY)
    assert decide(canary, FEW, LIVE, 9999.0) == RolloutDecision(Turn.STAY)
    assert decide(canary, GOOD, LIVE, 300.0) == RolloutDecision(Turn.GO_ON)
    assert gone_on(canary, 1300.0) == Rollout(2, 25.0, (50.0, 100.0), GUARD, 1300.0)


def test_the_last_step_is_the_promotion() -> None:
    assert decide(begin(2, 50, GUARD, 0.0), GOOD, LIVE, 300.0) == RolloutDecision(Turn.PROMOTE)
    assert decide(replace(begin(2, 50, GUARD, 0.0), steps=()), GOOD, LIVE, 300.0) == RolloutDecision(Turn.PROMOTE)


def test_it_goes_back_at_once_whatever_it_waits_for() -> None:
    canary = begin(2, 5, GUARD, 1000.0)
    for rollout in (canary, replace(canary, is_held=True)):
        decision = decide(rollout, BAD, LIVE, 1000.0)
        assert decision.turn is Turn.GO_BACK
        assert decision.finding is not None
        assert decision.finding.measure == "errors"


def test_one_that_is_held_stays_until_somebody_goes_on() -> None:
    held = replace(begin(2, 5, GUARD, 0.0), is_held=True)
    assert decide(held, GOOD, LIVE, 1e9) == RolloutDecision(Turn.STAY)
    assert gone_on(held, 5.0).is_held is False


def test_a_shadow_neither_goes_on_nor_back_by_itself() -> None:
    shadow = begin(2, 0, GUARD, 0.0)
    assert decide(shadow, GOOD, LIVE, 1e9) == RolloutDecision(Turn.STAY)
    decision = decide(shadow, BAD, LIVE, 1e9)
    assert decision.turn is Turn.STAY
    assert decision.finding is not None


def test_a_shadow_that_is_led_and_fails_goes_back_for_nobody_looks_at_it() -> None:
    shadow = begin(2, 0, GUARD, 0.0)
    assert decide(shadow, GOOD, LIVE, 1e9, is_led=True) == RolloutDecision(Turn.STAY)
    assert decide(shadow, BAD, LIVE, 1e9, is_led=True).turn is Turn.GO_BACK


@given(st.floats(0, 99), st.lists(st.floats(0.1, 100), max_size=6))
def test_steps_only_grow_and_end_with_the_whole(percent: float, steps: list[float]) -> None:
    rollout = begin(1, percent, GUARD, 0.0, steps=steps)
    reached = [rollout.percent]
    while next_percent(rollout) < 100.0:
        rollout = gone_on(rollout, 0.0)
        reached.append(rollout.percent)
    assert reached == sorted(reached)
    assert all(step < 100.0 for step in reached)
