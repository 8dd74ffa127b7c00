"""What is watched between windows: errors and scores in the rows' order, against the reference's (``change``)."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mlops_desk.drift.pair import Floats
from mlops_desk.drift.performance.page_test import baseline_of, first_crossing
from mlops_desk.drift.performance.rows import AnsweredRows
from mlops_desk.drift.records.performance import ChangeFound, PredictionKind

_DIRECTIONS = {"up": "risen", "down": "fallen"}


def watched_values(rows: AnsweredRows) -> Iterator[tuple[str, Floats]]:
    """Yield what is watched, a value for each row, NaN where it has none.

    ``error`` (0 or 1 of classes, its size of numbers), and ``score``: the positive class's where there are two, else
    the highest probability; of numbers the answer itself.
    """
    known = rows.readable & rows.answered
    if rows.kind is PredictionKind.REGRESSION:
        with np.errstate(invalid="ignore", over="ignore"):  # of what is no number the difference is none, and not held
            size = np.abs(rows.predictions - rows.labels)
        yield "error", _held(size, known)
        yield "score", rows.predictions.astype(np.float64)
        return
    yield "error", _held((rows.predictions != rows.labels).astype(np.float64), known)
    if rows.scores is not None:
        at = rows.positive
        yield "score", rows.scores[:, at] if at is not None else rows.scores.max(axis=1, initial=-np.inf)


def changes_of(reference: AnsweredRows, current: AnsweredRows) -> tuple[ChangeFound, ...]:
    """Return the first change of each value and direction; none of what the reference has too few of."""
    found = []
    for (what, before), (_, after) in zip(watched_values(reference), watched_values(current), strict=True):
        baseline = baseline_of(before)
        if baseline is None:
            continue
        places = np.flatnonzero(np.isfinite(after))
        for direction, since, until in first_crossing(after, baseline):
            moved = float(after[places[since : until + 1]].mean())
            rows = int(places[since]) + 1, int(places[until]) + 1
            found.append(ChangeFound(what, _DIRECTIONS[direction], *rows, baseline.mean, moved))
    return tuple(found)


def _held(values: Floats, known: NDArray[np.bool_]) -> Floats:
    held: Floats = np.where(known & np.isfinite(values), values, np.nan)
    return held
