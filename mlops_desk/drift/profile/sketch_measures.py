"""What two sketches of one column tell: the same measures and signals as of all values, for the same verdicts."""

import math
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mlops_desk.drift.columns import (
    CategoricalColumn,
    CategoricalSide,
    NumericColumn,
    NumericSide,
    WordsColumn,
    WordsSide,
)
from mlops_desk.drift.data.categories import blanks_are_values
from mlops_desk.drift.data.value_parsers import is_missing_category
from mlops_desk.drift.measure import measures, p_values
from mlops_desk.drift.measure import verdict as v
from mlops_desk.drift.measure.column_measures import of_shares
from mlops_desk.drift.measure.histograms import BINS, TAIL, around
from mlops_desk.drift.measure.quality import signals_of
from mlops_desk.drift.pair import Counts, Floats, pair_of
from mlops_desk.drift.profile.bin_edges import FrozenBins
from mlops_desk.drift.profile.categories import CategorySketch
from mlops_desk.drift.profile.numbers import NumericSketch
from mlops_desk.drift.profile.profile import ColumnProfile
from mlops_desk.drift.profile.texts import TextSketch
from mlops_desk.drift.records.columns import ColumnKind
from mlops_desk.drift.records.report import ColumnDrift, Histogram, Quality
from mlops_desk.drift.records.verdict import Measure, Verdict
from mlops_desk.drift.report import measure_column
from mlops_desk.kit.base.text import plain


# The histogram of two sketches, in bars as of all values; within a bin the rows are taken for evenly spread.
def histogram_of(frame: FrozenBins, reference: NumericSketch, current: NumericSketch) -> Histogram:
    """Draw two sketches that both have values."""
    sides = [_distribution(frame, side) for side in (reference, current)]
    low = min(float(np.interp(TAIL, heights, places)) for places, heights in sides)
    high = max(float(np.interp(1 - TAIL, heights, places)) for places, heights in sides)
    edges = np.linspace(low, high, BINS + 1) if high > low else around(low)
    shares = [np.diff(np.interp(edges[1:-1], *side), prepend=0.0, append=1.0) for side in sides]
    with np.errstate(over="ignore"):
        shown = np.nan_to_num(np.ldexp(edges, frame.exponent))
    first, second = (tuple(float(share) for share in side) for side in shares)
    return Histogram(first, second, edges=tuple(float(edge) for edge in shown))


def _distribution(frame: FrozenBins, sketch: NumericSketch) -> tuple[Floats, Floats]:
    """Return places and the share of values below each, from the least value to the largest."""
    n = sketch.n_usable
    least, most = sketch.least or 0.0, sketch.most or 0.0
    heights = np.cumsum(sketch.counts)[:-1] / n
    inside = (frame.edges > least) & (frame.edges <= most)
    places = np.concatenate([[least], frame.edges[inside], [np.nextafter(most, np.inf)]])
    return places, np.concatenate([[0.0], heights[inside], [1.0]])


# Distances of two sketches of one frame, as close to those of all values (``measure.measures``) as the bins allow.
# With F and G the two distribution functions: at each edge both are known exactly, and by its sum so is the integral
# of F - G over each bin.
# wasserstein sum over the bins of |integral of F - G|: exact wherever F - G keeps its sign within the bin, and else
# too small, by at most the bin's width times its share of both sides. Within 6e-4 of the reference's standard
# deviation for 50,000 rows a side and more (measured; of Student's t with 3 degrees within 1e-3) ks the largest |F -
# G| at an edge: exact where the reference has at most 120 distinct values, whatever the current ones are (between
# them F is level, and G only rises), and where values have bins of their own. Else too small, by at most the smaller
# of both sides' shares of one bin: hardly a bin of several values has more than 1/226 of the reference, none more
# than 3/226 and two rows. That decides where the exact D lies less than this above the 0.1 of an alarm. Without drift
# within 5e-4 for 50,000 rows a side and more, mostly within 2.3e-4 (measured) energy F - G within a bin taken for the
# parabola that fits both edges and the integral. Its square is off by at most the sum over the bins of 5.5 * width *
# s * (2 * |F - G| at the lower edge + 2.75 * s), s being both sides' shares of the bin
# Too small never raises a false alarm; no verdict rests on the energy distance. Missing values, types and categories
# up to 10,000 are counted, and exact. PSI, Jensen-Shannon and Hellinger are exact: they count between edges.
def is_complete(reference: NumericSketch, current: NumericSketch) -> bool:
    """Tell whether both sides have values, and the reference had some when the bins were frozen."""
    return reference.least is not None and current.least is not None and reference.counts.size > 1


