"""Spans of time that charts show: how they are moved, zoomed and called, and where ticks stand. No Qt here."""

import math
import time
from dataclasses import dataclass

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0  # seconds
YEAR = 365.25 * DAY
SHORTEST, LONGEST = MINUTE, 5 * YEAR
RANGES = (
    (MINUTE, "1 min"),
    (5 * MINUTE, "5 min"),
    (15 * MINUTE, "15 min"),
    (HOUR, "1 h"),
    (6 * HOUR, "6 h"),
    (DAY, "24 h"),
    (7 * DAY, "7 d"),
    (30 * DAY, "30 d"),
    (YEAR, "1 y"),
    (5 * YEAR, "5 y"),
)
_CLOCK_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200)
"""Seconds that a clock shows as round."""
_DAY_STEPS = (1, 2, 7)  # days and a week
_MONTH_STEPS = (1, 3, 6, 12)  # months, a quarter, half a year, a year
TICK_WIDTH = 104.0  # pixels: a date with its time, and as much room
MOST_TICKS = 60  # chosen: more than any screen is wide for


@dataclass(frozen=True, slots=True)
class Span:
    """A span in Unix seconds; it is never empty."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def holds(self, moment: float) -> bool:
        return self.start <= moment <= self.end


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the time axis."""

    at: float
    text: str


def fitting(seconds: float) -> float:
    """Return a length that can be shown: between one minute and five years."""
    return min(max(seconds, SHORTEST), LONGEST)


def zoomed(span: Span, factor: float, at: float, now: float) -> Span:
    """Return ``span`` made longer by ``factor``, with the moment ``at`` where it was and nothing after ``now``."""
    seconds = fitting(span.seconds * factor)
    share = min(max((at - span.start) / span.seconds, 0.0), 1.0)
    return moved(Span(at - share * seconds, at + (1.0 - share) * seconds), 0.0, now)


def moved(span: Span, seconds: float, now: float) -> Span:
    """Return ``span`` later by ``seconds``, as far as ``now`` and the beginning of time allow."""
    end = min(span.end + seconds, now)
    start = max(end - span.seconds, 0.0)
    return Span(start, start + span.seconds)


def next_range(seconds: float, *, longer: bool) -> float:
    """Return the neighbouring length in the list of ranges."""
    lengths = [length for length, _ in RANGES]
    if longer:
        return next((length for length in lengths if length > seconds * 1.01), lengths[-1])
    return next((length for length in reversed(lengths) if length < seconds * 0.99), lengths[0])


def listed(seconds: float) -> int | None:
    """Return which of the listed ranges a length is, or None."""
    return next((number for number, (length, _) in enumerate(RANGES) if abs(length - seconds) <= 0.005 * length), None)


def range_title(seconds: float) -> str:
    """Return the length in words: a listed range's title, or the two largest units."""
    number = listed(seconds)
    if number is not None:
        return RANGES[number][1]
    for unit, span in (("y", YEAR), ("d", DAY), ("h", HOUR), ("min", MINUTE)):
        if seconds >= span:
            return f"{seconds / span:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.0f} s"


def told(span: Span, now: float) -> str:
    """Return where a span lies, as short as it can be said: the clock today, with the date on other days."""
    today = time.localtime(now)[:3]
    start, end = time.localtime(span.start), time.localtime(span.end)
    if span.seconds > 30 * DAY:
        return f"{time.strftime('%d %b %Y', start)} – {time.strftime('%d %b %Y', end)}"
    clock = "%H:%M:%S" if span.seconds < HOUR else "%H:%M"
    day = "%d %b" if start[0] == today[0] else "%d %b %Y"
    first = clock if start[:3] == today else f"{day} {clock}"
    last = clock if end[:3] == start[:3] else f"{day} {clock}"
    return f"{time.strftime(first, start)} – {time.strftime(last, end)}"


def moment_told(moment: float, span: Span) -> str:
    """Return a moment as finely as the span it is seen in makes sense of."""
    at = time.localtime(moment)
    if span.seconds <= HOUR:
        return time.strftime("%H:%M:%S", at)
    if span.seconds <= DAY:
        return time.strftime("%H:%M", at)
    return time.strftime("%d %b %H:%M" if span.seconds <= 60 * DAY else "%d %b %Y", at)


def ticks(span: Span, width: float) -> list[Tick]:
    """Return a few ticks at round local times, not closer than a label is wide."""
    wished = span.seconds / max(width / TICK_WIDTH, 1.0)
    for step in _CLOCK_STEPS:
        if step >= wished:
            return _clock_ticks(span, float(step))
    for days in _DAY_STEPS:
        if days * DAY >= wished:
            return _day_ticks(span, days)
    for months in _MONTH_STEPS:
        if months * 30 * DAY >= wished:
            return _month_ticks(span, months)
    return _month_ticks(span, 12 * math.ceil(wished / YEAR))


def _clock_ticks(span: Span, step: float) -> list[Tick]:
    offset = time.localtime(span.end).tm_gmtoff or 0
    first = math.ceil((span.start + offset) / step) * step - offset
    found = [first + number * step for number in range(min(int((span.end - first) // step) + 1, MOST_TICKS))]
    return [Tick(at, _clock_text(at, step)) for at in found if span.holds(at)]


def _clock_text(at: float, step: float) -> str:
    local = time.localtime(at)
    if (local.tm_hour, local.tm_min, local.tm_sec) == (0, 0, 0):
        return time.strftime("%d %b", local)
    return time.strftime("%H:%M:%S" if step < MINUTE else "%H:%M", local)


def _day_ticks(span: Span, days: int) -> list[Tick]:
    year, month, day = time.localtime(span.start)[:3]
    marks = (time.mktime((year, month, day + number * days, 0, 0, 0, 0, 0, -1)) for number in range(1, MOST_TICKS))
    return [Tick(at, time.strftime("%d %b", time.localtime(at))) for at in marks if at <= span.end]


def _month_ticks(span: Span, months: int) -> list[Tick]:
    year, month = time.localtime(span.start)[:2]
    first = month - (month - 1) % min(months, 12)
    marks = (time.mktime((year, first + number * months, 1, 0, 0, 0, 0, 0, -1)) for number in range(MOST_TICKS))
    form = "%Y" if months >= 12 else "%b %Y"
    return [Tick(at, time.strftime(form, time.localtime(at))) for at in marks if span.holds(at)]
