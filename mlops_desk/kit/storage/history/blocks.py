"""Telemetry blocks to bytes: times, values and states of some rows, compressed, with a version byte in front.

Version 2, what a flush writes: whole numbers (``integers``) of the rows' times in milliseconds, of the first row's
codes, and of each column's differences from row to row; then 0, or 1 and uint8 states[columns][rows].

Version 1, what older programs wrote, little endian: float64 times[rows]; the bytes of float32
values[columns][rows], all first bytes together, then all second ones, and so on; uint8 states[columns][rows].
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import zstandard
from numpy.typing import NDArray

from mlops_desk.kit.storage.history.integers import Codes, DamagedBlock, Places, States, get_integers, put_integers
from mlops_desk.kit.storage.history.scales import Groups, decode, encode

__all__ = ["Block", "Coded", "DamagedBlock", "Key", "coded", "held", "pack", "uncoded", "unpack", "unpack_old"]

OK = 1  # part of the format
OLD_VERSION = b"\x01"
_VERSION = b"\x02"
_LEVEL = 4  # chosen: one above zstd's default, for which there is time at a flush every 10 s
_LIMIT_BYTES = 256 << 20  # chosen: far above any block; a damaged length must not take all memory

Key: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of samples. ``keys`` are (device, metric, unit) of each column; NaN is a gap, ``states`` say why."""

    keys: tuple[Key, ...]
    times: NDArray[np.float64]
    values: NDArray[np.float32]
    states: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Coded:
    """Rows as whole numbers: ``times_ms`` Unix milliseconds, ``codes`` and ``states`` are [rows, columns].

    A value is there exactly where the state is ``OK``; elsewhere the code repeats a neighbour's.
    """

    times_ms: Codes
    codes: Codes
    states: States


def coded(block: Block, groups: Groups) -> Coded:
    """Return ``block`` in whole numbers, each column on its scale."""
    states = np.where(np.isnan(block.values), np.where(block.states == OK, 0, block.states), OK).astype(np.uint8)
    values = np.where(states == OK, block.values, 0).astype(np.float64)
    codes = np.zeros(values.shape, np.int64)
    for scale, columns in groups:
        codes[:, columns] = encode(values[:, columns], scale)
    return Coded(np.rint(block.times * 1000).astype(np.int64), held(codes, states), states)


def uncoded(rows: Coded, keys: tuple[Key, ...], groups: Groups) -> Block:
    """Return what ``coded`` got, as exact as the scales are."""
    values = np.empty(rows.codes.shape, np.float32)
    for scale, columns in groups:
        values[:, columns] = decode(rows.codes[:, columns], scale)
    values[rows.states != OK] = np.nan
    return Block(keys, rows.times_ms / 1000, values, rows.states)


def held(codes: Codes, states: States) -> Codes:
    """Repeat the last code where there is no value, and the first one before it: what compresses best."""
    there = states == OK
    if not len(codes) or there.all():
        return codes
    every = np.arange(codes.shape[1])
    filled = codes.copy()
    filled[0] = np.where(there[0], codes[0], codes[there.argmax(axis=0), every])
    rows = np.where(there, np.arange(len(codes))[:, None], 0)
    return np.take_along_axis(filled, np.maximum.accumulate(rows, axis=0), axis=0)


def pack(rows: Coded) -> bytes:
    """Return the bytes of some rows."""
    parts = [
        put_integers(np.diff(rows.times_ms, prepend=0)),
        put_integers(rows.codes[0]) if len(rows.codes) else b"",
        put_integers(np.diff(rows.codes, axis=0).T.ravel()),
        b"\0" if (rows.states == OK).all() else b"\x01" + np.ascontiguousarray(rows.states.T).tobytes(),
    ]
    return _VERSION + zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(b"".join(parts))


def unpack(data: bytes, rows: int, columns: int, wanted: Places | None = None) -> Coded:
    """Return the rows that ``pack`` got, or only the ``wanted`` columns of them. Raises DamagedBlock."""
    limit = 9 * rows * (columns + 1) + 9 * columns + 64
    if data[:1] != _VERSION or rows < 1 or limit > _LIMIT_BYTES:
        raise DamagedBlock(f"version {data[:1]!r}, {rows} rows of {columns}")
    plain = _decompressed(data, limit)
    steps, place = get_integers(plain, 0, rows)
    first, place = get_integers(plain, place, columns, wanted)
    differences, place = get_integers(plain, place, (rows - 1) * columns, wanted, rows - 1)
    width = len(first)
    codes = np.vstack([first[None, :], differences.reshape(width, rows - 1).T]).cumsum(axis=0)
    if plain[place : place + 1] == b"\0":
        states = np.full((rows, width), OK, np.uint8)
    elif len(plain) == place + 1 + rows * columns:
        states = np.frombuffer(plain, np.uint8, rows * columns, place + 1).reshape(columns, rows)
        states = (states if wanted is None else states[wanted]).T
    else:
        raise DamagedBlock("states are cut off")
    return Coded(steps.cumsum(), codes, states)


def _decompressed(data: bytes, limit: int) -> bytes:
    try:
        if zstandard.frame_content_size(data[1:]) > limit:  # checked first: it is what the library allocates
            raise DamagedBlock("its size is not that of its rows")
        return zstandard.ZstdDecompressor().decompress(data[1:], max_output_size=limit)
    except zstandard.ZstdError as error:
        raise DamagedBlock(str(error)) from error


def unpack_old(data: bytes, keys: tuple[Key, ...], rows: int) -> Block:
    """Return a block of version 1. Raises DamagedBlock."""
    columns = len(keys)
    size = 8 * rows + 5 * rows * columns
    if data[:1] != OLD_VERSION or size > _LIMIT_BYTES:
        raise DamagedBlock(f"version {data[:1]!r}, {size} bytes")
    plain = _decompressed(data, size)
    if len(plain) != size:
        raise DamagedBlock(f"{len(plain)} bytes instead of {size}")
    times = np.frombuffer(plain, "<f8", rows)
    shuffled = np.frombuffer(plain, np.uint8, 4 * rows * columns, 8 * rows).reshape(4, -1)
    values = np.ascontiguousarray(shuffled.T).view("<f4").reshape(columns, rows).T
    states = np.frombuffer(plain, np.uint8, rows * columns, 8 * rows + 4 * rows * columns).reshape(columns, rows).T
    return Block(keys, times, values, states)
