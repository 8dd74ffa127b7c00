"""Changes between windows: found soon, hardly ever by chance, and the same however the stream is cut."""

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.drift.performance.change_series import changes_of
from mlops_desk.drift.performance.page_test import Baseline, ChangeWatch, baseline_of, first_crossing
from mlops_desk.drift.performance.rows import rows_of
from mlops_desk.kit.base import wire

PLAIN = Baseline(0.0, 1.0, 0.25, 5.0, 5.0)


def page(values, slack, limit):
    """Page's recursion in its textbook form: S = max(0, S + z - slack)."""
    level, since = 0.0, 0
    for at, value in enumerate(values):
        level = max(0.0, level + value - slack)
        if level == 0:
            since = at + 1
        if level >= limit:
            return since, at
    return None


steps = st.lists(st.integers(-8, 8).map(lambda one: one / 4), max_size=120).map(lambda one: np.array(one, dtype=float))


@given(steps)
def test_it_is_pages_recursion(values):
    expected = {"up": page(values, 0.25, 5.0), "down": page(-values, 0.25, 5.0)}
    found = {name: (since, until) for name, since, until in first_crossing(values, PLAIN)}
    assert {name for name, one in expected.items() if one} == set(found)
    for name, one in found.items():
        assert one[1] == expected[name][1]
        assert one[0] <= expected[name][0] <= one[1]


@given(steps, st.lists(st.integers(0, 120), max_size=5))
@example(np.array([-2.0, 2.0, 2.0, 2.0, 2.0, -2.0]), [3])  # a rise that begins in one part and ends in the next
def test_the_state_is_the_same_however_the_stream_is_cut(values, cuts):
    whole = ChangeWatch().with_values(values, PLAIN)
    parts = [ChangeWatch().with_values(one, PLAIN) for one in np.split(values, sorted(cuts))]
    joined = ChangeWatch()
    for part in parts:
        joined = joined.joined(part)
    grown = ChangeWatch()
    for one in np.split(values, sorted(cuts)):
        grown = grown.with_values(one, PLAIN)
    assert joined == grown
    assert (joined.up.n, joined.up.at_low, joined.up.rise, joined.down.rise) == pytest.approx(
        (whole.up.n, whole.up.at_low, whole.up.rise, whole.down.rise)
    )
    assert joined.alarms(PLAIN) == whole.alarms(PLAIN)
    crossed = {name for name, *_ in first_crossing(values, PLAIN)}
    assert whole.alarms(PLAIN) == ("up" in crossed, "down" in crossed)


def test_the_state_is_small_and_made_of_jsons_own_types():
    watch = ChangeWatch().with_values(np.random.default_rng(1).normal(size=100_000), PLAIN)
    text = json.dumps(wire.to_builtins(watch))
    assert len(text) < 600
    assert wire.from_builtins(json.loads(text), ChangeWatch) == watch


LAWS = {
    "normal": lambda rng, n, moved: rng.normal(0.5 * moved, 1, n),
    "errors of 10 %": lambda rng, n, moved: (rng.random(n) < 0.1 + 0.15 * moved).astype(float),
    "errors of 1 %": lambda rng, n, moved: (rng.random(n) < 0.01 + 0.05 * moved).astype(float),
    "exponential": lambda rng, n, moved: rng.exponential(1, n) + 0.5 * moved,
}


@pytest.mark.parametrize("law", LAWS)
def test_false_alarms_are_as_rare_as_they_shall_be(law):
    """One in 100,000 rows and direction is asked for: of 40 x 5,000 rows 4; Poisson's 99.9 % point is 11."""
    alarms = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        baseline = baseline_of(LAWS[law](rng, 2000, 0), rows_between=1e5)
        alarms += len(first_crossing(LAWS[law](rng, 5000, 0), baseline))
    assert alarms <= 11


@pytest.mark.parametrize(
    ("law", "rows"), [("normal", 200), ("errors of 10 %", 250), ("errors of 1 %", 300), ("exponential", 300)]
)
def test_a_shift_of_half_a_deviation_is_found_within_so_many_rows(law, rows):
    delays, onsets = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        baseline = baseline_of(LAWS[law](rng, 2000, 0))
        values = np.concatenate([LAWS[law](rng, 500, 0), LAWS[law](rng, 3000, 1)])
        found = {name: (since, until) for name, since, until in first_crossing(values, baseline)}
        delays.append(found["up"][1] - 500)
        onsets.append(abs(found["up"][0] - 500))
    assert np.mean(delays) <= rows
    assert np.median(onsets) <= 60


def test_a_reference_that_never_varied_is_taken_by_half_a_row():
    baseline = baseline_of(np.zeros(999))
    assert baseline.mean == pytest.approx(0.0005)
    assert not first_crossing(np.zeros(100_000), baseline)
    assert first_crossing(np.array([0.0] * 50 + [1.0] * 5), baseline)
    assert baseline_of(np.ones(99)).mean == pytest.approx(0.995)
    assert baseline_of(np.full(99, 3.0)) is None
    assert baseline_of(np.full(29, 0.0)) is None
    assert baseline_of(np.array([np.nan, np.inf] * 50)) is None


def test_values_that_are_none_are_not_counted_and_wild_ones_break_nothing():
    values = np.array([np.nan, 1e308, -1e308, np.inf, 0.0])
    watch = ChangeWatch().with_values(values, PLAIN)
    assert watch.up.n == 3
    assert np.isfinite(watch.up.rise)
    assert baseline_of(np.array([1e308, -1e308] * 50)) is None


def test_changes_are_told_by_the_rows_of_the_data():
    labels = [1, 0] * 600
    predictions = [1, 0] * 500 + [None, None] * 10 + [0, 1] * 90
    rows = rows_of([*([1, 0] * 200), *labels], [*([1, 0] * 195), *([0, 1] * 5), *predictions])
    (found,) = changes_of(rows.part(slice(0, 400)), rows.part(slice(400, None)))
    assert (found.what, found.direction, found.before) == ("error", "risen", pytest.approx(10 / 400))
    assert found.since == 1021
    assert 1021 < found.found < 1060
    assert found.after == 1.0


def test_numbers_are_watched_by_the_size_of_the_error_and_the_answer():
    rng = np.random.default_rng(2)
    y = rng.normal(size=3000)
    p = y + rng.normal(0, 0.1, 3000)
    p[2000:] += 3
    rows = rows_of(y, p)
    found = {change.what: change for change in changes_of(rows.part(slice(0, 1000)), rows.part(slice(1000, None)))}
    assert set(found) == {"error", "score"}
    assert found["error"].since == pytest.approx(1001, abs=3)
