"""Windows of one layout added up, in any order and any grouping."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from mlops_desk.drift.pair import Counts, Floats
from mlops_desk.drift.profile.arrays import DamageError
from mlops_desk.drift.profile.categories import CategorySketch, add_categories
from mlops_desk.drift.profile.numbers import NumericSketch
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile, SegmentedRows, Sketch
from mlops_desk.drift.profile.segment_values import UNKNOWN_NAMED
from mlops_desk.drift.profile.texts import TextSketch
from mlops_desk.drift.records.columns import ColumnKind
from mlops_desk.drift.store.blobs import WindowBlobs
from mlops_desk.drift.store.by_segment import read_segments
from mlops_desk.drift.store.json_blob import StoredRest, add_rests, check_rest, read_rest
from mlops_desk.drift.store.layout import (
    FUTURE,
    HEAD,
    LEAST,
    MOST,
    SQUARES,
    WindowLayout,
    checksum,
    with_facts,
)


def add_windows(layout: WindowLayout, windows: Iterable[WindowBlobs]) -> DataProfile:
    """Add windows; none is the profile of no rows. Raises DamageError."""
    total = WindowSum(layout)
    for one in windows:
        total.add(one)
    return total.profile()


@dataclass(frozen=True, slots=True)
class ReadWindow:
    """What was read of a window's blobs, and fits; ``parts`` are its segments, None those without rows."""

    n_rows: int
    counts: Counts
    sums: Floats
    floats: Floats
    whole: Counts
    rest: StoredRest
    parts: tuple["ReadWindow | None", ...] = ()
    unknown: CategorySketch | None = None


class WindowSum:
    """The sum of windows of one layout, added one after the other: memory is that of one."""

    def __init__(self, layout: WindowLayout) -> None:
        n = len(layout.places)
        self._layout = layout
        known = layout.reference.segments
        self._parts = [] if known is None or layout.part is None else [WindowSum(layout.part) for _ in known.parts]
        self._unknown: list[CategorySketch] = []
        self._n_rows = 0
        self._counts = np.zeros(layout.n_bins, dtype=np.int64)
        self._sums = np.zeros(layout.n_bins)
        self._squares = np.zeros(n)
        self._least, self._most = np.full(n, np.nan), np.full(n, np.nan)
        self._whole = np.zeros((n, 3), dtype=np.int64)
        kinds = (layout.reference.columns[place.column].column.kind for place in layout.places)
        self._future = np.array([0 if kind is ColumnKind.TIME else -1 for kind in kinds], dtype=np.int64)
        self._rests: list[StoredRest] = []

    def add(self, one: WindowBlobs) -> None:
        """Add a window. Raises DamageError, and then nothing was added."""
        self.take(self.read(one))

    def read(self, one: WindowBlobs) -> ReadWindow:
        """Read a window that fits this layout, and add nothing. Raises DamageError."""
        layout = self._layout
        width, floats, whole = layout.facts(one.facts)
        if checksum(one.facts[HEAD.size :], one.bins, one.rest) != HEAD.unpack_from(one.facts)[0]:
            raise DamageError("its checksum does not fit")
        counts, sums = layout.arrays(one.bins, width)
        if layout.places:
            self._check(one.n_rows, counts, sums, floats, whole)
        rest = read_rest(one.rest)
        check_rest(layout.reference, rest, one.n_rows)
        found = ReadWindow(one.n_rows, counts, sums, floats, whole, rest)
        if not self._parts:
            return found
        segments = read_segments(one.segments, len(self._parts), one.n_rows)
        parts = (
            None if blobs is None else part.read(blobs) for part, blobs in zip(self._parts, segments.parts, strict=True)
        )
        return replace(found, parts=tuple(parts), unknown=segments.unknown)

    def take(self, one: ReadWindow) -> None:
        """Add what was read."""
        self._rests.append(one.rest)
        self._n_rows += one.n_rows
        self._counts += one.counts
        self._sums += one.sums
        self._squares += one.floats[:, SQUARES]
        self._least = np.fmin(self._least, one.floats[:, LEAST])
        self._most = np.fmax(self._most, one.floats[:, MOST])
        self._whole += one.whole[:, :FUTURE]
        future = one.whole[:, FUTURE]
        known = future >= 0
        self._future = np.where(known, np.maximum(self._future, 0) + future, self._future)
        for total, part in zip(self._parts, one.parts, strict=True):
            if part is not None:
                total.take(part)
        if one.unknown is not None:
            self._unknown.append(one.unknown)

    def profile(self) -> DataProfile:
        """Return the sum as a profile; each column is the reference's."""
        reference = self._layout.reference
        rest = add_rests(self._rests)
        found: dict[int, Sketch | None] = {}
        for at, place in enumerate(self._layout.places):
            span = slice(place.first, place.first + place.bins)
            numbers = NumericSketch(self._counts[span].copy(), self._sums[span].copy())
            floats = np.array([self._squares[at], self._least[at], self._most[at]])
            sketch = with_facts(numbers, floats, np.append(self._whole[at], self._future[at]))
            is_text = isinstance(reference.columns[place.column].sketch, TextSketch)
            found[place.column] = TextSketch(sketch, rest.samples.get(place.column, ())) if is_text else sketch
        found |= rest.categories
        columns = tuple(
            ColumnProfile(
                one.column,
                found.get(at, CategorySketch() if isinstance(one.sketch, CategorySketch) else None),
                one.frame,
            )
            for at, one in enumerate(reference.columns)
        )
        return DataProfile(self._n_rows, columns, rest.n_rejected, rest.notes, self._segments())

    def _segments(self) -> SegmentedRows | None:
        known = self._layout.reference.segments
        if known is None:
            return None
        unknown = add_categories([CategorySketch(), *self._unknown], UNKNOWN_NAMED)
        return SegmentedRows(known.cut, tuple(part.profile() for part in self._parts), unknown)

    def _check(self, n_rows: int, counts: Counts, sums: Floats, floats: Floats, whole: Counts) -> None:
        usable = np.add.reduceat(counts, self._layout.starts, dtype=np.int64)
        if (counts.dtype.kind == "i" and (counts < 0).any()) or (whole[:, :FUTURE] < 0).any():
            raise DamageError("a count is no count")
        if not (usable + whole[:, :FUTURE].sum(axis=1) == n_rows).all():
            raise DamageError("the counts of a column do not fit its rows")
        ends = np.isfinite(floats[:, LEAST]) & np.isfinite(floats[:, MOST])
        ordered = ~(floats[:, LEAST] > floats[:, MOST])
        squares = floats[:, SQUARES]
        if not (ends == (usable > 0)).all() or not ordered.all() or not (np.isfinite(squares) & (squares >= 0)).all():
            raise DamageError("the ends of a column do not fit its counts")
        if not np.isfinite(sums).all():
            raise DamageError("a number is not finite")
