"""What a person is told about drift, in one sentence each. Names of columns come from outside and are capped."""

import time

from mlops_desk.base.errors import DeskError, Hint
from mlops_desk.base.text import plain
from mlops_desk.records.drift import BROKEN, DriftReport, Verdict
from mlops_desk.records.event import Notice

SOURCE = "drift"
_NAMED = 3  # chosen: as many as stand in one line


def alarm_notice(report: DriftReport) -> Notice:
    """Say that an alarm has begun: what has moved, and how many columns of how many."""
    names = [column.name for column in report.columns if column.verdict is report.verdict]
    what = "hold no usable values" if report.verdict is Verdict.CRITICAL else "have drifted"
    count = f"{report.dataset.n_drifted} of {report.dataset.n_columns} columns"
    text = f"Requests to {_shown(report.endpoint)} {what} ({count}): {_listed(names)}."
    hint = Hint(f"mlops-desk drift show {report.id}", before="Compare the distributions: ")
    return Notice("alert", SOURCE, text, hint, time.time(), about=_about(report))


def quality_notice(report: DriftReport, before: DriftReport | None) -> Notice | None:
    """Say which columns' share of missing or unreadable values has changed, unless the last window had it too."""
    known = _alerting(before) if before else set()
    fresh = sorted({column for column, _ in _alerting(report) - known})
    if not fresh:
        return None
    where = f"requests to {_shown(report.endpoint)}"
    text = f"The share of missing or unreadable values in {where} has changed: {_listed(fresh)}."
    hint = Hint(f"mlops-desk drift show {report.id}", before="See what they are: ")
    return Notice("warning", SOURCE, text, hint, time.time(), about=_about(report))


def failure_notice(endpoint: str, error: DeskError) -> Notice:
    """Say that a scheduled check could not be made."""
    text = f"The drift of {_shown(endpoint)} can't be checked: {error.message}"
    return Notice("warning", SOURCE, text, error.hint, time.time(), about=("endpoint", endpoint))


def _alerting(report: DriftReport) -> set[tuple[str, str]]:
    return {
        (column.name, name)
        for column in report.columns
        for name, signal in column.signals.items()
        if signal.alert and name in BROKEN
    }


def _about(report: DriftReport) -> tuple[str, str]:
    """Return what a person looks at: the report, or the endpoint of one that is not kept."""
    return ("report", report.id) if report.id is not None else ("endpoint", report.endpoint or "")


def _shown(name: str | None) -> str:
    return plain(name or "an endpoint")


def _listed(names: list[str]) -> str:
    shown = ", ".join(plain(name, 60) for name in names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
