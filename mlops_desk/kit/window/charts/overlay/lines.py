"""A run's curve as it is drawn: over what, smoothed how, on which scales. Pure, and done in a worker thread.

What can't be drawn (no number, or not above 0 on a logarithmic scale) is NaN, a gap in the line.

The exponential moving average of a curve, without the pull to its beginning, as people know it from TensorBoard.

What is no number stays where it is and counts for nothing. Pure.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlops_desk.registry.records.curve import RunCurve

Array = NDArray[np.float64]

_DECADES = 200.0  # powers of ten that a block may span: far from the end of a double on both sides


def smoothed(values: Array, weight: float) -> Array:
    """Return the average of each value and those before it, which count ``weight`` (0 to below 1) times less each."""
    finite = np.isfinite(values)
    if weight <= 0.0 or not finite.any():
        return values
    known = values[finite]
    largest = float(np.abs(known).max())
    scale = largest if largest > 0.0 else 1.0
    out = values.copy()
    out[finite] = _averaged(known / scale, weight) * scale
    return out


def _averaged(values: Array, weight: float) -> Array:
    """Return the debiased average of finite values of -1 to 1, block by block, each in one go."""
    length = max(1, min(values.size, int(_DECADES / -math.log10(weight))))
    out = np.empty_like(values)
    falling = weight ** np.arange(1, length + 1)
    rising = weight ** -np.arange(1.0, length + 1)
    state = 0.0
    for start in range(0, values.size, length):
        block = values[start : start + length]
        shrink = falling[: block.size]
        sums = shrink * (state + (1.0 - weight) * np.cumsum(block * rising[: block.size]))
        state = float(sums[-1])
        out[start : start + length] = sums
    counts = np.arange(1.0, values.size + 1)
    corrected: Array = out / -np.expm1(counts * math.log(weight))
    return corrected


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


# Runs of a group as one curve: their mean at each place, and a band from the least to the largest, or of deviation.
#
# Runs log at other steps and end at other times: each is read between its points, and never beyond its ends. Pure.

SPREAD, DEVIATION = "spread", "deviation"
_MOST_PLACES = 1000  # chosen: as many as a wide plot has pixels
NO_GROUP = "(none)"


@dataclass(frozen=True, slots=True)
class Members:
    """The runs of a group, by their keys."""

    group: str
    keys: tuple[str, ...]


def banded(lines: Sequence[RunLine], band: str) -> tuple[list[RunLine], list[Members]]:
    """Return a line for each group, with its band, and who is in it; in the order in which groups first come."""
    groups: dict[str, list[RunLine]] = defaultdict(list)
    for line in lines:
        groups[NO_GROUP if line.subject.group is None else line.subject.group].append(line)
    made = [_line(name, slot, members, band) for slot, (name, members) in enumerate(groups.items())]
    told = [Members(name, tuple(one.subject.key for one in members)) for name, members in groups.items()]
    return made, told


def _line(name: str, slot: int, members: Sequence[RunLine], band: str) -> RunLine:
    places = _grid(members)
    read = np.vstack([_read(line, places) for line in members]) if places.size else np.empty((1, 0))
    counts = np.isfinite(read).sum(axis=0)
    some = counts > 0
    mean, low, high = (np.full(places.size, np.nan) for _ in range(3))
    known = np.where(np.isfinite(read), read, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):  # of values near the end of a double: then there is a gap
        mean[some] = known.sum(axis=0)[some] / counts[some]
        if band == DEVIATION:
            apart = np.where(np.isfinite(read), (read - mean) ** 2, 0.0).sum(axis=0)
            by = np.sqrt(apart / np.maximum(counts - 1, 1))
            low, high = mean - by, mean + by
    if band == SPREAD:
        low[some] = np.nanmin(read[:, some], axis=0)
        high[some] = np.nanmax(read[:, some], axis=0)
    subject = Subject(f"group {name}", f"{name} ({len(members)})", slot, name)
    return RunLine(subject, places, mean, low=low, high=high)


def _grid(members: Sequence[RunLine]) -> Array:
    """Return the places at which a group is read: all at which one of them has a value, thinned where many."""
    places: Array = np.unique(
        np.concatenate([line.xs[np.isfinite(line.xs) & np.isfinite(line.ys)] for line in members])
    )
    if places.size > _MOST_PLACES:
        places = np.linspace(places[0], places[-1], _MOST_PLACES)
    return places


def _read(line: RunLine, places: Array) -> Array:
    """Return a line's values at places, between its points; NaN before its first and behind its last."""
    known = np.isfinite(line.xs) & np.isfinite(line.ys)
    if not known.any():
        return np.full(places.size, np.nan)
    xs, ys = line.xs[known], line.ys[known]
    if not line.is_sorted:
        order = np.argsort(xs, kind="stable")
        xs, ys = xs[order], ys[order]
    read: Array = np.interp(places, xs, ys, left=np.nan, right=np.nan)
    return read
