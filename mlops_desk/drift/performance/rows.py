"""Answers of a model beside what turned out: rows with labels, predictions and probabilities, none dropped in silence.

Whether classes or numbers were told is decided once, over reference and windows together: by what the caller says, by
probabilities (classes have them), by labels that are no numbers, and else classes are at most 20 different whole
numbers on both sides.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_desk.drift.data.value_parsers import FALSE_WORDS, TRUE_WORDS
from mlops_desk.drift.pair import Floats
from mlops_desk.drift.performance.cells import Cells, cells_of, classes_of
from mlops_desk.drift.records.performance import PredictionKind, RowCounts

CLASSES_LIMIT = 20
"""Whole numbers are classes up to so many different ones, as a reference of few values is counted value by value."""
MOST_CLASSES = 200  # chosen: of more nobody reads a table; their accuracy is told, and nothing of single classes
_HALF = 0.5  # of the probability: from here on the positive class is the likelier one
_SUM_TOLERANCE = 0.01  # chosen: probabilities that are written with two digits sum to 1 within it


@dataclass(frozen=True, slots=True)
class AnsweredRows:
    """Rows in their order, whichever kind of answer they have.

    Of classes ``labels`` and ``predictions`` are places in ``classes`` (-1 where there is none), of numbers they are
    floats (NaN likewise). ``scores`` are probabilities by class (rows x classes, NaN rows where there is none), or
    where ``are_margins`` any numbers that rise with the positive class's. ``labelled``: no label is missing,
    ``readable``: nor unreadable.
    """

    kind: PredictionKind
    labels: NDArray[Any]
    predictions: NDArray[Any]
    labelled: NDArray[np.bool_]
    readable: NDArray[np.bool_]
    answered: NDArray[np.bool_]
    classes: tuple[str, ...] = ()
    positive: int | None = None
    scores: Floats | None = None
    are_margins: bool = False

    def __len__(self) -> int:
        return int(self.labels.size)

    def part(self, chosen: slice | NDArray[Any]) -> "AnsweredRows":
        """Return some of the rows."""
        return replace(
            self,
            labels=self.labels[chosen],
            predictions=self.predictions[chosen],
            labelled=self.labelled[chosen],
            readable=self.readable[chosen],
            answered=self.answered[chosen],
            scores=None if self.scores is None else self.scores[chosen],
        )

    def used(self) -> "AnsweredRows":
        """Return the rows that have a label and an answer."""
        return self.part(self.readable & self.answered)

    def scored(self) -> "AnsweredRows":
        """Return the rows that have usable probabilities; none where no row has."""
        if self.scores is None:
            return self.part(slice(0, 0))
        return self.part(~_lacking(self.scores))

    def counts(self) -> RowCounts:
        """Count what became of the rows."""
        used = self.readable & self.answered
        n_unscored = 0
        if self.scores is not None:
            n_unscored = int(np.count_nonzero(_lacking(self.scores[used])))
        return RowCounts(
            n_rows=len(self),
            n_used=int(np.count_nonzero(used)),
            n_unlabelled=int(np.count_nonzero(~self.labelled)),
            n_unreadable=int(np.count_nonzero(self.labelled & ~self.readable)),
            n_unanswered=int(np.count_nonzero(self.readable & ~self.answered)),
            n_unscored=n_unscored,
        )


def _lacking(scores: Floats) -> NDArray[np.bool_]:
    """Tell which rows have no usable probabilities."""
    return np.asarray(np.isnan(scores).any(axis=1), dtype=bool)


def rows_of(
    labels: Iterable[Any] | Cells,
    predictions: Iterable[Any] | Cells | None = None,
    scores: Any = None,
    *,
    kind: PredictionKind | None = None,
    positive: str | None = None,
    score_classes: Sequence[str] | None = None,
) -> AnsweredRows:
    """Read columns of equal length, whatever they hold.

    ``scores`` has a column for the positive class, or one for each of ``score_classes`` (in the classes' order where
    those are not named). Without ``predictions`` the likeliest class is taken. What is longer than ``labels`` is cut,
    what is shorter lacks its last rows.
    """
    told = cells_of(labels)
    n = told.missing.size
    given = cells_of([None] * n if predictions is None else predictions)
    given = _resized(given, n)
    table = None if scores is None else _score_table(scores, n)
    decided = kind or (PredictionKind.CLASSIFICATION if table is not None else _kind_of(told, given))
    if decided is PredictionKind.REGRESSION:
        return AnsweredRows(
            decided, told.numbers, given.numbers, ~told.missing, np.isfinite(told.numbers), np.isfinite(given.numbers)
        )
    return _of_classes(told, given, table, positive, score_classes)


def _kind_of(labels: Cells, predictions: Cells) -> PredictionKind:
    sides = [side for side in (labels, predictions) if not side.missing.all()]
    if not sides or not all(side.are_numbers for side in sides):
        return PredictionKind.CLASSIFICATION
    held = np.concatenate([side.numbers[~np.isnan(side.numbers)] for side in sides])
    is_whole = bool(np.all(np.isfinite(held)) and np.all(held == np.floor(held)))
    few = is_whole and np.unique(held).size <= CLASSES_LIMIT
    return PredictionKind.CLASSIFICATION if few else PredictionKind.REGRESSION


def _of_classes(
    told: Cells, given: Cells, table: Floats | None, positive: str | None, score_classes: Sequence[str] | None
) -> AnsweredRows:
    known = set(classes_of([told, given])[0])
    heads_told = _as_truths([] if score_classes is None else list(score_classes), known)
    if known and not known & set(classes_of([cells_of(heads_told)])[0]):
        heads_told = []  # names of columns that are no classes
    classes, (labels, predictions, heads) = classes_of([told, given, cells_of(heads_told)])
    wanted, _ = classes_of([cells_of(_as_truths([] if positive is None else [positive], known))])
    classes, moved = _completed(classes, wanted, binary=table is not None and table.shape[1] == 1)
    labels, predictions, heads = (moved[codes] for codes in (labels, predictions, heads))
    chosen = _positive(classes, wanted)
    scores, are_margins = _scores(table, classes, chosen, heads if heads_told else None)
    answered = predictions >= 0
    if scores is not None and not answered.any() and not are_margins:
        predictions, answered = _likeliest(scores, chosen)
    return AnsweredRows(
        PredictionKind.CLASSIFICATION,
        labels, predictions, ~told.missing, labels >= 0, answered, classes, chosen, scores, are_margins,
    )  # fmt: skip


def _as_truths(names: list[str], known: set[str]) -> list[str]:
    """Return what somebody calls classes by the classes' own names, where these are true and false, or 1 and 0."""
    pair = next((pair for pair in (("true", "false"), ("1", "0")) if known and known <= set(pair)), None)
    lowered = [name.strip().lower() for name in names]
    if pair is None or not all(name in TRUE_WORDS or name in FALSE_WORDS for name in lowered):
        return names
    return [pair[0] if name in TRUE_WORDS else pair[1] for name in lowered]


