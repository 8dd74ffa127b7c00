"""A run's curve as it is drawn: over what, smoothed how, on which scales. Pure, and done in a worker thread.

What can't be drawn (no number, or not above 0 on a logarithmic scale) is NaN, a gap in the line.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlops_desk.records.registry.curve import RunCurve
from mlops_desk.ui.charts.overlay.smoothing import Array, smoothed

STEP, TIME, RELATIVE, METRIC = "step", "time", "relative", "metric"
"""What curves run over: MLflow's step, the time of day, the time since the run's first value, another metric."""

_MOST_COUNTED = 200_000  # points: so many tell where the outermost hundredth begins
_LARGEST = 1e300  # beyond it the distance of two values is no number any more


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose curve it is: its key, what it is called, the slot of its colour, and the group that it belongs to."""

    key: str
    title: str
    slot: int = 0
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """How curves are drawn. ``weight`` 0: as they were logged. ``over`` may be METRIC, then ``xs_of`` has it by run."""

    over: str = STEP
    weight: float = 0.0
    log_x: bool = False
    log_y: bool = False
    xs_of: Mapping[str, RunCurve] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class RunLine:
    """What is drawn of a subject, in the units of the axes (powers of ten on a logarithmic one).

    ``raw`` is what was logged where ``ys`` is smoothed, ``low`` and ``high`` the edges of a band, ``odd`` the places
    on the x axis of values that are no numbers. ``is_sorted``: x never falls, so that it can be searched.
    """

    subject: Subject
    xs: Array
    ys: Array
    raw: Array | None = None
    low: Array | None = None
    high: Array | None = None
    odd: Array | None = None
    is_sorted: bool = True


def drawn(subject: Subject, curve: RunCurve, way: Way) -> RunLine:
    """Return what is drawn of one curve."""
    values = np.array(curve.values, dtype=np.float64)
    xs = _places(curve, way)
    with np.errstate(invalid="ignore"):
        is_sorted = bool(np.all(xs[1:] >= xs[:-1])) and not np.isnan(xs).any()
    ys = smoothed(values, way.weight)
    odd = xs[~np.isfinite(values) & np.isfinite(xs)]
    return RunLine(
        subject,
        xs,
        scaled(ys, log=way.log_y),
        raw=scaled(values, log=way.log_y) if way.weight > 0 else None,
        odd=odd if odd.size else None,
        is_sorted=is_sorted,
    )


def _places(curve: RunCurve, way: Way) -> Array:
    """Return where the points stand on the x axis."""
    if way.over == METRIC:
        return scaled(_values_at(curve.steps, way.xs_of.get(curve.run_id)), log=way.log_x)
    if way.over == STEP:
        return scaled(np.array(curve.steps, dtype=np.float64), log=way.log_x)
    seconds = np.array(curve.timestamps, dtype=np.float64) / 1000.0
    if way.over == RELATIVE and seconds.size:
        seconds = seconds - seconds.min()
    return scaled(seconds, log=way.log_x and way.over == RELATIVE)


def _values_at(steps: Sequence[int], other: RunCurve | None) -> Array:
    """Return another metric's value at each of the steps; NaN where it has none."""
    places = np.full(len(steps), np.nan)
    if other is None or not other.steps:
        return places
    known = dict(zip(other.steps, other.values, strict=True))
    return np.array([known.get(step, np.nan) for step in steps], dtype=np.float64)


def scaled(values: Array, *, log: bool) -> Array:
    """Return values in the units of an axis; what it can't show is NaN."""
    if not log:
        return np.where(np.isfinite(values), np.clip(values, -_LARGEST, _LARGEST), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = np.log10(values)
    return np.where(np.isfinite(powers), powers, np.nan)


def extent(arrays: Sequence[Array], *, cut: bool = False) -> tuple[float, float] | None:
    """Return the least and the largest of what is drawn; with ``cut`` without the outermost hundredth at both ends.

    None where there is nothing. What is one value gets some room around it.
    """
    some = [array for array in arrays if array.size]
    if cut:
        low, high = _without_outliers(some)
    else:
        low = min((float(np.fmin.reduce(array)) for array in some), key=_nan_last, default=math.nan)
        high = max((float(np.fmax.reduce(array)) for array in some), key=_nan_first, default=math.nan)
    if math.isnan(low) or math.isnan(high):
        return None
    if high <= low:
        room = abs(low) * 0.05 or 0.5  # chosen: a flat line stands in the middle
        return low - room, high + room
    return low, high


def _without_outliers(arrays: Sequence[Array]) -> tuple[float, float]:
    thin = max(1, sum(array.size for array in arrays) // _MOST_COUNTED)
    whole = np.concatenate([array[::thin] for array in arrays]) if arrays else np.empty(0)
    known = whole[np.isfinite(whole)]
    if not known.size:
        return math.nan, math.nan
    low, high = np.percentile(known, (1, 99))
    return float(low), float(high)


def _nan_last(value: float) -> float:
    return math.inf if math.isnan(value) else value


def _nan_first(value: float) -> float:
    return -math.inf if math.isnan(value) else value
