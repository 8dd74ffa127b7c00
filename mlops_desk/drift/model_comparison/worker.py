"""The worker that scores two models: ``python -m mlops_desk.drift.model_comparison.worker``, one request on stdin.

Request: {"rows": path, "champion": path, "challenger": path, "part": word, "data": words, "metric": name, "positive":
class or null}. The rows are JSON lines, {"label": value, "groups": {column: value}} and more; the others JSON lists
with an answer for each. The answer is a PairedScore.

One set of rows, two models' answers: the figures of both, their difference, and the same in groups of rows. Pure.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_desk.automation.records.pipelines.comparison import COMPARED, GroupScore, PairedScore, Scored
from mlops_desk.drift.pair import Floats
from mlops_desk.drift.performance.classification import losses, mean_of_defined
from mlops_desk.drift.performance.figures import figures_of
from mlops_desk.drift.performance.intervals import DEVIATIONS, DRAWS, NOTHING, SEED, Interval, percentiles
from mlops_desk.drift.performance.ranking import placements
from mlops_desk.drift.performance.rows import AnsweredRows, rows_of
from mlops_desk.drift.records.performance import Figure, PredictionKind
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain

# What two models answered, beside the labels, as rows that can be scored. Pure.
# An answer is what the scoring program inside the container has said of a row: a class, a number, probabilities, or
# an object of named outputs. It comes from a hostile place, so nothing is believed of it but what can be read.
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


# How two models differ on the same rows, with a 95 % interval that is paired by rows.
# What both find hard is hard for both, so the difference is far surer than either figure by itself. The AUC's
# interval is DeLong's for two correlated curves (DeLong, DeLong & Clarke-Pearson 1988: the variance of the
# differences of the placements); of every other figure, which is a function of sums over rows, the rows are drawn
# anew for both models at once (Efron & Tibshirani 1993, chapter 16), by the draws and the seed that a single figure
# has.
DELONG = "delong"
BOOTSTRAP = "bootstrap"
_GROUPS = 2000  # as for a single figure: more rows are dealt into so many groups first

Sums = tuple[Floats, Callable[[Floats], Floats]]
"""What is summed (rows x k), and the figure of several rows of sums (draws x (k + 1), the last their number)."""


@dataclass(frozen=True, slots=True)
class PairedFigures:
    """``difference`` is challenger minus champion; ``method`` made its interval."""

    champion: Figure
    challenger: Figure
    difference: Figure
    method: str
    n_used: int


def paired(champion: AnsweredRows, challenger: AnsweredRows, metric: str) -> PairedFigures:
    """Compare two models by one of ``COMPARED`` on the rows that both have answered and that have a label.

    The rows of both are the same ones in the same order, and have the same classes.
    """
    both = champion.readable & champion.answered & challenger.answered
    if metric in {"roc_auc", "log_loss", "brier"}:
        both = both & _scored(champion) & _scored(challenger)
    first, second = champion.part(both), challenger.part(both)
    figures = [figures_of(side).get(metric, Figure(None)) for side in (first, second)]
    n = int(np.count_nonzero(both))
    method = DELONG if metric == "roc_auc" else BOOTSTRAP
    values = [one.value for one in figures]
    if values[0] is None or values[1] is None:
        return PairedFigures(figures[0], figures[1], Figure(None, n=n), method, n)
    interval = _delong(first, second) if metric == "roc_auc" else _bootstrap(first, second, metric)
    return PairedFigures(figures[0], figures[1], Figure(values[1] - values[0], *interval, n), method, n)


def _scored(rows: AnsweredRows) -> NDArray[np.bool_]:
    if rows.scores is None:
        return np.zeros(len(rows), dtype=bool)
    return np.asarray(~np.isnan(rows.scores).any(axis=1), dtype=bool)


def _bootstrap(first: AnsweredRows, second: AnsweredRows, metric: str) -> Interval:
    """Return the interval of the difference, both models' sums drawn with the same weights."""
    n = len(first)
    if n < 2:
        return NOTHING
    (before, figure), (after, other) = sums_of(first, metric), sums_of(second, metric)
    summed = np.concatenate([before, after, np.ones((n, 1))], axis=1)
    rng = np.random.default_rng(SEED)
    if n > _GROUPS:
        group = rng.permutation(n) % _GROUPS
        summed = np.stack([np.bincount(group, column, _GROUPS) for column in summed.T], axis=1)
    size, width = summed.shape[0], before.shape[1]
    drawn = rng.multinomial(size, np.full(size, 1 / size), DRAWS).astype(np.float64) @ summed
    count = drawn[:, -1:]
    values = other(np.concatenate([drawn[:, width:-1], count], axis=1)) - figure(
        np.concatenate([drawn[:, :width], count], axis=1)
    )
    return percentiles(values)


