"""How a monitor's answers stand, in words and cells; and what is said where there are none to show. No Qt here."""

from collections.abc import Callable

from mlops_desk.base.text import plain
from mlops_desk.records.drift.answers import AnswersState, MonitorPerformance, ScoredWindow
from mlops_desk.records.drift.monitors import MonitorStanding
from mlops_desk.records.drift.sources import SourceKind
from mlops_desk.ui.drift import telling
from mlops_desk.ui.drift.answers.points import AnswerPoint, points_of, title_of, unit_of
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.widgets.states import Empty
from mlops_desk.ui.words import hints, numbers
from mlops_desk.ui.words.numbers import Mark

STATE_MARKS = {
    AnswersState.UNWATCHED: Mark("muted", numbers.IDLE, "not watched"),
    AnswersState.UNLABELLED: Mark("muted", numbers.IDLE, "no labels yet"),
    AnswersState.INSUFFICIENT: Mark("unknown", numbers.UNKNOWN, "too few labels"),
    AnswersState.NO_REFERENCE: Mark("info", numbers.INFO, "nothing to compare with"),
    AnswersState.FINE: Mark("ok", numbers.OK, "fine"),
    AnswersState.OUTSIDE: Mark("warning", numbers.WARNING, "outside"),
    AnswersState.TURNED: Mark("alert", numbers.ALERT, "turned"),
    AnswersState.UNKNOWN: Mark("unknown", numbers.UNKNOWN, "unknown"),
}
_ALARMS = Mark("alert", numbers.ALERT, "alarms")
LEGEND = (
    f"{numbers.ALERT} alarms   {numbers.IDLE} left the reference   ▨ labels still lack   ◆ labels came late   "
    "line: as it turned out, with its 95 % interval   dashed: as expected before, gray: in the reference"
)


def is_shown(performance: MonitorPerformance) -> bool:
    """Tell whether there is a figure in any window, as it turned out or as it was expected."""
    return any(
        point.value is not None or point.expected is not None
        for name in {name for one in performance.windows for name in (*one.figures, *one.expected)}
        for point in points_of(performance.windows, name)
    )


def nothing(performance: MonitorPerformance, monitor: MonitorStanding, edit: Callable[[], None]) -> Empty:
    """Return what is said in place of figures, with what to do."""
    standing = performance.standing
    sentence, command = hints.parts(standing.hint, standing.command)
    told = f"{standing.sentence} {sentence}".strip()
    if monitor.monitor.source.kind is not SourceKind.LOG:
        text = (
            "Labels come by request id, so that the answers of an endpoint alone are scored. Of files they are told by:"
        )
        scored = "mlops-desk drift performance --data FILE --label COLUMN"
        return Empty("Answers of files are scored once", text, None, None, scored)
    if standing.state is AnswersState.UNWATCHED:
        text = "Say which column of the feedback tells what turned out. Figures are there as soon as labels come."
        return Empty("Nobody says yet how answers turn out", text, "Edit the monitor …", edit, command)
    if standing.state is AnswersState.UNLABELLED:
        return Empty("No labels have come yet", told, None, None, command)
    if standing.state is AnswersState.INSUFFICIENT:
        return Empty("Too few rows have a label", told, None, None, command)
    if standing.state is AnswersState.UNKNOWN:
        return Empty("The answers can't be scored", told, None, None, command)
    return Empty("No window was scored yet", told, None, None, command)


def window_mark(window: ScoredWindow) -> Mark:
    """Return how a window stands: an alarm before what it is made of."""
    return _ALARMS if window.alarm else STATE_MARKS[window.state]


def columns_of(figure: str, expected_by: str) -> tuple[Column[ScoredWindow], ...]:
    """Return the columns of a table of windows, for one figure."""
    written = unit_of(figure)

    def point(window: ScoredWindow) -> AnswerPoint:
        return points_of([window], figure)[0]

    def value(window: ScoredWindow) -> Cell:
        one = point(window)
        token = "warning" if one.is_outside else None
        return Cell(written(one.value), one.value if one.value is not None else float("-inf"), token)

    def interval(window: ScoredWindow) -> Cell:
        one = point(window)
        if one.low is None or one.high is None:
            return Cell(numbers.NOTHING, float("-inf"))
        return Cell(f"{written(one.low)} – {written(one.high)}", one.low)

    def expected(window: ScoredWindow) -> Cell:
        one = point(window)
        between = ""
        if one.expected_low is not None and one.expected_high is not None:
            between = f"{written(one.expected_low)} – {written(one.expected_high)}"
        return Cell(written(one.expected), one.expected if one.expected is not None else float("-inf"), tip=between)

    return (
        Column("window", "Window", _window),
        Column("state", "State", _state, stretch=True),
        Column(f"value_{figure}", title_of(figure), value, right=True),
        Column(f"interval_{figure}", "95 % interval", interval, right=True),
        Column(f"expected_{figure}", f"{expected_by} expected", expected, right=True),
        Column(f"error_{figure}", "Off by", lambda one: _off(one, figure), right=True),
        Column("labelled", "Labelled", _labelled, right=True),
        Column("late", "Late", _late, right=True),
    )


def _window(window: ScoredWindow) -> Cell:
    told = numbers.day_and_clock(window.window_start)
    return Cell(told, window.window_start, tip=telling.of_span(window.window_start, window.window_end, window.n_rows))


def _state(window: ScoredWindow) -> Cell:
    mark = window_mark(window)
    said = _said(window)
    return Cell(f"{mark.text}{said}", list(STATE_MARKS).index(window.state), mark.token, plain(window.why, 500))


def _said(window: ScoredWindow) -> str:
    """Say that labels which came late have changed what was said first."""
    if window.alarm_said is None or window.alarm_said == window.alarm:
        return ""
    return ", first said to alarm" if window.alarm_said else ", first said to be calm"


def _off(window: ScoredWindow, figure: str) -> Cell:
    """Return by how much what was expected is off, once it is known."""
    found = window.expected.get(figure)
    error = telling.known(found.error) if found is not None else None
    if error is None:
        return Cell(numbers.NOTHING, float("-inf"))
    return Cell(f"{'+' if error > 0 else ''}{unit_of(figure)(error)}", abs(error))


def _labelled(window: ScoredWindow) -> Cell:
    counts = window.counts
    if counts is None:
        return Cell(numbers.NOTHING, -1.0)
    n_labelled = counts.n_rows - counts.n_unlabelled
    told = [f"{counts.n_used:,} scored", f"{counts.n_unlabelled:,} without label"]
    told += [f"{counts.n_unreadable:,} labels can't be read"] if counts.n_unreadable else []
    told += [f"{counts.n_unanswered:,} without an answer"] if counts.n_unanswered else []
    return Cell(f"{n_labelled:,} of {counts.n_rows:,}", float(n_labelled), tip=", ".join(told))


def _late(window: ScoredWindow) -> Cell:
    if not window.n_late:
        return Cell(numbers.NOTHING, 0.0)
    told = [
        f"{numbers.day_and_clock(one.at)}: {one.n_used:,} labels, {STATE_MARKS[one.state].word}"
        f"{', alarms' if one.alarm else ''}"
        for one in window.said
    ]
    return Cell(f"◆ {window.n_late:,}", float(window.n_late), "info", "\n".join(told))
