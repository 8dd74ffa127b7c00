"""How a metric went in runs, in the order of its steps: a hundred short curves by a hundred questions to an index.

One question for all of them would be slower by two hundred times: the database would read the metric of every run
that there is. A long curve is read in parts, so that no writer waits.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_desk.registry.readers.curve_decimation import kept
from mlops_desk.registry.readers.infinities import as_logged
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.store.columns import floats

PART = 5_000  # points at a time, to begin with
MOST_OF_PART = 10_000  # chosen: 15 ms of reading, and some more to find the first of many points of one step
_SHORT = 500  # points: up to here arrays cost more than they spare

Point = tuple[Any, ...]
"""A row: step, time, value (None: NaN), place in the table."""


@dataclass(frozen=True, slots=True)
class CurvePoints:
    """A whole curve as columns, by step, then time, then the order in which it was logged."""

    steps: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.steps)


def points_of(rows: Sequence[Point]) -> CurvePoints:
    if not rows:
        none = np.empty(0, np.int64)
        return CurvePoints(none, none, np.empty(0, np.float64))
    columns = tuple(zip(*rows, strict=True))
    steps, times, places = (np.array(columns[at], np.int64) for at in (0, 1, 3))
    order = np.lexsort((places, times, steps))
    return CurvePoints(steps[order], times[order], floats(columns[2])[order])


def curve(
    run_id: str, metric: str, rows: Sequence[Point], most: int, mark: str | None, count: int | None = None
) -> RunCurve:
    """Return at most ``most`` of a curve's points; ``count`` is how many there are in all (None: these)."""
    if len(rows) <= min(most, _SHORT):
        return _short(run_id, metric, rows, mark, count)
    points = points_of(rows)
    at = kept(points.values, most)
    return RunCurve(
        run_id,
        metric,
        len(points) if count is None else count,
        tuple(points.steps[at].tolist()),
        tuple(points.times[at].tolist()),
        tuple(points.values[at].tolist()),
        mark,
    )


def _short(run_id: str, metric: str, rows: Sequence[Point], mark: str | None, count: int | None) -> RunCurve:
    if not rows:
        return RunCurve(run_id, metric, count or 0, mark=mark)
    ordered = sorted(rows, key=_order)
    steps, times, values, _ = zip(*ordered, strict=True)
    told = tuple(map(number, values))
    return RunCurve(run_id, metric, len(rows) if count is None else count, steps, times, told, mark)


def _order(row: Point) -> tuple[int, int, int]:
    return row[0], row[1], row[3]


def number(value: float | None) -> float:
    """Return a value as it was logged: None is NaN, what stands for an infinity is one."""
    return math.nan if value is None else as_logged(value)
