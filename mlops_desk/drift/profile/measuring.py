"""What two sketches of one column tell: the same measures and signals as of all values, for the same verdicts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mlops_desk.base.text import plain
from mlops_desk.drift.columns import (
    CategoricalColumn,
    CategoricalSide,
    NumericColumn,
    NumericSide,
    WordsColumn,
    WordsSide,
)
from mlops_desk.drift.data.categories import blanks_are_values
from mlops_desk.drift.data.spelling import is_missing_category
from mlops_desk.drift.measure import measures
from mlops_desk.drift.measure import verdict as v
from mlops_desk.drift.measure.battery import of_shares
from mlops_desk.drift.measure.quality import signals_of
from mlops_desk.drift.profile import distances
from mlops_desk.drift.profile.categories import CategorySketch
from mlops_desk.drift.profile.frame import FrozenBins
from mlops_desk.drift.profile.numbers import NumericSketch
from mlops_desk.drift.profile.pictures import histogram_of
from mlops_desk.drift.profile.profile import ColumnProfile
from mlops_desk.drift.profile.texts import TextSketch
from mlops_desk.drift.report import measure_column
from mlops_desk.records.drift import ColumnDrift, Histogram, Measure, Quality, Verdict
from mlops_desk.records.drift.columns import ColumnKind

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
    distance, p_value = distances.ks(reference, current)
    shift = distances.wasserstein_normed(frame, reference, current)
    found = {
        "wasserstein_normed": Measure(shift, threshold=v.DRIFT_WASSERSTEIN),
        "ks": Measure(distance, p_value, threshold=v.WARN_KS),
        "energy": Measure(distances.energy(frame, reference, current)),
    }
    if not distances.is_complete(reference, current):
        return found | {name: Measure(None) for name in ("psi", "js", "hellinger")}, None
    counts = distances.grouped(frame, reference), distances.grouped(frame, current)
    found |= of_shares(*counts)
    if distances.is_constant(reference):
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
