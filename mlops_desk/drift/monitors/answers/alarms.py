"""What is said of a monitor's answers, window after window: whether they alarm, and why. Pure.

A figure alarms where the reference's mean has left its interval for the worse in the newest told window and in one of
the two before it; a watched mean where Page's test finds that it has changed. Two calm windows in a row end it. Windows
follow each other in the order of their rows: labels that come late change a window's figures, and all that follows is
told anew, so that the order in which labels come changes nothing in the end. What was said stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mlops_desk.drift.monitors.answers.worker_protocol import AnswersFacts, ScoredSpan, WatchLimit
from mlops_desk.drift.monitors.definition import LEAST_ROWS
from mlops_desk.drift.performance.page_test import PageState
from mlops_desk.drift.records.answers import AnswersState, MeanChange, SaidOfWindow, ScoredWindow
from mlops_desk.drift.records.figure_words import figure_words
from mlops_desk.drift.records.performance import Direction
from mlops_desk.kit.base.text import percent

# Page's test from window to window: states of windows put together, and where they cross the reference's limits.
# Pure.
# A change that is found is told in its window, and the watch begins anew: what lasts is found again in the next.
States = tuple[float, ...]
_FIELDS = tuple(PageState.__slots__)
_COUNTS = frozenset({"n", "at_low", "at_high", "since", "until"})
"""What of a state counts rows."""
GOOD = frozenset({("error", "fallen")})
"""Changes that are none to the worse."""


def changes_after(
    earlier: Sequence[ScoredWindow], window: ScoredWindow, limits: Mapping[str, WatchLimit]
) -> tuple[tuple[MeanChange, ...], Mapping[str, States]]:
    """Return what has changed with a window, and the states after it; ``earlier`` are the windows before it."""
    before = earlier[-1].carried if earlier and earlier[-1].reference_id == window.reference_id else {}
    found: list[MeanChange] = []
    carried: dict[str, States] = {what: state for what, state in before.items() if what not in window.watched}
    for what, own in window.watched.items():
        limit = limits.get(what)
        if limit is None:
            continue
        known = before.get(what)
        sides = [
            side if known is None else _state_changes(known, at).joined(side)
            for at, side in ((0, _state_changes(own, 0)), (1, _state_changes(own, 1)))
        ]
        crossed = [
            (side, direction)
            for side, direction, most in zip(sides, ("risen", "fallen"), (limit.up, limit.down), strict=True)
            if side.rise >= most
        ]
        for side, direction in crossed:
            since = _begun(earlier, window, what, side.since, 0 if known is None else _state_changes(known, 0).n)
            found.append(MeanChange(what, direction, since, limit.mean, window.means.get(what, limit.mean)))
        if not crossed:
            carried[what] = tuple(float(getattr(side, name)) for side in sides for name in _FIELDS)
    return tuple(found), carried


def _state_changes(flat: States, at: int) -> PageState:
    """Read one direction (0: up, 1: down) of what is watched."""
    part = flat[at * len(_FIELDS) : (at + 1) * len(_FIELDS)]
    return PageState(*(int(value) if name in _COUNTS else value for name, value in zip(_FIELDS, part, strict=True)))  # type: ignore[arg-type]  # as the fields' names say


def _begun(earlier: Sequence[ScoredWindow], window: ScoredWindow, what: str, place: int, n_before: int) -> float:
    """Return the start of the window in which the row at ``place`` lies, ``n_before`` rows being those before ours."""
    at, first = window.window_start, n_before
    for one in reversed(earlier):
        if place >= first or what not in one.watched:
            break
        first -= _state_changes(one.watched[what], 0).n
        at = one.window_start
    return at


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
        why=_why(window, figures, bad, facts, is_on=is_on),
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


def _why(
    window: ScoredWindow, figures: Sequence[str], bad: Sequence[MeanChange], facts: AnswersFacts, *, is_on: bool
) -> str:
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
        good = "The answers are as good as the reference's."
        again = f"Only the newest window is as good as the reference again; {_CALM} in a row end this."
        return f"{again if is_on else good} {labels}"
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
