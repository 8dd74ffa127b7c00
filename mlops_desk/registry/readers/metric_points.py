"""Single values of a metric (its least, largest, first, or that at a step) out of whole curves.

For readers that have no faster way, and for a curve that is too long for one: a database is asked for the value itself.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from mlops_desk.registry.records.curve import RunCurve

_POINTS = 5000  # chosen: curves of ordinary trainings are whole then


class GivesCurves(Protocol):
    """The part of a Reader that is needed."""

    def curves(self, run_ids: Sequence[str], metric: str, points: int, since: str | None = None) -> list[RunCurve]: ...


def from_curves(
    reader: GivesCurves, run_ids: Sequence[str], metric: str, which: str, step: int | None = None
) -> Mapping[str, float]:
    """Return what ``Reader.metric_values`` does."""
    found = {curve.run_id: spot(curve, which, step) for curve in reader.curves(run_ids, metric, _POINTS)}
    return {run_id: value for run_id, value in found.items() if value is not None}


def spot(curve: RunCurve, which: str, step: int | None) -> float | None:
    """Return one value of a curve, None where it has none (see ``Reader.metric_values``)."""
    if which == "step":
        points = zip(reversed(curve.steps), reversed(curve.values), strict=True)
        return next((value for at, value in points if at == step), None)
    if which == "first":
        return curve.values[0] if curve.values else None
    numbers = [value for value in curve.values if not math.isnan(value)]
    if not numbers:
        return None
    return min(numbers) if which == "min" else max(numbers)
