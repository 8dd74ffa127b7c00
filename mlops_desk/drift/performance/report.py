"""The whole report on answers: windows with figures, beside the reference, what was expected, what alarms and changed.

Reference and current rows come in one, the reference first, so that both have the same classes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mlops_desk.drift import scikit_learn
from mlops_desk.drift.pair import Counts, Floats
from mlops_desk.drift.performance.alarms import LEAST_ROWS, alarms_of, beyond, levels_of, outside
from mlops_desk.drift.performance.calibration import Calibration, calibration_of
from mlops_desk.drift.performance.change_series import changes_of
from mlops_desk.drift.performance.classification import LEAST_PROBABILITY, by_class, mean_of_defined
from mlops_desk.drift.performance.direct_loss import ExpectedLosses
from mlops_desk.drift.performance.figures import figures_of
from mlops_desk.drift.performance.intervals import percentiles
from mlops_desk.drift.performance.rows import MOST_CLASSES, AnsweredRows
from mlops_desk.drift.records.performance import (
    ExpectedFigure,
    Figure,
    PerformanceReport,
    PerformanceWindow,
    PredictionKind,
    ReferenceLevel,
)

# What figures of classes will be once labels arrive: confidence-based performance estimation (NannyML's CBPE).
# With the calibrated probability p of each class a row counts as p of a row of that class, so that the expected table
# of labels and answers is sums of p, and precision, recall, F1 and accuracy follow from it (of F1 and the like: the
# figure of the expected table). The AUC takes each row as p of a positive and 1 - p of a negative one, over all pairs
# of two different rows, in the order of the scores themselves. Log loss and Brier score are expectations over p.
# The interval is what will be realised in 95 of 100 cases if the probabilities are right: labels are drawn from them
# 200 times. It knows nothing of errors of the calibration. All of it is true only while the inputs alone change
# (covariate shift): where the same inputs begin to have other labels, nothing here can see it.
ASSUMES = (
    "Expected figures hold only under covariate shift: while the inputs change, and not which labels follow from them."
)
_DRAWS = 200  # chosen: the ends of the interval are known to a sixth of its width
_SIMULATED_ROWS = 50_000  # chosen: more make no width surer; it shrinks by the root of the rows
_SEED = 3  # any; fixed, so that nobody sees an interval move by itself
_NAMES = ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier")


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Rows that can be estimated: answers, calibrated ``p``, and of the raw scores what the figures need."""

    predictions: Counts
    p: Floats
    ranks: Floats
    lost: Floats
    squares: Floats
    positive: int | None


def expected_figures(current: AnsweredRows, calibration: Calibration) -> dict[str, ExpectedFigure]:
    """Return what each figure is expected to be over the rows with an answer and probabilities, labelled or not."""
    rows = current.part(current.answered).scored()
    if rows.scores is None or rows.are_margins or not len(rows) or len(rows.classes) > MOST_CLASSES:
        return {}
    prepared = _prepared(rows, rows.scores, calibration)
    values = _values(prepared)
    drawn, scale = _drawn(rows, calibration)
    found = {}
    for name, value in zip(_NAMES, values, strict=True):
        if np.isnan(value):
            found[name] = ExpectedFigure(None)
            continue
        low, high = percentiles(drawn[name])
        ends = (None if end is None else float(value + (end - np.nanmean(drawn[name])) * scale) for end in (low, high))
        found[name] = ExpectedFigure(float(value), *ends)
    return found


def expected_values(rows: AnsweredRows, calibration: Calibration) -> dict[str, float | None]:
    """Return the same without intervals: what was expected of rows whose labels have arrived."""
    known = rows.part(rows.answered).scored()
    if known.scores is None or not len(known):
        return {}
    values = _values(_prepared(known, known.scores, calibration))
    return {name: None if np.isnan(value) else float(value) for name, value in zip(_NAMES, values, strict=True)}


def with_realised(
    expected: dict[str, ExpectedFigure], of_labelled: Mapping[str, float | None], figures: Mapping[str, Figure]
) -> dict[str, ExpectedFigure]:
    """Put what was realised beside what was expected, with the error: both of the labelled rows alone."""
    found = {}
    for name, one in expected.items():
        value = figures[name].value if name in figures else None
        told = of_labelled.get(name)
        found[name] = replace(one, realised=value, error=None if value is None or told is None else told - value)
    return found


def _values(rows: _Prepared) -> list[float]:
    return _figures(rows, _expected_table(rows), rows.p, pairs=_same_pairs(rows))


def _prepared(rows: AnsweredRows, scores: Floats, calibration: Calibration) -> _Prepared:
    lost = -np.log(np.clip(scores, LEAST_PROBABILITY, 1.0))
    if rows.positive is not None:
        own = scores[:, rows.positive]
        squares = np.stack([np.square(own - (at == rows.positive)) for at in range(2)], axis=1)
    else:
        squares = np.square(scores).sum(axis=1, keepdims=True) - 2 * scores + 1
    predictions = np.asarray(rows.predictions, dtype=np.int64)
    return _Prepared(predictions, calibration.of(scores), _mid_ranks(scores), lost, squares, rows.positive)


