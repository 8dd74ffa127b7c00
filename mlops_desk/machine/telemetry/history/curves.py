"""Curves over any span of time: the last 15 minutes from memory, older rows from the disk, on one axis.

Rows keep the wall time that the clock showed when they were measured. After it jumped, they stand where it said:
a jump ahead leaves a gap; after a jump back both stretches are shown, and where they overlap a bucket has the rows
of both. Nothing is moved, hidden or deleted for it.

GPU memory of a process is a curve of the device ``UUID/pid-PID``; its rows are kept apart (``holders``). So are those
of the series that features record, whose metric tells them (``recorded``).
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.storage.history.chunks import TIER_SECONDS
from mlops_desk.kit.storage.history.curve_reader import CurvesRequest, holders_in, memory_of
from mlops_desk.kit.storage.history.rollup import Rolled, join, single
from mlops_desk.machine.records.history import Curve, Curves, History, ProcessMemory
from mlops_desk.machine.telemetry.history.buckets import Floats, binned, choose_tier, interval
from mlops_desk.machine.telemetry.history.disk import FLUSH_SECONDS, DiskHistory
from mlops_desk.machine.telemetry.history.feature_series import Found, Recorded
from mlops_desk.machine.telemetry.history.memory import RecentCurves, Ring
from mlops_desk.machine.telemetry.metrics.table import METRICS

PROCESS_METRIC = "process.gpu.memory"
DEADLINE_SECONDS = 5.0  # below the six seconds after which a client takes the agent for lost
CURVES_LIMIT = 512  # chosen: a page asks for about 100
BUCKETS_LIMIT = 5000  # chosen: more than any screen has columns of pixels
EDGE_SECONDS = 1e-3  # a row at the very end of a span is in it
HOLDERS_SECONDS = 2.5 * FLUSH_SECONDS  # chosen: lists of holders are as far apart as flushes, and one may be late
_AHEAD_SECONDS = 90.0  # chosen: the newest block and a minute of the next tier
_UNITS = {metric.name: metric.unit for metric in METRICS}

Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Axis:
    """``buckets`` of ``step`` seconds from Unix time ``start``; ``tier`` is how fine the rows are."""

    start: float
    step: float
    buckets: int
    tier: int


@dataclass(frozen=True, slots=True)
class Reduced:
    """One curve on an axis; ``known`` is False when nothing of it was ever measured."""

    device: str
    metric: str
    unit: str
    known: bool
    low: Floats
    mean: Floats
    high: Floats


class CurveReader:
    """Merges ring, history and what features record."""

    def __init__(self, ring: Ring, history: DiskHistory, recorded: Recorded | None = None) -> None:
        self._ring = ring
        self._history = history
        self._recorded = recorded or Recorded(())
        self._units = _UNITS | {metric.name: metric.unit for metric in self._recorded.metrics.values()}

    def curves(self, names: Sequence[Name], start: float, end: float, buckets: int) -> Curves:
        """Return curves for a screen. Raises Invalid, Unavailable, TimedOut."""
        axis, reduced = self.reduce(names, start, end, buckets)
        curves = tuple(
            Curve(item.device, item.metric, item.unit, _bytes(item.low), _bytes(item.mean), _bytes(item.high))
            for item in reduced
        )
        return Curves(axis.start, axis.step, axis.buckets, TIER_SECONDS[axis.tier], curves)

    def histories(self, names: Sequence[Name], start: float, end: float, points: int) -> list[History | None]:
        """Return curves with None for gaps; None for one of which nothing was ever measured. Raises as ``curves``."""
        axis, reduced = self.reduce(names, start, end, points)
        times = tuple(axis.start + axis.step * number for number in range(axis.buckets))
        return [_history(item, axis, times) if item.known else None for item in reduced]

    def reduce(self, names: Sequence[Name], start: float, end: float, points: int) -> tuple[Axis, list[Reduced]]:
        """Return curves as arrays, on about ``points`` buckets: fewer where it was not measured as often."""
        check(names, start, end, points)
        request = CurvesRequest(
            (), start, end, choose_tier(end - start, points), 0, time.monotonic() + DEADLINE_SECONDS
        )
        own = [name for name in names if name[1] in self._recorded.metrics]
        plain = [name for name in names if name[1] != PROCESS_METRIC and name not in own]
        found, used = self._find(plain, request)
        points_found, points_used = self._recorded.find(self._history.points, own, request) if own else ([], 0)
        # Blocks and memory bring rows from outside of the span, after a clock's jump from far outside.
        longest = max((rows.between(start, end).times for rows, _ in found), key=len, default=np.empty(0))
        every = TIER_SECONDS[used] if used else interval(longest) or TIER_SECONDS[0]
        by_name = {name: (rows, unit, every) for name, (rows, unit) in zip(plain, found, strict=True)}
        for name, (rows, unit) in zip(own, points_found, strict=True):
            by_name[name] = rows, unit, max(TIER_SECONDS[points_used], interval(rows.times) or 0.0)
        if not any(len(rows.times) for rows, _ in found) and own:  # as fine as the finest of what was recorded
            every = min(by_name[name][2] for name in own)
        used = max(used, points_used)
        axis = _axis(start, end, points, every, used)
        for name in names:
            if name not in by_name:
                rows = self._process(name, request)
                by_name[name] = (rows, "By", interval(rows.times) or FLUSH_SECONDS)
        units = [by_name[name][1] or self._units.get(name[1], "") for name in names]
        return axis, [_reduced(name, *by_name[name], axis, unit) for name, unit in zip(names, units, strict=True)]

    def rows(self, names: Sequence[Name], start: float, end: float) -> list[Found]:
        """Return curves at full rate, each with its unit. Raises Unavailable, TimedOut."""
        found, _ = self._find(names, CurvesRequest((), start, end, 0, 0, time.monotonic() + DEADLINE_SECONDS))
        return [(rows.between(start, end), unit) for rows, unit in found]

    def _find(self, names: Sequence[Name], request: CurvesRequest) -> tuple[list[Found], int]:
        """Return rows and unit of each curve from memory and disk, and the coarsest tier that was used."""
        recent = self._ring.curves(names)
        if request.tier == 0 and _covers(recent, request.start, request.end):
            return [(_recent(recent, place), unit) for place, unit in enumerate(recent.units)], 0
        first = recent.first if len(recent.times) else None
        kept, used = self._history.find(names, request, first)
        return [
            (join([*item.pieces, _recent(recent, place)]), recent.units[place] or item.unit)
            for place, item in enumerate(kept)
        ], used

    def last_before(self, names: Sequence[Name], at: float, seconds: float) -> tuple[list[Rolled], float]:
        """Return the rows of the last ``seconds`` before a time, and how many seconds each stands for.

        Where the history is so coarse that no row begins in them, it is the row of the stretch that the time lies in.
        Raises Invalid, Unavailable, TimedOut.
        """
        found, step = self._rows_before(names, at, seconds)
        if any(len(rows.times) for rows in found):
            return found, step
        coarse, step = self._rows_before(names, at, TIER_SECONDS[-1])
        return [rows.between(at - step, at + EDGE_SECONDS) for rows in coarse], step

    def _rows_before(self, names: Sequence[Name], at: float, seconds: float) -> tuple[list[Rolled], float]:
        deadline = time.monotonic() + DEADLINE_SECONDS
        request = CurvesRequest((), at - seconds, at + EDGE_SECONDS, 0, 0, deadline)
        found, used = self._find(names, request)
        return [rows.between(request.start, request.end) for rows, _ in found], TIER_SECONDS[used]

    def held_bytes(self, gpu: str, pid: int, at: float) -> float | None:
        """Return what the process of that pid held of a GPU at a time, None where no list tells."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        request = CurvesRequest((), at - HOLDERS_SECONDS, at + EDGE_SECONDS, 0, 0, deadline)
        values = self._process((f"{gpu}/pid-{pid}", PROCESS_METRIC), request).mean
        known = values[np.isfinite(values)]
        return float(known[-1]) if len(known) else None

    def processes_in(self, start: float, end: float) -> list[ProcessMemory]:
        """Return who held GPU memory in a span of time, those who held most first. Raises Invalid, Unavailable."""
        check([], start, end, 1)
        store = self._history.store
        if store is None:
            return []
        request = CurvesRequest((), start, end, 0, 0, time.monotonic() + DEADLINE_SECONDS)
        return [
            ProcessMemory(
                f"{item.gpu}/pid-{item.pid}", item.gpu, item.pid, item.user, item.command, item.container,
                item.first_at, item.last_at, item.peak_bytes,
            )
            for item in holders_in(store, request)
        ]  # fmt: skip

    def _process(self, name: Name, request: CurvesRequest) -> Rolled:
        store = self._history.store
        gpu, _, pid = name[0].rpartition("/pid-")
        if store is None or not pid.isdecimal():
            return join([])
        return memory_of(store, gpu, int(pid), request)