def is_constant(sketch: NumericSketch) -> bool:
    """Tell whether all values are one."""
    return sketch.least is not None and sketch.least == sketch.most


def deviation(frame: FrozenBins, sketch: NumericSketch) -> float:
    """Return the population standard deviation, in the frame's units; 0 without any value."""
    n = sketch.n_usable
    if not n:
        return 0.0
    away = float(np.sum(sketch.sums + sketch.counts * (frame.anchors - frame.center))) / n
    return math.sqrt(max(0.0, sketch.squares / n - away * away))


def wasserstein_normed(frame: FrozenBins, reference: NumericSketch, current: NumericSketch) -> float | None:
    """First Wasserstein distance over the reference's standard deviation; undefined for a constant reference."""
    if not is_complete(reference, current) or is_constant(reference):
        return None
    spread = deviation(frame, reference)
    if not spread:
        return None
    return min(float(np.sum(np.abs(_areas(frame, reference, current)))) / spread, sys.float_info.max)


def ks(reference: NumericSketch, current: NumericSketch) -> tuple[float | None, float | None]:
    """Two-sample Kolmogorov-Smirnov of the binned values: D and its p-value, exact and asymptotic as that of all."""
    if not is_complete(reference, current):
        return None, None
    n, m = reference.n_usable, current.n_usable
    if max(n, m) <= p_values.KS_EXACT_LIMIT:
        bins = np.arange(reference.counts.size, dtype=np.float64)
        return measures.ks(pair_of(np.repeat(bins, reference.counts), np.repeat(bins, current.counts)))
    distance = float(np.max(np.abs(_heights(reference, current))))
    return distance, p_values.ks_asymptotic(distance, n, m)


def energy(frame: FrozenBins, reference: NumericSketch, current: NumericSketch) -> float | None:
    """Energy distance sqrt(2 * integral of (F - G)^2), about."""
    if not is_complete(reference, current):
        return None
    low = min(side.least for side in (reference, current) if side.least is not None)
    high = max(side.most for side in (reference, current) if side.most is not None)
    ends = np.concatenate([[min(low, frame.edges[0])], frame.edges, [max(high, frame.edges[-1])]])
    widths = np.diff(ends)
    heights = np.concatenate([[0.0], _heights(reference, current), [0.0]])
    first, last = heights[:-1], heights[1:]
    is_wide = widths > 0
    means = np.divide(_areas(frame, reference, current), widths, out=np.zeros(widths.size), where=is_wide)
    bump = np.where(is_wide, means - (first + last) / 2, 0.0)
    squares = (first**2 + first * last + last**2) / 3 + bump * (first + last) + 1.2 * bump**2
    half, odd = divmod(frame.exponent, 2)
    distance = math.sqrt(2 * max(0.0, float(np.sum(squares * widths)))) * math.sqrt(2) ** odd
    return measures.scaled(distance, half)


def grouped(frame: FrozenBins, sketch: NumericSketch) -> Counts:
    """Return the rows in each bin of the scores."""
    found = np.bincount(frame.groups, weights=sketch.counts, minlength=frame.n_groups)
    return found.astype(np.int64)


def _heights(reference: NumericSketch, current: NumericSketch) -> Floats:
    """Return F - G at each edge, of what lies below it."""
    n, m = max(1, reference.n_usable), max(1, current.n_usable)
    found: Floats = np.cumsum(reference.counts)[:-1] / n - np.cumsum(current.counts)[:-1] / m
    return found


def _areas(frame: FrozenBins, reference: NumericSketch, current: NumericSketch) -> Floats:
    """Return the integral of F - G over each bin, the outer ones without end."""
    n, m = max(1, reference.n_usable), max(1, current.n_usable)
    found: Floats = current.sums / m - reference.sums / n
    widths = np.diff(frame.edges)
    shares = reference.counts[1:-1] / n - current.counts[1:-1] / m
    found[1:-1] += (_heights(reference, current)[:-1] + shares) * widths
    return found


_LABEL_CHARACTERS = 200  # as in a report on files


