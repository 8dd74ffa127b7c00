"""GPU memory of processes as it is kept: a list at each flush, and a table of many such lists in a chunk.

Processes come and go, so they have no columns in a layout: each list names them by their number in ``processes``.
Sizes are whole MiB.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import zstandard

from mlops_desk.kit.storage.history.blocks import OK
from mlops_desk.kit.storage.history.integers import (
    Codes,
    DamagedBlock,
    get_column,
    get_group,
    get_integers,
    put_column,
    put_group,
    put_integers,
)

MEBIBYTE = float(1 << 20)
_LIMIT_BYTES = 1 << 22  # chosen: far above any table; a damaged length must not take all memory


@dataclass(frozen=True, slots=True)
class MemoryHolding:
    """A process that holds memory of a GPU (UUID). ``start_ticks`` tells it from a later owner of its pid."""

    gpu: str
    pid: int
    start_ticks: int
    user: str | None
    command: str | None
    container: str | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Holders:
    """Who held how much, when: ``sizes`` in MiB are [times, ids], -1 where the process was not listed."""

    times_ms: Codes
    ids: Codes
    sizes: Codes


def put_list(sizes: Sequence[tuple[int, int]]) -> bytes:
    """Return one moment's list of process number and MiB as bytes."""
    table = np.array(sorted(sizes), np.int64).reshape(-1, 2)
    plain = struct.pack("<I", len(table)) + put_integers(np.diff(table[:, 0], prepend=0)) + put_integers(table[:, 1])
    return zstandard.ZstdCompressor(level=3, write_checksum=True).compress(plain)


def get_list(data: bytes) -> list[tuple[int, int]]:
    """Return what ``put_list`` got. Raises DamagedBlock."""
    try:
        plain = zstandard.ZstdDecompressor().decompress(data, max_output_size=_LIMIT_BYTES)
        (count,) = struct.unpack_from("<I", plain)
    except (zstandard.ZstdError, struct.error) as error:
        raise DamagedBlock(str(error)) from error
    steps, place = get_integers(plain, 4, count)
    sizes, _ = get_integers(plain, place, count)
    return list(zip(steps.cumsum().tolist(), sizes.tolist(), strict=True))


def gather(lists: Sequence[tuple[int, list[tuple[int, int]]]]) -> Holders:
    """Make a table of lists, each with its time (Unix milliseconds)."""
    ids = sorted({number for _, sizes in lists for number, _ in sizes})
    place = {number: column for column, number in enumerate(ids)}
    table = np.full((len(lists), len(ids)), -1, np.int64)
    for row, (_, sizes) in enumerate(lists):
        for number, size in sizes:
            table[row, place[number]] = size
    return Holders(np.array([at for at, _ in lists], np.int64), np.array(ids, np.int64), table)


def put_holders(holders: Holders) -> bytes:
    """Return a chunk's frame."""
    rows = len(holders.times_ms)
    ok = np.full(rows, OK, np.uint8)
    head = struct.pack("<II", rows, len(holders.ids))
    columns = [put_column(holders.sizes[:, n], ok) for n in range(len(holders.ids))]
    ids = put_integers(np.diff(holders.ids, prepend=0))
    return put_group([head, put_column(holders.times_ms, ok), ids, *columns])


def get_holders(data: bytes, wanted: frozenset[int] | None = None) -> Holders:
    """Return the table, or only the columns of the ``wanted`` processes. Raises DamagedBlock."""
    head, times, numbers, *columns = _at_least(get_group(data), 3)
    if len(head) != 8:
        raise DamagedBlock("a table of processes is cut off")
    rows, count = struct.unpack("<II", head)
    ids = get_integers(numbers, 0, count)[0].cumsum()
    if len(columns) != count:
        raise DamagedBlock("a table of processes is cut off")
    kept = [n for n, number in enumerate(ids.tolist()) if wanted is None or number in wanted]
    sizes = np.empty((rows, len(kept)), np.int64)
    for column, n in enumerate(kept):
        sizes[:, column] = get_column(columns[n], rows)[0]
    return Holders(get_column(times, rows)[0], ids[kept], sizes)


def _at_least(frames: list[bytes], count: int) -> list[bytes]:
    if len(frames) < count:
        raise DamagedBlock("a table of processes is cut off")
    return frames
