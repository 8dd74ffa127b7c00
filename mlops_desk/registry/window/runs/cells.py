"""What stands in a cell of the table of runs: numbers, what is none, what a run has not, times. No Qt here."""

import math

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.tables.order import Cell
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.registry.records.run_window import RunRow, RunValue
from mlops_desk.registry.window.runs.names import ATTRIBUTES, ColumnName

DIGITS = 6  # significant ones: as metrics are compared
STATUSES = {
    "RUNNING": Mark("info", numbers.OK, "running"),
    "SCHEDULED": Mark("muted", numbers.IDLE, "scheduled"),
    "FINISHED": Mark("ok", numbers.OK, "finished"),
    "FAILED": Mark("alert", numbers.ALERT, "failed"),
    "KILLED": Mark("warning", numbers.WARNING, "killed"),
}
GOING_ON = frozenset({"RUNNING", "SCHEDULED"})
_TIMES = frozenset({"start_time", "end_time"})
_LATEST_MS = 253_402_300_799_000.0  # the end of the year 9999: no clock tells later times


def status_mark(status: str) -> Mark:
    return STATUSES.get(status, Mark("unknown", numbers.UNKNOWN, plain(status.lower(), 20) or "unknown"))


def cell(row: RunRow, column: ColumnName, value: RunValue) -> Cell:
    """Return a cell."""
    if column.kind == ATTRIBUTES:
        if column.key == "status":
            mark = status_mark(row.status)
            return Cell(mark.text, None, mark.token)
        if column.key in _TIMES:
            return _moment(row.start_time if column.key == "start_time" else value)
        if column.key == "duration":
            length = value if isinstance(value, float | int) and math.isfinite(value) else None
            return Cell(numbers.duration(length), None, None if length is not None else "muted")
    if value is None:
        return Cell(numbers.NOTHING, None, "muted", "It has none")
    if isinstance(value, str):
        return Cell(value or "(empty)", None, None if value else "muted", value)
    return _number(value)


def _number(value: float) -> Cell:
    if math.isnan(value):
        return Cell(f"{numbers.WARNING} NaN", None, "warning", "Not a number was logged")
    if math.isinf(value):
        return Cell("∞" if value > 0 else "−∞", None, "warning", f"{value} was logged")
    return Cell(number(value), None, None, repr(value))


def number(value: float) -> str:
    """Return a finite number in few digits."""
    return f"{value:.{DIGITS}g}"


def _moment(milliseconds: RunValue) -> Cell:
    if not isinstance(milliseconds, float | int) or not math.isfinite(milliseconds):
        return Cell(numbers.NOTHING, None, "muted")
    if not 0 <= milliseconds <= _LATEST_MS:
        return Cell(f"{milliseconds / 1000:.6g} s", None, "warning", "No time that a clock shows")
    at = milliseconds / 1000
    return Cell(numbers.ago(at), None, None, numbers.absolute(at))


def name(row: RunRow) -> str:
    """Return what a run is called: its name, else the beginning of its id."""
    return row.name or row.run_id[:8]