def _mid_ranks(scores: Floats) -> Floats:
    """Return the rank of each score in its column, from 1, ties sharing the middle."""
    ranks = np.empty_like(scores)
    for at in range(scores.shape[1]):
        _, back, sizes = np.unique(scores[:, at], return_inverse=True, return_counts=True)
        ranks[:, at] = (np.cumsum(sizes) - (sizes - 1) / 2)[back]
    return ranks


def _expected_table(rows: _Prepared) -> Floats:
    k = rows.p.shape[1]
    table: Floats = np.stack([np.bincount(rows.predictions, rows.p[:, at], k) for at in range(k)])
    return table


def _same_pairs(rows: _Prepared) -> Floats:
    """Return of each class the weight of pairs of a row with itself, which are none."""
    same: Floats = (rows.p * (1 - rows.p)).sum(axis=0)
    return same


def _figures(rows: _Prepared, table: Floats, weights: Floats, *, pairs: Floats) -> list[float]:
    """Return all figures of a table and of each row's weight in each class, in the order of ``_NAMES``."""
    n = weights.shape[0]
    each = by_class(table)
    single = [
        float(one[rows.positive] if rows.positive is not None else mean_of_defined(one)) for one in each
    ]  # fmt: skip
    aucs = _aucs(rows, weights, pairs)
    auc = float(aucs[rows.positive] if rows.positive is not None else mean_of_defined(aucs))
    lost, squared = (float((weights * one).sum() / n) for one in (rows.lost, rows.squares))
    return [float(np.trace(table) / n), *single, auc, lost, squared]


def _aucs(rows: _Prepared, weights: Floats, pairs: Floats) -> Floats:
    """Return each class's AUC: of weighted pairs the share in the right order, ties and half of ``pairs`` taken off.

    A row's mid-rank less a half counts the rows below it and half of those beside it, itself among them.
    """
    on = weights.sum(axis=0)
    off = weights.shape[0] - on
    found = np.full(weights.shape[1], np.nan)
    for at in range(weights.shape[1]):
        total = on[at] * off[at] - pairs[at]
        if total > 1e-9:  # of a pair; rounding of sums of probabilities
            found[at] = (_ordered(rows.ranks[:, at], weights[:, at]) - pairs[at] / 2) / total
    return np.asarray(np.clip(found, 0.0, 1.0), dtype=np.float64)


def _ordered(ranks: Floats, weights: Floats) -> float:
    """Return the weight of pairs (i, j), i = j among them as half, in which i is ordered above j."""
    order = np.argsort(ranks, kind="stable")
    own, level = weights[order], ranks[order]
    _, first = np.unique(level, return_index=True)
    negative = np.add.reduceat(1 - own, first)
    positive = np.add.reduceat(own, first)
    below = np.cumsum(negative) - negative
    return float(np.sum(positive * (below + negative / 2)))


def _drawn(rows: AnsweredRows, calibration: Calibration) -> tuple[dict[str, Floats], float]:
    """Draw labels again and again; return each figure's values, and by how much wider they vary than all rows do."""
    rng = np.random.default_rng(_SEED)
    n = len(rows)
    if n > _SIMULATED_ROWS:
        rows = rows.part(np.sort(rng.choice(n, _SIMULATED_ROWS, replace=False)))
    prepared = _prepared(rows, rows.scores if rows.scores is not None else np.empty((0, 0)), calibration)
    k = prepared.p.shape[1]
    bounds = np.cumsum(prepared.p, axis=1)
    values = np.empty((_DRAWS, len(_NAMES)))
    at_rows = np.arange(len(rows))
    for draw in range(_DRAWS):
        labels = np.minimum((rng.random(len(rows))[:, None] >= bounds).sum(axis=1), k - 1)
        weights = np.zeros_like(prepared.p)
        weights[at_rows, labels] = 1.0
        table = np.bincount(labels * k + prepared.predictions, minlength=k * k).reshape(k, k)
        values[draw] = _figures(prepared, table.astype(np.float64), weights, pairs=np.zeros(k))
    return dict(zip(_NAMES, values.T, strict=True)), float(np.sqrt(len(rows) / n))


MOST_WINDOWS = 500
"""Chosen: more than stand beside each other in a picture; each takes a tenth of a second."""
Tell = Callable[[int, int], None]
"""Is told how many of how many windows are done."""


@dataclass(frozen=True, slots=True)
class AnsweredData:
    """Rows to report on: the first ``n_reference`` are the reference's, ``inputs`` (rows x k) stand beside all.

    ``input_names`` are those of the k columns.
    """

    rows: AnsweredRows
    n_reference: int = 0
    inputs: Floats | None = None
    input_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Estimators:
    """What expects figures before labels arrive; neither where there is no reference for it."""

    calibration: Calibration | None = None
    losses: ExpectedLosses | None = None


