"""The door for series that features record: points wait here for the next flush, and are read from here until then.

What a point may be its metric's declaration says. A point that is none (not finite, beyond what the metric can be,
from a day that has not begun) is left out and stays a gap; the log says so once for each metric.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np

from mlops_desk.kit.base.cursor import Position, cursor_of, position_of
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.list_page import ListPage
from mlops_desk.kit.storage.history.curve_reader import CurvesRequest
from mlops_desk.kit.storage.history.points.store import NamedPoints, PointStore, listed, newest, read
from mlops_desk.kit.storage.history.rollup import Rolled, join
from mlops_desk.kit.storage.history.scales import CurveScale
from mlops_desk.machine.records.history import KEY_LENGTH, Point, SeriesBrief, SeriesName
from mlops_desk.machine.records.metric import Metric

_log = logging.getLogger(__name__)

WAITING_LIMIT = 250_000  # chosen: 4 MB; with a disk that is full for hours the oldest ones go, as in the ring
_AHEAD_SECONDS = 86_400.0  # chosen: more than any time zone that somebody forgot

Found = tuple[Rolled, str | None]


class Recorded:
    """Safe to use from several threads. ``metrics``: what is recorded, as the features declare it."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self.metrics = {metric.name: metric for metric in metrics}
        self._lock = threading.Lock()
        self._waiting: deque[NamedPoints] = deque()
        self._count = 0
        self._is_full = False
        self._complained: set[str] = set()

    def record(self, series: SeriesName, points: Iterable[Point]) -> None:
        """Take points of a series in any order; one of the same tenth of a second as an earlier one takes its place.

        Raises Invalid for a series that nobody declared.
        """
        metric = self.metrics.get(series.metric)
        if metric is None or metric.device != series.kind or not 0 < len(series.key) <= KEY_LENGTH:
            raise Invalid(f"Nobody declares {plain(series.metric)} of {plain(series.device)}.")
        given, limit = list(points), time.time() + _AHEAD_SECONDS
        good = [(at, value) for at, value in given if _is_point(at, value, metric, limit)]
        if len(good) < len(given):
            self._complain(series, len(given) - len(good))
        if good:
            times, values = np.array(good, np.float64).T
            scale = CurveScale(metric.resolution, metric.kind == "rate")
            self._put([NamedPoints(series, metric.unit, scale, times, values)])

    def flush(self, store: PointStore) -> None:
        """Write what waits; what can't be written waits on. Raises Unavailable."""
        with self._lock:
            mine = list(self._waiting)
        store.append(mine)
        self._is_full = False
        with self._lock:  # read twice for a moment rather than not at all; points in between stand behind these
            for item in mine:
                if self._waiting and self._waiting[0] is item:
                    self._count -= len(self._waiting.popleft().times)

    def find(
        self, store: PointStore | None, names: Sequence[tuple[str, str]], request: CurvesRequest
    ) -> tuple[list[Found], int]:
        """Return rows and unit of each curve (device, metric), and the coarsest tier used.

        Raises Invalid, Unavailable, TimedOut.
        """
        series = [SeriesName.of(self.metrics[metric].device, device, metric) for device, metric in names]
        with self._lock:
            pending = [item for item in self._waiting if item.name in set(series)]
        if store is None:
            return [_unwritten(name, pending, request) for name in series], 0
        numbers = zip(series, store.find(series), strict=True)
        known = {name: number for name, number in numbers if number is not None}
        kept, used = read(store, known, pending, request)
        return [
            (kept[name], known[name].unit) if name in known else _unwritten(name, pending, request) for name in series
        ], used

    def page(
        self, store: PointStore | None, kind: str | None, key: str | None, limit: int, cursor: str | None
    ) -> ListPage[SeriesBrief]:
        """Return a page of the series that were written, in the order they began. Raises Invalid, Unavailable."""
        after = 0 if cursor is None else int(position_of(cursor).at)
        found = [] if store is None else listed(store, kind, key, after, limit + 1)
        briefs = [
            SeriesBrief(name.device, name.metric, unit, self._help(name.metric), first, last)
            for _, name, unit, first, last in found[:limit]
        ]
        return ListPage(tuple(briefs), cursor_of(Position(found[limit - 1][0], "")) if len(found) > limit else None)

    def _help(self, metric: str) -> str:
        return self.metrics[metric].help if metric in self.metrics else "Recorded by another version of the program."

    def _put(self, points: Sequence[NamedPoints]) -> None:
        with self._lock:
            self._waiting.extend(points)
            self._count += sum(len(item.times) for item in points)
            while self._count > WAITING_LIMIT and len(self._waiting) > 1:
                self._count -= len(self._waiting.popleft().times)
                if not self._is_full:
                    _log.warning("The disk takes no recorded points; the oldest of those that wait are lost")
                self._is_full = True

    def _complain(self, series: SeriesName, count: int) -> None:
        if series.metric not in self._complained:
            self._complained.add(series.metric)
            _log.warning("%d points of %s of %s can't be and are left out", count, series.metric, plain(series.device))


def _is_point(at: float, value: float, metric: Metric, limit: float) -> bool:
    return math.isfinite(at) and 0 <= at <= limit and math.isfinite(value) and metric.low <= value <= metric.high


def _unwritten(name: SeriesName, pending: Sequence[NamedPoints], request: CurvesRequest) -> Found:
    """Return a series of which nothing was written yet."""
    mine = [item for item in pending if item.name == name]
    if not mine:
        return join([]), None
    return newest(mine, name, mine[0].scale).between(request.start, request.end), mine[0].unit
