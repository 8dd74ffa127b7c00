"""One figure in each window: as it turned out, as it was expected, and what is known of its labels. No Qt here."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlops_desk.drift.records.answers import AnswersState, MonitorPerformance, ScoredWindow
from mlops_desk.drift.records.figure_words import FIGURES, figure_title
from mlops_desk.drift.records.performance import ExpectedFigure, Figure, PredictionKind, ReferenceLevel
from mlops_desk.drift.window.cell_text import known
from mlops_desk.kit.window.words import numbers

_SHARES = frozenset({"accuracy", "precision", "recall", "f1"})
_FIRST = {PredictionKind.CLASSIFICATION: ("roc_auc", "accuracy"), PredictionKind.REGRESSION: ("mae", "rmse")}
"""What is shown first: figures that one class alone does not make look good, and errors in the target's own unit."""
_EXPECTED_BY = {PredictionKind.CLASSIFICATION: "CBPE", PredictionKind.REGRESSION: "DLE"}


@dataclass(frozen=True, slots=True)
class AnswerPoint:
    """A figure in one window; the numbers are finite or None. ``unlabelled`` is the share (0-1) of rows without label.

    ``n_late`` labels came after it was first told. ``is_moved``: late labels have changed whether it alarms.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    expected: float | None = None
    expected_low: float | None = None
    expected_high: float | None = None
    is_alarm: bool = False
    is_outside: bool = False
    unlabelled: float | None = None
    n_late: int = 0
    is_moved: bool = False

    @property
    def is_awaited(self) -> bool:
        """Tell whether labels of its rows still lack."""
        return self.unlabelled is not None and self.unlabelled > 0


@dataclass(frozen=True, slots=True)
class FigureLevel:
    """What a figure was in the reference; finite or None."""

    mean: float | None = None
    low: float | None = None
    high: float | None = None


def figures_of(performance: MonitorPerformance) -> list[str]:
    """Return the figures there are; first what is outside now, then what one looks at first."""
    found = dict.fromkeys(name for one in performance.windows for name in (*one.figures, *one.expected))
    found |= dict.fromkeys(performance.reference)
    scored = next((one for one in reversed(performance.windows) if one.figures), None)
    first = _FIRST.get(performance.kind or PredictionKind.CLASSIFICATION, ())
    order = {name: at for at, name in enumerate((*first, *(name for name in FIGURES if name not in first)))}
    outside = scored.outside if scored is not None else {}
    return sorted(found, key=lambda name: (name not in outside, order.get(name, len(order)), name))


def points_of(windows: Sequence[ScoredWindow], figure: str) -> list[AnswerPoint]:
    """Return a figure in each window."""
    return [_point(one, figure) for one in windows]


def _point(window: ScoredWindow, figure: str) -> AnswerPoint:
    real = window.figures.get(figure, Figure(None))
    wanted = window.expected.get(figure, ExpectedFigure(None))
    counts = window.counts
    lacking = counts.n_unlabelled / counts.n_rows if counts is not None and counts.n_rows else None
    if counts is None and window.state is AnswersState.UNLABELLED:
        lacking = 1.0
    return AnswerPoint(
        known(real.value), known(real.low), known(real.high), known(wanted.value), known(wanted.low),
        known(wanted.high), window.alarm, figure in window.outside, lacking, window.n_late,
        window.alarm_said is not None and window.alarm_said != window.alarm,
    )  # fmt: skip


def baseline_of(performance: MonitorPerformance, figure: str) -> FigureLevel:
    """Return what a figure was in the reference."""
    level = performance.reference.get(figure, ReferenceLevel(None))
    return FigureLevel(known(level.mean), known(level.low), known(level.high))


def title_of(figure: str) -> str:
    return figure_title(figure)


def unit_of(figure: str) -> numbers.Written:
    """Return how a figure is written: shares in percent."""
    return _percent if figure in _SHARES else _number


def expected_by(kind: PredictionKind | None) -> str:
    """Return the name of what expects figures before labels come."""
    return _EXPECTED_BY.get(kind, "estimate") if kind is not None else "estimate"


def _percent(value: float | None) -> str:
    return numbers.percent(value, 1)


def _number(value: float | None) -> str:
    return numbers.number(value, 3)