def performance_of(data: AnsweredData, window_rows: int | None = None, tell: Tell | None = None) -> PerformanceReport:
    """Report on the current rows, ``window_rows`` at a time (all at once where None)."""
    reference, current = data.rows.part(slice(0, data.n_reference)), data.rows.part(slice(data.n_reference, None))
    n = len(current)
    size = max(1, n if window_rows is None else max(window_rows, -(-n // MOST_WINDOWS)))
    n_windows = max(1, -(-n // size))
    counts = reference.counts() if data.n_reference else None
    labelled = current.counts().n_used / n_windows
    levels = levels_of(reference, max(LEAST_ROWS, round(labelled))) if counts is not None and counts.n_used else {}
    estimators, notes = estimators_of(data, reference, current)
    windows: list[PerformanceWindow] = []
    for at in range(n_windows):
        if tell is not None:
            tell(at, n_windows)
        chosen = slice(at * size, min(n, (at + 1) * size))
        made = window_of(data, current.part(chosen), chosen, levels, estimators)
        windows.append(replace(made, alarms=alarms_of([*windows[-5:], made], levels)))
    return PerformanceReport(
        kind=data.rows.kind,
        windows=tuple(windows),
        classes=data.rows.classes if len(data.rows.classes) <= MOST_CLASSES else (),
        positive=None if data.rows.positive is None else data.rows.classes[data.rows.positive],
        reference=levels,
        reference_counts=counts,
        calibrated=None if estimators.calibration is None else estimators.calibration.changes,
        changes=changes_of(reference, current) if data.n_reference else (),
        notes=(*data.notes, *notes, *_notes(data.rows, windows, size, window_rows)),
    )


def window_of(
    data: AnsweredData,
    rows: AnsweredRows,
    chosen: slice,
    levels: dict[str, ReferenceLevel],
    estimators: Estimators,
) -> PerformanceWindow:
    """Return the figures of some current rows, beside the reference's and what was expected."""
    counts = rows.counts()
    figures = figures_of(rows)
    inputs = None if data.inputs is None else data.inputs[data.n_reference :][chosen]
    return PerformanceWindow(
        first=chosen.start + 1,
        last=chosen.stop,
        counts=counts,
        figures=figures,
        expected=_expected(rows, inputs, figures, estimators),
        outside=outside(figures, levels, counts.n_used),
        beyond_band=beyond(figures, levels, counts.n_used),
    )


def _expected(
    rows: AnsweredRows, inputs: Floats | None, figures: dict[str, Figure], estimators: Estimators
) -> dict[str, ExpectedFigure]:
    """Return what was expected of a window, and where enough labels have arrived how far off that was."""
    used = rows.readable & rows.answered
    enough = np.count_nonzero(used) >= LEAST_ROWS
    if estimators.calibration is not None:
        found = expected_figures(rows, estimators.calibration)
        if not enough:
            return found
        realised = figures_of(rows.scored()) if rows.counts().n_unscored else figures
        return with_realised(found, expected_values(rows.part(used), estimators.calibration), realised)
    if estimators.losses is None or inputs is None:
        return {}
    found = estimators.losses.of(inputs, rows)
    if not enough:
        return found
    told = estimators.losses.of(inputs[used], rows.part(used))
    return with_realised(found, {name: one.value for name, one in told.items()}, figures)


def estimators_of(data: AnsweredData, reference: AnsweredRows, current: AnsweredRows) -> tuple[Estimators, list[str]]:
    """Return what expects figures, and what to say of it."""
    if not len(reference.used()) or not len(current):
        return Estimators(), []
    if data.rows.kind is PredictionKind.CLASSIFICATION:
        if data.rows.scores is None or data.rows.are_margins:
            return Estimators(), ["Without probabilities no figure can be expected before labels arrive."]
        return Estimators(calibration=calibration_of(reference)), [ASSUMES]
    return _of_losses(data, reference)


def _of_losses(data: AnsweredData, reference: AnsweredRows) -> tuple[Estimators, list[str]]:
    if data.inputs is None or not data.inputs.shape[1]:
        return Estimators(), ["Without inputs beside the answers no error can be expected before labels arrive."]
    if not scikit_learn.is_there():
        return Estimators(), [f"No error is expected before labels arrive: {scikit_learn.LACKING}"]
    losses = ExpectedLosses.fit(data.inputs[: data.n_reference], reference)
    if losses is None:
        return Estimators(), ["The reference has too few labelled rows to learn from which errors to expect."]
    return Estimators(losses=losses), [ASSUMES]


def _notes(rows: AnsweredRows, windows: list[PerformanceWindow], size: int, window_rows: int | None) -> list[str]:
    found = []
    if window_rows is not None and size > window_rows:
        found.append(f"Windows of {window_rows:,} rows would be more than {MOST_WINDOWS}: each has {size:,}.")
    if rows.are_margins:
        found.append("The scores are no probabilities (some lie outside 0 to 1): they are ranked, and nothing else.")
    if len(rows.classes) > MOST_CLASSES:
        found.append(f"There are {len(rows.classes):,} classes: only the accuracy is told.")
    few = sum(window.counts.n_used < LEAST_ROWS for window in windows)
    if few:
        found.append(
            f"{few} of {len(windows)} windows have fewer than {LEAST_ROWS} rows with a label and an answer: "
            "they are not judged."
        )
    return found
