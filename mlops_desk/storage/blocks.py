"""Telemetry blocks to bytes: times, float32 values and states of some rows, column by column, compressed.

Layout of the bytes before compression, little endian: float64 times[rows]; the bytes of float32
values[columns][rows], all first bytes together, then all second ones, and so on (neighbours are alike, so this
packs far better); uint8 states[columns][rows]. One version byte stands in front of the compressed frame.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import zstandard
from numpy.typing import NDArray

_VERSION = b"\x01"
_LEVEL = 6
_LIMIT_BYTES = 256 << 20

Key: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of samples. ``keys`` are (device, metric, unit) of each column; NaN is a gap, ``states`` say why."""

    keys: tuple[Key, ...]
    times: NDArray[np.float64]
    values: NDArray[np.float32]
    states: NDArray[np.uint8]


class DamagedBlock(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """The bytes are not what was written."""


def pack(block: Block) -> bytes:
    """Return the bytes of a block, without its keys."""
    columns = np.ascontiguousarray(block.values.T, dtype="<f4")
    shuffled = columns.view(np.uint8).reshape(-1, 4).T
    parts = (block.times.astype("<f8"), shuffled, block.states.T)
    plain = b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
    return _VERSION + zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(plain)


def unpack(data: bytes, keys: tuple[Key, ...], rows: int) -> Block:
    """Return the block that ``pack`` got. Raises DamagedBlock."""
    columns = len(keys)
    size = 8 * rows + 5 * rows * columns
    if data[:1] != _VERSION or size > _LIMIT_BYTES:
        raise DamagedBlock(f"version {data[:1]!r}, {size} bytes")
    try:
        if zstandard.frame_content_size(data[1:]) != size:  # checked first: it is what the library allocates
            raise DamagedBlock("its size is not that of its rows")
        plain = zstandard.ZstdDecompressor().decompress(data[1:], max_output_size=size)
    except zstandard.ZstdError as error:
        raise DamagedBlock(str(error)) from error
    if len(plain) != size:
        raise DamagedBlock(f"{len(plain)} bytes instead of {size}")
    times = np.frombuffer(plain, "<f8", rows)
    shuffled = np.frombuffer(plain, np.uint8, 4 * rows * columns, 8 * rows).reshape(4, -1)
    values = np.ascontiguousarray(shuffled.T).view("<f4").reshape(columns, rows).T
    states = np.frombuffer(plain, np.uint8, rows * columns, 8 * rows + 4 * rows * columns).reshape(columns, rows).T
    return Block(keys, times, values, states)
