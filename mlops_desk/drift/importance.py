"""What is asked about a monitor's columns, and what weights are made of the answer. Pure."""

import math
from dataclasses import dataclass

from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.drift.records.columns import ColumnRole
from mlops_desk.drift.records.importance import ComputedImportance
from mlops_desk.drift.records.monitors import Monitor
from mlops_desk.kit.base.errors import Hint, Invalid
from mlops_desk.kit.base.text import plain

LEAST_ROWS, MOST_ROWS = 30, 20_000
"""Below, nothing can be told (DRIFT.md, B4); chosen: as many as two models are compared on."""
MOST_REPEATS = 100  # chosen: the mean of so many is known ten times better than one
_DECIMALS = 6  # chosen: no chart shows more, and a form reads back what it has shown
MOST_SEED = 2**32 - 1  # numpy takes no larger one


@dataclass(frozen=True, slots=True)
class WeighingWish:
    """``columns`` to weigh, and ``features`` that the model takes where it has no signature, by the reference's names.

    ``label`` is the reference's column of what was right, None without one.
    """

    columns: tuple[str, ...]
    features: tuple[str, ...]
    label: str | None
    rows: int
    repeats: int
    seed: int
    metric: str | None = None
    permute: bool = False


def wish_of(
    monitor: Monitor, profile: DataProfile, *, rows: int, repeats: int, seed: int, metric: str | None, permute: bool
) -> WeighingWish:
    """Return what is asked about the columns that a monitor compares. Raises Invalid."""
    if not LEAST_ROWS <= rows <= MOST_ROWS:
        raise Invalid(f"{rows:,} rows are not between {LEAST_ROWS} and {MOST_ROWS:,}.", "For example: --rows 2000")
    if not 1 <= repeats <= MOST_REPEATS:
        raise Invalid(f"{repeats} repeats are not between 1 and {MOST_REPEATS}.", "For example: --repeats 5")
    if not 0 <= seed <= MOST_SEED:
        raise Invalid(f"{seed} is no seed.", f"Give a whole number from 0 to {MOST_SEED}.")
    if monitor.endpoint is None and monitor.model is None:
        before = "It watches no endpoint. Make one that is about a version: "
        hint = Hint("mlops-desk drift monitors create NAME --model MODEL/VERSION", before=before)
        raise Invalid(f"Which model {plain(monitor.name)} is about is not said.", hint)
    features = [one for one in profile.columns if one.column.role is ColumnRole.FEATURE]
    compared = [
        one.column.name
        for one in features
        if one.sketch is not None
        and one.column.name not in monitor.suppressed
        and (not monitor.columns or one.column.name in monitor.columns)
    ]
    if not compared:
        raise Invalid(f"{plain(monitor.name)} compares no column that a model could look at.")
    takes = tuple(one.column.name for one in features)
    return WeighingWish(tuple(compared), takes, _label(monitor, profile), rows, repeats, seed, metric, permute)


def _label(monitor: Monitor, profile: DataProfile) -> str | None:
    """Return the reference's column of what was right: what answers are scored by, what was chosen, what it says."""
    there = {one.column.name for one in profile.columns}
    told = [one.column.name for one in profile.columns if one.column.role is ColumnRole.TARGET]
    named = () if monitor.answers is None else (monitor.answers.label,)
    return next((name for name in (*named, *monitor.targets, *told) if name in there), None)


def weights_of(found: ComputedImportance) -> dict[str, float]:
    """Return shares of what was found, together 1; what is below 0 is noise and counts as 0.

    All 0 where nothing matters: then no column weighs more than another.
    """
    plainly = {
        name: one.mean if math.isfinite(one.mean) and one.mean > 0 else 0.0 for name, one in found.columns.items()
    }
    largest = max(plainly.values(), default=0.0)
    if not largest:
        return dict.fromkeys(plainly, 0.0)
    scaled = {name: value / largest for name, value in plainly.items()}
    total = sum(scaled.values())
    return {name: round(value / total, _DECIMALS) for name, value in scaled.items()}
