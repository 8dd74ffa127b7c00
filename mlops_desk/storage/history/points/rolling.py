"""What new points make of a series' tiers. Pure: who calls hands in what is there already.

While a tier has its rows, the coarser ones are a function of them: a stretch of a quarter of an hour that a point
falls into is rolled up anew, however late the point came and however often. A minute whose points are gone is taken
as a whole: what comes later takes its place. So the same points a second time change nothing.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mlops_desk.storage.history.chunks import TIER_SECONDS
from mlops_desk.storage.history.points.batches import over
from mlops_desk.storage.history.rollup import Floats, Rolled, join, roll

_, MINUTE, QUARTER = TIER_SECONDS

Tiers = tuple[Rolled, Rolled, Rolled]
Since = tuple[float, float, float]
"""From which Unix time on each tier has all rows, coarser ones no later: whole days, so no stretch is on both sides."""

Known = Callable[[int, Floats], Rolled]
"""Returns rows of a tier, those that lie in the quarters of an hour that begin at these times among them."""


class Changed(NamedTuple):
    """The rows to put over those of each tier, and how many points are older than all that is kept."""

    tiers: Tiers
    lost: int


def changed(new: Rolled, since: Since, known: Known) -> Changed:
    """Return what ``new`` points, by time and each once, change."""
    fine = _at_least(new, since[0])
    middle = _before(_at_least(new, since[1]), since[0])
    old = _before(_at_least(new, since[2]), since[1])
    everything = over(_within(known(0, quarters(fine)), quarters(fine)), fine)
    minutes = roll(middle, MINUTE)
    around = over(_within(known(1, quarters(middle)), quarters(middle)), minutes)
    return Changed(
        (
            fine,
            join([minutes, roll(everything, MINUTE)]),
            join([roll(old, QUARTER), roll(around, QUARTER), roll(everything, QUARTER)]),
        ),
        len(new.times) - len(fine.times) - len(middle.times) - len(old.times),
    )


def quarters(rows: Rolled) -> Floats:
    """Return where the quarters of an hour begin that rows lie in."""
    return np.unique(np.floor(rows.times / QUARTER) * QUARTER)


def _within(rows: Rolled, starts: Floats) -> Rolled:
    return rows.only(np.isin(np.floor(rows.times / QUARTER) * QUARTER, starts))


def _at_least(rows: Rolled, at: float) -> Rolled:
    return rows.only(rows.times >= at)


def _before(rows: Rolled, at: float) -> Rolled:
    return rows.only(rows.times < at)
