"""The whole report on answers: windows with figures, beside the reference, what was expected, what alarms and changed.

Reference and current rows come in one, the reference first, so that both have the same classes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mlops_desk.drift import learning
from mlops_desk.drift.pair import Floats
from mlops_desk.drift.performance.alarms import LEAST_ROWS, alarms_of, beyond, levels_of, outside
from mlops_desk.drift.performance.calibration import Calibration, calibration_of
from mlops_desk.drift.performance.expected import ASSUMES, expected_figures, expected_values, with_realised
from mlops_desk.drift.performance.expected_losses import ExpectedLosses
from mlops_desk.drift.performance.figures import figures_of
from mlops_desk.drift.performance.rows import MOST_CLASSES, AnsweredRows
from mlops_desk.drift.performance.watching import changes_of
from mlops_desk.records.drift.performance import (
    ExpectedFigure,
    Figure,
    PerformanceReport,
    PerformanceWindow,
    PredictionKind,
    ReferenceLevel,
)

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
    if not learning.is_there():
        return Estimators(), [f"No error is expected before labels arrive: {learning.LACKING}"]
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