def check(names: Sequence[Name], start: float, end: float, points: int) -> None:
    """Raise Invalid for what can't be answered."""
    if not (math.isfinite(start) and math.isfinite(end) and start < end):
        raise Invalid("The span of time ends before it begins.", "Give a start that is before the end.")
    if not 1 <= points <= BUCKETS_LIMIT:
        raise Invalid(f"{points} points are not between 1 and {BUCKETS_LIMIT}.")
    if len(names) > CURVES_LIMIT:
        raise Invalid(f"{len(names)} curves are more than {CURVES_LIMIT}.", "Ask for some of them at a time.")


def _axis(start: float, end: float, points: int, every: float, tier: int) -> Axis:
    step = max((end - start) / points, every)
    return Axis(start, step, max(1, math.ceil((end - start) / step - 1e-9)), tier)


def _covers(recent: RecentCurves, start: float, end: float) -> bool:
    """Tell whether memory alone answers: it goes back to the start, and no clock that jumped put rows elsewhere."""
    times = recent.times
    if not len(times) or times[0] > start or end > times[-1] + _AHEAD_SECONDS:
        return False
    return bool((np.diff(times) > 0).all())


def _recent(recent: RecentCurves, place: int) -> Rolled:
    values = recent.values[place]
    return join([]) if values is None else single(recent.times, values.astype(np.float64))


def _reduced(name: Name, rows: Rolled, known: str | None, every: float, axis: Axis, unit: str) -> Reduced:
    low, mean, high = binned(rows, axis.start, axis.step, axis.buckets, every)
    return Reduced(*name, unit, known is not None, low, mean, high)


def _history(item: Reduced, axis: Axis, times: tuple[float, ...]) -> History:
    low, mean, high = (
        tuple(None if math.isnan(value) else value for value in values.tolist())
        for values in (item.low, item.mean, item.high)
    )
    return History(item.device, item.metric, item.unit, TIER_SECONDS[axis.tier], axis.step, times, low, mean, high)


def _bytes(values: Floats) -> bytes:
    return values.astype("<f4").tobytes()
