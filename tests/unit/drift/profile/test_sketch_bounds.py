"""Sketches against the exact measures, for all laws, ties, gaps, infinities and shifts: each within its stated bound.

The bounds are those of ``drift/profile/sketch_measures.py``; both ways go through what a report goes through.
"""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mlops_desk.drift.columns import NumericColumn, NumericSide
from mlops_desk.drift.profile.bin_edges import FrozenBins, frame_of
from mlops_desk.drift.profile.file_format import to_bytes
from mlops_desk.drift.profile.numbers import NumericSketch, sketch_numbers
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile
from mlops_desk.drift.profile.sketch_measures import measure_profiles
from mlops_desk.drift.records.columns import ColumnKind, FrozenColumn
from mlops_desk.drift.records.report import ColumnDrift, DriftOptions
from mlops_desk.drift.report import Tables, compare, report_of
from mlops_desk.drift.store.layout import WindowLayout

COLUMN = FrozenColumn("x", ColumnKind.NUMERIC)
LAWS = {
    "normal": lambda random, n: random.normal(size=n),
    "lognormal": lambda random, n: random.lognormal(0, 1.5, n),
    "exponential": lambda random, n: random.exponential(size=n),
    "uniform": lambda random, n: random.random(n),
    "cauchy": lambda random, n: random.standard_cauchy(n),
    "two degrees": lambda random, n: random.standard_t(2, n),
    "counts": lambda random, n: random.poisson(3, n).astype(float),
    "many counts": lambda random, n: random.poisson(4000, n).astype(float),
    "one of two": lambda random, n: (random.random(n) < 0.2).astype(float),
    "constant": lambda _random, n: np.full(n, 4.5),
    "half zero": lambda random, n: random.exponential(size=n) * (random.random(n) < 0.5),
    "rounded": lambda random, n: random.normal(50, 20, n).round(),
    "ages and a tail": lambda random, n: np.where(random.random(n) < 0.9, random.integers(0, 114, n), random.random(n)),
    "moments": lambda random, n: 1.7e9 + random.random(n) * 86_400 * 30,
    "large": lambda random, n: random.normal(size=n) * 1e200,
    "small": lambda random, n: random.normal(size=n) * 1e-200,
}
CASES = st.tuples(st.sampled_from(sorted(LAWS)), st.integers(1, 900), st.floats(0, 0.3), st.floats(0, 0.2))


def side(random: np.random.Generator, case: tuple[str, int, float, float], shift: float, scale: float) -> NumericSide:
    law, n, missing, infinite = case
    values = LAWS[law](random, n)
    finite = values[random.random(n) >= missing]
    used = finite[random.random(finite.size) >= infinite]
    return NumericSide(used * scale + shift, n - finite.size, finite.size - used.size)


def both(first: NumericSide, second: NumericSide) -> tuple[ColumnDrift, ColumnDrift, FrozenBins, list[NumericSketch]]:
    """Return what all values tell, what sketches tell, and these."""
    frame = frame_of(first.finite)
    sketches = [sketch_numbers(frame, one) for one in (first, second)]
    profiles = [ColumnProfile(COLUMN, one, frame) for one in sketches]
    exact = compare(Tables([("x", partial(NumericColumn, first, second))], 0, 0), DriftOptions()).columns[0]
    found = report_of(Tables((), 0, 0), [measure_profiles(*profiles)], DriftOptions()).columns[0]
    return exact, found, frame, sketches


def is_beyond_doubles(first: NumericSide, second: NumericSide) -> bool:
    """Tell whether one side is no more than rounding beside the other: then even the exact measures are by chance."""
    reach = [float(np.abs(one.finite).max(initial=0.0)) for one in (first, second)]
    return max(reach) > 1e100 * min(one for one in (*reach, np.inf) if one) if any(reach) else False


def value(found: ColumnDrift, name: str) -> float | None:
    return found.measures[name].value if name in found.measures else None


@settings(max_examples=150)
@given(
    CASES, CASES, st.integers(0, 1 << 30), st.sampled_from([0.0, 0.1, 0.3, 3.0, -1e3]), st.sampled_from([1.0, 1.1, 5.0])
)
@example(("ages and a tail", 900, 0.0, 0.0), ("ages and a tail", 900, 0.0, 0.0), 1, 0.5, 1.0)
@example(("constant", 60, 0.0, 0.0), ("constant", 60, 0.0, 0.0), 1, 1.0, 1.0)
@example(("normal", 1, 1.0, 0.0), ("normal", 60, 0.0, 1.0), 1, 1.0, 1.0)
def test_every_measure_lies_within_its_bound(reference, current, seed, shift, scale):
    random = np.random.default_rng(seed)
    first, second = side(random, reference, 0.0, 1.0), side(random, current, shift, scale)
    assume(not is_beyond_doubles(first, second))
    exact, found, frame, sketches = both(first, second)
    assert set(exact.measures) == set(found.measures)
    for name in ("psi", "js", "hellinger", "missing"):
        if value(exact, name) is None:
            assert value(found, name) is None
        else:
            assert value(found, name) == pytest.approx(value(exact, name), abs=1e-6), name
    assert {name: signal.alert for name, signal in exact.signals.items()} == {
        name: signal.alert for name, signal in found.signals.items()
    }
    if not first.finite.size or not second.finite.size:
        return
    shares = [one.counts / max(1, one.counts.sum()) for one in sketches]
    gap = value(exact, "ks") - value(found, "ks")
    assert -1e-12 <= gap <= np.minimum(*shares).max() + 1e-12
    if np.unique(first.finite).size <= 120:
        assert gap == pytest.approx(0.0, abs=1e-12)
    assert_energy(exact, found, frame, sketches, shares)
    assert_wasserstein(exact, found, first, second, frame, shares)