def measure_profiles(reference: ColumnProfile, current: ColumnProfile) -> ColumnDrift:
    """Measure one column by its two sketches, which have one frame; its verdict is still open.

    Raises TypeError where they are of two kinds: whoever reads the current data reads them as the reference's kind.
    """
    name, kind = reference.column.name, reference.column.kind or ColumnKind.CATEGORICAL
    first, second = reference.sketch, current.sketch
    if isinstance(first, NumericSketch) and isinstance(second, NumericSketch) and reference.frame is not None:
        return _of_numbers(name, kind, reference.frame, first, second)
    if isinstance(first, CategorySketch) and isinstance(second, CategorySketch):
        real = reference.column.real_values
        return _of_categories(name, kind, _without_marks(first, real), _without_marks(second, real))
    if isinstance(first, TextSketch) and isinstance(second, TextSketch) and reference.frame is not None:
        return _of_texts(name, kind, reference.frame, first, second)
    raise TypeError(f"two sketches of one kind and a frame are needed for {name!r}")


def _of_numbers(
    name: str, kind: ColumnKind, frame: FrozenBins, reference: NumericSketch, current: NumericSketch
) -> ColumnDrift:
    found, histogram = _distances(frame, reference, current)
    before, after = _only_value_shares(frame, reference, current)
    quality = {
        "reference": replace(_quality(kind, frame, reference), constant_ratio=before),
        "current": replace(
            _quality(kind, frame, current),
            out_of_range_ratio=_share(_n_outside(reference, current), current.n_rows),
            constant_ratio=after,
        ),
    }
    # Signals look at how many values a side has, not at the values: they are counted already.
    column = NumericColumn(_counted(reference), _counted(current), kind)
    return ColumnDrift(
        name,
        str(kind),
        Verdict.OK,
        found | {"missing": Measure(None)},
        quality,
        reference.n_usable,
        current.n_usable,
        histogram=histogram,
        signals=signals_of(quality, column),
    )


def _distances(
    frame: FrozenBins, reference: NumericSketch, current: NumericSketch
) -> tuple[dict[str, Measure], Histogram | None]:
    distance, p_value = ks(reference, current)
    shift = wasserstein_normed(frame, reference, current)
    found = {
        "wasserstein_normed": Measure(shift, threshold=v.DRIFT_WASSERSTEIN),
        "ks": Measure(distance, p_value, threshold=v.WARN_KS),
        "energy": Measure(energy(frame, reference, current)),
    }
    if not is_complete(reference, current):
        return found | {name: Measure(None) for name in ("psi", "js", "hellinger")}, None
    counts = grouped(frame, reference), grouped(frame, current)
    found |= of_shares(*counts)
    if is_constant(reference):
        found["l_infinity"] = Measure(measures.l_infinity(*counts), threshold=v.DRIFT_CATEGORICAL)
    return found, histogram_of(frame, reference, current)


def _only_value_shares(
    frame: FrozenBins, reference: NumericSketch, current: NumericSketch
) -> tuple[float | None, float | None]:
    """Return the shares of either side that hold the current data's only value, of the reference's what its bin holds.

    None of both where the current data hold several values or none.
    """
    if current.least is None or current.least != current.most:
        return None, None
    at = int(np.searchsorted(frame.edges, current.least, "right"))
    return _share(int(reference.counts[at]), reference.n_usable), 1.0


def _n_outside(reference: NumericSketch, current: NumericSketch) -> int | None:
    """Count current values beyond the reference's ends: what lies in the outer bins.

    None where the reference itself has values there, being windows added later: nobody knows how many lie beyond them.
    """
    if reference.least is None or reference.counts[0] or reference.counts[-1]:
        return None
    return int(current.counts[0] + current.counts[-1])


def _quality(kind: ColumnKind, frame: FrozenBins, side: NumericSketch) -> Quality:
    n = side.n_rows
    found = Quality(n, _share(side.n_missing, n), _share(side.n_infinite, n), _share(side.n_wrong_type, n))
    if kind is not ColumnKind.TIME:
        return found
    first, last = (None if end is None else float(np.ldexp(end, frame.exponent)) for end in (side.least, side.most))
    return replace(found, future_ratio=_share(side.n_future, n), earliest=first, latest=last)


def _share(count: int | None, n: int) -> float | None:
    return None if count is None or not n else count / n


def _counted(side: NumericSketch) -> NumericSide:
    values = np.broadcast_to(np.float64(0), (side.n_usable,))
    return NumericSide(values, side.n_missing, side.n_infinite, side.n_wrong_type, side.n_future)


