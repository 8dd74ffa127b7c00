"""How good answers were, as text: a line for each figure of the newest window, then windows, alarms and changes."""

from collections.abc import Iterator, Mapping

from mlops_desk.drift.records.performance import (
    Direction,
    ExpectedFigure,
    Figure,
    PerformanceReport,
    ReferenceLevel,
    RowCounts,
)
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import number, table

_NAMED = 20  # chosen: a screen of a terminal; --json has all
_NOTE = 400  # chosen: five lines of a terminal
_WATCHED = {"error": "The error", "score": "The score"}


def performance(report: PerformanceReport) -> str:
    """Return one report."""
    newest = report.windows[-1]
    return "\n".join(
        [
            *_head(report),
            *_alarms(report),
            figure_table(newest.figures, newest.expected, newest.outside, report.reference),
            *_windows(report),
            *(plain(note, _NOTE) for note in report.notes),
        ]
    )


def _head(report: PerformanceReport) -> Iterator[str]:
    newest = report.windows[-1]
    of_two = "" if report.positive is None else f", positive: {plain(report.positive)}"
    yield f"{report.kind.capitalize()}{of_two}. {_windows_told(len(report.windows))} has {_counted(newest.counts)}"
    if report.reference_counts is not None:
        yield f"The reference has {_counted(report.reference_counts)}"


def _windows_told(n: int) -> str:
    return "One window: it" if n == 1 else f"{n} windows; the newest"


def _counted(counts: RowCounts) -> str:
    told = [
        (counts.n_unlabelled, "without a label"),
        (counts.n_unreadable, "with a label that can't be read"),
        (counts.n_unanswered, "without an answer"),
        (counts.n_unscored, "without a probability"),
    ]
    left = "".join(f", {n:,} {what}" for n, what in told if n)
    return f"{counts.n_rows:,} rows, {counts.n_used:,} used{left}."


def _alarms(report: PerformanceReport) -> Iterator[str]:
    for alarm in report.windows[-1].alarms:
        beyond = " It lies beyond three deviations of the reference, too." if alarm.beyond_band else ""
        yield f"Alarm: {plain(alarm.text, _NOTE)}{beyond}"
    for change in report.changes:
        yield (
            f"{_WATCHED.get(change.what, plain(change.what))} has {plain(change.direction)} since about row "
            f"{change.since:,} (found at row {change.found:,}): {number(change.after, 3)} after "
            f"{number(change.before, 3)}."
        )


def figure_table(
    figures: Mapping[str, Figure],
    expected: Mapping[str, ExpectedFigure],
    outside: Mapping[str, Direction],
    reference: Mapping[str, ReferenceLevel],
) -> str:
    """Return a line for each figure: value and interval, the reference's, what was expected, which way it has left."""
    rows = [
        [
            name.replace("_", " "),
            *_value(figures.get(name)),
            *_reference(reference.get(name)),
            *_expected(expected.get(name)),
            str(outside.get(name, "")),
        ]
        for name in list(figures) or list(expected)
    ]
    return table(["FIGURE", "VALUE", "95 %", "REFERENCE", "3 SIGMA", "EXPECTED", "ERROR", ""], rows)


def _value(figure: Figure | None) -> tuple[str, str]:
    if figure is None or figure.value is None:
        return "–", "–"
    return number(figure.value, 4), _between(figure.low, figure.high)


def _reference(level: ReferenceLevel | None) -> tuple[str, str]:
    if level is None or level.mean is None:
        return "–", "–"
    return number(level.mean, 4), _between(level.low, level.high)


def _expected(expected: ExpectedFigure | None) -> tuple[str, str]:
    if expected is None or expected.value is None:
        return "–", "–"
    return number(expected.value, 4), "–" if expected.error is None else f"{expected.error:+.3g}"


def _between(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{number(low, 3)} to {number(high, 3)}"


def _windows(report: PerformanceReport) -> Iterator[str]:
    """Yield the windows beside each other, by their first figures, where there are several."""
    if len(report.windows) < 2:
        return
    names = list(report.windows[-1].figures)[:4]
    rows = [
        [
            f"{window.first:,} to {window.last:,}",
            f"{window.counts.n_used:,}",
            *(_value(window.figures.get(name))[0] for name in names),
            ", ".join(f"{name} {side}".replace("_", " ") for name, side in window.outside.items()),
        ]
        for window in report.windows[-_NAMED:]
    ]
    if len(report.windows) > _NAMED:
        yield f"The last {_NAMED} windows:"
    yield table(["ROWS", "USED", *(name.replace("_", " ").upper() for name in names), "LEFT THE REFERENCE"], rows)
