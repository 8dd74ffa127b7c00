"""Pauses between tries grow, and never beyond the longest."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.failures import longer, pause_after

tables = st.lists(st.floats(0, 100), min_size=1, max_size=6).map(sorted)


@pytest.mark.slow
@given(st.integers(-3, 1000), tables)
@example(0, [0.0])
@example(6, [1.0, 2.0])
def test_the_pause_of_a_table_grows_and_stays_in_it(failures: int, pauses: list[float]) -> None:
    found = pause_after(failures, pauses)
    assert found in pauses
    assert pause_after(failures - 1, pauses) <= found <= pauses[-1]


def test_each_failure_takes_its_own_pause_and_the_last_one_holds() -> None:
    assert [pause_after(failures, (0.0, 1.0, 5.0)) for failures in range(5)] == [0.0, 1.0, 5.0, 5.0, 5.0]


@given(st.floats(0.1, 100), st.floats(100, 1000))
def test_a_pause_doubles_up_to_the_longest(pause: float, longest: float) -> None:
    assert longer(pause, longest) == (min(pause * 2, longest))