def sums_of(rows: AnsweredRows, metric: str) -> Sums:
    """Return what a figure is made of. ``rows`` have all a label and an answer."""
    if metric == "accuracy":
        return (rows.labels == rows.predictions)[:, None].astype(np.float64), _mean
    if metric in {"log_loss", "brier"} and rows.scores is not None:
        lost, squared = losses(rows.scores, rows.labels, rows.positive)
        return (lost if metric == "log_loss" else squared)[:, None], _mean
    if metric in {"precision", "recall", "f1"}:
        return _by_class(rows, metric)
    errors = rows.predictions - rows.labels
    if metric == "mae":
        return np.abs(errors)[:, None], _mean
    if metric == "rmse":
        return np.square(errors)[:, None], lambda sums: np.sqrt(_mean(sums))
    centred = rows.labels - rows.labels.mean()
    return np.stack([np.square(errors), centred, np.square(centred)], axis=1), _explained


def _mean(sums: Floats) -> Floats:
    mean: Floats = sums[:, 0] / sums[:, -1]
    return mean


def _explained(sums: Floats) -> Floats:
    squared, centred, deviation, n = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = 1 - squared / (deviation - np.square(centred) / n)
    return np.where(np.isfinite(found), found, np.nan)


def _by_class(rows: AnsweredRows, metric: str) -> Sums:
    """Return hits, answers and labels of each class that counts: the positive one of two, else all."""
    chosen = range(len(rows.classes)) if rows.positive is None else (rows.positive,)
    told = np.stack([rows.predictions == at for at in chosen], axis=1)
    are = np.stack([rows.labels == at for at in chosen], axis=1)
    k = told.shape[1]

    def figure(sums: Floats) -> Floats:
        right, answers, labels = sums[:, :k], sums[:, k : 2 * k], sums[:, 2 * k : 3 * k]
        with np.errstate(invalid="ignore", divide="ignore"):
            each = {"precision": right / answers, "recall": right / labels, "f1": 2 * right / (answers + labels)}
        return mean_of_defined(each[metric])

    return np.concatenate([told & are, told, are], axis=1).astype(np.float64), figure


def _delong(first: AnsweredRows, second: AnsweredRows) -> Interval:
    """Return the interval of the difference of two AUCs; with several classes that of their means over the classes."""
    parts = [_influence(side) for side in (first, second)]
    if any(one is None for one in parts):
        return NOTHING
    (before, value), (after, other) = (one for one in parts if one is not None)
    error = DEVIATIONS * math.sqrt(delong_variance(first.labels, after - before, first.positive))
    return other - value - error, other - value + error


def _influence(rows: AnsweredRows) -> tuple[Floats, float] | None:
    """Return how each row moves the AUC (its placement's distance from the mean, by the size of its side)."""
    if rows.scores is None:
        return None
    classes = range(rows.scores.shape[1]) if rows.positive is None else (rows.positive,)
    moved, values = np.zeros(len(rows)), []
    for at in classes:
        on = rows.labels == at
        if not on.any() or on.all():
            continue
        off, above = placements(rows.scores[~on, at], rows.scores[on, at])
        value = float(above.mean())
        moved[on] += (above - value) / above.size
        moved[~on] += (off - value) / off.size
        values.append(value)
    return (moved / len(values), float(np.mean(values))) if values else None


