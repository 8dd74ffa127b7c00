"""Rows of memory as a record: every curve of the last minutes, on one time axis."""

import math
from collections.abc import Sequence

import numpy as np

from mlops_desk.kit.storage.history.blocks import Block
from mlops_desk.machine.records.history import Series, Window

_WINDOW_VALUES = 60_000  # chosen: an answer of half a megabyte


def window_of(block: Block) -> Window:
    """Return rows as a record; where it were very many values, only each n-th row, the newest one among them."""
    every = max(1, math.ceil(block.values.size / _WINDOW_VALUES))
    if every > 1:
        kept = slice((len(block.times) - 1) % every, None, every)
        block = Block(block.keys, block.times[kept], block.values[kept], block.states[kept])
    return join([block])


def join(blocks: Sequence[Block]) -> Window:
    """Put blocks one after the other on one time axis; a curve that a block does not have is a gap there."""
    times = np.concatenate([block.times for block in blocks]) if blocks else np.empty(0)
    curves: dict[tuple[str, str, str], np.ndarray[tuple[int], np.dtype[np.float32]]] = {}
    offset = 0
    for block in blocks:
        for column, key in enumerate(block.keys):
            curve = curves.setdefault(key, np.full(len(times), np.nan, np.float32))
            curve[offset : offset + len(block.times)] = block.values[:, column]
        offset += len(block.times)
    series = tuple(
        Series(device, metric, unit, tuple(None if np.isnan(value) else float(value) for value in curve))
        for (device, metric, unit), curve in curves.items()
    )
    return Window(tuple(map(float, times)), series)
