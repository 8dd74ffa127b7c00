"""What a container tells of a model's columns, read from its lines. Pure.

It comes from a hostile place: a line counts only where it can be meant, and a number only where it is one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlops_desk.drift.records.importance import FoundWeight, ImportanceMethod
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, Invalid, Refused
from mlops_desk.kit.base.text import LINE_LIMIT, plain

METRICS = ("accuracy", "log_loss", "roc_auc", "r2", "mae", "rmse", "change")
"""What answers can be scored by, as the container has them."""
_MOST = 1e12  # chosen: no score of answers is larger, and a gain of a thousand trees is not
_ODD = "The model's container tells of its columns what can't be: {}. Nothing of it is kept."


@dataclass(frozen=True, slots=True)
class WeighingLine:
    """One line: how far it is (``done`` of ``of``), some columns' numbers, the end, or why there is none.

    ``loads`` False: the model could not even be loaded, so that another image may do.
    """

    done: int | None = None
    of: int | None = None
    at: int | None = None
    means: tuple[float, ...] | None = None
    deviations: tuple[float, ...] | None = None
    method: str | None = None
    metric: str | None = None
    baseline: float | None = None
    why: str | None = None
    failed: str | None = None
    loads: bool | None = None


@dataclass(frozen=True, slots=True)
class ToldImportance:
    """What was told, checked: a weight for each column that was asked about, in that order."""

    method: ImportanceMethod
    weights: tuple[FoundWeight, ...]
    metric: str | None = None
    baseline: float | None = None
    why: str | None = None


def line_of(text: str) -> WeighingLine | None:
    """Return what a line tells; None for one of another kind: a model's libraries write what they like."""
    if not text.startswith("{"):
        return None
    try:
        return wire.loads(text.encode(), WeighingLine)
    except DeskError:
        return None


def progress(lines: Sequence[str]) -> tuple[int, int] | None:
    """Return how many columns are done, of how many; None before the first."""
    found = [one for one in map(line_of, lines) if one is not None and one.done is not None and one.of]
    if not found or found[-1].done is None or found[-1].of is None:
        return None
    return max(0, min(found[-1].done, found[-1].of)), max(1, found[-1].of)


def read(lines: Sequence[str], n_columns: int, metric: str | None, *, permute: bool) -> ToldImportance:
    """Return what is told of so many columns. Raises Invalid with what the container says, or for nonsense.

    Raises Refused where the image is no good: the model could not be loaded, or the container ended before it told.
    """
    found = [one for one in map(line_of, lines) if one is not None]
    failed = next((one for one in found if one.failed is not None), None)
    if failed is not None:
        said = plain(failed.failed or "", LINE_LIMIT)
        if failed.loads is False:  # another image may do
            raise Refused(said)
        raise Invalid(f"The model's columns can't be weighed: {said}.")
    end = next((one for one in found if one.method is not None), None)
    if end is None:
        last = plain(next((one for one in reversed(lines) if one.strip()), "nothing"), LINE_LIMIT)
        raise Refused(f"The model's container ended before its columns were weighed. It last wrote: {last}")
    if end.method not in set(ImportanceMethod):
        raise Invalid(_ODD.format(f"the method {plain(end.method or '', 40)!r}"))
    method = ImportanceMethod(end.method)
    is_permuted = method is ImportanceMethod.PERMUTATION
    if permute and not is_permuted:
        raise Invalid(_ODD.format("a method that it was not asked for"))
    weights = _weights(found, n_columns, is_permuted=is_permuted)
    if not is_permuted:
        return ToldImportance(method, weights)
    if end.metric not in METRICS or metric not in {None, end.metric}:
        raise Invalid(_ODD.format(f"the metric {plain(end.metric or 'of no name', 40)!r}"))
    if end.baseline is None or not math.isfinite(end.baseline):
        raise Invalid(_ODD.format("no score of the rows as they are"))
    return ToldImportance(method, weights, end.metric, end.baseline, end.why and plain(end.why, LINE_LIMIT))


def _weights(found: Sequence[WeighingLine], n: int, *, is_permuted: bool) -> tuple[FoundWeight, ...]:
    """Return a weight for each column; each has to be told once, and be a number that can be."""
    weights: list[FoundWeight] = []
    for one in found:
        if one.at is None or one.means is None:
            continue
        if one.at != len(weights):
            raise Invalid(_ODD.format("columns twice, or out of order"))
        spread = one.deviations if one.deviations is not None else (None,) * len(one.means)
        if len(spread) != len(one.means) or is_permuted != (one.deviations is not None):
            raise Invalid(_ODD.format("not as many intervals as columns"))
        weights += [FoundWeight(mean, deviation) for mean, deviation in zip(one.means, spread, strict=True)]
        if len(weights) > n:
            break
    if len(weights) != n:
        raise Invalid(_ODD.format(f"{len(weights)} columns, and {n} were asked about"))
    least = -_MOST if is_permuted else 0.0
    for weight in weights:
        if not least <= weight.mean <= _MOST or not 0.0 <= (weight.deviation or 0.0) <= _MOST:
            raise Invalid(_ODD.format(f"the number {weight.mean:g} ± {weight.deviation or 0.0:g}"))
    return tuple(weights)
