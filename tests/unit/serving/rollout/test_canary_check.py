"""What sends a canary back, and what does not, however often it is looked at."""

import bisect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.serving.gateway.traffic import BOUNDS_SECONDS
from mlops_desk.serving.records.rollout import RolloutGuard
from mlops_desk.serving.rollout import Answered, Finding, fault_of

GUARD = RolloutGuard(more_errors=0.01, times_latency=1.5, requests=100, bake_seconds=300.0)


def answered(requests: int, errors: int = 0, *latencies: tuple[float, int]) -> Answered:
    """``latencies`` are (seconds, how many); what they leave out of ``requests`` took 10 ms."""
    buckets = [0] * (len(BOUNDS_SECONDS) + 1)
    for seconds, count in ((0.010, requests - sum(count for _, count in latencies)), *latencies):
        buckets[bisect.bisect_left(BOUNDS_SECONDS, seconds)] += count
    return Answered(requests, errors, tuple(buckets))


def test_a_revision_that_fails_at_every_request_is_found_after_twenty() -> None:
    live = answered(1000)
    assert fault_of(GUARD, answered(19, 19), live) is None
    assert fault_of(GUARD, answered(20, 20), live) == Finding("errors", 1.0, 0.01, 20)


def test_a_few_errors_among_few_requests_are_no_share_yet() -> None:
    assert fault_of(GUARD, answered(40, 4), answered(1000)) is None
    assert fault_of(GUARD, answered(40, 5), answered(1000)) == Finding("errors", 0.125, 0.01, 40)


def test_errors_that_the_live_revision_has_too_do_not_count() -> None:
    assert fault_of(GUARD, answered(1000, 500), answered(1000, 500)) is None
    found = fault_of(GUARD, answered(1000, 620), answered(1000, 500))
    assert found == Finding("errors", 0.62, 0.51, 1000)


def test_a_live_revision_that_nobody_asked_has_no_errors_to_compare_with() -> None:
    nothing = answered(0)
    assert fault_of(GUARD, answered(100, 30), nothing) == Finding("errors", 0.3, 0.01, 100)
    assert fault_of(GUARD, answered(100, 0, (30.0, 100)), nothing) is None
    assert fault_of(GUARD, nothing, nothing) is None


def test_slower_than_the_live_revision_by_more_than_allowed() -> None:
    live = answered(1000)
    assert fault_of(GUARD, answered(200, 0, (0.0145, 200)), live) is None
    found = fault_of(GUARD, answered(200, 0, (0.030, 200)), live)
    assert found is not None
    assert (found.measure, found.share, found.limit, found.requests) == ("latency", 1.0, 0.05, 200)
    assert found.limit_seconds == pytest.approx(0.0155, rel=0.1)  # a bucket is a tenth wide


def test_a_twentieth_of_slow_answers_is_what_a_p95_leaves() -> None:
    live = answered(10_000)
    assert fault_of(GUARD, answered(1000, 0, (1.0, 50)), live) is None
    assert fault_of(GUARD, answered(1000, 0, (1.0, 100)), live) is not None


def test_a_model_that_answers_at_once_may_jitter_by_milliseconds() -> None:
    live = answered(1000, 0, (0.0005, 1000))
    assert fault_of(GUARD, answered(1000, 0, (0.004, 1000)), live) is None
    assert fault_of(GUARD, answered(1000, 0, (0.008, 1000)), live) is not None


@given(st.integers(0, 500), st.data())
def test_a_revision_that_answered_as_the_live_one_did_is_never_sent_back(requests: int, data: st.DataObject) -> None:
    errors = data.draw(st.integers(0, requests))
    slow = data.draw(st.integers(0, requests))
    both = answered(requests, errors, (3.0, slow))
    assert fault_of(RolloutGuard(0.0, 1.0, 1, 0.0), both, both) is None


@given(st.integers(20, 2000), st.data())
def test_more_errors_never_make_it_better(requests: int, data: st.DataObject) -> None:
    errors = data.draw(st.integers(0, requests - 1))
    live = answered(1000, 20)
    if fault_of(GUARD, answered(requests, errors), live) is not None:
        assert fault_of(GUARD, answered(requests, errors + 1), live) is not None


@pytest.mark.parametrize("share", [0.005, 0.02, 0.2])
@pytest.mark.parametrize("a_look", [1, 10, 100])
def test_a_thousand_looks_send_a_good_revision_back_once_in_a_hundred_rollouts_at_most(
    share: float, a_look: int
) -> None:
    random = np.random.default_rng(20_261_128)
    rollouts, looks = 200, 1000
    canary = random.binomial(a_look, share, (rollouts, looks)).cumsum(axis=1)
    live = random.binomial(9 * a_look, share, (rollouts, looks)).cumsum(axis=1)
    sent_back = 0
    for row in range(rollouts):
        sent_back += any(
            fault_of(
                GUARD, _counted(a_look * look, canary[row, look - 1]), _counted(9 * a_look * look, live[row, look - 1])
            )
            for look in range(1, looks + 1, 5)
        )
    assert sent_back <= 2


def _counted(requests: int, errors: int) -> Answered:
    return Answered(requests, int(errors), ())
