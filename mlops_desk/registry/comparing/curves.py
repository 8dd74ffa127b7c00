"""A curve in few points that still has its extremes. Pure."""

import math
from collections.abc import Sequence

from mlops_desk.base.errors import Invalid
from mlops_desk.records.registry.curve import RunCurve
from mlops_desk.registry.mlflow.decimation import FEWEST_POINTS, kept

LEAST_POINTS = 2  # the least and the largest
MOST_POINTS = 25_000  # what MLflow gives of one curve at a time


def check_points(points: int) -> int:
    """Return how many points are wanted. Raises Invalid for so few that an extreme would be missing."""
    if not LEAST_POINTS <= points <= MOST_POINTS:
        raise Invalid(f"The points must lie between {LEAST_POINTS} and {MOST_POINTS:,}, not {points}.")
    return points


def places(values: Sequence[float], most: int) -> list[int]:
    """Return the places of at most ``most`` values, the least and the largest among them."""
    if most >= FEWEST_POINTS or len(values) <= most:
        return kept(values, most) if len(values) > most else list(range(len(values)))
    finite = [place for place, value in enumerate(values) if math.isfinite(value)]
    extremes = [min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)] if finite else []
    broken = next((place for place, value in enumerate(values) if not math.isfinite(value)), 0)
    return sorted(list(dict.fromkeys([*extremes, len(values) - 1, broken, 0]))[:most])


def thinned(curve: RunCurve, points: int) -> RunCurve:
    """Return a curve with at most so many of its points."""
    shown = places(curve.values, points)
    return RunCurve(
        curve.run_id,
        curve.metric,
        curve.n_points,
        tuple(curve.steps[place] for place in shown),
        tuple(curve.timestamps[place] for place in shown),
        tuple(curve.values[place] for place in shown),
        curve.mark,
    )
