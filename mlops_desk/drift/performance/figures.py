"""All figures of some rows, whichever kind they are of, and which way each is better."""

import math
from functools import partial

import numpy as np

from mlops_desk.drift.measure.measures import scaled
from mlops_desk.drift.pair import Floats, binary_exponent
from mlops_desk.drift.performance.classification import figures_of_classes
from mlops_desk.drift.performance.intervals import bootstrap_of_sums
from mlops_desk.drift.performance.rows import AnsweredRows
from mlops_desk.drift.records.performance import Direction, Figure, PredictionKind

# Figures of numbers told, each from sums over rows, with a bootstrap's interval.
# mae mean absolute error; bias: mean of answer minus label; rmse: root of the mean squared error; in the label's unit
# r2 1 - squared error / squared deviation of the labels from their mean; None where the labels are all one
# Errors are scaled by a power of two while they are squared, so that no number a double can hold goes over.
NAMES = ("mae", "rmse", "r2", "bias")
_TINY = 1e-30  # of the squared sizes; chosen: deviations below are rounding of labels that are all one


def figures_of_numbers(rows: AnsweredRows) -> dict[str, Figure]:
    """Return all figures of the rows that have a label and an answer."""
    used = rows.used()
    n = len(used)
    if not n:
        return {name: Figure(None) for name in NAMES}
    exponent = binary_exponent(np.sort(used.labels), np.sort(used.predictions))
    labels, told = (np.ldexp(side, -exponent) for side in (used.labels, used.predictions))
    errors = told - labels
    centred = labels - labels.mean()
    sums = np.stack([np.abs(errors), np.square(errors), errors, centred, np.square(centred)], axis=1)
    size = max(1e-300, float(np.max(np.abs(labels)))) ** 2
    found = {}
    for name in NAMES:
        value = float(_figure(name, size, np.concatenate([sums.sum(axis=0), [n]])[None, :])[0])
        if math.isnan(value):
            found[name] = Figure(None, n=n)
            continue
        low, high = bootstrap_of_sums(sums, partial(_figure, name, size))
        power = 0 if name == "r2" else exponent
        low, high = (None if end is None else scaled(end, power) for end in (low, high))
        found[name] = Figure(scaled(value, power), low, high, n)
    return found


def _figure(name: str, size: float, sums: Floats) -> Floats:
    """Make a figure of sums (draws x 6): |e|, e^2, e, y - mean, its square, rows."""
    absolute, squared, error, centred, deviation, n = sums.T
    around = deviation - np.square(centred) / n
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = {
            "mae": absolute / n,
            "bias": error / n,
            "rmse": np.sqrt(squared / n),
            "r2": np.where(around > _TINY * size * n, 1 - _ratio(squared, around), np.nan),
        }[name]
    return found


def _ratio(above: Floats, below: Floats) -> Floats:
    """Divide; what is beyond a double's range, or has no divisor, is no number."""
    with np.errstate(all="ignore"):
        found: Floats = np.asarray(above / below)
    return np.where(np.isfinite(found), found, np.nan)


_LESS_IS_BETTER = frozenset({"log_loss", "brier", "mae", "rmse"})
_NEARER_TO_ZERO = frozenset({"bias"})


def figures_of(rows: AnsweredRows) -> dict[str, Figure]:
    """Return all figures of the rows that have a label and an answer; what is not defined is None."""
    return figures_of_classes(rows) if rows.kind is PredictionKind.CLASSIFICATION else figures_of_numbers(rows)


def direction_of(name: str, value: float, before: float) -> Direction:
    """Tell whether a figure is better or worse than it was; equal ones are not asked about."""
    if name in _NEARER_TO_ZERO:
        return Direction.BETTER if abs(value) < abs(before) else Direction.WORSE
    return Direction.BETTER if (value < before) == (name in _LESS_IS_BETTER) else Direction.WORSE
