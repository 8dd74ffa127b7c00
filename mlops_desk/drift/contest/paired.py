"""How two models differ on the same rows, with a 95 % interval that is paired by rows.

What both find hard is hard for both, so the difference is far surer than either figure by itself. The AUC's interval
is DeLong's for two correlated curves (DeLong, DeLong & Clarke-Pearson 1988: the variance of the differences of the
placements); of every other figure, which is a function of sums over rows, the rows are drawn anew for both models at
once (Efron & Tibshirani 1993, chapter 16), by the draws and the seed that a single figure has.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_desk.drift.pair import Floats
from mlops_desk.drift.performance.classification import losses, mean_of_defined
from mlops_desk.drift.performance.figures import figures_of
from mlops_desk.drift.performance.intervals import DEVIATIONS, DRAWS, NOTHING, SEED, Interval, percentiles
from mlops_desk.drift.performance.ranking import placements
from mlops_desk.drift.performance.rows import AnsweredRows
from mlops_desk.records.drift.performance import Figure

DELONG = "delong"
BOOTSTRAP = "bootstrap"
_GROUPS = 2000  # as for a single figure: more rows are dealt into so many groups first

Sums = tuple[Floats, Callable[[Floats], Floats]]
"""What is summed (rows x k), and the figure of several rows of sums (draws x (k + 1), the last their number)."""


@dataclass(frozen=True, slots=True)
class PairedFigures:
    """``difference`` is challenger minus champion; ``method`` made its interval."""

    champion: Figure
    challenger: Figure
    difference: Figure
    method: str
    n_used: int


def paired(champion: AnsweredRows, challenger: AnsweredRows, metric: str) -> PairedFigures:
    """Compare two models by one of ``COMPARED`` on the rows that both have answered and that have a label.

    The rows of both are the same ones in the same order, and have the same classes.
    """
    both = champion.readable & champion.answered & challenger.answered
    if metric in {"roc_auc", "log_loss", "brier"}:
        both = both & _scored(champion) & _scored(challenger)
    first, second = champion.part(both), challenger.part(both)
    figures = [figures_of(side).get(metric, Figure(None)) for side in (first, second)]
    n = int(np.count_nonzero(both))
    method = DELONG if metric == "roc_auc" else BOOTSTRAP
    values = [one.value for one in figures]
    if values[0] is None or values[1] is None:
        return PairedFigures(figures[0], figures[1], Figure(None, n=n), method, n)
    interval = _delong(first, second) if metric == "roc_auc" else _bootstrap(first, second, metric)
    return PairedFigures(figures[0], figures[1], Figure(values[1] - values[0], *interval, n), method, n)


def _scored(rows: AnsweredRows) -> NDArray[np.bool_]:
    if rows.scores is None:
        return np.zeros(len(rows), dtype=bool)
    return np.asarray(~np.isnan(rows.scores).any(axis=1), dtype=bool)


def _bootstrap(first: AnsweredRows, second: AnsweredRows, metric: str) -> Interval:
    """Return the interval of the difference, both models' sums drawn with the same weights."""
    n = len(first)
    if n < 2:
        return NOTHING
    (before, figure), (after, other) = sums_of(first, metric), sums_of(second, metric)
    summed = np.concatenate([before, after, np.ones((n, 1))], axis=1)
    rng = np.random.default_rng(SEED)
    if n > _GROUPS:
        group = rng.permutation(n) % _GROUPS
        summed = np.stack([np.bincount(group, column, _GROUPS) for column in summed.T], axis=1)
    size, width = summed.shape[0], before.shape[1]
    drawn = rng.multinomial(size, np.full(size, 1 / size), DRAWS).astype(np.float64) @ summed
    count = drawn[:, -1:]
    values = other(np.concatenate([drawn[:, width:-1], count], axis=1)) - figure(
        np.concatenate([drawn[:, :width], count], axis=1)
    )
    return percentiles(values)


def sums_of(rows: AnsweredRows, metric: str) -> Sums:
    """Return what a figure is made of. ``rows`` have all a label and an answer."""
    if metric == "accuracy":
        return (rows.labels == rows.predictions)[:, None].astype(np.float64), _mean
    if metric in {"log_loss", "brier"} and rows.scores is not None:
        lost, squared = losses(rows.scores, rows.labels, rows.positive)
        return (lost if metric == "log_loss" else squared)[:, None], _mean
    if metric in {"precision", "recall", "f1"}:
        return _by_class(rows, metric)
    errors = rows.predictions - rows.labels
    if metric == "mae":
        return np.abs(errors)[:, None], _mean
    if metric == "rmse":
        return np.square(errors)[:, None], lambda sums: np.sqrt(_mean(sums))
    centred = rows.labels - rows.labels.mean()
    return np.stack([np.square(errors), centred, np.square(centred)], axis=1), _explained


def _mean(sums: Floats) -> Floats:
    mean: Floats = sums[:, 0] / sums[:, -1]
    return mean


def _explained(sums: Floats) -> Floats:
    squared, centred, deviation, n = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = 1 - squared / (deviation - np.square(centred) / n)
    return np.where(np.isfinite(found), found, np.nan)


def _by_class(rows: AnsweredRows, metric: str) -> Sums:
    """Return hits, answers and labels of each class that counts: the positive one of two, else all."""
    chosen = range(len(rows.classes)) if rows.positive is None else (rows.positive,)
    told = np.stack([rows.predictions == at for at in chosen], axis=1)
    are = np.stack([rows.labels == at for at in chosen], axis=1)
    k = told.shape[1]

    def figure(sums: Floats) -> Floats:
        right, answers, labels = sums[:, :k], sums[:, k : 2 * k], sums[:, 2 * k : 3 * k]
        with np.errstate(invalid="ignore", divide="ignore"):
            each = {"precision": right / answers, "recall": right / labels, "f1": 2 * right / (answers + labels)}
        return mean_of_defined(each[metric])

    return np.concatenate([told & are, told, are], axis=1).astype(np.float64), figure


def _delong(first: AnsweredRows, second: AnsweredRows) -> Interval:
    """Return the interval of the difference of two AUCs; with several classes that of their means over the classes."""
    parts = [_influence(side) for side in (first, second)]
    if any(one is None for one in parts):
        return NOTHING
    (before, value), (after, other) = (one for one in parts if one is not None)
    error = DEVIATIONS * math.sqrt(delong_variance(first.labels, after - before, first.positive))
    return other - value - error, other - value + error


def _influence(rows: AnsweredRows) -> tuple[Floats, float] | None:
    """Return how each row moves the AUC (its placement's distance from the mean, by the size of its side)."""
    if rows.scores is None:
        return None
    classes = range(rows.scores.shape[1]) if rows.positive is None else (rows.positive,)
    moved, values = np.zeros(len(rows)), []
    for at in classes:
        on = rows.labels == at
        if not on.any() or on.all():
            continue
        off, above = placements(rows.scores[~on, at], rows.scores[on, at])
        value = float(above.mean())
        moved[on] += (above - value) / above.size
        moved[~on] += (off - value) / off.size
        values.append(value)
    return (moved / len(values), float(np.mean(values))) if values else None


def delong_variance(labels: NDArray[np.int64], moved: Floats, positive: int | None) -> float:
    """Return the variance of a sum of placements: of two classes with each side's own freedom, as DeLong has it."""
    if positive is None:
        return float(np.square(moved).sum())
    total = 0.0
    for side in (moved[labels == positive], moved[labels != positive]):
        total += float(np.square(side).sum()) * (side.size / max(1, side.size - 1))
    return total
