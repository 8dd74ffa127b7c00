"""When a cron line comes next, and which of its times is the newest one due. Pure.

Lines are read as Debian's cron reads them, changes of daylight saving time included: a fixed time that a change skips
comes right after it, one that comes twice comes once, and ``*/10`` goes on by real time. A day that a zone skipped, as
Samoa did when it went over the date line, had no times.
"""

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from mlops_desk.records.rules.conditions import ScheduleClause

LATE_SECONDS = 600.0
"""Chosen: a time is made up for so long after it, for an agent that was restarted or a machine that slept then. What
is older is missed, as cron misses it: whoever boots on Monday is not met by the week-end's trainings."""
JUMP_SECONDS = 60.0
"""Chosen: if the wall clock went further than time itself by this, somebody set it; NTP steers slower."""

_LARGEST_CHANGE = timedelta(hours=3)
"""As Debian's cron has it: more is no daylight saving time, and what lay in between is missed."""

BACK_SECONDS = 7200.0
"""Chosen: a clock that is set back by more was wrong before, and so were the times that came by it."""


class Schedule:
    """The times of one clause. It begins at a moment: what lay before is past."""

    def __init__(self, clause: ScheduleClause, wall: float) -> None:
        self._clause = clause
        self._zone = ZoneInfo(clause.zone)
        self.judged = wall
        self.next = self._after(wall)

    def take(self, wall: float, *, jumped: bool = False) -> bool:
        """Tell whether a time has come since the last look; one that came is never told again.

        ``jumped``: the clock was set, so that the times in between did not pass.
        """
        if wall < self.next:
            return False
        newest = self.next
        while (following := self._after(newest)) <= wall:
            newest = following
        self.judged, self.next = newest, following
        return not jumped and wall - newest <= LATE_SECONDS

    def set_back(self, wall: float) -> None:
        """Go on by a clock that was set back: a time that came a little ago does not come again."""
        ahead = self.judged - wall
        self.judged = self.judged if 0.0 < ahead <= BACK_SECONDS else wall
        self.next = self._after(self.judged)

    def _after(self, wall: float) -> float:
        """Return the first time after a Unix time; infinity where there is none."""
        local = datetime.fromtimestamp(wall, UTC).astimezone(self._zone)
        times = (one for one in CronSim(self._clause.cron, local) if not self._is_of_skipped_day(one))
        found = next(times, None)
        return math.inf if found is None else found.timestamp()

    def _is_of_skipped_day(self, found: datetime) -> bool:
        """Tell whether a time is made up for one of a day that the zone went over: that day was none, and missed it."""
        sooner = (found.astimezone(UTC) - timedelta(seconds=1)).astimezone(self._zone)
        if (found.utcoffset() or timedelta()) - (sooner.utcoffset() or timedelta()) <= _LARGEST_CHANGE:
            return False
        told = found.replace(tzinfo=None)
        return next(CronSim(self._clause.cron, told - timedelta(minutes=1)), None) != told
