"""How a monitor's answers stand: in a sentence, for lists, alerts and the page on performance. Pure."""

from collections.abc import Sequence
from shlex import quote

from mlops_desk.base.errors import Hint
from mlops_desk.base.text import plain
from mlops_desk.drift.monitors.answers.asked import AnswersFacts
from mlops_desk.drift.monitors.answers.telling import SEEN
from mlops_desk.records.drift.answers import AnswersStanding, AnswersState, MonitorPerformance, ScoredWindow
from mlops_desk.records.drift.monitors import Monitor


def standing_of_answers(
    monitor: Monitor, newest: ScoredWindow | None, trouble: str | None = None, hint: str | None = None
) -> AnswersStanding:
    """Return how a monitor's answers stand after its newest scored window."""
    name = quote(monitor.name)
    if monitor.answers is None:
        told = Hint(f"mlops-desk drift monitors configure {name} --label COLUMN", after=" has answers scored.")
        return AnswersStanding(AnswersState.UNWATCHED, "No column is named that tells what turned out.", hint=told)
    if trouble is not None:
        return AnswersStanding(AnswersState.UNKNOWN, f"The answers can't be scored: {trouble}", None, trouble, hint)
    if newest is None:
        return AnswersStanding(AnswersState.UNLABELLED, "No window has been scored yet.", hint=_feedback(monitor))
    if newest.alarm:
        return AnswersStanding(AnswersState.TURNED, newest.why, newest.turned_at)
    state = AnswersState.FINE if newest.state in SEEN else newest.state
    if state is AnswersState.NO_REFERENCE:
        told = Hint(
            f"mlops-desk drift monitors configure {name} --answers-from TIME --answers-to TIME",
            before="Name a span in which answers were good, or a file (--answers-file): ",
        )
        return AnswersStanding(state, newest.why, hint=told)
    needs = state in {AnswersState.UNLABELLED, AnswersState.INSUFFICIENT}
    return AnswersStanding(state, newest.why, hint=_feedback(monitor) if needs else None)


def _feedback(monitor: Monitor) -> Hint:
    column = plain(monitor.answers.label if monitor.answers is not None else "", 60)
    after = f" takes labels: its columns are request_id and {column}."
    return Hint(f"mlops-desk endpoints feedback {quote(monitor.source.place)} FILE", after=after)


def performance_of_monitor(
    monitor: Monitor, windows: Sequence[ScoredWindow], standing: AnswersStanding, facts: AnswersFacts
) -> MonitorPerformance:
    """Return what ``drift monitors performance`` answers; ``windows`` oldest first."""
    return MonitorPerformance(
        monitor.id,
        standing,
        monitor.answers,
        kind=facts.kind,
        classes=facts.classes,
        positive=facts.positive,
        reference=facts.reference,
        reference_counts=facts.reference_counts,
        calibrated=facts.calibrated,
        windows=tuple(windows),
        notes=facts.notes,
    )
