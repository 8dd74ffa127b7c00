"""Roll-ups and limits: hours that are over are added to their day and month, and what is old or too much goes.

How old a window is is told by the newest of its monitor and not by the clock: one that jumps deletes nothing, and files
of past years are kept as long as others. Only whole hours go, then whole days of hours, then whole months of days, so
that a span is either known finely or by one sum.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from mlops_desk.drift.store.blobs import WindowBlobs
from mlops_desk.kit.storage.windows import (
    DAY,
    DAY_SECONDS,
    HOUR,
    MONTH,
    RAW,
    WindowRow,
    WindowTables,
    period_end,
    period_of,
)

Add = Callable[[Sequence[WindowRow]], tuple[WindowBlobs, list[WindowRow]] | None]
"""Adds rows of one layout: returns the sum and which rows are in it; damaged ones are deleted. None without any."""

_SUMS = (HOUR, DAY, MONTH)
_AT_ONCE = 500  # chosen: 60 MB of windows of 50 columns; the next time goes on
_GOES_BY = {RAW: HOUR, HOUR: DAY, DAY: MONTH, MONTH: MONTH}


@dataclass(frozen=True, slots=True)
class WindowLimits:
    """How long windows, hours and days are kept, in days; days go with their months. ``budget_mb``: all together.

    The defaults: a month in which each window can be judged again, a year by the hour for what comes with the seasons,
    five years by the day. Fifty columns take 3 MB a day by the hour and 0.13 MB by the day: 1.1 GB a year and monitor.
    Where the budget is full the oldest windows go first, then the oldest hours.
    """

    window_days: int = 30
    hour_days: int = 365
    day_days: int = 1826
    budget_mb: int = 2048


def roll_up(tables: WindowTables, add: Add, now: float) -> None:
    """Add windows to the sums of their hour, day and month, once the hour is over."""
    hour_of_now = period_of(HOUR, now)
    while rows := tables.unrolled(hour_of_now, _AT_ONCE):
        for _, found in groupby(rows, key=lambda row: (row.monitor, row.layout, row.period)):
            added = add(list(found))
            if added is not None:
                _, sound = added
                sums = [one for level in _SUMS if (one := _sum(tables, add, level, sound)) is not None]
                tables.roll([row.id for row in sound], sums)
        if len(rows) < _AT_ONCE:
            return


def _sum(tables: WindowTables, add: Add, level: int, rows: Sequence[WindowRow]) -> WindowRow | None:
    first = rows[0]
    period = period_of(level, first.start)
    old = tables.sum_of(first.monitor, first.layout, level, period)
    added = add([old, *rows] if old is not None else rows)
    if added is None:
        return None
    blobs, sound = added
    is_sound = old is not None and any(row.id == old.id for row in sound)
    return WindowRow(
        first.monitor, level, period, first.layout, min(row.start for row in sound), max(row.end for row in sound),
        blobs.n_rows, blobs.facts, blobs.rest, blobs.bins, blobs.segments,
        id=old.id if old is not None and is_sound else 0,
    )  # fmt: skip


def within_limits(tables: WindowTables, limits: WindowLimits) -> int:
    """Delete what is older than the limits, and then the oldest windows and hours beyond the budget."""
    dropped = 0
    for monitor, newest in tables.newest().items():
        kept = {RAW: limits.window_days, HOUR: limits.hour_days, DAY: limits.day_days, MONTH: limits.day_days}
        for level, days in kept.items():
            oldest = newest - days * DAY_SECONDS
            dropped += tables.expire(monitor, level, period_of(_GOES_BY[level], oldest))
    return dropped + _within_budget(tables, limits.budget_mb << 20)


def _within_budget(tables: WindowTables, budget_bytes: int) -> int:
    dropped = 0
    for level in (RAW, HOUR, DAY):
        while tables.size_bytes() > budget_bytes and (oldest := tables.oldest(level)) is not None:
            monitor, period = oldest
            coarser = _GOES_BY[level]
            n = tables.expire(monitor, level, period_end(coarser, period_of(coarser, period)))
            if not n:
                break
            dropped += n
    return dropped
