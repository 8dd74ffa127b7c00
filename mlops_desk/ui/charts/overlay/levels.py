"""A curve at several resolutions: of each block of points the least and the largest, so that no peak is lost. Pure.

A long curve is drawn from the coarsest level that still has a block for each pixel that is seen: what it costs depends
on the plot's width and no more on how many points there are.
"""

import numpy as np

from mlops_desk.ui.charts.overlay.smoothing import Array

_FACTOR = 4  # chosen: all levels together are two thirds of the curve, and at most four blocks stand on a pixel


class Levels:
    """The levels of one curve whose x never falls; they are made when a coarse one is first wanted."""

    def __init__(self, xs: Array, ys: Array) -> None:
        self._xs, self._ys = xs, ys
        self._coarse: list[tuple[Array, Array, Array]] = []
        """Of each level: where blocks begin, their least and their largest value (NaN: none is a number)."""

    def seen(self, start: float, end: float, pixels: int) -> tuple[Array, Array]:
        """Return the points to draw between two places on ``pixels``, with one more at both sides."""
        first, last = _window(self._xs, start, end)
        count = last - first
        if count <= 2 * pixels:
            return self._xs[first:last], self._ys[first:last]
        level, block = 0, _FACTOR
        while count // (block * _FACTOR) >= pixels:
            level, block = level + 1, block * _FACTOR
        xs, low, high = self._level(level)
        first, last = _window(xs, start, end)
        both = np.empty(2 * (last - first))
        both[0::2], both[1::2] = low[first:last], high[first:last]
        return np.repeat(xs[first:last], 2), both

    def _level(self, number: int) -> tuple[Array, Array, Array]:
        while len(self._coarse) <= number:
            xs, low, high = self._coarse[-1] if self._coarse else (self._xs, self._ys, self._ys)
            self._coarse.append(_halved(xs, low, high))
        return self._coarse[number]


def _halved(xs: Array, low: Array, high: Array) -> tuple[Array, Array, Array]:
    starts = np.arange(0, xs.size, _FACTOR)
    return xs[starts], np.fmin.reduceat(low, starts), np.fmax.reduceat(high, starts)


def _window(xs: Array, start: float, end: float) -> tuple[int, int]:
    """Return which points are between two places, with one more at both sides."""
    first = max(int(np.searchsorted(xs, start, side="left")) - 1, 0)
    return first, min(int(np.searchsorted(xs, end, side="right")) + 1, xs.size)
