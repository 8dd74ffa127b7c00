"""A window as blobs, laid out by the reference that froze its bins, so that windows add up array by array.

    facts   CRC-32 of all that follows (4 bytes), width of a count in bytes (2, 4 or 8; 4 bytes), then for each column
            of numbers (and the lengths of texts): 8-byte floats squares, least, most (NaN: none), then for each
            8-byte integers missing, infinite, of the wrong type, future (-1: not counted)
    bins    all counts, column after column, then all sums (8-byte floats)
    rest    JSON, compressed: categories, samples of texts, notes
    segments, where the reference's rows are told apart: ``store.by_segment``

All little-endian. A column of numbers of 256 bins is 2.6 KiB, and at most 4. Nothing is ever run or unpickled; what
does not add up is refused.
"""

import struct
import zlib
from dataclasses import dataclass, replace

import numpy as np

from mlops_desk.drift.pair import Counts, Floats
from mlops_desk.drift.profile.arrays import DamageError
from mlops_desk.drift.profile.categories import CategorySketch
from mlops_desk.drift.profile.numbers import NumericSketch, empty_numbers
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile, Sketch, check_same
from mlops_desk.drift.profile.texts import TextSketch
from mlops_desk.drift.records.columns import ColumnKind
from mlops_desk.drift.store.blobs import WindowBlobs
from mlops_desk.drift.store.by_segment import write_segments
from mlops_desk.drift.store.json_blob import rest_of, write_rest

HEAD = struct.Struct("<II")
WIDTHS = {2: "<u2", 4: "<u4", 8: "<i8"}
SQUARES, LEAST, MOST = 0, 1, 2  # part of the format
FUTURE = 3  # part of the format


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a column's numbers lie: its place in the profile, and its first bin."""

    column: int
    first: int
    bins: int


class WindowLayout:
    """Writes, reads and adds windows of one reference; ``part`` is the layout of each of its segments, if any."""

    def __init__(self, reference: DataProfile) -> None:
        self.reference = reference
        self._places: list[_Place] = []
        at = 0
        for number, one in enumerate(reference.columns):
            if isinstance(one.sketch, (NumericSketch, TextSketch)) and one.frame is not None:
                bins = one.frame.edges.size + 1
                self._places.append(_Place(number, at, bins))
                at += bins
        self._n_bins = at
        self.part = None if reference.segments is None else WindowLayout(replace(reference, segments=None))
        self._starts = np.array([place.first for place in self._places], dtype=np.int64)

    def write(self, profile: DataProfile) -> WindowBlobs:
        """Write a window down. Raises Invalid where it was not made by this layout's reference."""
        check_same(self.reference, profile)
        numbers = [_numbers_of(profile.columns[place.column]) for place in self._places]
        counts = np.concatenate([one.counts for one in numbers]) if numbers else np.zeros(0, dtype=np.int64)
        sums = np.concatenate([one.sums for one in numbers]) if numbers else np.zeros(0)
        width = _width(counts)
        bins = counts.astype(WIDTHS[width]).tobytes() + sums.astype("<f8").tobytes()
        floats = [[one.squares, _or_nan(one.least), _or_nan(one.most)] for one in numbers]
        whole = [
            [one.n_missing, one.n_infinite, one.n_wrong_type, -1 if one.n_future is None else one.n_future]
            for one in numbers
        ]
        rest = write_rest(rest_of(profile))
        facts = np.array(floats, dtype="<f8").tobytes() + np.array(whole, dtype="<i8").tobytes()
        segments = b""
        if self.part is not None and profile.segments is not None:
            parts = [self.part.write(_whole(self.part.reference, one)) for one in profile.segments.parts]
            segments = write_segments(parts, profile.segments.unknown)
        head = HEAD.pack(checksum(facts, bins, rest), width)
        return WindowBlobs(profile.n_rows, head + facts, bins, rest, segments)

    def has_numbers(self, name: str) -> bool:
        """Tell whether a column has bins: one of numbers, moments or texts."""
        return any(self._name(place) == name for place in self._places)

    def numbers(self, one: WindowBlobs, name: str) -> NumericSketch:
        """Read one column's numbers of a window. Raises DamageError."""
        at = next(at for at, place in enumerate(self._places) if self._name(place) == name)
        width, floats, whole = self.facts(one.facts)
        counts, sums = self.arrays(one.bins, width)
        place = self._places[at]
        span = slice(place.first, place.first + place.bins)
        found = NumericSketch(counts[span].astype(np.int64), sums[span].copy())
        if not np.isfinite(found.sums).all() or (found.counts < 0).any():
            raise DamageError("a number is not finite")
        return with_facts(found, floats[at], whole[at])

    def arrays(self, bins: bytes, width: int) -> tuple[Counts, Floats]:
        """Return the counts and the sums of all columns, as they are stored. Raises DamageError."""
        if len(bins) != self._n_bins * (width + 8):
            raise DamageError("its bins are of another layout")
        counts = np.frombuffer(bins, WIDTHS[width], self._n_bins)
        return counts, np.frombuffer(bins, "<f8", self._n_bins, self._n_bins * width)

    def facts(self, facts: bytes) -> tuple[int, Floats, Counts]:
        """Return the width of a count in bytes, and of each column of numbers its facts. Raises DamageError."""
        n = len(self._places)
        if len(facts) != HEAD.size + n * 56:  # three floats and four integers of 8 bytes
            raise DamageError("its facts are of another layout")
        width = HEAD.unpack_from(facts)[1]
        if width not in WIDTHS:
            raise DamageError("its counts have no width that there is")
        floats = np.frombuffer(facts, "<f8", 3 * n, HEAD.size).reshape(n, 3)
        whole = np.frombuffer(facts, "<i8", 4 * n, HEAD.size + 24 * n).reshape(n, 4)
        return width, floats, whole

    def _name(self, place: _Place) -> str:
        return self.reference.columns[place.column].column.name

    @property
    def places(self) -> list[_Place]:
        return self._places

    @property
    def n_bins(self) -> int:
        return self._n_bins

    @property
    def starts(self) -> Counts:
        return self._starts


