"""How many replicas an endpoint wants by its requests, and for how long nobody asked it."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.serving.records.endpoint import EndpointScale
from mlops_desk.serving.scaling.demand import Idleness, ScaleMemory, ScaleRules, wanted_now

RULES = ScaleRules(per_replica=4.0, up_seconds=6.0, down_seconds=300.0)
LOOK_SECONDS = 2.0


def run(depths: list[int], scale: EndpointScale, wanted: int = 1) -> list[int]:
    memory, found = ScaleMemory(), []
    for number, depth in enumerate(depths):
        memory, wanted = wanted_now(memory, depth, wanted, scale, RULES, number * LOOK_SECONDS)
        found.append(wanted)
    return found


def test_as_many_as_the_requests_call_for_come_at_once_after_some_seconds() -> None:
    found = run([13] * 10, EndpointScale(1, 8))
    assert found[:3] == [1, 1, 1]
    assert found[3:5] == [4, 4], "13 requests, four for each"
    assert set(found[4:]) == {4}, "and no more than that"


def test_a_short_crowd_and_exactly_as_many_as_may_be_start_none() -> None:
    assert set(run([40, 0, 0, 40, 0, 0] * 10, EndpointScale(1, 8))) == {1}
    assert set(run([4] * 60, EndpointScale(1, 8))) == {1}


def test_fewer_come_one_at_a_time_and_only_when_one_fewer_would_be_half_idle() -> None:
    quiet = int(300 / LOOK_SECONDS)
    found = run([0] * (quiet * 3 + 10), EndpointScale(1, 8), wanted=4)
    assert found[quiet - 2] == 4
    assert found[-1] == 1
    assert {before - after for before, after in itertools.pairwise(found)} == {0, 1}
    assert set(run([7] * quiet * 3, EndpointScale(1, 8), wanted=4)) == {4}, "three would have 7 of 12"


@given(
    st.lists(st.integers(0, 1000), max_size=60), st.integers(1, 64), st.integers(1, 64), st.integers(1, 64),
)  # fmt: skip
def test_it_stays_between_the_least_and_the_most(depths: list[int], one: int, other: int, wanted: int) -> None:
    scale = EndpointScale(min(one, other), max(one, other))
    assert all(scale.least <= count <= scale.most for count in run(depths, scale, wanted))


def test_idle_time_counts_from_the_last_request_and_not_while_one_is_under_way() -> None:
    idleness = Idleness()
    assert idleness.seconds("front", 5, 0, 100.0) == 0.0
    assert idleness.seconds("front", 5, 0, 130.0) == 30.0
    assert idleness.seconds("front", 6, 0, 140.0) == 0.0
    assert idleness.seconds("front", 6, 1, 200.0) == 0.0, "a long answer"
    assert idleness.seconds("front", 0, 0, 210.0) == 0.0, "the gateway began again"
    assert idleness.seconds("front", 0, 0, 220.0) == 10.0
    idleness.forget("front")
    assert idleness.seconds("front", 0, 0, 500.0) == 0.0
