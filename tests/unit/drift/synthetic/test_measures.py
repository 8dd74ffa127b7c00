"""Fidelity and privacy of made rows, held against what SDMetrics 0.32 and scipy say of the same rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from mlops_desk.drift.synthetic.cells import CellTable, MadeColumn, MadeKind
from mlops_desk.drift.synthetic.fidelity import correlation_similarity, ks_complement, tv_complement
from mlops_desk.drift.synthetic.privacy import row_privacy
from mlops_desk.drift.synthetic.worker import report_of

COLUMNS = (
    MadeColumn("a", MadeKind.NUMBER), MadeColumn("b", MadeKind.NUMBER),
    MadeColumn("c", MadeKind.CATEGORY, values=("x", "y", "z")), MadeColumn("d", MadeKind.CATEGORY, values=("p", "q")),
)  # fmt: skip


def table(seed: int, n: int) -> CellTable:
    """Rows by a plain generator of numbers, which the other library was given too."""
    state, rows = seed, []
    for _ in range(n):
        drawn = []
        for _ in range(3):
            state = (state * 1103515245 + 12345) % 2**31
            drawn.append(state / 2**31)
        first = drawn[0] * 10
        rows.append(
            (
                round(first, 3),
                round(first * seed + drawn[1] * 5, 3),
                "xyz"[int(drawn[2] ** seed * 3)],
                "pq"[int(first > 5)],
            )
        )
    return CellTable(COLUMNS, {one.name: [str(row[at]) for row in rows] for at, one in enumerate(COLUMNS)}, n)


def test_the_figures_are_those_of_sdmetrics() -> None:
    report = report_of(table(1, 200), table(3, 40), table(2, 150), 0)
    assert {one.column: one.score for one in report.columns} == pytest.approx(
        {"a": 0.931667, "b": 0.613333, "c": 0.746667, "d": 0.971667}, abs=1e-6
    )
    pairs = {(one.first, one.second): one.score for one in report.pairs}
    assert pairs["a", "b"] == pytest.approx(0.968921, abs=1e-6)
    assert pairs["c", "d"] == pytest.approx(0.746667, abs=1e-6)
    assert report.column_shapes == pytest.approx(0.815833, abs=1e-6)
    assert report.privacy.new_rows == 1.0
    assert (report.n_pairs, len(report.pairs)) == (6, 6)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40), st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40))
def test_columns_of_numbers_are_as_scipy_says(real, made) -> None:
    assert ks_complement(np.array(real), np.array(made)) == pytest.approx(
        1 - ks_2samp(real, made, method="asymp").statistic
    )


@given(st.lists(st.sampled_from("abc"), min_size=1), st.lists(st.sampled_from("bcd"), min_size=1))
def test_categories_are_alike_by_their_shares(real, made) -> None:
    score = tv_complement(real, made)
    assert score == pytest.approx(tv_complement(made, real))
    assert score == pytest.approx(sum(min(real.count(one) / len(real), made.count(one) / len(made)) for one in "bc"))
    assert tv_complement(real, real) == 1.0


def test_what_can_not_be_said_is_not_said() -> None:
    one, none = np.array([1.0, 1.0]), np.array([])
    assert ks_complement(none, one) is None
    assert tv_complement([], ["a"]) is None
    assert correlation_similarity((one, one), (one, one)) is None


def numbers(values, more=()) -> CellTable:
    columns = (MadeColumn("n", MadeKind.NUMBER, may_lack=True), MadeColumn("k", MadeKind.CATEGORY, values=("u", "v")))
    return CellTable(
        columns,
        {"n": [None if one is None else str(one) for one in values], "k": list(more) or ["u"] * len(values)},
        len(values),
    )


def test_nearness_is_gowers_distance_to_the_closest_record() -> None:
    learned, held = numbers([0, 10]), numbers([4, 6])
    found = row_privacy(learned, held, numbers([1, 9]), 0)
    assert found.distance == pytest.approx(0.05), "a tenth of the span in one of two columns"
    assert found.held_distance == pytest.approx(0.2)
    assert (found.closer, found.copies) == (1.0, 0.0)
    assert found.protection == pytest.approx(0.25), "a quarter of the distance of real rows"
    other = row_privacy(learned, held, numbers([5, 5], ["v", "v"]), 0)
    assert (other.closer, other.protection) == (0.0, 1.0)
    assert other.distance == pytest.approx((0.5 + 1) / 2)


def test_a_copy_is_told_however_it_is_spelled_and_so_is_what_chance_makes() -> None:
    found = row_privacy(numbers([0, 10]), numbers(["10.0", 3]), numbers(["0.00", "1e1", 7, None]), 0)
    assert (found.copies, found.copies_by_chance) == (0.5, 0.5)
    near = row_privacy(numbers([100, 200]), numbers([150]), numbers([101, 102, 200, 50]), 0)
    assert near.new_rows == 0.5, "101 is within 1 % of 100, 102 is not"


def test_missing_cells_are_alike_to_one_another_alone() -> None:
    found = row_privacy(numbers([None, 10]), numbers([15, 12]), numbers([None]), 0)
    assert (found.copies, found.distance, found.closer) == (1.0, 0.0, 1.0)


def test_without_rows_held_back_nearness_is_not_known() -> None:
    found = row_privacy(numbers([0, 10]), numbers([]), numbers([1]), 0)
    assert (found.distance, found.protection, found.copies_by_chance) == (None, None, None)
