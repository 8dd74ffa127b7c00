"""How single values of a rule are written: metrics, cron lines, time zones, times of the day, places of data."""

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from mlops_desk.kit.base.document.scalar_types import NAME_LIMIT, Forbidden, Form, Unfit, fits, whole_pattern
from mlops_desk.kit.base.text import plain

_METRIC = re.compile(r"[a-z][a-z0-9_.]{0,99}", re.ASCII)
_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}", re.ASCII)
_TABLE = re.compile(r"[^\W\d][\w$-]{0,127}(\.[^\W\d][\w$-]{0,127})?")
_REF = re.compile(r"[A-Za-z0-9*][A-Za-z0-9._/+*-]{0,199}", re.ASCII)
_INSIDE = re.compile(r"(?!-)[A-Za-z0-9._-]{1,100}(/[A-Za-z0-9._-]{1,100}){0,10}", re.ASCII)
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}", re.ASCII)
_CRON_LIMIT = 100  # chosen: five fields with lists; a longer one is better two rules
_TEXT_LIMIT = 500  # chosen: a paragraph, in a notification
_THING_LIMIT = 400  # an endpoint's name and the longest name of a column that a request log has
_FIELDS = 5  # minute, hour, day of the month, month, day of the week
_LEAP_DAY = datetime(2024, 2, 29)  # noqa: DTZ001 - a day to begin at, whatever the zone
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _rule(text: str) -> str:
    return fits(_RULE, text, RULE.wanted)


def _metric(text: str) -> str:
    return fits(_METRIC, text, METRIC.wanted)


def _line(wanted: str, limit: int) -> Form:
    def read(text: str) -> str:
        if not text.strip() or len(text) > limit or plain(text, limit) != text:
            raise Unfit(wanted)
        return text

    return Form(wanted, read)


def _cron(text: str) -> str:
    """Return a cron line with single blanks between its fields, if it has a time at all."""
    line = " ".join(text.split())
    if len(line) > _CRON_LIMIT or line.count(" ") != _FIELDS - 1:
        raise Unfit(CRON.wanted)
    if _comes(line):
        return line
    minute, hour, day, month, weekday = line.split()
    if _comes(f"{minute} {hour} {day} * {weekday}") and _comes(f"{minute} {hour} * {month} {weekday}"):
        text = f"day {plain(day)} never comes in month {plain(month)}, so it would never fire."
        raise Forbidden(text, "Take a day that the month has; L is its last one.")
    raise Unfit(CRON.wanted)


def _comes(line: str) -> bool:
    """Tell whether a cron line can be read and has a time in any year; a day that no year has it has none."""
    try:
        next(CronSim(line, _LEAP_DAY))
    except (CronSimError, StopIteration):
        return False
    return True


def _zone(text: str) -> str:
    name = fits(_ZONE, text, ZONE.wanted)
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:  # not found is a KeyError; a folder of zones an OSError
        raise Unfit(ZONE.wanted) from error
    return name


def _clock(text: str) -> int:
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise Unfit(CLOCK.wanted)
    return 60 * int(found[1]) + int(found[2])


def written_clock(minute: Any) -> str:
    """Return a minute of the day as a clock shows it."""
    return f"{int(minute) // 60:02}:{int(minute) % 60:02}"


def _day(text: str) -> str:
    if text.lower() not in DAYS:
        raise Unfit(DAY.wanted)
    return text.lower()


def _absolute(text: str) -> str:
    if not text.startswith("/") or plain(text, _THING_LIMIT) != text:
        raise Unfit(FOLDER.wanted)
    return text


def _ref(text: str) -> str:
    if ".." in text:
        raise Unfit(REF.wanted)
    return fits(_REF, text, REF.wanted)


def _pipeline(text: str) -> str:
    if ".." in text.split("/"):
        raise Unfit(PIPELINE.wanted)
    return fits(_INSIDE, text, PIPELINE.wanted)


def _table(text: str) -> str:
    return fits(_TABLE, text, TABLE.wanted)


def _parameter(text: str) -> str:
    return fits(_PARAMETER, text, PARAMETER.wanted)


RULE = Form("a rule's name: letters, digits, ., _ and -", _rule, pattern=whole_pattern(_RULE))
METRIC = Form("a metric's name such as hw.gpu.utilization", _metric, pattern=whole_pattern(_METRIC))
THING = _line("the name of a thing as lists show it (a GPU by its UUID)", _THING_LIMIT)
MODEL = _line(f"a name of up to {NAME_LIMIT} visible characters", NAME_LIMIT)
TEXT = _line(f"one line of up to {_TEXT_LIMIT} characters", _TEXT_LIMIT)
CRON = Form("a cron line of five fields such as 0 2 * * 1-5 (minute, hour, day, month, day of the week)", _cron)
ZONE = Form("a time zone such as Europe/Berlin or UTC", _zone)
CLOCK = Form("a time of the day such as 22:00", _clock, written_clock)
DAY = Form(f"a day of the week: {', '.join(DAYS)}", _day)
FOLDER = Form("an absolute path on this machine", _absolute)
REPOSITORY = Form("the absolute path of a repository on this machine", _absolute)
TABLE = Form("a table's name, with its schema where it has one: sales.orders", _table)
REF = Form("a branch or a tag (refs/tags/v1 is one for certain), or a pattern for several such as v*", _ref)
PIPELINE = Form("a file in the repository, such as mlops-desk.yaml", _pipeline)
PARAMETER = Form("a parameter's name: letters, digits, _, . and -", _parameter, pattern=whole_pattern(_PARAMETER))
