"""How good a monitor's answers were, as numbers over time: what is expected before labels come, and what turned out.

Rules may be about them, and their dry runs read them. Nobody knows while there is no estimate, or no label.

Which figures of answers there are, and what each can't go beyond.
"""

import math
from collections.abc import Iterator, Sequence

from mlops_desk.drift.records.answers import AnswersState, ScoredWindow
from mlops_desk.machine.records.history import Point, SeriesName
from mlops_desk.machine.records.metric import Metric

BOUNDS: dict[str, tuple[float | None, float | None]] = {
    "accuracy": (0.0, 1.0),
    "precision": (0.0, 1.0),
    "recall": (0.0, 1.0),
    "f1": (0.0, 1.0),
    "roc_auc": (0.0, 1.0),
    "log_loss": (0.0, None),
    "brier": (0.0, 2.0),
    "mae": (0.0, None),
    "rmse": (0.0, None),
    "r2": (None, 1.0),
    "bias": (None, None),
}


MONITOR = "monitor"
_FAR = 1e15  # chosen: an error in the target's unit, of which nobody knows how large it may be
_RESOLUTION = 1e-4  # chosen: intervals of windows of thousands of rows are ten times as wide
_ESTIMATED, _REALISED = "performance.estimated", "performance.realised"
_HELP = {
    _ESTIMATED: "What the {} of a window's answers is expected to be before labels come.",
    _REALISED: "The {} of a window's answers by the labels that have come.",
}
_TITLE = {_ESTIMATED: "expected {} of answers", _REALISED: "{} of answers by their labels"}
_CALLED = {"roc_auc": "ROC AUC", "log_loss": "log loss", "brier": "Brier score", "mae": "mean absolute error",
           "rmse": "root mean squared error", "r2": "R²", "f1": "F1"}  # fmt: skip
"""What people call a figure; those that are not here go by their names."""
_UNTOLD = frozenset({AnswersState.UNLABELLED, AnswersState.INSUFFICIENT, AnswersState.UNKNOWN, AnswersState.UNWATCHED})


def _metric(kind: str, figure: str) -> Metric:
    low, high = BOUNDS[figure]
    span = (_RESOLUTION, -_FAR if low is None else low - _RESOLUTION, _FAR if high is None else high + _RESOLUTION)
    # What has no bound is of any size, so that its resolution is a share of it.
    shape = "gauge" if low is not None and high is not None else "rate"
    called = _CALLED.get(figure, figure)
    title = _TITLE[kind].format(called)
    return Metric(f"{kind}.{figure}", MONITOR, "1", shape, *span, _HELP[kind].format(called), title=title)


RECORDED: tuple[Metric, ...] = tuple(_metric(kind, figure) for kind in _HELP for figure in BOUNDS)


def series_of(
    monitor: str, windows: Sequence[ScoredWindow], changed: Sequence[ScoredWindow]
) -> Iterator[tuple[SeriesName, list[Point]]]:
    """Yield points of all series of a monitor that ``changed`` windows move, or that its newest window tells.

    ``windows`` are all, oldest first; a point's time is the end of its window. The newest one is always the last: it is
    not a number where nobody knows by now. Realised figures are of the newest window that has labels for them.
    """
    for figure in BOUNDS:
        for kind in (_ESTIMATED, _REALISED):
            told = [(one.window_end, value) for one in changed if (value := _value(one, kind, figure)) is not None]
            newest = _newest(windows, kind, figure)
            if newest is None and not any(_value(one, kind, figure) is not None for one in windows):
                continue  # it is no figure of such answers
            last = windows[-1].window_end
            yield SeriesName(MONITOR, monitor, f"{kind}.{figure}"), [*told, newest or (last, math.nan)]


def _newest(windows: Sequence[ScoredWindow], kind: str, figure: str) -> Point | None:
    if kind == _ESTIMATED:
        value = _value(windows[-1], kind, figure) if windows else None
        return None if value is None else (windows[-1].window_end, value)
    known = ((one.window_end, _value(one, kind, figure)) for one in reversed(windows))
    return next(((at, value) for at, value in known if value is not None), None)


def _value(one: ScoredWindow, kind: str, figure: str) -> float | None:
    if kind == _ESTIMATED:
        expected = one.expected.get(figure)
        return None if expected is None else expected.value
    found = None if one.state in _UNTOLD else one.figures.get(figure)
    return None if found is None else found.value
