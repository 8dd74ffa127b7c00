"""What the model answers, in a monitor of its requests: held against what was logged, or the first quiet windows.

A window is quiet where nothing in it alarms. Answers are pinned once enough rows have passed so, one window after the
other: what the model says of rows like those it was trained on. They are pinned once, until another version answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mlops_desk.drift.monitors.state_machine import is_telling
from mlops_desk.drift.monitors.time_format import at
from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.drift.records.columns import ColumnRole
from mlops_desk.drift.records.monitors import HeldAnswers, JudgedWindow, Monitor, PredictionsStanding, PredictionsState
from mlops_desk.drift.records.sources import SourceKind
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain

ENOUGH_ROWS = 500
"""Chosen: of windows as large, a shift of 0.3 deviations is found four times of five (DRIFT.md, B4)."""
RETRY_SECONDS = 900.0  # chosen: what can't be pinned now mostly can't be in a minute
_LOG_THEM = (
    'Wait, or log answers with the model: a column "prediction" in its data set, or the table of mlflow.evaluate.'
)
_NAMED = 6  # chosen: one line of a terminal
_NAME = 60  # chosen: names of columns come from outside


@dataclass(frozen=True, slots=True)
class QuietRows:
    """Quiet windows in a row: their span (Unix times), and how many rows they have."""

    start: float
    end: float
    n_rows: int


def has_answers(monitor: Monitor) -> bool:
    """Tell whether a monitor's source has answers that are judged: a log, and no choice of columns that leaves them."""
    return monitor.source.kind is SourceKind.LOG and not monitor.columns


def held_in(reference: DataProfile) -> HeldAnswers | None:
    """Return which columns of the logged data are answers; None where none can be compared."""
    named = [
        one.column.name
        for one in reference.columns
        if one.column.role is ColumnRole.PREDICTION and one.sketch is not None
    ]
    return HeldAnswers(tuple(named)) if named else None


def quiet_rows(windows: Sequence[JudgedWindow]) -> QuietRows | None:
    """Return the newest quiet windows in a row that have enough rows, else those since the last that alarms.

    Windows that say nothing are skipped. None where there are none.
    """
    runs: list[list[JudgedWindow]] = [[]]
    for one in reversed([window for window in windows if is_telling(window)]):
        if one.verdict.is_alarm:
            runs.append([])
        else:
            runs[-1].append(one)
    enough = next((run for run in runs if sum(one.n_rows for one in run) >= ENOUGH_ROWS), runs[0])
    if not enough:
        return None
    starts, ends = [one.window_start for one in enough], [one.window_end for one in enough]
    return QuietRows(min(starts), max(ends), sum(one.n_rows for one in enough))


def standing_of_predictions(
    monitor: Monitor, windows: Sequence[JudgedWindow], trouble: DeskError | None = None
) -> PredictionsStanding | None:
    """Return how a monitor's answers are judged; None where its source has none."""
    if not has_answers(monitor):
        return None
    held = monitor.held_answers
    if held is not None:
        return PredictionsStanding(PredictionsState.WATCHED, _watched(held), held)
    if trouble is not None:
        text = f"What the model answers can't be judged: {trouble.message}"
        return PredictionsStanding(
            PredictionsState.UNKNOWN, text, trouble=trouble.message, hint=trouble.hint or _LOG_THEM
        )
    quiet = quiet_rows(windows)
    n = 0 if quiet is None else quiet.n_rows
    text = (
        f"No answers were logged with the model to compare new ones with. Its first {ENOUGH_ROWS:,} answers in windows "
        f"without drift will be kept for that; there are {n:,} so far."
    )
    return PredictionsStanding(PredictionsState.WAITING, text, n_quiet=n, n_needed=ENOUGH_ROWS, hint=_LOG_THEM)


def _watched(held: HeldAnswers) -> str:
    shown = ", ".join(plain(name, _NAME) for name in held.columns[:_NAMED])
    more = f" and {len(held.columns) - _NAMED} more" if len(held.columns) > _NAMED else ""
    if held.is_logged or held.start is None or held.end is None:
        return f"Answers are judged like any column: {shown}{more}, against those logged with the model."
    first = "first answers" if held.n_rows is None else f"first {held.n_rows:,} answers"
    return (
        f"Answers are judged like any column: {shown}{more}, against the model's {first} in windows without drift "
        f"({at(held.start)} to {at(held.end)})."
    )
