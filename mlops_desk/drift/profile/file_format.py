"""A profile as a file: a mark, a version, a checksum, a head in JSON, then arrays of numbers as they are.

    bytes 0-23   ``MLOPS-DESK-DRIFT-PROFILE``
    24-27        version, 28-31 CRC-32 of all that follows the first 40 bytes, 32-39 length of the head in bytes
    40-          the head (UTF-8), then the arrays in the head's order; all numbers are little-endian

For each column of numbers, and for the lengths of texts: edges (8-byte floats), the bins' score bins (1 byte), counts
(4 bytes, or 8 where one is larger), sums (8-byte floats). For categories: counts (8 bytes). Where rows are told apart
by segment the same follows for each of them, without the bins, which are the whole's. Nothing in it is ever
run: a reader takes names, numbers and texts, and refuses what does not add up.

How a file that is a profile begins; told without loading what reads one.
"""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlops_desk.drift.profile.arrays import ArrayReader, ArrayWriter, DamageError
from mlops_desk.drift.profile.bin_edges import BINS, FrozenBins
from mlops_desk.drift.profile.categories import LIMIT, CategorySketch
from mlops_desk.drift.profile.numbers import NumericSketch
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile, SegmentedRows, Sketch, rows_of
from mlops_desk.drift.profile.segment_values import KNOWN, MOST, SegmentCut
from mlops_desk.drift.profile.texts import CHARACTERS, SAMPLE, TextSketch
from mlops_desk.drift.records.columns import ColumnKind, ColumnRole, FrozenColumn
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

MARK = b"MLOPS-DESK-DRIFT-PROFILE"


def is_profile(path: Path) -> bool:
    """Tell a profile by its beginning. Raises OSError."""
    if not path.is_file():
        return False
    with open_plain(path, links=True) as file:
        return file.read(len(MARK)) == MARK


VERSION = 1  # raised where an earlier program could not read what is written
OWN_ROWS = 2
"""The version of a profile whose answers are of other rows than its inputs: an earlier program reads all but these."""
LIMIT_BYTES = 512 << 20  # chosen: 5,000 columns of numbers are 30 MB, of texts never more than this
COLUMNS_LIMIT = 5000  # as many as a file of data may have
_START = struct.Struct("<24sIIQ")
_LARGEST_COUNT = 1 << 53  # up to here a double holds each whole number
_LABEL_LIMIT = 200  # characters, as ``reading`` cuts them
_AGAIN = "Make it again, by the same data."


@dataclass(frozen=True, slots=True)
class _Numbers:
    bins: int
    is_wide: bool
    n_groups: int
    exponent: int
    center: float
    squares: float
    least: float | None
    most: float | None
    n_missing: int
    n_infinite: int
    n_wrong_type: int
    n_future: int | None


@dataclass(frozen=True, slots=True)
class _Categories:
    labels: tuple[str, ...]
    n_rest: int
    error: int
    n_missing: int
    n_wrong_type: int
    n_blank: int
    tells_empty: bool


