"""When a figure has left its reference: an interval that no longer holds the reference's mean, in two windows.

The reference is cut into chunks of the windows' size, at least 30 rows each; the mean over the chunks is the level.
One window's 95 % interval misses it by chance in 5 of 100, so it takes the newest window and one of the two before it,
on the same side: as for drift, one odd window is chance. Beside that stand three deviations of the chunks, scaled to a
window's rows by the root of their ratio: a figure beyond them has moved further than the reference ever did by itself.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from mlops_desk.drift.performance.figures import direction_of, figures_of
from mlops_desk.drift.performance.metrics import BOUNDS
from mlops_desk.drift.performance.rows import AnsweredRows
from mlops_desk.drift.records.figure_words import figure_title
from mlops_desk.drift.records.performance import Direction, Figure, PerformanceAlarm, PerformanceWindow, ReferenceLevel

LEAST_ROWS = 30  # as for a column of a drift report
MOST_CHUNKS = 50  # chosen: a deviation of so many is known to a tenth
_LEAST_CHUNKS = 3  # chosen: fewer have no deviation worth the name
_DEVIATIONS = 3.0  # NannyML's limit, which is Shewhart's
_RECENT, _NEEDED = 3, 2  # as a monitor of drift: the newest window and one of the two before it


def levels_of(reference: AnsweredRows, window_rows: int) -> dict[str, ReferenceLevel]:
    """Return what each figure is in the reference, for windows of so many labelled rows."""
    used = reference.used()
    n = len(used)
    size = max(LEAST_ROWS, min(window_rows, n // _LEAST_CHUNKS), math.ceil(n / MOST_CHUNKS))
    n_chunks = n // size
    whole = figures_of(used)
    if n_chunks < _LEAST_CHUNKS:
        return {name: ReferenceLevel(one.value, n_chunks=min(1, n)) for name, one in whole.items()}
    edges = np.linspace(0, n, n_chunks + 1).astype(int)
    chunks = [values_of(used.part(slice(a, b))) for a, b in pairwise(edges)]
    scale = math.sqrt(n / n_chunks / max(1, window_rows))
    return {name: _level(name, [chunk.get(name) for chunk in chunks], scale) for name in whole}


def values_of(rows: AnsweredRows) -> dict[str, float | None]:
    """Return each figure's value alone."""
    return {name: one.value for name, one in figures_of(rows).items()}


def _level(name: str, values: Sequence[float | None], scale: float) -> ReferenceLevel:
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not known.size:
        return ReferenceLevel(None)
    mean = float(known.mean())
    if known.size < _LEAST_CHUNKS:
        return ReferenceLevel(mean, n_chunks=known.size)
    half = _DEVIATIONS * float(known.std(ddof=1)) * scale
    least, most = BOUNDS[name]
    low = mean - half if least is None else max(least, mean - half)
    high = mean + half if most is None else min(most, mean + half)
    return ReferenceLevel(mean, low, high, known.size)


def outside(figures: Mapping[str, Figure], levels: Mapping[str, ReferenceLevel], n_used: int) -> dict[str, Direction]:
    """Return which figures' intervals have left the reference's mean, and which way; none of too few rows."""
    found = {}
    for name, figure in figures.items():
        mean = levels[name].mean if name in levels else None
        if n_used < LEAST_ROWS or mean is None or figure.value is None or figure.low is None or figure.high is None:
            continue
        if mean < figure.low or mean > figure.high:
            found[name] = direction_of(name, figure.value, mean)
    return found


def beyond(figures: Mapping[str, Figure], levels: Mapping[str, ReferenceLevel], n_used: int) -> tuple[str, ...]:
    """Return which figures lie further from the reference than three deviations of its chunks."""
    if n_used < LEAST_ROWS:
        return ()
    return tuple(
        name
        for name, figure in figures.items()
        if figure.value is not None and name in levels and _is_beyond(figure.value, levels[name])
    )


def _is_beyond(value: float, level: ReferenceLevel) -> bool:
    return level.low is not None and level.high is not None and not level.low <= value <= level.high


def alarms_of(
    recent: Sequence[PerformanceWindow], levels: Mapping[str, ReferenceLevel]
) -> tuple[PerformanceAlarm, ...]:
    """Return what alarms after the newest window; ``recent`` are windows oldest first, alarms set or not.

    Windows with too few labelled rows can't say anything, and don't count.
    """
    told = [window for window in recent if window.counts.n_used >= LEAST_ROWS][-_RECENT:]
    if not told:
        return ()
    newest, found = told[-1], []
    for name, side in newest.outside.items():
        value, mean = newest.figures[name].value, levels[name].mean
        times = sum(window.outside.get(name) is side for window in told)
        if times >= _NEEDED and value is not None and mean is not None:
            text = (
                f"{figure_title(name)} is {side} than in the reference: {value:.4g} after {mean:.4g}, "
                f"in {times} of the last {len(told)} windows."
            )
            found.append(PerformanceAlarm(name, side, value, mean, name in newest.beyond_band, text))
    return tuple(found)
