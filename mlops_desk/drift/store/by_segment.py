"""The segments of a window as one blob: what each part's blobs are, one after the other, compressed.

    bytes 0-3   CRC-32 of all that follows
    4-          zstd of: length of the head (4 bytes), the head in JSON, then facts, bins, rest of each part with rows

Segments have few rows each, so that most of their bins are empty: compressed they take about twice as much as the whole
window does, and not thirteen times as much. Nothing is ever run or unpickled; what does not add up is refused.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import zstandard

from mlops_desk.drift.profile.arrays import DamageError
from mlops_desk.drift.profile.categories import CategorySketch
from mlops_desk.drift.profile.segment_values import UNKNOWN_NAMED
from mlops_desk.drift.store.blobs import WindowBlobs
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid

_LENGTH = struct.Struct("<I")
_MOST_BYTES = 512 << 20  # chosen: thirteen parts of 5,000 columns of numbers; more is not from us


@dataclass(frozen=True, slots=True)
class _Head:
    """``rows`` of each part; ``sizes`` of its three blobs, nothing where it has no rows."""

    rows: tuple[int, ...]
    sizes: tuple[tuple[int, ...], ...]
    unknown: CategorySketch


@dataclass(frozen=True, slots=True)
class StoredSegments:
    """The parts in the order of their cut, None where one has no rows; ``unknown`` as in ``SegmentedRows``."""

    parts: tuple[WindowBlobs | None, ...]
    unknown: CategorySketch


def write_segments(parts: Sequence[WindowBlobs], unknown: CategorySketch) -> bytes:
    """Write them down."""
    sizes = tuple((len(one.facts), len(one.bins), len(one.rest)) if one.n_rows else () for one in parts)
    head = wire.dumps(_Head(tuple(one.n_rows for one in parts), sizes, unknown)).encode("utf-8", "replace")
    content = b"".join(one.facts + one.bins + one.rest for one in parts if one.n_rows)
    packed = zstandard.ZstdCompressor(level=1).compress(_LENGTH.pack(len(head)) + head + content)
    return _LENGTH.pack(zlib.crc32(packed)) + packed


def read_segments(data: bytes, n_parts: int, n_rows: int) -> StoredSegments:
    """Read them. Raises DamageError where they are not of so many parts with so many rows together."""
    if len(data) < _LENGTH.size or zlib.crc32(data[_LENGTH.size :]) != _LENGTH.unpack_from(data)[0]:
        raise DamageError("the checksum of its segments does not fit")
    try:
        if not 0 <= zstandard.frame_content_size(data[_LENGTH.size :]) <= _MOST_BYTES:
            raise DamageError("its segments are too large")
        content = zstandard.ZstdDecompressor().decompress(data[_LENGTH.size :])
        at = _LENGTH.size + _LENGTH.unpack_from(content)[0]
        head = wire.loads(content[_LENGTH.size : at], _Head)
    except (zstandard.ZstdError, struct.error, Invalid, UnicodeDecodeError, MemoryError) as error:
        raise DamageError("its segments can't be read") from error
    _check(head, n_parts, n_rows, len(content) - at)
    parts: list[WindowBlobs | None] = []
    for rows, sizes in zip(head.rows, head.sizes, strict=True):
        blobs = []
        for size in sizes:
            blobs.append(content[at : at + size])
            at += size
        parts.append(WindowBlobs(rows, *blobs) if blobs else None)
    return StoredSegments(tuple(parts), head.unknown)


def _check(head: _Head, n_parts: int, n_rows: int, n_bytes: int) -> None:
    is_shape = len(head.rows) == len(head.sizes) == n_parts and sum(head.rows) == n_rows and min(head.rows) >= 0
    sizes = [size for of_part in head.sizes for size in of_part]
    fits = all(len(of_part) == (3 if rows else 0) for rows, of_part in zip(head.rows, head.sizes, strict=False))
    if not is_shape or not fits or min(sizes, default=0) < 0 or sum(sizes) != n_bytes:
        raise DamageError("its segments do not fit its rows")
    if len(head.unknown.labels) != len(head.unknown.counts) or len(head.unknown.labels) > UNKNOWN_NAMED:
        raise DamageError("the unknown values of a window do not fit")
