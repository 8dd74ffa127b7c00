"""Points of many series as one record: what a flush writes, until it is merged into the series' pages.

Times are kept to a tenth of a second, which is what tells two points of a series apart: the one that was recorded last
counts. Coarser than that a sampler with a period of a second would lose points to its own jitter; finer, the jitter
alone would take more room than the values.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mlops_desk.kit.storage.history.blocks import OK
from mlops_desk.kit.storage.history.chunks import TIER_SECONDS
from mlops_desk.kit.storage.history.integers import Codes, DamagedBlock, get_column, get_group, put_column, put_group
from mlops_desk.kit.storage.history.rollup import Floats, Rolled, join, roll, single

STEPS_A_SECOND = 10  # part of the format


@dataclass(frozen=True, slots=True)
class Batch:
    """Points in the order they were recorded: the number of each one's series, its step of time, and its code."""

    series: Codes
    steps: Codes
    codes: Codes


def steps_of(times: Floats) -> Codes:
    """Return Unix seconds as tenths of a second."""
    return np.rint(times * STEPS_A_SECOND).astype(np.int64)


def joined(batches: list[Batch]) -> Batch:
    """Put batches one after the other."""
    if len(batches) == 1:
        return batches[0]
    empty = np.empty(0, np.int64)
    return Batch(
        *(
            np.concatenate([getattr(batch, name) for batch in batches]) if batches else empty
            for name in ("series", "steps", "codes")
        )
    )


def latest(batch: Batch) -> Batch:
    """Return a batch by series and time, with the last of the points that are of the same time."""
    order = np.lexsort((batch.steps, batch.series))  # stable: points of one time stay in the order of their recording
    series, steps = batch.series[order], batch.steps[order]
    last = np.ones(len(series), np.bool_)
    last[:-1] = (series[1:] != series[:-1]) | (steps[1:] != steps[:-1])
    return Batch(series[last], steps[last], batch.codes[order][last])


def over(old: Rolled, new: Rolled) -> Rolled:
    """Return the rows of both by time; where both have a row of one time, the new one."""
    if not len(new.times):
        return old
    names = ("times", "low", "mean", "high", "count")
    columns = [np.concatenate([getattr(old, name), getattr(new, name)]) for name in names]
    steps = steps_of(columns[0])
    order = np.argsort(steps, kind="stable")
    steps = steps[order]
    kept = order[np.append(steps[1:] != steps[:-1], [True])]
    return Rolled(*(column[kept] for column in columns))


def rows(steps: Codes, values: Floats) -> Rolled:
    """Return points as rows of one each."""
    return single(steps / STEPS_A_SECOND, values)


def put_batch(batch: Batch) -> bytes:
    """Return the bytes of a batch."""
    tidy = latest(batch)
    ok = np.full(len(tidy.series), OK, np.uint8)
    columns = [put_column(column, ok) for column in (tidy.series, tidy.steps, tidy.codes)]
    return put_group([struct.pack("<I", len(tidy.series)), *columns])


def get_batch(data: bytes) -> Batch:
    """Return what ``put_batch`` got. Raises DamagedBlock."""
    parts = get_group(data)
    if len(parts) != 4:
        raise DamagedBlock(f"{len(parts)} parts instead of 4")
    (count,) = struct.unpack("<I", parts[0])
    return Batch(*(get_column(part, count)[0] for part in parts[1:]))


# What new points make of a series' tiers. Pure: who calls hands in what is there already.
#
# While a tier has its rows, the coarser ones are a function of them: a stretch of a quarter of an hour that a point
# falls into is rolled up anew, however late the point came and however often. A minute whose points are gone is taken
# as a whole: what comes later takes its place. So the same points a second time change nothing.

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
