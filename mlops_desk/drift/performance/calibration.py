"""Probabilities that mean what they say: isotonic calibration on a reference, where it helps.

A rising step function of the score, fitted to what turned out by least squares (Zadrozny & Elkan 2002, pooled adjacent
violators), for each class by itself, then brought to sum to 1. Whether it helps is tried on rows that had no part in
fitting: each half of the reference is calibrated by the other, and the calibration is kept where that lowers the Brier
score. Scores that are calibrated already stay as they are, for fitting them adds noise alone.
"""

from dataclasses import dataclass

import numpy as np

from mlops_desk.drift.numerics import optimize
from mlops_desk.drift.pair import Floats
from mlops_desk.drift.performance.rows import AnsweredRows

LEAST_ROWS = 100
"""Fewer labelled rows with probabilities calibrate nothing; chosen: a step then rests on some tens of rows."""
_SEED = 5  # any; fixed, so that the same reference is cut the same way

Steps = tuple[Floats, Floats]
"""Scores in order, and the share of rows that turned out to be of the class there; straight between them."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """For each class its steps; none where the probabilities are taken as they are."""

    steps: tuple[Steps, ...] = ()

    @property
    def changes(self) -> bool:
        return bool(self.steps)

    def of(self, scores: Floats) -> Floats:
        """Return the calibrated probabilities (rows x classes), which sum to 1."""
        if not self.steps:
            return scores
        found = np.stack([np.interp(scores[:, at], *one) for at, one in enumerate(self.steps)], axis=1)
        if found.shape[1] == 2:
            found[:, 0] = 1 - found[:, 1]
        total = found.sum(axis=1, keepdims=True)
        return np.where(total > 0, found / np.where(total > 0, total, 1.0), scores)


def calibration_of(reference: AnsweredRows) -> Calibration:
    """Fit the calibration to a reference's labelled rows with probabilities; it changes nothing where it can't."""
    known = reference.part(reference.readable).scored()
    if known.scores is None or known.are_margins or len(known) < LEAST_ROWS:
        return Calibration()
    truth = np.zeros_like(known.scores)
    truth[np.arange(len(known)), known.labels] = 1.0
    side = np.random.default_rng(_SEED).permutation(len(known)) % 2
    tried = np.empty_like(known.scores)
    for one in (0, 1):
        tried[side == one] = _fitted(known.scores[side != one], truth[side != one]).of(known.scores[side == one])
    helps = np.square(tried - truth).sum() < np.square(known.scores - truth).sum()
    return _fitted(known.scores, truth) if helps else Calibration()


def _fitted(scores: Floats, truth: Floats) -> Calibration:
    return Calibration(tuple(_steps(scores[:, at], truth[:, at]) for at in range(scores.shape[1])))


def _steps(scores: Floats, truth: Floats) -> Steps:
    values, back, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    shares = np.bincount(back, truth) / sizes
    fitted = optimize.isotonic_regression(shares, weights=sizes).x
    inner = np.zeros(fitted.size, dtype=bool)  # a step's ends say all of it
    inner[1:-1] = (fitted[1:-1] == fitted[:-2]) & (fitted[1:-1] == fitted[2:])
    return values[~inner], fitted[~inner]
