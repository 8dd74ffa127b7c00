"""Times as people type them to go there: ``03:00``, ``25 Nov 03:00``, ``yesterday 14:30``, ``gpu 7 03:00``. No Qt here.

What is left open is the latest that has been: an hour is today's or else yesterday's, a date this year's or last's.
Nothing that is still to come is a time to go to.
"""

import calendar
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

EXAMPLES = "03:00, 25 Nov 03:00, yesterday 14:30, mon 9:15, 2 h ago, 03:00 – 03:20"

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SHORTEST = 3  # letters of the name of a month or a day that tell it from others
_SECONDS = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_CLOCK = re.compile(r"(\d{1,2}):([0-5]\d)(?::([0-5]\d))?(am|pm)?|(\d{1,2})(am|pm)")
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})?")
_AGO = re.compile(r"-(\d{1,6})\s?(s|min|m|h|d|w)|(\d{1,6})\s?(s|min|m|h|d|w)\s+ago")
_BETWEEN = re.compile(r"\s*[–—]\s*|\s+-\s+|\s+to\s+|\s*\.\.\s*")
_LONGEST = 80  # characters: more are no time, and not worth to look at


@dataclass(frozen=True, slots=True)
class WantedTime:
    """A time to go to, Unix seconds: a moment, or a span where there is an ``end``; ``subject``: what stood before."""

    start: float
    end: float | None = None
    subject: str = ""


@dataclass(frozen=True, slots=True)
class _Day:
    """A day as it was typed: ``back`` tells how many days earlier it can also be meant, None for no other."""

    day: date
    back: int | None = None


def parse(text: str, now: float) -> WantedTime | None:
    """Return the time that ``text`` ends with, and what stands before it; None where it ends with no past time."""
    words = text.lower().replace(",", " ").split()
    if len(text) > _LONGEST:
        return None
    for first in range(len(words)):
        found = _time(" ".join(words[first:]), now)
        if found is not None:
            return None if _is_of_time(words[:first]) else WantedTime(found[0], found[1], " ".join(words[:first]))
    return None


def _is_of_time(words: list[str]) -> bool:
    """Tell whether what stands before a time was meant to be part of it: a day that is to come, or that never is."""
    if any(_clock(word) is not None for word in words):
        return True
    last = words[-2:]
    return any(
        word in {"today", "yesterday"}
        or _ISO.fullmatch(word) is not None
        or _DOTTED.fullmatch(word) is not None
        or _named(word, _DAYS, calendar.day_name) is not None
        or (_named(word, _MONTHS, calendar.month_name[1:]) is not None and len(words) > 1)
        for word in last
    )


def _time(text: str, now: float) -> tuple[float, float | None] | None:
    ends = _BETWEEN.split(text)
    if len(ends) == 2 and all(ends):
        return _span(ends[0], ends[1], now)
    ago = _AGO.fullmatch(text)
    if ago is not None:
        at = now - float(ago[1] or ago[3]) * _SECONDS[ago[2] or ago[4]]
        return (at, None) if at >= 0 else None
    day, clock = _parts(text, now)
    if day is not None and clock is None:
        start = _at(day.day, 0)
        return (start, min(_at(day.day + timedelta(days=1), 0), now)) if 0 <= start < now else None
    if clock is None:
        return None
    found = _latest(day, clock, now)
    return None if found is None else (found, None)


def _span(first: str, last: str, now: float) -> tuple[float, float] | None:
    """Return a span; an end without a day is of the day of its start, or of the next one where that would be before."""
    start = _time(first, now)
    if start is None:
        return None
    day, clock = _parts(last, now)
    if day is None and clock is not None:
        began = _day_of(start[0])
        end = _at(began, clock)
        end = end if end > start[0] else _at(began + timedelta(days=1), clock)
    else:
        told = _time(last, now)
        if told is None:
            return None
        end = told[0] if told[1] is None else told[1]
    end = min(end, now)
    return (start[0], end) if end > start[0] else None


