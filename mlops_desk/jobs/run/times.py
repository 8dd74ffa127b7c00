"""When an attempt started and ended, whatever the wall clock was set to meanwhile. Pure but for ``now``.

How long it lasted is told by clocks that nobody sets: the seconds since boot that the wrapper noted, or
those between the start's mark and now. The engine's times are finer and are taken where they agree; where
they don't, the clock was set in between, and start and end are moved onto the clock as it is now.
"""

import functools
import time
from dataclasses import dataclass

from mlops_desk.jobs.records.job import Attempt, StartMark
from mlops_desk.jobs.runtimes.runtime import Outcome, Sighting
from mlops_desk.kit.base.process import boot_id

_AGREE_SECONDS = 2.0
"""The wrapper counts its end in whole seconds, and a clock that is steered, not set, drifts no further."""
_STARTING_SECONDS = 60.0
"""Longest time that an engine may need between the wish to start and the command's first moment."""


@dataclass(frozen=True, slots=True)
class Now:
    """This moment: Unix seconds, and seconds since the boot named, sleep included."""

    wall: float
    uptime_seconds: float
    boot_id: str


_this_boot = functools.cache(boot_id)


def now() -> Now:
    return Now(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), _this_boot())


def mark_start(moment: Now, engine: str | None) -> StartMark:
    return StartMark(moment.boot_id, moment.uptime_seconds, engine)


def elapsed(attempt: Attempt, moment: Now) -> float | None:
    """Return the seconds since the attempt was asked to start; None when its boot is over or nobody noted it."""
    return None if attempt.mark is None else passed(attempt.mark, moment)


def passed(mark: StartMark, moment: Now) -> float | None:
    """Return the seconds since a mark was set; None when its boot is over."""
    if mark.boot_id != moment.boot_id:
        return None
    return max(0.0, moment.uptime_seconds - mark.uptime_seconds)


def moved_start(attempt: Attempt, moment: Now) -> float | None:
    """Return the start of a running attempt on a clock that was set since; None when it needs no moving."""
    since = elapsed(attempt, moment)
    if since is None or attempt.started_at is None:
        return None
    start = moment.wall - since
    return start if abs(start - attempt.started_at) > _AGREE_SECONDS else None


def span(attempt: Attempt, outcome: Outcome | None, seen: Sighting | None, moment: Now) -> tuple[float | None, float]:
    """Return when an attempt that is over started and ended."""
    started = attempt.started_at
    if started is None:
        return None, moment.wall
    since = elapsed(attempt, moment)
    lasted, pair = _counted(outcome, since), _engines_pair(seen, since)
    ended = _told_end(outcome, seen)
    if since is None:
        lasted = pair if lasted is None else lasted
    else:
        started = moved_start(attempt, moment) or started
        earliest, latest = started + (lasted or 0.0) - _AGREE_SECONDS, moment.wall + _AGREE_SECONDS
        if ended is None or not earliest <= ended <= latest:
            ended = _end_by_uptime(attempt, outcome, moment)
    if ended is None:
        known = pair if lasted is None else lasted
        ended = moment.wall if known is None else started + known
    if lasted is not None and not -_AGREE_SECONDS <= ended - started - lasted <= _STARTING_SECONDS:
        started = ended - lasted
    return min(started, ended), ended


def _counted(outcome: Outcome | None, since: float | None) -> float | None:
    """Return how long the command ran by the wrapper's count; what is longer than ``since`` its start is forged."""
    if outcome is None or outcome.started_uptime is None or outcome.ended_uptime is None:
        return None
    seconds = outcome.ended_uptime - outcome.started_uptime
    return seconds if seconds >= 0 and (since is None or seconds <= since + _AGREE_SECONDS) else None


def _engines_pair(seen: Sighting | None, since: float | None) -> float | None:
    """Return how long the container ran by the engine's clock; None where that was plainly set in between."""
    if seen is None or seen.started_at is None or seen.ended_at is None:
        return None
    seconds = seen.ended_at - seen.started_at
    return seconds if seconds >= 0 and (since is None or seconds <= since + _AGREE_SECONDS) else None


def _told_end(outcome: Outcome | None, seen: Sighting | None) -> float | None:
    """Prefer the engine's finer clock, unless it was away when the job ended."""
    engine_says = None if seen is None else seen.ended_at
    wrapper_says = None if outcome is None else outcome.ended_at
    if engine_says is not None and (wrapper_says is None or abs(engine_says - wrapper_says) <= _AGREE_SECONDS):
        return engine_says
    return wrapper_says


def _end_by_uptime(attempt: Attempt, outcome: Outcome | None, moment: Now) -> float | None:
    """Return the end that the wrapper noted in seconds since this boot, on the clock as it is now."""
    uptime, mark = None if outcome is None else outcome.ended_uptime, attempt.mark
    if uptime is None or mark is None or not mark.uptime_seconds <= uptime <= moment.uptime_seconds + _AGREE_SECONDS:
        return None
    return min(moment.wall, moment.wall - (moment.uptime_seconds - uptime))