@dataclass(frozen=True, slots=True)
class _Column:
    column: FrozenColumn
    numbers: _Numbers | None = None
    categories: _Categories | None = None
    sample: tuple[tuple[int, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    n_rows: int
    columns: tuple[_Column, ...]


@dataclass(frozen=True, slots=True)
class _Segments:
    cut: SegmentCut
    parts: tuple[_Part, ...]
    unknown: CategorySketch


@dataclass(frozen=True, slots=True)
class _Head:
    n_rows: int
    n_rejected: int
    notes: tuple[str, ...]
    columns: tuple[_Column, ...]
    segments: _Segments | None = None


def to_bytes(profile: DataProfile) -> bytes:
    """Write a profile down."""
    arrays = ArrayWriter()
    columns = tuple(_written(one, arrays) for one in profile.columns)
    known = None
    if profile.segments is not None:
        parts = tuple(
            _Part(part.n_rows, tuple(_written(one, arrays, with_frame=False) for one in part.columns))
            for part in profile.segments.parts
        )
        known = _Segments(profile.segments.cut, parts, profile.segments.unknown)
    told = _Head(profile.n_rows, profile.n_rejected, profile.notes, columns, known)
    head = wire.dumps(told).encode("utf-8", "replace")
    rest = head + arrays.content()
    has_own_rows = any(one.sketch is not None and rows_of(one.sketch) != profile.n_rows for one in profile.columns)
    version = OWN_ROWS if has_own_rows else VERSION
    return _START.pack(MARK, version, _checksum(version, rest), len(head)) + rest


def read_profile(path: Path) -> DataProfile:
    """Read a profile from anywhere. Raises Invalid where it is damaged, newer than this program or none; OSError."""
    shown = plain(str(path), 1000)
    if path.stat().st_size > LIMIT_BYTES:
        raise Invalid(f"{shown} is larger than any profile: over {LIMIT_BYTES >> 20} MiB.", _AGAIN)
    with open_plain(path, links=True) as file:
        return from_bytes(file.read(), shown)


def from_bytes(data: bytes, shown: str = "This profile") -> DataProfile:
    """Read a profile. Raises Invalid where it is damaged, newer than this program or none."""
    if not data.startswith(MARK) or len(data) < _START.size:
        raise Invalid(f"{shown} is not a whole profile.", _AGAIN)
    _, version, checksum, head_bytes = _START.unpack_from(data)
    if version not in {VERSION, OWN_ROWS}:
        text = f"{shown} is a profile of version {version}; this program reads versions up to {OWN_ROWS}."
        raise Invalid(text, "Update the program, or make the profile again with this one.")
    rest = data[_START.size :]
    if _checksum(version, rest) != checksum or head_bytes > len(rest):
        raise Invalid(f"{shown} is a damaged profile: its checksum does not fit.", _AGAIN)
    try:
        head = wire.loads(rest[:head_bytes], _Head)
        return _read(head, ArrayReader(rest[head_bytes:]), has_own_rows=version == OWN_ROWS)
    except DamageError as error:
        raise Invalid(f"{shown} is a damaged profile: {error}.", _AGAIN) from error
    except (Invalid, UnicodeDecodeError) as error:
        raise Invalid(f"{shown} is a damaged profile: its head can't be read.", _AGAIN) from error


def _checksum(version: int, rest: bytes) -> int:
    """Return the CRC-32 of what follows the start; from the second version on it is of the version too."""
    return zlib.crc32(rest, 0 if version == VERSION else version)


def _written(one: ColumnProfile, arrays: ArrayWriter, *, with_frame: bool = True) -> _Column:
    """Write a column down; the bins of a segment are the whole's, and not written again."""
    sketch = one.sketch
    if isinstance(sketch, CategorySketch):
        arrays.add(np.array(sketch.counts, dtype="<i8"))
        facts = sketch.n_rest, sketch.error, sketch.n_missing, sketch.n_wrong_type, sketch.n_blank, sketch.tells_empty
        return _Column(one.column, categories=_Categories(sketch.labels, *facts))
    if isinstance(sketch, TextSketch) and one.frame is not None:
        numbers = _of_numbers(one.frame, sketch.lengths, arrays, with_frame=with_frame)
        return _Column(one.column, numbers, sample=sketch.sample)
    if isinstance(sketch, NumericSketch) and one.frame is not None:
        return _Column(one.column, _of_numbers(one.frame, sketch, arrays, with_frame=with_frame))
    return _Column(one.column)


def _of_numbers(frame: FrozenBins, sketch: NumericSketch, arrays: ArrayWriter, *, with_frame: bool) -> _Numbers:
    is_wide = bool(sketch.counts.max() >= 1 << 32)
    if with_frame:
        arrays.add(frame.edges.astype("<f8"))
        arrays.add(frame.groups.astype("u1"))
    arrays.add(sketch.counts.astype("<i8" if is_wide else "<u4"))
    arrays.add(sketch.sums.astype("<f8"))
    return _Numbers(
        sketch.counts.size,
        is_wide,
        frame.n_groups,
        frame.exponent,
        frame.center,
        sketch.squares,
        sketch.least,
        sketch.most,
        sketch.n_missing,
        sketch.n_infinite,
        sketch.n_wrong_type,
        sketch.n_future,
    )


def _read(head: _Head, arrays: ArrayReader, *, has_own_rows: bool) -> DataProfile:
    if len(head.columns) > COLUMNS_LIMIT:
        raise DamageError("it has too many columns")
    if len({one.column.name for one in head.columns}) < len(head.columns):
        raise DamageError("two of its columns have one name")
    _check_counts(head.n_rows, head.n_rejected)
    found = tuple(_column(one, arrays) for one in head.columns)
    for one in found:
        may_differ = has_own_rows and one.column.role is ColumnRole.PREDICTION
        if one.sketch is not None and rows_of(one.sketch) != head.n_rows and not may_differ:
            raise _unfitting(one.column.name)
    segments = None if head.segments is None else _segments(head.segments, arrays, head.n_rows, found)
    arrays.check_end()
    return DataProfile(head.n_rows, found, head.n_rejected, head.notes, segments)


def _unfitting(name: str) -> DamageError:
    return DamageError(f"the sketch of column {plain(name)!r} does not fit its kind or its rows")


def _segments(head: _Segments, arrays: ArrayReader, n_rows: int, columns: tuple[ColumnProfile, ...]) -> SegmentedRows:
    """Read the segments, whose bins are those of the whole's columns; answers of other rows have no segments."""
    _check_counts(*(part.n_rows for part in head.parts))
    _check_cut(head.cut)
    is_whole = sum(part.n_rows for part in head.parts) == n_rows and len(head.parts) == len(head.cut.parts)
    names = [one.column.name for one in columns]
    if not is_whole or any([one.column.name for one in part.columns] != names for part in head.parts):
        raise DamageError("its segments do not fit its rows or its columns")
    parts = tuple(DataProfile(part.n_rows, _of_part(part, arrays, columns)) for part in head.parts)
    return SegmentedRows(head.cut, parts, head.unknown)


def _of_part(part: _Part, arrays: ArrayReader, columns: tuple[ColumnProfile, ...]) -> tuple[ColumnProfile, ...]:
    found = tuple(_column(one, arrays, whole) for one, whole in zip(part.columns, columns, strict=True))
    for one, whole in zip(found, columns, strict=True):
        if one.sketch is not None and (
            type(whole.sketch) is not type(one.sketch) or rows_of(one.sketch) != part.n_rows
        ):
            raise _unfitting(one.column.name)
    return found


def _check_cut(cut: SegmentCut) -> None:
    known = (*cut.values, *cut.others)
    if len(cut.values) > MOST or len(cut.others) > KNOWN or len(set(known)) < len(known):
        raise DamageError("it has too many segments, or one twice")
    if any(len(value) > _LABEL_LIMIT for value in known):
        raise DamageError("the value of a segment is too long")


def _column(one: _Column, arrays: ArrayReader, whole: ColumnProfile | None = None) -> ColumnProfile:
    """Read a column; that of a segment has the bins of ``whole``."""
    kind = one.column.kind
    frame: FrozenBins | None = None
    sketch: Sketch | None = None
    if one.categories is not None:
        sketch = _categories(one.categories, arrays)
        fits = kind in {ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN}
    elif one.numbers is not None:
        frame, numbers = _numbers(one.numbers, arrays, None if whole is None else whole.frame)
        is_text = kind in {ColumnKind.TEXT, ColumnKind.IDENTIFIER}
        sketch = numbers if one.sample is None else TextSketch(numbers, _sample(one.sample, numbers.n_usable))
        fits = is_text if one.sample is not None else _is_number(kind)
    else:
        fits = True
    if not fits:
        raise _unfitting(one.column.name)
    return ColumnProfile(one.column, sketch, frame)


def _is_number(kind: ColumnKind | None) -> bool:
    return kind in {ColumnKind.NUMERIC, ColumnKind.TIME}


def _numbers(head: _Numbers, arrays: ArrayReader, whole: FrozenBins | None = None) -> tuple[FrozenBins, NumericSketch]:
    if not 1 <= head.bins <= BINS or not 1 <= head.n_groups <= BINS:
        raise DamageError("a column has too many bins")
    edges = arrays.floats(head.bins - 1) if whole is None else whole.edges
    groups = arrays.counts("u1", head.bins) if whole is None else whole.groups
    if edges.size + 1 != head.bins:
        raise DamageError("the bins of a segment are not the whole's")
    counts = arrays.counts("<i8" if head.is_wide else "<u4", head.bins)
    sums = arrays.floats(head.bins)
    if (np.diff(edges) <= 0).any() or groups.max() >= head.n_groups:
        raise DamageError("the bins of a column are in no order")
    _check_counts(*counts.tolist(), head.n_missing, head.n_infinite, head.n_wrong_type, head.n_future or 0)
    n = int(counts.sum())
    ends = head.least is not None and head.most is not None and head.least <= head.most
    numbers = [head.center, head.squares, head.least or 0.0, head.most or 0.0]
    is_odd = not np.isfinite(numbers).all() or head.squares < 0 or abs(head.exponent) > 1100  # a double's is less
    if bool(n) != ends or is_odd or (head.n_future or 0) > n:
        raise DamageError("the counts of a column do not fit together")
    frame = whole or FrozenBins(edges, groups, head.n_groups, head.exponent, head.center)
    facts = head.n_missing, head.n_infinite, head.n_wrong_type, head.n_future
    return frame, NumericSketch(counts, sums, head.squares, head.least, head.most, *facts)


def _categories(head: _Categories, arrays: ArrayReader) -> CategorySketch:
    if len(head.labels) > LIMIT or len(set(head.labels)) < len(head.labels):
        raise DamageError("a column has too many categories, or one twice")
    if any(len(label) > _LABEL_LIMIT for label in head.labels):
        raise DamageError("a category is too long")
    counts = tuple(arrays.counts("<i8", len(head.labels)).tolist())
    _check_counts(*counts, head.n_rest, head.error, head.n_missing, head.n_wrong_type, head.n_blank)
    if head.n_blank > head.n_missing or not all(counts):
        raise DamageError("the counts of a column do not fit together")
    facts = head.n_rest, head.error, head.n_missing, head.n_wrong_type, head.n_blank, head.tells_empty
    return CategorySketch(head.labels, counts, *facts)


def _sample(rows: tuple[tuple[int, str], ...], n_usable: int) -> tuple[tuple[int, str], ...]:
    if len(rows) > min(SAMPLE, n_usable) or any(len(text) > CHARACTERS for _, text in rows):
        raise DamageError("a sample of texts is too large")
    return rows


def _check_counts(*counts: int) -> None:
    if any(not 0 <= count < _LARGEST_COUNT for count in counts) or sum(counts) >= _LARGEST_COUNT:
        raise DamageError("a count is no count")
