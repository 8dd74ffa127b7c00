"""What is said of a monitor's answers, window after window: whether they alarm, and why. Pure.

A figure alarms where the reference's mean has left its interval for the worse in the newest told window and in one of
the two before it; a watched mean where Page's test finds that it has changed. Two calm windows in a row end it. Windows
follow each other in the order of their rows: labels that come late change a window's figures, and all that follows is
told anew, so that the order in which labels come changes nothing in the end. What was said stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mlops_desk.base.text import percent
from mlops_desk.drift.monitors.answers.asked import AnswersFacts, ScoredSpan
from mlops_desk.drift.monitors.answers.changes import GOOD, changes_after
from mlops_desk.drift.monitors.drafting import LEAST_ROWS
from mlops_desk.records.drift.answers import AnswersState, MeanChange, SaidOfWindow, ScoredWindow
from mlops_desk.records.drift.figure_words import figure_words
from mlops_desk.records.drift.performance import Direction

SEEN = frozenset({AnswersState.FINE, AnswersState.OUTSIDE})
"""States of windows that tell something by their labels."""
_RECENT, _NEEDED = 3, 2  # as for a report: the newest window and one of the two before it
_CALM = 2  # as a monitor of drift turns back: so that one good window among bad ones ends nothing
MOST_SAID = 20  # chosen: labels mostly come within a few days; the first and the newest stay
_WATCHED = {"error": "the error", "score": "the score"}


def with_span(window: ScoredWindow, span: ScoredSpan, reference_id: str | None) -> ScoredWindow:
    """Return a window with what was scored of it."""
    return replace(
        window,
        labels=span.labels,
        reference_id=reference_id,
        counts=span.counts,
        figures=span.figures,
        expected=span.expected,
        outside=span.outside,
        beyond_band=span.beyond_band,
        watched=span.watched,
        means=span.means,
    )


def told_anew(
    earlier: Sequence[ScoredWindow], windows: Sequence[ScoredWindow], facts: AnswersFacts, now: float
) -> list[ScoredWindow]:
    """Tell some windows anew, one after the other; ``earlier`` stay, ``now`` is Unix time."""
    found: list[ScoredWindow] = []
    for window in windows:
        before = [*earlier, *found]
        found.append(_with_said(window, _told(before, window, facts), now))
    return found


def _told(earlier: Sequence[ScoredWindow], window: ScoredWindow, facts: AnswersFacts) -> ScoredWindow:
    changes, carried = changes_after(earlier, window, facts.limits)
    bad = [one for one in changes if (one.what, one.direction) not in GOOD]
    window = replace(window, changes=changes, carried=carried, state=_state(window, bad, facts))
    recent = [*(one for one in earlier if one.state in SEEN), *((window,) if window.state in SEEN else ())][-_RECENT:]
    figures = _alarming(recent) if window.state in SEEN else []
    before = earlier[-1] if earlier else None
    was_on, was_at, by_score = (
        (False, None, False) if before is None else (before.alarm, before.turned_at, before.of_score)
    )
    is_new = bool(figures or bad)
    is_on = is_new or (was_on and not _is_over([*earlier, window], of_score=by_score))
    of_score = (
        not figures and all(one.what == "score" for one in bad) if is_new and not was_on else by_score and not figures
    )
    began = min([*(one.since for one in bad), *(_since(recent, name) for name in figures)], default=window.window_start)
    return replace(
        window,
        alarm=is_on,
        turned_at=(was_at if was_on else began) if is_on else None,
        of_score=is_on and of_score,
        why=_why(window, figures, bad, facts),
    )


def _state(window: ScoredWindow, bad: Sequence[MeanChange], facts: AnswersFacts) -> AnswersState:
    if window.counts is None or window.counts.n_used == 0:
        return AnswersState.UNLABELLED
    if window.counts.n_used < LEAST_ROWS:
        return AnswersState.INSUFFICIENT
    if not facts.reference:
        return AnswersState.NO_REFERENCE
    is_worse = any(side is Direction.WORSE for side in window.outside.values())
    return AnswersState.OUTSIDE if is_worse or bad else AnswersState.FINE


def _alarming(recent: Sequence[ScoredWindow]) -> list[str]:
    """Return the figures that are worse in the newest told window and in one of the two before it."""
    return [
        name
        for name, side in recent[-1].outside.items()
        if side is Direction.WORSE and sum(one.outside.get(name) is Direction.WORSE for one in recent) >= _NEEDED
    ]


def _since(recent: Sequence[ScoredWindow], name: str) -> float:
    return next(one.window_start for one in recent if one.outside.get(name) is Direction.WORSE)


def _is_over(windows: Sequence[ScoredWindow], *, of_score: bool) -> bool:
    """Tell whether an alarm ends: windows without labels are no answer, but where it rests on the score alone."""
    speaking = [one for one in windows if one.state in SEEN or (of_score and "score" in one.watched)][-_CALM:]
    return len(speaking) == _CALM and windows[-1] is speaking[-1] and not any(map(_is_bad, speaking))


def _is_bad(window: ScoredWindow) -> bool:
    bad = any((one.what, one.direction) not in GOOD for one in window.changes)
    return bad or any(side is Direction.WORSE for side in window.outside.values())


def _why(window: ScoredWindow, figures: Sequence[str], bad: Sequence[MeanChange], facts: AnswersFacts) -> str:
    said = [_figure(window, name, facts) for name in figures]
    said += [
        f"{_WATCHED.get(one.what, one.what)} has {one.direction} ({one.before:.4g} → {one.now:.4g})" for one in bad
    ]
    labels = _labels(window)
    if said:
        return f"{_capital('; '.join(said))}. {labels}"
    if window.state is AnswersState.OUTSIDE:
        worse = ", ".join(
            _figure(window, name, facts) for name, side in window.outside.items() if side is Direction.WORSE
        )
        return f"The newest window is worse ({worse}); one alone may be chance. {labels}"
    if window.state is AnswersState.FINE:
        return f"The answers are as good as the reference's. {labels}"
    if window.state is AnswersState.NO_REFERENCE:
        return f"There are no labelled answers to hold these against. {labels}"
    if window.state is AnswersState.INSUFFICIENT:
        return f"Fewer than {LEAST_ROWS} rows have a label and an answer. {labels}"
    return labels


def _figure(window: ScoredWindow, name: str, facts: AnswersFacts) -> str:
    value, level = window.figures[name].value, facts.reference.get(name)
    if value is None or level is None or level.mean is None:
        return figure_words(name)
    return f"{figure_words(name)} {level.mean:.4g} → {value:.4g}"


def _labels(window: ScoredWindow) -> str:
    if window.counts is None:
        return "Its rows are not in the log any more, or were never."
    n, lacking = window.counts.n_rows, window.counts.n_unlabelled
    if not n:
        return "The requests of its rows are counted in the window before."
    if lacking == n:
        return f"None of {n:,} rows has a label yet."
    return f"{percent((n - lacking) / n, 1)} of {n:,} rows have a label."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _with_said(before: ScoredWindow, window: ScoredWindow, now: float) -> ScoredWindow:
    """Add what is said of a window now, where it is something else than what was said last."""
    n_used = 0 if window.counts is None else window.counts.n_used
    figures = {name: one.value for name, one in window.figures.items()}
    last = before.said[-1] if before.said else None
    is_same = last is not None and (last.n_used, last.state, last.alarm, last.figures) == (
        n_used, window.state, window.alarm, figures,
    )  # fmt: skip
    is_nothing = last is None and not n_used and not window.alarm
    said = (
        before.said
        if is_same or is_nothing
        else (*before.said, SaidOfWindow(now, n_used, window.state, window.alarm, figures))
    )
    said = said if len(said) <= MOST_SAID else (said[0], *said[-MOST_SAID + 1 :])
    first = next((one for one in said if one.n_used >= LEAST_ROWS), None)
    return replace(
        window,
        said=said,
        scored_at=before.scored_at if said is before.said and before.scored_at is not None else now,
        alarm_said=said[0].alarm if said else None,
        n_late=0 if first is None else max(0, n_used - first.n_used),
    )


def spans_after(windows: Sequence[ScoredWindow]) -> Mapping[str, float | None]:
    """Return for each window, in their order, the end of the one before where a request's rows were cut by it."""
    found: dict[str, float | None] = {}
    before: float | None = None
    for window in windows:
        found[window.id] = before if before == window.window_start else None
        before = window.window_end
    return found
