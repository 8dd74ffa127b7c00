"""Chunks to frames and back: many rows of many curves, from which one curve is read without the others.

Frame 0 has the rows' times (and, in a roll-up, how many samples a row is of), frame 1 the GPU memory of
processes, and from frame 2 on each frame has ``CURVES_A_FRAME`` curves of the layout, each compressed by itself.
"""

import struct
from collections.abc import Sequence

import numpy as np

from mlops_desk.kit.storage.history.blocks import OK, held
from mlops_desk.kit.storage.history.integers import (
    Codes,
    DamagedBlock,
    States,
    get_column,
    get_group,
    put_column,
    put_group,
)
from mlops_desk.kit.storage.history.rollup import Floats, Rolled, single
from mlops_desk.kit.storage.history.scales import CurveScale, decode, encode

FRAMES_A_CHUNK = 1 << 16  # part of the format: a chunk with more curves than a million could not be numbered
TIMES, HOLDERS, FIRST = 0, 1, 2  # part of the format
CURVES_A_FRAME = 16  # part of the format; chosen: one curve is read without many others
TIER_SECONDS = (1.0, 60.0, 900.0)  # full rate, minutes, quarters of an hour
_MEAN_PARTS = 4  # part of the format: a mean is kept to a quarter of the step of what it is of
_ROLLED_COLUMNS = 4  # part of the format: low, high, mean, and how many samples are missing


def frame_of(column: int) -> int:
    """Return the number of the frame that has this column of the layout."""
    return FIRST + column // CURVES_A_FRAME


def put_times(times_ms: Codes, counts: Codes) -> bytes:
    """Return frame 0. ``counts``: of how many samples each row is."""
    ok = np.full(len(times_ms), OK, np.uint8)
    return put_group([struct.pack("<I", len(times_ms)), put_column(times_ms, ok), put_column(counts, ok)])


def get_times(data: bytes) -> tuple[Floats, Codes]:
    """Return times (Unix seconds) and counts. Raises DamagedBlock."""
    head, times, counts = _frames(data, 3)
    (rows,) = struct.unpack("<I", head)
    return get_column(times, rows)[0] / 1000, get_column(counts, rows)[0]


def put_curves(codes: Codes, states: States) -> bytes:
    """Return a frame of full-rate curves, [rows, columns]."""
    return put_group([put_column(codes[:, n], states[:, n]) for n in range(codes.shape[1])])


def get_curve(frames: Sequence[bytes], place: int, times: Floats, scale: CurveScale) -> Rolled:
    """Return the full-rate curve at ``place`` of a frame's parts. Raises DamagedBlock."""
    if place >= len(frames):
        raise DamagedBlock("a curve is not there")
    codes, states = get_column(frames[place], len(times))
    return single(times, np.where(states == OK, decode(codes, scale), np.nan))


def put_rolled(curves: Sequence[Rolled], counts: Codes, scales: Sequence[CurveScale]) -> bytes:
    """Return a frame of rolled-up curves; ``counts``: of how many samples each row is when none is missing."""
    frames: list[bytes] = []
    for curve, scale in zip(curves, scales, strict=True):
        there = curve.count > 0
        states = np.where(there, OK, 0).astype(np.uint8)
        mean = _held(encode(np.where(there, curve.mean, 0.0), scale.finer(_MEAN_PARTS)), states)
        middle = encode(decode(mean, scale.finer(_MEAN_PARTS)), scale)
        for extreme in (curve.low, curve.high):
            away = encode(np.where(there, extreme, 0.0), scale) - middle
            frames.append(put_column(np.where(there, away, 0), states))
        missing = counts - np.rint(curve.count).astype(np.int64)
        frames += [put_column(mean, states), put_column(missing, np.full(len(missing), OK, np.uint8))]
    return put_group(frames)


def get_rolled(frames: Sequence[bytes], place: int, times: Floats, counts: Codes, scale: CurveScale) -> Rolled:
    """Return the rolled-up curve at ``place`` of a frame's parts. Raises DamagedBlock."""
    mine = frames[_ROLLED_COLUMNS * place : _ROLLED_COLUMNS * (place + 1)]
    if len(mine) != _ROLLED_COLUMNS:
        raise DamagedBlock("a curve is not there")
    (low, states), (high, _), (mean, _), (missing, _) = (get_column(frame, len(times)) for frame in mine)
    there = states == OK
    fine = decode(mean, scale.finer(_MEAN_PARTS))
    middle = encode(fine, scale)
    return Rolled(
        times,
        np.where(there, decode(low + middle, scale), np.nan),
        np.where(there, fine, np.nan),
        np.where(there, decode(high + middle, scale), np.nan),
        np.where(there, counts - missing, 0).astype(np.float64),
    )


def _held(codes: Codes, states: States) -> Codes:
    return held(codes[:, None], states[:, None])[:, 0]


def _frames(data: bytes, count: int) -> list[bytes]:
    frames = get_group(data)
    if len(frames) != count:
        raise DamagedBlock(f"{len(frames)} parts instead of {count}")
    return frames
