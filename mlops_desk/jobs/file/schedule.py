"""How a job file says when and how often: lengths of time, times to start at, signals, counts.

A length is written as ``90m``, ``1h30m`` or ``2d``. A time is ISO 8601, with a zone or in this machine's own, or
``22:00`` (the next time that a clock here shows that) or ``+2h`` (from now).
"""

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from mlops_desk.base import agent_clock
from mlops_desk.base.text import plain
from mlops_desk.jobs.file.scalars import NAME_LIMIT, Form
from mlops_desk.jobs.file.units import Unfit

_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_AMOUNT = r"[0-9]{1,9}(?:\.[0-9]{1,3})?"
_LENGTH = re.compile("".join(rf"(?:(?P<{unit}>{_AMOUNT}){unit})?" for unit in _UNITS), re.ASCII)
_BARE = re.compile(_AMOUNT, re.ASCII)
_LONGEST_SECONDS = 366 * 86_400  # chosen: a year, beyond which nobody plans a job
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
SIGNALS = ("USR1", "USR2", "TERM", "INT", "HUP", "QUIT")
"""What a program can hear and save its work at; KILL and STOP it can't."""


def read_length(text: str) -> float:
    """Return the seconds that ``text`` (``1h30m``) names. Raises Unfit."""
    if _BARE.fullmatch(text):
        raise Unfit(f"{text}s (seconds), {text}m (minutes) or {text}h (hours)")
    found = _LENGTH.fullmatch(text)
    if found is None or not text:
        raise Unfit(LENGTH.wanted)
    seconds = sum(Fraction(found[unit]) * factor for unit, factor in _UNITS.items() if found[unit])
    if seconds > _LONGEST_SECONDS:
        raise Unfit(f"{LENGTH.wanted}, at most a year")
    return float(seconds)


def written_length(seconds: float) -> str:
    """Return a length of time as ``read_length`` takes it, to the millisecond."""
    left, parts = Fraction(round(seconds * 1000), 1000), []
    for unit, factor in _UNITS.items():
        whole = left // factor if unit != "s" else left
        if whole:
            parts.append(f"{float(whole):.15g}{unit}")
            left -= whole * factor
    return "".join(parts) or "0s"


def read_moment(text: str, now: float) -> float:
    """Return the Unix time that ``text`` names, seen at ``now``. Raises Unfit."""
    try:
        if text.startswith("+"):
            return now + read_length(text[1:])
        clock = _CLOCK.fullmatch(text)
        if clock is not None:
            return _next(int(clock[1]), int(clock[2]), now)
        if _BARE.fullmatch(text):  # which a year and a week are to the library
            raise Unfit(MOMENT.wanted)
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError) as error:  # Unfit is a ValueError, of a length here
        raise Unfit(MOMENT.wanted) from error


def _next(hour: int, minute: int, now: float) -> float:
    """Return when a clock here shows a time next."""
    today = datetime.fromtimestamp(now)  # noqa: DTZ006 - what the clock on this machine's wall shows
    at = today.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return (at if at > today else at + timedelta(days=1)).timestamp()


def written_moment(at: float) -> str:
    """Return a Unix time as ISO 8601 in UTC, which means the same on every machine."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _moment(text: str) -> float:
    return read_moment(text, agent_clock.now())


def _signal(text: str) -> str:
    name = text.upper().removeprefix("SIG")
    if name not in SIGNALS:
        raise Unfit(SIGNAL.wanted)
    return name


def _job(text: str) -> str:
    if text != text.strip() or len(text) > NAME_LIMIT or plain(text) != text:
        raise Unfit(JOB.wanted)
    return text


def whole(wanted: str) -> Form:
    """Return the form of a whole number; ``wanted`` says which are taken."""

    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text):
            raise Unfit(wanted)
        return int(text)

    return Form(wanted, read, _int, types=("integer", "string"))


def _int(number: Any) -> int:
    return int(number)


_LENGTH_PATTERN = "^(?=[0-9])" + "".join(f"({_AMOUNT}{unit})?" for unit in _UNITS) + "$"
LENGTH = Form("a length of time such as 90m, 1h30m, 2d or 45s", read_length, written_length, pattern=_LENGTH_PATTERN)
MOMENT = Form("a time such as 2026-11-24T22:00 (here), 2026-11-24T22:00+01:00, 22:00 or +2h", _moment, written_moment)
SIGNAL = Form(f"a signal: {', '.join(SIGNALS[:-1])} or {SIGNALS[-1]}", _signal)
WHOLE = whole("a whole number")
JOB = Form("a job's id, the beginning of one, or a job's name", _job)