def _completed(
    classes: tuple[str, ...], wanted: tuple[str, ...], *, binary: bool
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Add the other one to a single class of two, and the positive one that nobody met; tell where the classes went."""
    names = set(classes)
    if names and names <= {"0", "1"}:
        names |= {"0", "1"}
    elif names and names <= {"true", "false"}:
        names |= {"true", "false"}
    elif binary and len(names | set(wanted)) <= 2:
        names |= set(wanted)
    full, (codes,) = classes_of([Cells(np.zeros(len(names), bool), np.full(len(names), np.nan), tuple(sorted(names)))])
    places = dict(zip(sorted(names), codes, strict=True))
    moved = np.array([*(places[name] for name in classes), -1], dtype=np.int64)  # -1 stays -1
    return full, moved


def _positive(classes: tuple[str, ...], wanted: tuple[str, ...]) -> int | None:
    """Return the positive class where there are two: the one that was named, the one for true, or the last."""
    if len(classes) != 2:
        return None
    if wanted and wanted[0] in classes:
        return classes.index(wanted[0])
    lowered = [name.lower() in TRUE_WORDS for name in classes]
    return lowered.index(True) if any(lowered) else 1


def _resized(cells: Cells, n: int) -> Cells:
    """Cut a column to ``n`` rows, or fill it up with rows that hold nothing."""
    lacking = max(0, n - cells.missing.size)
    words = None if cells.words is None else (*cells.words[:n], *([None] * lacking))
    return Cells(
        np.concatenate([cells.missing[:n], np.ones(lacking, bool)]),
        np.concatenate([cells.numbers[:n], np.full(lacking, np.nan)]),
        words,
    )


def _score_table(scores: Any, n: int) -> Floats:
    """Read one column of scores, or rows of several; rows that are shorter than the longest hold none."""
    array = scores if isinstance(scores, np.ndarray) else None
    if array is not None and array.ndim == 2 and array.dtype.kind in "fiub":
        table = array.astype(np.float64)
    else:
        listed = list(scores)
        if not any(isinstance(one, (list, tuple, np.ndarray)) for one in listed):
            table = cells_of(scores if array is not None else listed).numbers[:, None]
        else:
            rows = [list(one) if isinstance(one, (list, tuple, np.ndarray)) else [] for one in listed]
            width = max(1, *(len(row) for row in rows))
            blank = [None] * width
            flat = cells_of([cell for row in rows for cell in (row if len(row) == width else blank)])
            table = flat.numbers.reshape(len(rows), width)
    table = np.where(np.isfinite(table), table, np.nan)[:n]
    return np.concatenate([table, np.full((n - table.shape[0], table.shape[1]), np.nan)])


def _scores(
    table: Floats | None, classes: tuple[str, ...], positive: int | None, heads: NDArray[np.int64] | None
) -> tuple[Floats | None, bool]:
    """Return probabilities by class, or margins; None where they can't be told whose they are."""
    if table is None:
        return None, False
    if table.shape[1] == 1:
        if positive is None:
            return None, False
        held = table[~np.isnan(table)]
        if held.size and (held.min() < 0 or held.max() > 1):
            return np.concatenate([-table, table] if positive else [table, -table], axis=1), True
        pair = [1 - table, table]
        return np.concatenate(pair if positive else pair[::-1], axis=1), False
    if heads is not None and heads.size == table.shape[1]:
        spread = np.zeros((table.shape[0], len(classes)))
        spread[:, heads] = table
        table = spread
    elif table.shape[1] != len(classes):
        return None, False
    off = (table < 0).any(axis=1) | (np.abs(table.sum(axis=1) - 1) > _SUM_TOLERANCE)
    return np.where(off[:, None], np.nan, table), False


def _likeliest(scores: Floats, positive: int | None) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    known = ~_lacking(scores)
    filled = np.where(known[:, None], scores, 0.0)
    best = np.argmax(filled, axis=1)
    if positive is not None:
        best = np.where(filled[:, positive] >= _HALF, positive, 1 - positive)
    return np.where(known, best, -1).astype(np.int64), known