def checksum(facts: bytes, bins: bytes, rest: bytes) -> int:
    """Return the CRC-32 of all of a window but its head."""
    return zlib.crc32(rest, zlib.crc32(bins, zlib.crc32(facts)))


def _whole(reference: DataProfile, part: DataProfile) -> DataProfile:
    """Count what a segment has no sketch of as missing: answers that were pinned while its window grew."""
    columns = (
        replace(one, sketch=_missing(before, part.n_rows)) if one.sketch is None and before.sketch is not None else one
        for before, one in zip(reference.columns, part.columns, strict=True)
    )
    return replace(part, columns=tuple(columns))


def _missing(before: ColumnProfile, n_rows: int) -> Sketch:
    if before.frame is None:
        return CategorySketch(n_missing=n_rows)
    future = 0 if before.column.kind is ColumnKind.TIME else None
    numbers = replace(empty_numbers(before.frame), n_missing=n_rows, n_future=future)
    return TextSketch(numbers) if isinstance(before.sketch, TextSketch) else numbers


def _numbers_of(one: ColumnProfile) -> NumericSketch:
    sketch = one.sketch.lengths if isinstance(one.sketch, TextSketch) else one.sketch
    if not isinstance(sketch, NumericSketch):
        raise TypeError(f"{one.column.name!r} has no numbers")  # check_like has seen to it
    return sketch


def _width(counts: Counts) -> int:
    largest = int(counts.max()) if counts.size else 0
    if largest < 1 << 16:
        return 2
    return 4 if largest < 1 << 32 else 8


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


def with_facts(numbers: NumericSketch, floats: Floats, whole: Counts) -> NumericSketch:
    """Give a sketch of counts and sums the rest of what is stored of it."""
    return NumericSketch(
        numbers.counts,
        numbers.sums,
        float(floats[SQUARES]),
        _or_none(float(floats[LEAST])),
        _or_none(float(floats[MOST])),
        int(whole[0]),
        int(whole[1]),
        int(whole[2]),
        None if whole[FUTURE] < 0 else int(whole[FUTURE]),
    )


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value
