"""What the page on drift asks the agent about monitors, each in one place."""

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mlops_desk.drift.records.answers import MonitorPerformance
    from mlops_desk.drift.records.monitors import ColumnStory, JudgedWindow, Monitor, MonitorStanding
    from mlops_desk.drift.records.report import DriftReport
    from mlops_desk.drift.records.rows import WindowRows
    from mlops_desk.kit.verbs.desk import ClientLike

WATCHED_AGAIN = "no"
"""The reason that takes a column back among those that are compared."""
MOST_ROWS = 500
"""Chosen: more are not read one by one; the command line lists up to 1000."""
MOST_WINDOWS = 500
"""Chosen: three weeks of hours; at a few pixels each they take several screens."""


def windows(monitor: str, until: float | None) -> "Callable[[ClientLike], list[JudgedWindow]]":
    """Return the question for the newest windows of a monitor, or of those that begin before a Unix time."""
    return lambda desk: desk.monitors.history(monitor, None, until, MOST_WINDOWS)


def performance(monitor: str, until: float | None) -> "Callable[[ClientLike], MonitorPerformance]":
    """Return the question how good answers were in the newest windows, or in those that begin before a Unix time."""
    return lambda desk: desk.monitors.performance(monitor, None, until, MOST_WINDOWS)


def rows(monitor: str, window: str) -> "Callable[[ClientLike], WindowRows]":
    """Return the question for the rows of one window of a file."""
    return lambda desk: desk.monitors.rows(monitor, window, MOST_ROWS)


def story(monitor: str, column: str, since: float, until: float) -> "Callable[[ClientLike], ColumnStory]":
    """Return the question for one column in the windows between two Unix times."""
    return lambda desk: desk.monitors.story(monitor, column, since, until)


def report(report_id: str) -> "Callable[[ClientLike], DriftReport]":
    """Return the question for the report of one window in full."""
    return lambda desk: desk.drift.show(report_id)


def check(monitor: str) -> "Callable[[ClientLike], object]":
    """Return the wish that a monitor looks now."""
    return lambda desk: desk.monitors.check(monitor)


def pause(monitor: str) -> "Callable[[ClientLike], object]":
    """Return the wish that a monitor rests."""
    return lambda desk: desk.monitors.pause(monitor)


def resume(monitor: str) -> "Callable[[ClientLike], object]":
    """Return the wish that a monitor goes on."""
    return lambda desk: desk.monitors.resume(monitor)


def weigh(monitor: str, *, permute: bool) -> "Callable[[ClientLike, str], object]":
    """Return the wish that a monitor's columns are weighed, by a ticket."""
    return lambda desk, ticket: desk.monitors.weigh(monitor, permute=permute, ticket=ticket)


def remove(monitor: str) -> "Callable[[ClientLike], object]":
    """Return the wish that a monitor goes."""
    return lambda desk: desk.monitors.remove(monitor)


def create(draft: "Monitor") -> "Callable[[ClientLike], MonitorStanding]":
    """Return the wish for the monitor that a draft describes."""
    source, reference, window = draft.source, draft.reference, draft.window
    kind, place = source.kind.value, source.place
    return lambda desk: desk.monitors.create(
        draft.name, draft.endpoint, draft.model,
        files=place if kind == "file" else None, database=place if kind == "sql" else None,
        run=place if kind == "mlflow" else None, query=source.query, time_column=source.time_column,
        watermark=source.watermark, login=source.login,
        reference=reference.kind.value, reference_file=reference.path, pinned_from=reference.start,
        pinned_to=reference.end, rows=window.rows, span=window.seconds, suppressed=draft.suppressed or None,
        level=draft.level, columns=_listed(draft.columns), renamed=draft.renamed or None, segment=draft.segment,
        label=draft.answers.label if draft.answers is not None else None,
        prediction=draft.answers.prediction if draft.answers is not None else None,
        importance=_written(draft.importance) or None,
    )  # fmt: skip


def change(before: "Monitor", draft: "Monitor") -> "Callable[[ClientLike], MonitorStanding]":
    """Return the wish that a monitor is as a draft describes it; what is the same in both is not sent."""
    window = draft.window if draft.window != before.window else None
    reference = draft.reference if draft.reference != before.reference else None
    again = {name: WATCHED_AGAIN for name in before.suppressed if name not in draft.suppressed}
    suppressed = {**draft.suppressed, **again} if draft.suppressed != before.suppressed else None
    return lambda desk: desk.monitors.configure(
        before.id,
        rows=window.rows if window is not None else None, span=window.seconds if window is not None else None,
        reference=reference.kind.value if reference is not None else None,
        reference_file=reference.path if reference is not None else None,
        pinned_from=reference.start if reference is not None else None,
        pinned_to=reference.end if reference is not None else None,
        suppressed=suppressed, level=draft.level if draft.level != before.level else None,
        columns=_listed(draft.columns) if draft.columns != before.columns else None,
        renamed=draft.renamed if draft.renamed != before.renamed else None,
        label=(draft.answers.label if draft.answers is not None else "") if draft.answers != before.answers else None,
        prediction=draft.answers.prediction if draft.answers and draft.answers != before.answers else None,
        segment=(draft.segment or "") if draft.segment != before.segment else None,
        importance=_written(draft.importance) if draft.importance != before.importance else None,
    )  # fmt: skip


def hold_against_live_rows(key: str) -> "Callable[[ClientLike], MonitorStanding]":
    """Return the wish that a monitor's first live rows are what later ones are held against."""
    return lambda desk: desk.monitors.configure(key, reference="live")


def _listed(names: "Sequence[str]") -> str:
    """Return names as the verb takes them: parted by commas, one that has a comma in quotes."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return line.getvalue()


def _written(weights: "Mapping[str, float]") -> dict[str, str]:
    return {name: repr(weight) for name, weight in weights.items()}