def _of_categories(name: str, kind: ColumnKind, reference: CategorySketch, current: CategorySketch) -> ColumnDrift:
    """Line the labels up and measure them as any other counts; equal to all rows' while both sketches are exact."""
    sides = _with_blanks(reference, current)
    before, after = (dict(zip(side.labels, side.counts, strict=True)) for side in sides)
    n, m = (max(1, side.n_usable) for side in sides)
    # A label that one side does not list may be among its rest: told apart are those that both list.
    known = before.keys() | after.keys()
    if not sides[0].is_exact:
        known &= before.keys()
    if not sides[1].is_exact:
        known &= after.keys()
    union = sorted(known, key=lambda one: (-(before.get(one, 0) / n + after.get(one, 0) / m), one))
    counts = [np.array([side.get(one, 0) for one in union], dtype=np.int64) for side in (before, after)]
    rest = [side.n_usable - int(some.sum()) for side, some in zip(sides, counts, strict=True)]
    if any(rest):
        counts = [np.append(some, left).astype(np.int64) for some, left in zip(counts, rest, strict=True)]
    column = CategoricalColumn(
        CategoricalSide(counts[0], sides[0].n_missing, sides[0].n_wrong_type),
        CategoricalSide(counts[1], sides[1].n_missing, sides[1].n_wrong_type),
        labels=tuple(plain(label, _LABEL_CHARACTERS) for label in union),
        n_unseen=sum(count for label, count in after.items() if label not in before),
        n_single=sum(count == 1 for count in before.values()),
        kind=kind,
    )
    found = measure_column(name, column)
    return found if sides[0].is_exact else _without_unseen(found)


def _without_unseen(found: ColumnDrift) -> ColumnDrift:
    """Say nothing of new categories where the reference has too many to know all of them."""
    quality = {**found.quality, "current": replace(found.quality["current"], unseen_ratio=None)}
    signals = {name: one for name, one in found.signals.items() if name != "unseen"}
    measured = {name: one for name, one in found.measures.items() if name != "unseen"}
    return replace(found, quality=quality, signals=signals, measures=measured)


def _without_marks(side: CategorySketch, real: Sequence[str]) -> CategorySketch:
    """Count labels like NA as missing, and blanks as no category: a sketch of before may tell them apart."""
    gone = {label for label in side.labels if is_missing_category(label, real)}
    blank = side.n_blank if "" in real else 0
    if not gone and blank == side.n_blank:
        return side
    rows = [(label, n) for label, n in zip(side.labels, side.counts, strict=True) if label not in gone]
    n_gone = sum(side.counts) - sum(n for _, n in rows)
    labels, counts = tuple(label for label, _ in rows), tuple(n for _, n in rows)
    return replace(side, labels=labels, counts=counts, n_missing=side.n_missing + n_gone, n_blank=blank)


def _with_blanks(*sides: CategorySketch) -> list[CategorySketch]:
    """Make blanks of a file without a word for nothing the category "" where both sides together say so."""
    counts = [
        (side.n_usable, dict(zip(side.labels, side.counts, strict=True)).get("", 0), side.n_missing) for side in sides
    ]
    found = []
    for at, side in enumerate(sides):
        other = 1 - at
        tells = side.tells_empty, sides[other].tells_empty
        if side.n_blank and blanks_are_values(counts[at], tells, counts[other], counts[0]):
            labels, rows = ("", *side.labels), (side.n_blank, *side.counts)
            side = replace(  # noqa: PLW2901 - the side, as it is to be understood
                side, labels=labels, counts=rows, n_missing=side.n_missing - side.n_blank, n_blank=0
            )
        found.append(side)
    return found


def _of_texts(
    name: str, kind: ColumnKind, frame: FrozenBins, reference: TextSketch, current: TextSketch
) -> ColumnDrift:
    """Measure the words of both samples, and the lengths of all texts."""
    found = measure_column(name, WordsColumn(_words(reference), _words(current), kind))
    lengths, histogram = _distances(frame, reference.lengths, current.lengths)
    return replace(found, measures={**found.measures, **lengths}, histogram=histogram)


def _words(side: TextSketch) -> WordsSide:
    texts = tuple(text for _, text in side.sample)
    return WordsSide(texts, side.lengths.n_usable, side.lengths.n_missing)
