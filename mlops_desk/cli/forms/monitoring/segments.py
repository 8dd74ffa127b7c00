"""Segments of a monitor as text: which values drift, since when, and by which columns."""

from mlops_desk.base.text import plain
from mlops_desk.cli.cells import moment, table
from mlops_desk.cli.forms.drift_beside import name_of
from mlops_desk.records.drift.monitors import JudgedWindow, MonitorStanding
from mlops_desk.records.drift.segments import Segment

_NAMED = 5  # chosen: one line of a terminal; --json has all
_NAME = 60  # chosen: names and values come from files


def standing(item: MonitorStanding) -> dict[str, str]:
    """Return a line for the column by which rows are told apart, and one for each segment of the newest window."""
    if item.monitor.segment is None:
        return {}
    if item.segments is None:
        return {"by segment": f"{plain(item.monitor.segment, _NAME)}, from the next window on"}
    found = item.segments
    told = {"by segment": f"{plain(found.column, _NAME)}, corrected over all {found.n_tests:,} tests together"}
    return told | {f"  {name_of(one)}": _told(one) for one in found.segments}


def of_window(item: JudgedWindow) -> list[str]:
    """Return a table of a window's segments, where it has any."""
    if item.segments is None:
        return []
    heads = [plain(item.segments.column, _NAME).upper(), "VERDICT", "MONITOR", "SINCE", "ROWS", "REFERENCE", "DRIFTED"]
    rows = [
        [
            name_of(one),
            one.verdict.replace("_", " "),
            "turned" if one.alarm else "",
            "–" if one.turned_at is None else moment(one.turned_at),
            f"{one.n_current:,}",
            f"{one.n_reference:,}",
            _columns(one) or "–",
        ]
        for one in item.segments.segments
    ]
    return ["", table(heads, rows)]


def drifted(item: JudgedWindow) -> str:
    """Name the segments that alarm in a window; "" where none does."""
    found = () if item.segments is None else item.segments.segments
    bad = [f"{name_of(one)} ({_columns(one)})" for one in found if one.verdict.is_alarm]
    return f"{', '.join(bad[:_NAMED])}{f' and {len(bad) - _NAMED} more' if len(bad) > _NAMED else ''}"


def _told(one: Segment) -> str:
    if one.is_unknown:
        more = f" and {one.n_values - len(one.names)} more" if one.n_values > len(one.names) else ""
        return f"{one.n_current:,} rows, not compared: {', '.join(plain(each, _NAME) for each in one.names)}{more}"
    since = f", turned since {moment(one.turned_at)}" if one.alarm and one.turned_at is not None else ""
    moved = _columns(one)
    return f"{one.verdict.replace('_', ' ')}{since}{f': {moved}' if moved else ''} ({one.n_current:,} rows)"


def _columns(one: Segment) -> str:
    bad = [plain(column.name, _NAME) for column in one.columns if column.verdict.is_alarm]
    return f"{', '.join(bad[:_NAMED])}{f' and {len(bad) - _NAMED} more' if len(bad) > _NAMED else ''}"