def delong_variance(labels: NDArray[np.int64], moved: Floats, positive: int | None) -> float:
    """Return the variance of a sum of placements: of two classes with each side's own freedom, as DeLong has it."""
    if positive is None:
        return float(np.square(moved).sum())
    total = 0.0
    for side in (moved[labels == positive], moved[labels != positive]):
        total += float(np.square(side).sum()) * (side.size / max(1, side.size - 1))
    return total


_MOST_GROUPS = 50  # chosen: of a column with more groups each is too small to be judged, or it is no column of groups
_NAME = 80  # characters; chosen: as names are shown elsewhere


def score(
    labels: Sequence[Any],
    champion: Sequence[Any],
    challenger: Sequence[Any],
    groups: Mapping[str, Sequence[Any]],
    *,
    part: str,
    data: str,
    metric: str,
    positive: str | None = None,
) -> PairedScore:
    """Score both models; ``groups`` has a value for each row, by column. Raises Invalid."""
    before, after = both_rows(labels, champion, challenger, metric, positive)
    found = paired(before, after, metric)
    left = before.readable & before.answered & ~after.answered
    return PairedScore(
        part=part,
        data=data,
        metric=metric,
        read=len(labels),
        rows=found.n_used,
        champion=scored(found.champion),
        challenger=scored(found.challenger),
        difference=scored(found.difference),
        method=found.method,
        unanswered=int(np.count_nonzero(left)),
        groups=tuple(
            one for column, values in groups.items() for one in _groups(before, after, metric, column, values)
        ),
    )


def scored(figure: Figure) -> Scored:
    return Scored(figure.value, figure.low, figure.high)


def _groups(
    before: AnsweredRows, after: AnsweredRows, metric: str, column: str, values: Sequence[Any]
) -> list[GroupScore]:
    """Return the scores of the largest groups that have enough rows with a label and answers, largest first."""
    words = np.array(["" if one is None else str(one)[:_NAME] for one in values], dtype=object)
    found = []
    for name, count in Counter(words.tolist()).most_common(_MOST_GROUPS):
        if count < LEAST_ROWS:
            break
        chosen = words == name
        one: PairedFigures = paired(before.part(chosen), after.part(chosen), metric)
        if one.n_used >= LEAST_ROWS:
            found.append(GroupScore(column, name, one.n_used, scored(one.champion), scored(one.challenger)))
    return found


MODULE = "mlops_desk.drift.model_comparison.worker"
_MOST_BYTES = 256 << 20  # chosen: 20,000 rows of 10 KB; answers beyond are no answers to rows


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types. Raises Invalid."""
    if request["metric"] not in COMPARED:
        raise Invalid(f"Two models can't be compared by {request['metric']!r}.", f"There are: {', '.join(COMPARED)}.")
    rows = [json.loads(line) for line in _text(request["rows"]).splitlines() if line]
    groups = {column: [row["groups"][column] for row in rows] for column in (rows[0]["groups"] if rows else {})}
    found = score(
        [row["label"] for row in rows],
        _answers(request["champion"]),
        _answers(request["challenger"]),
        groups,
        part=request["part"],
        data=request["data"],
        metric=request["metric"],
        positive=request.get("positive"),
    )
    return wire.to_builtins(found)


def _answers(path: str) -> list[Any]:
    try:
        found = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise Invalid(f"A model's answers are no JSON: {error}.") from error
    if not isinstance(found, list):
        raise Invalid("A model's answers are no list with one for each row.")
    return found


def _text(path: str) -> str:
    file = Path(path)
    if file.stat().st_size > _MOST_BYTES:
        raise Invalid(f"{file.name} has more than {_MOST_BYTES >> 20} MiB.", "Compare fewer rows.")
    return file.read_text(encoding="utf-8")


if __name__ == "__main__":
    serve_one(answer)
