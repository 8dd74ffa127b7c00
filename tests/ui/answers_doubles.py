"""How good the answers in the windows of the scripted agent's monitors were: labels that lack, came late, or never."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from mlops_desk.drift.records.answers import (
    AnswerColumns,
    AnswersStanding,
    AnswersState,
    MonitorPerformance,
    SaidOfWindow,
    ScoredWindow,
)
from mlops_desk.drift.records.performance import (
    Direction,
    ExpectedFigure,
    Figure,
    PredictionKind,
    ReferenceLevel,
    RowCounts,
)
from mlops_desk.kit.base.errors import Hint

if TYPE_CHECKING:
    from mlops_desk.drift.records.monitors import JudgedWindow

COLUMNS = AnswerColumns("digit", "prediction", positive="1", kind=PredictionKind.CLASSIFICATION)
NOT_NAMED = AnswersStanding(
    AnswersState.UNWATCHED, "Nothing says what turned out.",
    hint=Hint("mlops-desk drift monitors configure fraud --label COLUMN", after=" scores them."),
)  # fmt: skip
NO_LABELS = AnswersStanding(
    AnswersState.UNLABELLED, "No label has come yet.",
    hint=Hint("mlops-desk endpoints feedback digits FILE", after=" takes labels: columns request_id and digit."),
)  # fmt: skip


def some_answers(monitor: str, windows: list[JudgedWindow]) -> MonitorPerformance:
    """Return answers that get worse: the last windows alarm, of the newest two labels still lack, one came late."""
    made, last = random.Random(5), len(windows) - 1
    scored = []
    for place, window in enumerate(windows):
        lost = 0.25 * max(0.0, (place - 0.6 * last) / last)
        awaited = {last: 1.0, last - 1: 0.6, last - 2: 0.2}.get(place, 0.0)
        scored.append(_scored(window, place, 0.94 - lost + made.gauss(0, 0.008), 0.94 - 0.8 * lost, awaited))
    standing = AnswersStanding(AnswersState.TURNED, "Accuracy is 0.87 where the reference has 0.94.", 0.0)
    reference = {
        "accuracy": ReferenceLevel(0.94, 0.91, 0.97, 10),
        "roc_auc": ReferenceLevel(0.985, 0.97, 1.0, 10),
    }
    return MonitorPerformance(monitor, standing, COLUMNS, PredictionKind.CLASSIFICATION, ("0", "1"), "1", reference,
                              RowCounts(1437, 1437), True, tuple(scored))  # fmt: skip


def _scored(window: JudgedWindow, number: int, accuracy: float, expected: float, awaited: float) -> ScoredWindow:
    n_used = round(window.n_rows * (1 - awaited))
    there, outside = n_used >= 30, accuracy < 0.91 and n_used >= 30
    figures = {"accuracy": Figure(accuracy, accuracy - 0.02, accuracy + 0.018, n_used),
               "roc_auc": Figure(accuracy + 0.045, accuracy + 0.03, accuracy + 0.06, n_used)}  # fmt: skip
    wanted = ExpectedFigure(expected, expected - 0.025, expected + 0.025, accuracy if there else None,
                            expected - accuracy if there else None)  # fmt: skip
    late = number % 20 == 10
    state = AnswersState.OUTSIDE if outside else AnswersState.FINE if there else AnswersState.UNLABELLED
    said = (
        SaidOfWindow(window.window_end, n_used // 2, AnswersState.FINE, False, {"accuracy": 0.93}),
        SaidOfWindow(window.window_end + 9000, n_used, state, outside, {"accuracy": accuracy}),
    )
    return ScoredWindow(
        window.id, window.monitor, window.window_start, window.window_end, window.n_rows, number, state,
        counts=RowCounts(window.n_rows, n_used, n_unlabelled=window.n_rows - n_used),
        figures=figures if there else {}, expected={"accuracy": wanted},
        outside={"accuracy": Direction.WORSE} if outside else {}, alarm=outside,
        alarm_said=False if late else outside, n_late=n_used // 2 if late else 0, said=said if late else (),
        why=f"Accuracy is {accuracy:.3f} where the reference has 0.94." if outside else "",
    )  # fmt: skip
