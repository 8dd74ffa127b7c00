"""The last 15 minutes of every curve in memory: one row of float32 a tick, with a state for each value.

Columns appear with the first reading of a device's metric; what a row does not mention is a gap. Where each
device's readings go is remembered, and what was written last: while the set of curves is the same, a tick writes only
the readings of devices that changed, and copies the rest.
"""

import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import is_not
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlops_desk.kit.storage.history.blocks import OK, Block, Key
from mlops_desk.machine.records.gpu import Gpu
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.records.status import Sample
from mlops_desk.machine.telemetry.metrics.host import HOST

if TYPE_CHECKING:
    from mlops_desk.machine.records.host import Core, Disk, Network, Sensor

SPAN_SECONDS = 900.0  # the longest span of the window's live charts
_MARGIN_ROWS = 30  # chosen: samples that came early
_ROWS_LIMIT = 1860  # a sample each half second of the whole span, and some to spare
_COLUMNS_STEP = 64  # chosen: new curves come a device at a time, and each growth copies all
_VARIANTS = 8  # chosen: sets of curves that alternate, as processes come and go
_CODES = {state: number for number, state in enumerate(MetricState, start=OK)}
_ABSENT = 0  # the state that no reading has

Group = tuple[str, Mapping[str, Reading]]
"""A device and its readings."""
Part = tuple[str, object, Iterable[Group]]
"""Groups of one owner, and an object that is the same as before exactly when they all are: then they are not asked."""
Places = list[int]
Columns = tuple[tuple[Mapping[str, Reading], Places], ...]
Told = tuple[str, object, Columns]
"""A part with its readings, and the columns they go to."""


def rows_for(interval_seconds: float) -> int:
    """Return how many rows 15 minutes are."""
    return min(_ROWS_LIMIT, math.ceil(SPAN_SECONDS / interval_seconds) + _MARGIN_ROWS)


def parts_of(sample: Sample) -> Iterator[Part]:
    """Yield the readings of each device. Devices: a GPU's UUID, ``host``, a kernel name, a mount point, a sensor.

    A link is ``UUID/link-N``, a MIG slice its fingerprint.
    """
    for gpu in sample.gpus:
        yield gpu.uuid, gpu.metrics, ((gpu.uuid, gpu.metrics),)
        if gpu.links:
            yield gpu.uuid, gpu.links, _links_of(gpu)
        if gpu.mig:
            yield gpu.uuid, gpu.mig, ((part.fingerprint, part.metrics) for part in gpu.mig)
    host = sample.host
    yield HOST, host.metrics, ((HOST, host.metrics),)
    kinds: tuple[tuple[Core | Sensor | Disk | Network, ...], ...]
    kinds = (host.cores, host.sensors, sample.disks, sample.networks)
    for devices in kinds:
        yield HOST, devices, [(device.name, device.metrics) for device in devices]
    yield HOST, sample.filesystems, ((mounted.mount, mounted.metrics) for mounted in sample.filesystems)


def _links_of(gpu: Gpu) -> Iterator[Group]:
    for link in gpu.links:
        yield f"{gpu.uuid}/link-{link.number}", link.metrics


class _Row:
    """The newest row. A reading that is the same object as before is not looked at again."""

    def __init__(self) -> None:
        self.values = np.empty(0, np.float32)
        self.states = np.empty(0, np.uint8)
        self.told: list[Told] = []

    def take(self, told: list[Told], width: int) -> None:
        """Become the row of ``told``."""
        before, self.told = self.told, told
        readings: list[Reading] = []
        places: list[int] = []
        if len(self.values) == width and _same_curves(before, told):
            for (_, _, earlier), (_, _, later) in zip(before, told, strict=True):
                if earlier is not later:
                    for (old, _), (new, where) in zip(earlier, later, strict=True):
                        if old is not new:
                            changed = [*map(is_not, old.values(), new.values())]
                            readings += compress(new.values(), changed)
                            places += compress(where, changed)
        else:
            self.values, self.states = np.full(width, np.nan, np.float32), np.full(width, _ABSENT, np.uint8)
            for _, _, columns in told:
                for metrics, where in columns:
                    readings += metrics.values()
                    places += where
        if readings:
            self._write(readings, np.array(places, np.intp))

    def _write(self, readings: list[Reading], where: NDArray[np.intp]) -> None:
        values = [reading.value for reading in readings]
        self.states[where] = OK
        if None in values:
            missing = [place for place, value in enumerate(values) if value is None]
            self.states[where[missing]] = [_CODES[readings[place].state] for place in missing]
        self.values[where] = np.array(values, np.float32)

    def forget(self) -> None:
        """Begin anew: columns have moved."""
        self.told = []


def _same_curves(before: list[Told], told: list[Told]) -> bool:
    return len(before) == len(told) and all(
        earlier is later
        or (len(earlier) == len(later) and all(old is new for (_, old), (_, new) in zip(earlier, later, strict=True)))
        for (_, _, earlier), (_, _, later) in zip(before, told, strict=True)
    )


