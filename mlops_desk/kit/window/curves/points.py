"""Curves as points: where they are broken, and how few points a screen needs. No Qt here."""

from __future__ import annotations

import math
import sys
from array import array
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_desk.machine.records.history import Curve, Curves

Point = tuple[float, float | None]
GAP_FACTOR = 3.0  # chosen: more than two samples that are missing are a gap


def runs_of(points: Sequence[Point]) -> list[list[tuple[float, float]]]:
    """Split at missing values and where samples are missing altogether."""
    step = _usual_step(points)
    runs: list[list[tuple[float, float]]] = []
    previous: float | None = None
    for at, value in points:
        if value is None or not math.isfinite(value):
            previous = None
            continue
        if previous is None or at - previous > GAP_FACTOR * step:
            runs.append([])
        runs[-1].append((at, value))
        previous = at
    return runs


def _usual_step(points: Sequence[Point]) -> float:
    steps = sorted(later[0] - earlier[0] for earlier, later in pairwise(points))
    return max(steps[len(steps) // 2], 0.1) if steps else 1.0


def reduced(run: list[tuple[float, float]], seconds: float, width: float) -> list[tuple[float, float]]:
    """Return lowest and highest of each pixel column, where there are more than two points for a pixel."""
    if len(run) <= 2 * width or width < 1:
        return run
    per_pixel = seconds / width
    kept: list[tuple[float, float]] = []
    column: list[tuple[float, float]] = []
    for point in run:
        if column and math.floor(point[0] / per_pixel) != math.floor(column[0][0] / per_pixel):
            kept += _extremes(column)
            column = []
        column.append(point)
    return kept + _extremes(column)


def _extremes(column: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return sorted({min(column, key=_value), max(column, key=_value)})


def _value(point: tuple[float, float]) -> float:
    return point[1]


def points_of(curves: Curves, curve: Curve) -> list[Point]:
    """Return a curve's means as points; NaN becomes a gap. A damaged curve is empty."""
    values = array("f")
    if len(curve.mean) % values.itemsize:
        return []
    values.frombytes(curve.mean)
    if sys.byteorder == "big":
        values.byteswap()
    return [
        (curves.start + (number + 0.5) * curves.step_seconds, None if math.isnan(value) else value)
        for number, value in enumerate(values)
    ]
