"""What is said of a monitor's answers: window after window whether they alarm and why, and how they stand. Pure.

A figure alarms where the reference's mean has left its interval for the worse in the newest told window and in one of
the two before it; a watched mean where Page's test finds that it has changed. Two told windows in a row without either
end it. Windows follow each other in the order of their rows: labels that come late change a window's figures, and then
all that follows is told anew, so that the order in which labels come changes nothing in the end. What was said stays.
"""

from collections.abc import Sequence
from shlex import quote

from mlops_desk.base.errors import Hint
from mlops_desk.base.text import plain
from mlops_desk.records.drift.answers import AnswersStanding, AnswersState, MonitorPerformance, ScoredWindow
from mlops_desk.records.drift.monitors import Monitor

_SEEN = frozenset({AnswersState.FINE, AnswersState.OUTSIDE})
"""States of windows that tell something."""


def standing_of_answers(
    monitor: Monitor, newest: ScoredWindow | None, trouble: str | None = None, hint: str | None = None
) -> AnswersStanding:
    """Return how a monitor's answers stand after its newest scored window."""
    if monitor.answers is None:
        told = Hint(f"mlops-desk drift monitors configure {quote(monitor.name)} --label COLUMN", after=" scores them.")
        return AnswersStanding(AnswersState.UNWATCHED, "Nothing says what turned out.", hint=told)
    if trouble is not None:
        return AnswersStanding(AnswersState.UNKNOWN, f"The answers can't be scored: {trouble}", None, trouble, hint)
    if newest is None:
        return AnswersStanding(AnswersState.UNLABELLED, "No window has been scored yet.", hint=_feedback(monitor))
    if newest.alarm:
        return AnswersStanding(AnswersState.TURNED, newest.why, newest.turned_at)
    needs = newest.state in {AnswersState.UNLABELLED, AnswersState.INSUFFICIENT}
    return AnswersStanding(_calm(newest.state), newest.why, hint=_feedback(monitor) if needs else None)


def _calm(state: AnswersState) -> AnswersState:
    return AnswersState.FINE if state in _SEEN else state


def _feedback(monitor: Monitor) -> Hint:
    column = plain(monitor.answers.label if monitor.answers is not None else "", 60)
    after = f" takes labels: columns request_id and {column}."
    return Hint(f"mlops-desk endpoints feedback {quote(monitor.source.place)} FILE", after=after)


def performance_of_monitor(
    monitor: Monitor, windows: Sequence[ScoredWindow], standing: AnswersStanding
) -> MonitorPerformance:
    """Return what ``drift monitors performance`` answers; ``windows`` oldest first."""
    return MonitorPerformance(monitor.id, standing, monitor.answers, windows=tuple(windows))
