"""What is drawn of a histogram, and the intervals of shares, held against textbook values and other sums."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from mlops_desk.drift.records.report import ColumnDrift, Histogram, Quality
from mlops_desk.drift.records.verdict import Measure, Verdict
from mlops_desk.drift.window.column import quality
from mlops_desk.drift.window.column.histogram_data import below, psi_parts, spread_of, wilson

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(n=st.integers(1, 100_000), share=st.floats(0, 1))
def test_an_interval_is_that_of_wilson(n, share):
    k = round(share * n)
    ends = wilson(k / n, n)
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert ends == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_none_of_a_thousand_rows_missing_says_how_much_may_have_been():
    low, high = wilson(0.0, 1000)
    assert low == pytest.approx(0.0, abs=1e-12)
    assert high == pytest.approx(0.003827, abs=1e-6)


@pytest.mark.parametrize(("ratio", "n"), [(0.5, 0), (-0.1, 10), (1.1, 10), (math.nan, 10)])
def test_a_share_of_nothing_has_no_interval(ratio, n):
    assert wilson(ratio, n) is None


def test_parts_of_psi_add_up_to_it():
    parts = psi_parts((0.5, 0.5, 0.0), (0.25, 0.75, 0.0))
    assert parts == pytest.approx([0.173287, 0.101366, 0.0], abs=1e-6)


@given(st.data())
def test_no_part_of_psi_is_below_zero_or_no_number(data):
    reference = data.draw(SHARES)
    current = data.draw(st.lists(st.floats(0, 1), min_size=len(reference), max_size=len(reference)))
    parts = psi_parts(reference, current)
    assert all(part >= 0 and math.isfinite(part) for part in parts)


@given(SHARES)
def test_what_lies_below_only_grows_and_ends_within_one(shares):
    found = below(shares)
    assert found == sorted(found)
    assert found[-1] <= 1.0


@given(
    reference=st.lists(st.floats(), max_size=5), current=st.lists(st.floats(), max_size=5),
    edges=st.lists(st.floats(), max_size=6), labels=st.lists(st.text(max_size=3), max_size=5),
)  # fmt: skip
def test_any_histogram_gives_finite_shares_with_a_name_each(reference, current, edges, labels):
    spread = spread_of(Histogram(tuple(reference), tuple(current), tuple(edges), tuple(labels)), 1, 1)
    if spread is not None:
        assert len(spread.reference) == len(spread.current) == len(spread.names) > 0
        assert all(math.isfinite(share) and share >= 0 for share in (*spread.reference, *spread.current))


def test_without_bins_nothing_is_drawn():
    assert spread_of(None, 10, 10) is None
    assert spread_of(Histogram((), (), (1.0, 2.0)), 10, 10) is None


def column(**quality_now):
    sides = {"reference": Quality(2000, 0.0, 0.0, 0.0), "current": Quality(1000, 0.05, 0.0, None, **quality_now)}
    signals = {"missing": Measure(0.05, 1e-9, 3e-8, 0.01, True)}
    return ColumnDrift("a", "numeric", Verdict.DRIFT, {}, sides, 2000, 950, signals=signals)


def test_shares_of_quality_stand_with_interval_and_test():
    rows = quality.rows_of(column())
    assert list(rows) == ["missing", "infinite", "wrong_type"]
    cells = [one.cell(rows["missing"]) for one in quality.COLUMNS]
    assert [cell.text for cell in cells] == [
        "■ Missing", "0.0\u202f%", "5.0\u202f% (3.8 – 6.5\u202f%)", "3e-08",
    ]  # fmt: skip
    assert cells[2].token == "alert"
    unknown = [one.cell(rows["wrong_type"]).text for one in quality.COLUMNS]
    assert unknown == ["Of a wrong type", "0.0\u202f%", "–", "–"]
