"""A track as polygons that Qt draws: kept between paints, and only added to while the track only grows.

Polygons are in seconds since an origin and in values (their logarithms on a scale of decades); a transform puts them
on the screen, so that moving and zooming touch no point.
"""

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF
from PySide6.QtGui import QPolygonF

from mlops_desk.ui.curves.track import Track

if TYPE_CHECKING:
    from collections.abc import Callable


class Outline:
    """The polygons of one track."""

    __slots__ = ("_count", "_level", "_track", "_version", "bands", "decades", "origin", "runs")

    def __init__(self) -> None:
        self._track: Track | None = None
        self._version = -1
        self._count = 0
        self._level: Callable[[float], float] = _same
        self.origin = 0.0
        self.decades = False
        self.runs: list[QPolygonF] = []
        self.bands: list[QPolygonF] = []

    def follow(self, track: Track, *, decades: bool) -> None:
        """Make the polygons show ``track`` as it is now."""
        same = track is self._track and track.version == self._version and decades is self.decades
        if not same:
            self._track, self._version, self.decades, self._count = track, track.version, decades, 0
            self._level = _logarithm if decades else _same
            self.origin = track.times[0] if len(track) else 0.0
            self.runs, self.bands = [], []
        if self._count < len(track):
            self._add(track)
            if not same and track.has_band():
                self._surround(track)

    def _add(self, track: Track) -> None:
        times, values, level = track.times, track.mean, self._level
        apart, origin = track.gap_seconds(), self.origin
        number = self._count
        before = times[number - 1] if number and values[number - 1] == values[number - 1] else None
        joined = before is not None
        points: list[QPointF] = []
        while number < len(times):
            at, value = times[number], values[number]
            number += 1
            if math.isnan(value):
                joined = joined and track.fine and number <= track.sent  # an empty bucket is no missing sample
                continue
            if not joined or before is None or at - before > apart:
                self._end(points)
                points = []
                self.runs.append(QPolygonF())
            points.append(QPointF(at - origin, level(value)))
            joined, before = True, at
        self._end(points)
        self._count = len(times)

    def _end(self, points: list[QPointF]) -> None:
        if points:
            run = self.runs[-1]
            if run.isEmpty():
                self.runs[-1] = QPolygonF(points)
            else:
                for point in points:
                    run.append(point)

    def _surround(self, track: Track) -> None:
        """Make the band from minimum to maximum of each run of buckets."""
        upper: list[QPointF] = []
        lower: list[QPointF] = []
        before, apart = -math.inf, track.gap_seconds()
        for at, low, mean, high in zip(track.times, track.low, track.mean, track.high, strict=True):
            if math.isnan(mean) or at - before > apart:
                self._close(upper, lower)
                upper, lower = [], []
            if not math.isnan(mean):
                upper.append(QPointF(at - self.origin, self._level(high)))
                lower.append(QPointF(at - self.origin, self._level(low)))
                before = at
        self._close(upper, lower)

    def _close(self, upper: list[QPointF], lower: list[QPointF]) -> None:
        if len(upper) > 1:
            self.bands.append(QPolygonF([*upper, *reversed(lower)]))


def _same(value: float) -> float:
    return value


def _logarithm(value: float) -> float:
    return math.log10(value) if value > 0 else -12.0
