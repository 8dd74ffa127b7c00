"""What is learned of a reference of answers, once: levels, calibration, errors to expect, what is watched. Pure.

It is kept with the reference as plain numbers, and taken as it is as long as it is of the same rows, classes and
inputs. To learn it anew takes seconds, and says nothing new.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mlops_desk.drift.performance.alarms import levels_of
from mlops_desk.drift.performance.calibration import Calibration
from mlops_desk.drift.performance.change_series import watched_values
from mlops_desk.drift.performance.direct_loss import ExpectedLosses, KeptLosses
from mlops_desk.drift.performance.page_test import Baseline, baseline_of
from mlops_desk.drift.performance.report import AnsweredData, Estimators, estimators_of
from mlops_desk.drift.records.performance import PredictionKind, ReferenceLevel, RowCounts

KeptSteps = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class OfWhat:
    """What decides all that is learned of a reference, beside its rows: another one is learned anew."""

    kind: PredictionKind
    classes: tuple[str, ...]
    positive: int | None
    has_scores: bool
    are_margins: bool
    inputs: tuple[str, ...]
    n_rows: int
    window_rows: int


@dataclass(frozen=True, slots=True)
class FittedReference:
    """What was learned. ``steps`` are the calibration's, by class, None where nothing is calibrated."""

    of: OfWhat
    levels: Mapping[str, ReferenceLevel] = field(default_factory=dict)
    counts: RowCounts | None = None
    steps: tuple[KeptSteps, ...] | None = None
    losses: KeptLosses | None = None
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def estimators(self) -> Estimators:
        """Return what expects figures before labels arrive."""
        calibration = None
        if self.steps is not None:
            calibration = Calibration(tuple((np.array(scores), np.array(shares)) for scores, shares in self.steps))
        return Estimators(calibration, None if self.losses is None else ExpectedLosses.of_kept(self.losses))


def of_what(data: AnsweredData, window_rows: int) -> OfWhat:
    """Return what all that is learned of some data's reference depends on."""
    rows = data.rows
    return OfWhat(
        rows.kind, rows.classes, rows.positive, rows.scores is not None, rows.are_margins,
        data.input_names, data.n_reference, window_rows,
    )  # fmt: skip


def fit(data: AnsweredData, window_rows: int) -> tuple[FittedReference, Estimators, bool]:
    """Learn from the reference's rows; the last says whether all of it can be kept.

    The estimators are the very ones that will be kept, so that what is expected is the same now and later.
    """
    reference, current = data.rows.part(slice(0, data.n_reference)), data.rows.part(slice(data.n_reference, None))
    of, counts = of_what(data, window_rows), reference.counts() if data.n_reference else None
    if counts is None or not counts.n_used:
        return FittedReference(of, counts=counts), Estimators(), True
    estimators, notes = estimators_of(data, reference, current)
    calibration, losses = estimators.calibration, estimators.losses
    kept = None if losses is None else losses.kept()
    baselines = ((what, baseline_of(values)) for what, values in watched_values(reference))
    steps = None if calibration is None else calibration.steps
    fitted = FittedReference(
        of,
        levels_of(reference, window_rows),
        counts,
        None if steps is None else tuple((tuple(one.tolist()), tuple(other.tolist())) for one, other in steps),
        kept,
        {what: one for what, one in baselines if one is not None},
        tuple(notes),
    )
    can_be_kept = losses is None or kept is not None
    return fitted, fitted.estimators if can_be_kept else estimators, can_be_kept