def _parts(text: str, now: float) -> tuple[_Day | None, int | None]:
    """Return day and seconds after midnight; nothing of either where a word is neither."""
    rest: list[str] = []
    clock: int | None = None
    joined = re.sub(r"(\d)t(\d)", r"\1 \2", re.sub(r"(\d)\s+(am|pm)\b", r"\1\2", text))
    for word in joined.split():
        found = _clock(word)
        if found is None:
            rest.append(word)
        elif clock is None:
            clock = found
        else:
            return None, None
    if not rest:
        return None, clock
    day = _day(rest, _day_of(now))
    if day is None or (clock is None and day.back == len(_DAYS)):
        return None, None  # a day of the week alone is more likely a word
    return day, clock


def _clock(word: str) -> int | None:
    found = _CLOCK.fullmatch(word)
    if found is None:
        return None
    hour, half = int(found[1] or found[5]), found[4] or found[6]
    if half is not None:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    if hour > 23:
        return None
    return hour * 3600 + int(found[2] or 0) * 60 + int(found[3] or 0)


def _day(words: list[str], today: date) -> _Day | None:
    if words in (["today"], ["yesterday"]):
        return _Day(today - timedelta(days=words == ["yesterday"]))
    number = _named(words[0], _DAYS, calendar.day_name) if len(words) == 1 else None
    if number is not None:
        return _Day(today - timedelta(days=(today.weekday() - number) % len(_DAYS)), len(_DAYS))
    try:
        for year, month, day in _numbers(words):
            return _Day(date(year, month, day)) if year else _of_no_year(month, day, today)
    except ValueError:
        return None
    return None


def _numbers(words: list[str]) -> Iterator[tuple[int, int, int]]:
    """Yield year (0 where none was given), month and day."""
    iso = _ISO.fullmatch(words[0]) or _DOTTED.fullmatch(words[0])
    if iso is not None and len(words) == 1:
        if iso.re is _ISO:
            yield int(iso[1]), int(iso[2]), int(iso[3])
        else:
            yield int(iso[3] or 0), int(iso[2]), int(iso[1])
    elif len(words) in {2, 3}:
        for day, name in ((words[0], words[1]), (words[1], words[0])):
            month = _named(name.rstrip("."), _MONTHS, calendar.month_name[1:])
            year = words[2] if len(words) == 3 else "0"
            if month is not None and day.rstrip(".").isdecimal() and year.isdecimal():
                yield int(year), month + 1, int(day.rstrip("."))


def _named(word: str, short: tuple[str, ...], whole: Iterable[str]) -> int | None:
    """Return which name a word is the beginning of: in English, or in the language of the desktop."""
    if len(word) < _SHORTEST or not word.isalpha():
        return None
    for number, (english, own) in enumerate(zip(short, whole, strict=True)):
        if word[:_SHORTEST] == english and _ENGLISH[english].startswith(word):
            return number
        if own.lower().startswith(word):
            return number
    return None


def _of_no_year(month: int, day: int, today: date) -> _Day:
    """Return the latest such day that is not to come; 29 February is that of the last leap year."""
    for year in range(today.year, today.year - 9, -1):
        if (month, day) == (2, 29) and not calendar.isleap(year):
            continue
        found = date(year, month, day)
        if found <= today:
            return _Day(found)
    raise ValueError(day)


def _latest(day: _Day | None, clock: int, now: float) -> float | None:
    """Return the latest moment that is meant and has been."""
    today = _day_of(now)
    days = [today, today - timedelta(days=1)]
    if day is not None:
        days = [day.day, *([day.day - timedelta(days=day.back)] if day.back is not None else [])]
    return next((at for one in days if 0 <= (at := _at(one, clock)) <= now), None)


def _day_of(at: float) -> date:
    return date(*time.localtime(at)[:3])


def _at(day: date, clock: int) -> float:
    """Return the Unix time of a local time of a day; -1 for one that the system can't tell."""
    try:
        return time.mktime((day.year, day.month, day.day, 0, 0, clock, 0, 0, -1))
    except (OverflowError, ValueError):
        return -1.0


_ENGLISH = {
    **dict(zip(_MONTHS, ("january", "february", "march", "april", "may", "june", "july", "august", "september",
                         "october", "november", "december"), strict=True)),
    **dict(zip(_DAYS, ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), strict=True)),
}  # fmt: skip
