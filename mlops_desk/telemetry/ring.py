"""The last minute of every curve in memory: one row of float32 a tick, with a state for each value.

Columns appear with the first reading of a device's metric and stay; what a row does not mention is a gap.
"""

import threading
from collections.abc import Iterable, Iterator

import numpy as np

from mlops_desk.records.metric import MetricState, Reading
from mlops_desk.records.status import Core, Disk, Network, Sample, Sensor
from mlops_desk.storage.blocks import Block, Key
from mlops_desk.telemetry.metrics import HOST, METRICS

SPAN_SECONDS = 60.0
_ROWS = 256
_COLUMNS_STEP = 64
_CODES = {state: number for number, state in enumerate(MetricState, start=1)}
_ABSENT = 0
_RESOLUTIONS = {metric.name: metric.resolution for metric in METRICS}


def readings_of(sample: Sample) -> Iterator[tuple[Key, Reading]]:
    """Yield each reading with the name of its curve. Devices: a GPU's UUID, ``host``, a kernel name."""
    for gpu in sample.gpus:
        for metric, reading in gpu.metrics.items():
            yield (gpu.uuid, metric, reading.unit), reading
    for metric, reading in sample.host.metrics.items():
        yield (HOST, metric, reading.unit), reading
    parts: tuple[Core | Sensor | Disk | Network, ...]
    parts = (*sample.host.cores, *sample.host.sensors, *sample.disks, *sample.networks)
    for device in parts:
        for metric, reading in device.metrics.items():
            yield (device.name, metric, reading.unit), reading
    for mounted in sample.filesystems:
        for metric, reading in mounted.metrics.items():
            yield (mounted.mount, metric, reading.unit), reading


class Ring:
    """Rows in the order of their appends. Safe to use from several threads."""

    def __init__(self, rows: int = _ROWS) -> None:
        self._lock = threading.Lock()
        self._columns: dict[Key, int] = {}
        self._rows = rows
        self._times = np.full(rows, np.nan)
        self._values = np.full((rows, _COLUMNS_STEP), np.nan, np.float32)
        self._states = np.zeros((rows, _COLUMNS_STEP), np.uint8)
        self._count = 0

    def append(self, at: float, readings: Iterable[tuple[Key, Reading]]) -> None:
        """Add a row, over the oldest one when the ring is full."""
        with self._lock:
            row = self._count % self._rows
            self._times[row] = at
            self._values[row] = np.nan
            self._states[row] = _ABSENT
            for key, reading in readings:
                column = self._columns.get(key)
                if column is None:
                    column = self._add_column(key)
                self._states[row, column] = _CODES[reading.state]
                if reading.value is not None:
                    self._values[row, column] = reading.value
            self._count += 1

    def since(self, number: int) -> tuple[Block, int]:
        """Return the rows from ``number`` on that are still there, and the number of the next row to come."""
        with self._lock:
            first = max(number, self._count - self._rows, 0)
            rows = np.arange(first, self._count) % self._rows
            width = len(self._columns)
            keys, values, states = tuple(self._columns), self._values[rows, :width], self._states[rows, :width]
            return Block(keys, self._times[rows], values, states), self._count

    def window(self, seconds: float) -> Block:
        """Return the rows of the last ``seconds`` before the newest row."""
        block, _ = self.since(0)
        if not len(block.times):
            return block
        keep = block.times >= block.times[-1] - seconds
        return Block(block.keys, block.times[keep], block.values[keep], block.states[keep])

    def _add_column(self, key: Key) -> int:
        column = len(self._columns)
        if column == self._values.shape[1]:
            self._values = np.hstack([self._values, np.full((self._rows, _COLUMNS_STEP), np.nan, np.float32)])
            self._states = np.hstack([self._states, np.zeros((self._rows, _COLUMNS_STEP), np.uint8)])
        self._columns[key] = column
        return column


def quantised(block: Block) -> Block:
    """Return ``block`` with values in steps of their metric's resolution, so that noise does not fill the disk."""
    steps = np.array([_resolution(key) for key in block.keys], np.float64)
    values = (np.round(block.values.astype(np.float64) / steps) * steps).astype(np.float32)
    return Block(block.keys, block.times, values, block.states)


def _resolution(key: Key) -> float:
    return _RESOLUTIONS.get(key[1], 1e-6)
