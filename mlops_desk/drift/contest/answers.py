"""What two models answered, beside the labels, as rows that can be scored. Pure.

An answer is what the scoring program inside the container has said of a row: a class, a number, probabilities, or an
object of named outputs. It comes from a hostile place, so nothing is believed of it but what can be read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.drift.performance.rows import AnsweredRows, rows_of
from mlops_desk.records.drift.performance import PredictionKind

_BY_SCORES = frozenset({"roc_auc", "log_loss", "brier"})
_OF_NUMBERS = frozenset({"mae", "rmse", "r2"})
LEAST_ROWS = 30
"""As for a window of answers: of fewer rows a figure says nothing."""
_SHOWN = 5  # chosen: so many names fit a line
_ANSWER_NAMES = ("prediction", "predictions", "label", "class", "output")
"""How a single answer among several outputs is called; the first one that is there counts."""


def both_rows(
    labels: Sequence[Any], champion: Sequence[Any], challenger: Sequence[Any], metric: str, positive: str | None = None
) -> tuple[AnsweredRows, AnsweredRows]:
    """Return the rows of champion and challenger, of the same kind and classes.

    Answers are read as one table; scores each by themselves, for one model may give a probability and the other one of
    each class, and what one of them gives and nobody can use is not to spoil what the other gives.
    Raises Invalid where one of them has not answered each row, or where the figure needs scores that are none.
    """
    for who, told in (("champion", champion), ("challenger", challenger)):
        if len(told) != len(labels):
            text = f"The {who} answered {len(told):,} of {len(labels):,} rows."
            raise Invalid(text, "A model that leaves rows out can't be compared row by row.")
    sides = [[single(one) for one in told] for told in (champion, challenger)]
    if metric in _BY_SCORES:
        before, after = (
            _scored_rows(labels, told, positive, who)
            for who, told in zip(("champion", "challenger"), sides, strict=True)
        )
        return _with_answers(before), _with_answers(after)
    n, told = len(labels), [*sides[0], *sides[1]]
    kind = PredictionKind.REGRESSION if metric in _OF_NUMBERS else PredictionKind.CLASSIFICATION
    classes = rows_of(labels, kind=kind).classes
    rows = rows_of([*labels, *labels], [likeliest(one, classes) for one in told], kind=kind, positive=positive)
    before, after = rows.part(slice(0, n)), rows.part(slice(n, None))
    for who, side in (("champion", before), ("challenger", after)):
        _check_words(side, who)
    return before, after


def _check_words(rows: AnsweredRows, who: str) -> None:
    """Refuse answers none of which is a class of the labels: other words for the same are no wrong answers.

    Few rows, or labels of one class alone, tell nothing: a model may know others. Raises Invalid.
    """
    if rows.kind is not PredictionKind.CLASSIFICATION or len(rows.used()) < LEAST_ROWS:
        return
    wanted, told = np.unique(rows.labels[rows.readable]), np.unique(rows.predictions[rows.answered])
    if wanted.size < 2 or not told.size or np.isin(told, wanted).any():
        return
    answers, classes = (
        ", ".join(plain(rows.classes[at], 40) for at in places[:_SHOWN]) for places in (told.tolist(), wanted.tolist())
    )
    text = f"None of the {who}'s answers is a class of the labels: it answers {answers}, and the labels are {classes}."
    raise Invalid(text, "Let the model answer as the labels are written, or write the labels as it answers.")


def single(answer: Any) -> Any:
    """Return the answer of a row that has several named outputs: the one that is called so, or the only one."""
    if not isinstance(answer, Mapping):
        return answer
    found = next((answer[name] for name in _ANSWER_NAMES if name in answer), None)
    return next(iter(answer.values())) if found is None and len(answer) == 1 else found


def likeliest(answer: Any, classes: Sequence[str] = ()) -> Any:
    """Return a list of one value as that value, and of a probability for each of ``classes`` the likeliest of them."""
    if not isinstance(answer, list):
        return answer if not isinstance(answer, Mapping) else None
    if len(answer) == 1:
        return answer[0]
    numbers = [one for one in answer if isinstance(one, (int, float)) and one == one]  # noqa: PLR0124 - NaN is none
    return classes[numbers.index(max(numbers))] if numbers and len(numbers) == len(answer) == len(classes) else None


def _scored_rows(labels: Sequence[Any], told: Sequence[Any], positive: str | None, who: str) -> AnsweredRows:
    scores = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in told]
    if any(isinstance(one, list) for one in scores):
        rows = rows_of(labels, None, [one if isinstance(one, list) else None for one in scores], positive=positive)
    else:
        numbers = [one if isinstance(one, (int, float)) else None for one in scores]
        rows = rows_of(labels, None, numbers, positive=positive)
    if rows.scores is None:
        classes = ", ".join(plain(one, 40) for one in rows.classes[:5])
        text = f"The {who}'s answers are no probabilities of the classes {classes}, and the figure needs them."
        raise Invalid(text, "Compare by accuracy or f1, or let the model answer with probabilities.")
    return rows


def _with_answers(rows: AnsweredRows) -> AnsweredRows:
    """Give margins, which are ranked and have no likeliest class, the class of their sign: they are answers."""
    if not rows.are_margins or rows.scores is None or rows.positive is None:
        return rows
    margin = rows.scores[:, rows.positive]
    told = np.where(margin > 0, rows.positive, 1 - rows.positive)
    known = np.asarray(~np.isnan(margin), dtype=bool)
    return replace(rows, predictions=np.where(known, told, -1), answered=known)
