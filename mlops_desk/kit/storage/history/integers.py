"""Whole numbers to few bytes: the frames that history is made of.

``put_integers`` writes numbers with the fewest bytes that hold all of them, first bytes together, then second
ones and so on (neighbours are alike, so this compresses far better). ``put_column`` writes one curve: the
differences of the first or second order, or the values themselves, whichever are smallest, and a state for
each value. ``put_group`` puts frames into one checked record from which each can be taken alone.
"""

import struct
import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import zstandard
from numpy.typing import NDArray

Codes = NDArray[np.int64]
States = NDArray[np.uint8]
Places = NDArray[np.intp]

_ROWS_LIMIT = 1 << 22  # chosen: far above any chunk; a damaged length must not take all memory
_CONSTANT, _PACKED, _PLAIN = 0, 1, 2  # part of the format
_ONE_STATE, _MANY_STATES = 0, 1  # part of the format
_GROUP_VERSION = 2  # part of the format
# A curve of a quarter of an hour is small: without its size the library takes 11 MB for each compressor.
_PARAMETERS = zstandard.ZstdCompressionParameters.from_level(
    12, source_size=4096, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=False, write_checksum=False
)


class DamagedBlock(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """The bytes are not what was written."""


def put_integers(numbers: Codes) -> bytes:
    """Return ``numbers`` as bytes; ``get_integers`` needs to know how many there are."""
    folded = ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)
    largest = int(folded.max()) if len(folded) else 0
    width = next(width for width in (0, 1, 2, 4, 8) if largest >> (8 * width) == 0)
    if width == 0:
        return b"\0"
    planes = np.ascontiguousarray(folded.astype(f"<u{width}").view(np.uint8).reshape(-1, width).T)
    return bytes([width]) + planes.tobytes()


def get_integers(data: bytes, place: int, count: int, wanted: Places | None = None, run: int = 1) -> tuple[Codes, int]:
    """Return ``count`` numbers that begin at ``place``, and where they end. Raises DamagedBlock.

    With ``wanted`` they are runs of ``run`` numbers, of which only those are returned.
    """
    width = data[place] if place < len(data) else -1
    end = place + 1 + width * count
    if width not in {0, 1, 2, 4, 8} or end > len(data):
        raise DamagedBlock("numbers are cut off")
    size = count if wanted is None else len(wanted) * run
    if width == 0:
        return np.zeros(size, np.int64), end
    planes = np.frombuffer(data, np.uint8, width * count, place + 1).reshape(width, count)
    if wanted is not None:
        planes = planes.reshape(width, -1, run)[:, wanted].reshape(width, size) if run else planes
    folded = np.ascontiguousarray(planes.T).view(f"<u{width}").reshape(size).astype(np.uint64)
    return (folded >> np.uint64(1)).view(np.int64) ^ -(folded & np.uint64(1)).view(np.int64), end


def put_column(numbers: Codes, states: States) -> bytes:
    """Return one curve as bytes. Where there is no value, ``numbers`` should repeat the last one."""
    differences, order = _smallest(numbers)
    if not len(numbers):
        return bytes([_CONSTANT])
    one_state = bool((states == states[0]).all())
    if one_state and order == 1 and not differences.any():
        return struct.pack("<BBq", _CONSTANT, int(states[0]), int(numbers[0])).rstrip(b"\0") or bytes([_CONSTANT])
    head = bytes([order, _ONE_STATE, states[0]]) if one_state else bytes([order, _MANY_STATES]) + states.tobytes()
    start = numbers[:order].astype("<i8").tobytes()
    plain = head + start + put_integers(differences)
    packed = zstandard.ZstdCompressor(compression_params=_PARAMETERS).compress(plain)
    return bytes([_PACKED]) + packed if len(packed) < len(plain) else bytes([_PLAIN]) + plain


def get_column(data: bytes, rows: int) -> tuple[Codes, States]:
    """Return numbers and states of a curve of ``rows`` values. Raises DamagedBlock."""
    if not data or rows > _ROWS_LIMIT:
        raise DamagedBlock(f"a curve of {len(data)} bytes and {rows} rows")
    if data[0] == _CONSTANT:
        _, state, first = struct.unpack("<BBq", data[:10].ljust(10, b"\0"))
        return np.full(rows, first, np.int64), np.full(rows, state, np.uint8)
    plain = _plain(data, 9 * rows + 32)
    order, kind = plain[0], plain[1]
    place = 3 if kind == _ONE_STATE else 2 + rows
    if order > 2 or order > rows or len(plain) < place + 8 * order:
        raise DamagedBlock("a curve is cut off")
    states = np.full(rows, plain[2], np.uint8) if kind == _ONE_STATE else np.frombuffer(plain, np.uint8, rows, 2)
    start = np.frombuffer(plain, "<i8", order, place).astype(np.int64)
    differences, _ = get_integers(plain, place + 8 * order, rows - order)
    return _summed(start, differences), states


def _plain(data: bytes, limit: int) -> bytes:
    if data[0] == _PLAIN:
        plain = data[1:]
    elif data[0] == _PACKED:
        unpacker = zstandard.ZstdDecompressor(format=zstandard.FORMAT_ZSTD1_MAGICLESS)
        try:
            plain = unpacker.decompress(data[1:], max_output_size=limit)
        except zstandard.ZstdError as error:
            raise DamagedBlock(str(error)) from error
    else:
        raise DamagedBlock(f"a curve of kind {data[0]}")
    if len(plain) < 3:
        raise DamagedBlock("a curve is cut off")
    return plain


def _smallest(numbers: Codes) -> tuple[Codes, int]:
    """Return the differences of the order that needs the fewest bits, and that order."""
    first = np.diff(numbers)
    if not first.any():
        return first, min(1, len(numbers))
    choices = [(numbers, 0), (first, 1), (np.diff(first), 2)]
    sizes = [float(np.log2(1.0 + np.abs(choice)).sum()) for choice, _ in choices]
    return choices[int(np.argmin(sizes))]


def _summed(start: Codes, differences: Codes) -> Codes:
    order = len(start)
    if order == 0:
        return differences
    if order == 1:
        return np.cumsum(np.concatenate([start, differences]))
    slopes = np.cumsum(np.concatenate([[start[1] - start[0]], differences]))
    return np.cumsum(np.concatenate([start[:1], slopes]))


def put_group(frames: Sequence[bytes]) -> bytes:
    """Return several frames as one record with a checksum."""
    sizes = np.array([len(frame) for frame in frames], "<u4").tobytes()
    body = struct.pack("<BH", _GROUP_VERSION, len(frames)) + sizes + b"".join(frames)
    return struct.pack("<I", zlib.crc32(body)) + body


def get_group(data: bytes) -> list[bytes]:
    """Return the frames of a record. Raises DamagedBlock."""
    if len(data) < 7 or struct.unpack_from("<I", data)[0] != zlib.crc32(memoryview(data)[4:]):
        raise DamagedBlock("a checksum does not fit")
    version, count = struct.unpack_from("<BH", data, 4)
    if version != _GROUP_VERSION or len(data) < 7 + 4 * count:
        raise DamagedBlock(f"a record of version {version}")
    sizes = np.frombuffer(data, "<u4", count, 7)
    bounds = np.cumsum(np.concatenate([[7 + 4 * count], sizes])).tolist()
    return [data[start:end] for start, end in pairwise(bounds)]