@dataclass(frozen=True, slots=True)
class RecentCurves:
    """Some curves as far as the ring has them. ``first``: the number of the first row; None: no such curve."""

    first: int
    times: NDArray[np.float64]
    values: tuple[NDArray[np.float32] | None, ...]
    units: tuple[str | None, ...]


class Ring:
    """Rows in the order of their appends. Safe to use from several threads."""

    def __init__(self, rows: int = rows_for(1.0)) -> None:
        self._lock = threading.Lock()
        self._rows = rows
        self._keys: list[Key] = []
        self._columns: dict[tuple[str, str], int] = {}
        self._places: dict[str, dict[tuple[str, ...], Places]] = {}
        self._times = np.full(rows, np.nan)
        self._values = np.empty((rows, 0), np.float32)
        self._states = np.empty((rows, 0), np.uint8)
        self._row = _Row()
        self._count = 0

    def append(self, at: float, groups: Iterable[Group]) -> None:
        """Add a row of some devices' readings."""
        self.append_parts(at, ((device, metrics, ((device, metrics),)) for device, metrics in groups))

    def append_parts(self, at: float, parts: Iterable[Part]) -> None:
        """Add a row, over the oldest one when the ring is full."""
        with self._lock:
            if self._count and self._count % self._rows == 0:
                self._retire()
            told = [*self._told(parts)]
            row, width = self._count % self._rows, self._values.shape[1]
            self._row.take(told, width)
            self._times[row] = at
            self._values[row] = self._row.values
            self._states[row] = self._row.states
            self._count += 1

    def since(self, number: int) -> tuple[Block, int]:
        """Return the rows from ``number`` on that are still there, and the number of the next row to come."""
        with self._lock:
            return self._block(self._numbers(number)), self._count

    def window(self, seconds: float) -> Block:
        """Return the rows of the last ``seconds`` before the newest row; after the clock jumped back, those since."""
        with self._lock:
            numbers = self._numbers(0)
            if len(numbers):
                times = self._times[numbers % self._rows]
                numbers = numbers[(times >= times[-1] - seconds) & (times <= times[-1])]
            return self._block(numbers)

    def curves(self, names: Sequence[tuple[str, str]]) -> RecentCurves:
        """Return some curves, by device and metric."""
        with self._lock:
            numbers = self._numbers(0)
            rows = numbers % self._rows
            columns = [self._columns.get(name) for name in names]
            return RecentCurves(
                int(numbers[0]) if len(numbers) else self._count,
                self._times[rows],
                tuple(None if column is None else self._values[rows, column] for column in columns),
                tuple(None if column is None else self._keys[column][2] for column in columns),
            )

    def devices(self) -> list[str]:
        """Return every device that has a curve."""
        with self._lock:
            return list(dict.fromkeys(device for device, _ in self._columns))

    def _told(self, parts: Iterable[Part]) -> Iterator[Told]:
        before = iter(self._row.told)
        for owner, token, groups in parts:
            known = next(before, None)
            if known is not None and known[1] is token and known[0] == owner:
                yield known
            else:
                columns = ((metrics, self._places_of(device, metrics)) for device, metrics in groups if metrics)
                yield owner, token, tuple(columns)

    def _numbers(self, first: int) -> NDArray[np.int64]:
        return np.arange(max(first, self._count - self._rows, 0), self._count)

    def _block(self, numbers: NDArray[np.int64]) -> Block:
        rows, width = numbers % self._rows, len(self._keys)
        return Block(tuple(self._keys), self._times[rows], self._values[rows, :width], self._states[rows, :width])

    def _places_of(self, device: str, metrics: Mapping[str, Reading]) -> Places:
        names = tuple(metrics)
        variants = self._places.setdefault(device, {})
        known = variants.get(names)
        if known is None:
            for name in names:
                if (device, name) not in self._columns:
                    self._add_column((device, name, metrics[name].unit))
            variants = self._places.setdefault(device, {})
            if len(variants) >= _VARIANTS:
                variants.clear()
            known = variants[names] = [self._columns[device, name] for name in names]
        return known

    def _add_column(self, key: Key) -> None:
        if len(self._keys) == self._values.shape[1]:
            self._grow()
        self._columns[key[:2]] = len(self._keys)
        self._keys.append(key)

    def _grow(self) -> None:
        """Make room for more columns. The rows that are there already are what is copied, nothing else is touched."""
        filled = min(self._count, self._rows)
        width = len(self._keys) + _COLUMNS_STEP
        values, states = np.empty((self._rows, width), np.float32), np.empty((self._rows, width), np.uint8)
        values[:filled], states[:filled] = np.nan, _ABSENT
        values[:filled, : len(self._keys)] = self._values[:filled]
        states[:filled, : len(self._keys)] = self._states[:filled]
        self._values, self._states = values, states

    def _retire(self) -> None:
        """Drop the columns that no row mentions: devices that have been gone for as long as the ring goes back."""
        used = np.flatnonzero(self._states[:, : len(self._keys)].any(axis=0))
        if len(used) < len(self._keys):
            self._values, self._states = self._values[:, used], self._states[:, used]
            self._keys = [self._keys[column] for column in used.tolist()]
            self._columns = {key[:2]: column for column, key in enumerate(self._keys)}
            self._places.clear()
            self._row.forget()
