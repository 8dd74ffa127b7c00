"""How a job file says when and how often: lengths of time, times to start at, signals, counts.

A length is written as ``90m``, ``1h30m`` or ``2d``. A time is ISO 8601, with a zone or in this machine's own, or
``22:00`` (the next time that a clock here shows that) or ``+2h`` (from now).
"""

import re
from datetime import UTC, datetime, timedelta

from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.document.scalar_types import BARE, NAME_LIMIT, Form, Unfit, read_length
from mlops_desk.kit.base.text import plain

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
SIGNALS = ("USR1", "USR2", "TERM", "INT", "HUP", "QUIT")
"""What a program can hear and save its work at; KILL and STOP it can't."""


def read_moment(text: str, now: float) -> float:
    """Return the Unix time that ``text`` names, seen at ``now``. Raises Unfit."""
    try:
        if text.startswith("+"):
            return now + read_length(text[1:])
        clock = _CLOCK.fullmatch(text)
        if clock is not None:
            return _next(int(clock[1]), int(clock[2]), now)
        if BARE.fullmatch(text):  # which a year and a week are to the library
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


MOMENT = Form("a time such as 2026-11-24T22:00 (here), 2026-11-24T22:00+01:00, 22:00 or +2h", _moment, written_moment)
SIGNAL = Form(f"a signal: {', '.join(SIGNALS[:-1])} or {SIGNALS[-1]}", _signal)
JOB = Form("a job's id, the beginning of one, or a job's name", _job)
