"""Times as people type them: an hour ago, a date, a Unix time, a length of time. Pure."""

import math
import re
from datetime import datetime, timedelta

from mlops_desk.kit.base.errors import Invalid

ACCEPTED = "Give now, a time ago such as -90s, -30m, -1h, -7d or -2w, a date such as 2026-11-24T13:00, or Unix seconds."
_AHEAD = (
    "Give a time of day such as 18:00, a time from now such as +30m, +8h or +2d, or a date such as 2026-11-24T22:00."
)
_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 365.25 * 86_400.0}
_AGO = re.compile(r"([+-])(\d{1,9}(?:\.\d{1,6})?)(s|m|min|h|d|w|y)")
_LENGTH = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(s|m|min|h|d|w)?")
_TIME_OF_DAY = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,9})?")
_LIMIT = 4e9  # seconds: the year 2096, as milliseconds given by mistake lie far beyond


def parse_moment(text: str | float, now: float, *, ahead: bool = False) -> float:
    """Return the Unix time that ``text`` names, seen at ``now``; a date without a zone is local. Raises Invalid.

    ``ahead``: it lies ahead, and a time of day (``18:00``) is the next one.
    """
    at = text if isinstance(text, (int, float)) else (_next(text.strip(), now) if ahead else None)
    at = _read(text.strip(), now) if at is None and isinstance(text, str) else at
    if at is None or not (math.isfinite(at) and 0 <= at <= _LIMIT):
        raise Invalid(f"{str(text)[:60]!r} is no time.", _AHEAD if ahead else ACCEPTED)
    return float(at)


def parse_length(text: str) -> float:
    """Return the seconds that ``text`` (``90s``, ``1h``, ``2d``, or plain seconds) names. Raises Invalid."""
    found = _LENGTH.fullmatch(text.strip())
    if found is None:
        raise Invalid(
            f"{text[:60]!r} is no length of time.", "Give seconds, or a number with s, m, h, d or w: 30m, 1h."
        )
    return float(found[1]) * _UNITS[found[2] or "s"]


def _next(text: str, now: float) -> float | None:
    """Return when it is next that time of day, local; None for what is none."""
    found = _TIME_OF_DAY.fullmatch(text)
    if found is None:
        return None
    today = datetime.fromtimestamp(now)  # noqa: DTZ006 - a time of day is local
    for day in (today, today + timedelta(days=1)):
        at = day.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0).timestamp()
        if at > now:
            return at
    return None


def _read(text: str, now: float) -> float | None:
    if text == "now":
        return now
    ago = _AGO.fullmatch(text)
    if ago is not None:
        sign, amount, unit = ago.groups()
        return now + float(sign + amount) * _UNITS[unit]
    if _NUMBER.fullmatch(text):
        return float(text)
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        return None
