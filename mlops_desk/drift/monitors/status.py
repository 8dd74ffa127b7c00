"""How a monitor stands, from its newest windows and from how the last look at it went. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlops_desk.drift.monitors import sentences
from mlops_desk.drift.monitors.state_machine import is_telling
from mlops_desk.drift.records.answers import AnswersStanding, AnswersState
from mlops_desk.drift.records.monitors import DriftWatch, JudgedWindow, Monitor, MonitorStanding, MonitorState

STRIP = 30  # chosen: as many marks as a list has room for


@dataclass(frozen=True, slots=True)
class LastLook:
    """How the last look went. ``trouble`` says why there could be none; ``waits`` for what it waits, if it does.

    ``n_late`` and ``n_rejected`` rows of all since it began are in no window, ``notes`` say why in words. ``redacted``
    columns are not judged.
    """

    trouble: str | None = None
    hint: str | None = None
    waits: str = "Nobody has looked yet."
    pending_rows: int | None = None
    n_late: int | None = None
    n_rejected: int | None = None
    notes: tuple[str, ...] = ()
    redacted: tuple[str, ...] = ()
    checked_at: float | None = None
    next_check_at: float | None = None


def standing_of(
    monitor: Monitor, windows: Sequence[JudgedWindow], look: LastLook, alert_id: str | None = None
) -> MonitorStanding:
    """Return how a monitor stands; ``windows`` are its newest ones with the present reference, oldest first."""
    state = _state(monitor, windows, look)
    telling = [window for window in windows if is_telling(window)]
    newest = telling[-1] if telling else None
    said = sentences.sentence(monitor, state, windows, waits=look.waits, trouble=look.trouble)
    return MonitorStanding(
        monitor,
        state,
        verdict=newest.worst if newest else (windows[-1].verdict if windows else None),
        turned_at=windows[-1].turned_at if windows else None,
        since=windows[-1].since if windows else {},
        n_columns=len(newest.columns) if newest else None,
        n_drifted=sum(score.verdict.is_alarm for score in newest.columns.values()) if newest else None,
        newest_window_end=windows[-1].window_end if windows else None,
        checked_at=look.checked_at,
        next_check_at=None if monitor.is_paused else look.next_check_at,
        pending_rows=look.pending_rows,
        n_late=look.n_late,
        n_rejected=look.n_rejected,
        notes=(*sentences.redacted(look.redacted), *look.notes),
        trouble=look.trouble,
        hint=look.hint if look.trouble or state is MonitorState.WAITING else _rows(monitor, state, windows),
        sentence=said,
        alert_id=alert_id,
        strip=tuple(window.worst for window in windows[-STRIP:]),
        segments=windows[-1].segments if windows else None,
    )


def _state(monitor: Monitor, windows: Sequence[JudgedWindow], look: LastLook) -> MonitorState:
    if monitor.is_paused:
        return MonitorState.PAUSED
    if look.trouble is not None:
        return MonitorState.UNKNOWN
    if not any(map(is_telling, windows)):
        return MonitorState.WAITING
    return MonitorState.TURNED if windows[-1].alarm else MonitorState.FINE


def _rows(monitor: Monitor, state: MonitorState, windows: Sequence[JudgedWindow]) -> str | None:
    bad = next((window for window in reversed(windows) if window.is_bad), None)
    return None if bad is None or state is not MonitorState.TURNED else sentences.rows_hint(monitor, bad)


def with_answers(standing: MonitorStanding, answers: AnswersStanding | None) -> MonitorStanding:
    """Return how a monitor stands with its answers: it is turned where either has, and says both."""
    if answers is None:
        return standing
    if answers.state is not AnswersState.TURNED or standing.state is MonitorState.PAUSED:
        return replace(standing, answers=answers)
    began = [at for at in (standing.turned_at, answers.turned_at) if at is not None]
    is_alone = standing.state is not MonitorState.TURNED
    said = f"The answers have become worse: {answers.sentence}"
    return replace(
        standing,
        state=MonitorState.TURNED,
        turned_at=min(began, default=None),
        sentence=said if is_alone else f"{standing.sentence} {said}",
        hint=sentences.answers_hint(standing.monitor) if is_alone else standing.hint,
        command=None,
        answers=answers,
    )


def watch(standing: MonitorStanding, windows: Sequence[JudgedWindow]) -> DriftWatch:
    """Return what the alerts are told of it."""
    has_answers = standing.answers is not None and standing.answers.state is AnswersState.TURNED
    return sentences.watch_of(
        standing.monitor, standing.state, windows, standing.sentence, of_answers=has_answers, hint=standing.hint
    )


def timeless(one: MonitorStanding) -> MonitorStanding:
    """Return a standing without when it was looked at."""
    return replace(one, checked_at=None, next_check_at=None)
