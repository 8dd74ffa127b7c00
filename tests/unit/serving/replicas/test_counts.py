"""How many replicas a revision needs, which numbers are free, and what may be asked for."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.serving import deploy_options
from mlops_desk.serving.records.endpoint import EndpointScale
from mlops_desk.serving.replicas import check_gpus, free_numbers, needed, scale_of


@pytest.mark.parametrize(
    ("wanted", "percent", "count"),
    [(4, None, 4), (4, 0.0, 1), (4, 5.0, 1), (4, 25.0, 1), (4, 30.0, 2), (25, 28.0, 7), (4, 100.0, 4), (1, 50.0, 1)],
)
def test_a_revision_needs_replicas_for_its_share_and_one_at_least(
    wanted: int, percent: float | None, count: int
) -> None:
    assert needed(wanted, percent) == count


@given(st.integers(1, 64), st.floats(0, 100), st.floats(0, 100))
def test_a_larger_share_never_needs_fewer(wanted: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 1 <= needed(wanted, low) <= needed(wanted, high) <= wanted


@given(st.sets(st.integers(1, 70)), st.integers(0, 20))
@example(taken={1, 3}, count=2)
def test_free_numbers_are_the_smallest_that_nobody_has(taken: set[int], count: int) -> None:
    found = free_numbers(taken, count)
    assert len(found) == count
    assert not taken & set(found)
    assert set(range(1, max(found, default=0) + 1)) <= taken | set(found)


@given(
    st.integers(1, 64), st.integers(1, 64),
    *(st.none() | st.integers(-1, 66) for _ in range(3)), st.none() | st.floats(0, 1e6),
)  # fmt: skip
def test_what_is_asked_for_is_a_range_or_refused(
    one: int, other: int, replicas: int | None, least: int | None, most: int | None, sleep: float | None
) -> None:
    before = EndpointScale(min(one, other), max(one, other), 60.0)
    try:
        found = scale_of(before, replicas, least, most, sleep)
    except Invalid:
        return
    assert 1 <= found.least <= found.most <= 64
    assert least is None or found.least == least
    assert most is None or found.most == most
    assert replicas is None or (found.least, found.most) == (replicas, replicas)
    assert found.sleep_after_seconds == (before.sleep_after_seconds if sleep is None else sleep or None)


def test_one_end_of_a_range_takes_the_other_along() -> None:
    assert scale_of(EndpointScale(2, 2), most=4) == EndpointScale(2, 4)
    assert scale_of(EndpointScale(2, 4), most=1) == EndpointScale(1, 1)
    assert scale_of(EndpointScale(1, 2), least=3) == EndpointScale(3, 3)
    for gpus in (-1, 17):
        with pytest.raises(Invalid):
            check_gpus(gpus)


@given(st.integers(1, 999), st.integers(1, 99))
def test_a_container_is_known_by_name_and_labels_also_one_of_an_older_agent(revision: int, replica: int) -> None:
    name = deploy_options.container_name("abc", "front", revision, replica)
    labels = deploy_options.labels("abc", "front", revision, replica)
    assert deploy_options.is_endpoints("abc", name, labels)
    assert deploy_options.replica_of(labels) == replica
    assert not deploy_options.is_endpoints("abc", f"{name}9", labels)
    older = {key: value for key, value in labels.items() if key != deploy_options.LABEL_REPLICA}
    assert deploy_options.is_endpoints("abc", f"mlops-desk-abc-front-r{revision}", older)
    assert not deploy_options.is_endpoints("abc", name, {**labels, deploy_options.LABEL_REVISION: "x"})