def widths_of(frame: FrozenBins, sketches: list[NumericSketch]) -> np.ndarray:
    low, high = min(one.least for one in sketches), max(one.most for one in sketches)
    return np.diff([min(low, frame.edges[0]), *frame.edges, max(high, frame.edges[-1])])


def assert_energy(exact, found, frame, sketches, shares) -> None:
    heights = np.concatenate([[0.0], np.cumsum(shares[0] - shares[1])[:-1]])
    s = shares[0] + shares[1]
    off = float(np.sum(5.5 * widths_of(frame, sketches) * s * (2 * np.abs(heights) + 2.75 * s)))
    squares = [math.ldexp(1.0, -frame.exponent) * one * one for one in (value(exact, "energy"), value(found, "energy"))]
    assert abs(squares[0] - squares[1]) <= off + 1e-6 * (squares[0] + 1e-3)


def assert_wasserstein(exact, found, first, second, frame, shares) -> None:
    before, now = value(exact, "wasserstein_normed"), value(found, "wasserstein_normed")
    assert (before is None) == (now is None)
    scaled = [frame.scaled(one.finite) for one in (first, second)]
    spread = float(np.std(scaled[0]))
    reach = max(float(np.ptp(np.concatenate(scaled))), float(np.abs(scaled[0]).max()))
    if before is None or spread < 1e-9 * reach:
        return  # beyond what a double tells apart
    low, high = (float(end(np.concatenate(scaled))) for end in (np.min, np.max))
    widths = np.diff([min(low, frame.edges[0]), *frame.edges, max(high, frame.edges[-1])])
    bound = float(np.sum((shares[0] + shares[1]) * widths)) / spread
    slack = 1e-7 * (1 + reach / spread)
    assert -slack <= before - now <= bound + slack


@given(CASES, st.integers(0, 1 << 30))
@example(("ages and a tail", 900, 0.0, 0.0), 1)
def test_no_bin_of_several_values_is_large_and_there_are_256_at_most(case, seed):
    values = side(np.random.default_rng(seed), case, 0.0, 1.0).finite
    frame = frame_of(values)
    assert frame.edges.size <= 255
    at = np.searchsorted(frame.edges, frame.scaled(values), "right")
    for one in np.unique(at):
        inside = values[at == one]
        assert np.unique(inside).size == 1 or inside.size / values.size <= 3 / 226 + 2 / values.size


@pytest.mark.parametrize("n_tied", [100, 112, 113, 114, 130, 226])
@pytest.mark.parametrize("n_rest", [12, 200])
def test_very_many_frequent_values_beside_others_leave_room_for_them(n_tied, n_rest):
    values = np.concatenate([np.repeat(np.arange(n_tied) * 10.0, 990), np.arange(n_rest) * 3.7 + 0.123])
    frame = frame_of(values)
    assert frame.edges.size <= 255
    at = np.searchsorted(frame.edges, values, "right")
    for one in np.unique(at):
        inside = values[at == one]
        assert np.unique(inside).size == 1 or inside.size / values.size <= 3 / 226 + 2 / values.size


@settings(max_examples=60)
@given(CASES, CASES, st.integers(0, 1 << 30), st.sampled_from([0.0, 3.0, 1e6]))
def test_a_window_of_a_column_of_numbers_is_stored_in_four_kilobytes(reference, current, seed, shift):
    random = np.random.default_rng(seed)
    first, second = side(random, reference, 0.0, 1.0), side(random, current, shift, 1.0)
    frame = frame_of(first.finite)

    def made(one: NumericSide) -> DataProfile:
        sketch = sketch_numbers(frame, one)
        return DataProfile(sketch.n_rows, (ColumnProfile(COLUMN, sketch, frame),))

    blobs = WindowLayout(made(first)).write(made(second))
    assert len(blobs.bins) + len(blobs.facts) + len(blobs.rest) <= 4096
    frame_bytes = frame.edges.nbytes + frame.groups.size
    assert len(to_bytes(made(second))) - frame_bytes <= 4096
