"""The domain classifier: whether gradient boosting can tell current rows from the reference's, and by which columns.

The AUC (0.5: not at all, 1: every pair) is the mean over five folds, each asked of trees that learned from the other
four. What chance alone gives is tried with the sides' names dealt anew, all five folds each time: the AUC has to lie
above 95 of 100 such. Of 39 divisions that is above all but one, and p = (k + 1) / (N + 1).

A column gives the sides away by as much as the AUC of a fold falls once its values are shuffled there (permutation
importance, Breiman 2001; Fisher, Rudin & Dominici 2019). Columns that tell the same share what they tell.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_desk.drift import scikit_learn
from mlops_desk.drift.multivariate.matrix import RowColumn, TreeMatrix, for_trees
from mlops_desk.drift.pair import Floats
from mlops_desk.drift.performance.ranking import roc_auc
from mlops_desk.drift.records.report import TellingColumn

FOLDS = 5  # DRIFT's definition
PERMUTATIONS = 39
"""Chosen: the least with which the 95 % point is not the largest alone; each costs as much as the AUC itself."""
_ALLOWED = 0.05  # of the divisions may be beyond
_SHOWN = 10  # chosen: of the most telling columns; one reads three
_SEED = 19  # any; fixed, so that the same rows have the same folds
_ERRORS = 2.0  # chosen: standard errors of its loss above which a column is told ...
_LEAST_LOSS = 0.01  # chosen: ... and a loss that is worth a word; of many columns some lose less by chance


@dataclass(frozen=True, slots=True)
class DomainAnswer:
    """``auc`` with its p-value, the AUC that 95 of 100 divisions by chance stay below, and the telling columns."""

    auc: float
    p_value: float
    by_chance: float
    telling: tuple[TellingColumn, ...] = ()


def domain_classifier(
    columns: Sequence[RowColumn], tell: Callable[[int, int], None] | None = None
) -> DomainAnswer | None:
    """Tell the sides apart; None where no column can. Raises ImportError where scikit-learn is not installed.

    ``tell`` hears how many of how many divisions are done.
    """
    matrix = for_trees(columns)
    values = matrix.values
    if not values.shape[1] or min(np.count_nonzero(matrix.is_current), np.count_nonzero(~matrix.is_current)) < FOLDS:
        return None
    rng = np.random.default_rng(_SEED)
    folds = _folds(matrix.is_current, rng)
    aucs, losses = _asked(matrix, matrix.is_current, folds, with_losses=True)
    auc, chance = float(aucs.mean()), []
    for done in range(PERMUTATIONS):
        if tell is not None:
            tell(done, PERMUTATIONS)
        dealt = rng.permutation(matrix.is_current)
        chance.append(float(_asked(matrix, dealt, _folds(dealt, rng))[0].mean()))
    ordered = np.sort(chance)
    allowed = max(1, int(_ALLOWED * (PERMUTATIONS + 1)))
    by_chance = float(ordered[PERMUTATIONS - allowed])
    p_value = (int(np.count_nonzero(ordered >= auc)) + 1) / (PERMUTATIONS + 1)
    return DomainAnswer(auc, p_value, by_chance, _telling(columns, losses) if auc > by_chance else ())


def _folds(is_current: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal the rows of either side over the folds, as evenly as it goes."""
    folds = np.empty(is_current.size, dtype=np.int64)
    for side in (True, False):
        rows = rng.permutation(np.flatnonzero(is_current == side))
        folds[rows] = np.arange(rows.size) % FOLDS
    return folds


def _asked(
    matrix: TreeMatrix, is_current: NDArray[np.bool_], folds: NDArray[np.int64], *, with_losses: bool = False
) -> tuple[Floats, Floats]:
    """Return each fold's AUC, and what it loses by each column (folds x columns) where that is asked for."""
    n_columns = int(matrix.owner.max()) + 1
    aucs, losses = np.empty(FOLDS), np.zeros((FOLDS, n_columns if with_losses else 0))
    for fold in range(FOLDS):
        held = folds == fold
        model = scikit_learn.classifier(matrix.categorical, _SEED).fit(matrix.values[~held], is_current[~held])
        rows, truth = matrix.values[held], is_current[held]
        aucs[fold] = _auc(model.decision_function(rows), truth)
        shuffled = np.random.default_rng(fold).permutation(rows.shape[0])
        for at in range(losses.shape[1]):
            own = matrix.owner == at
            moved = rows.copy()
            moved[:, own] = rows[shuffled][:, own]
            losses[fold, at] = aucs[fold] - _auc(model.decision_function(moved), truth)
    return aucs, losses


def _auc(scores: Floats, truth: NDArray[np.bool_]) -> float:
    found = roc_auc(scores[~truth], scores[truth])
    return 0.5 if found is None else found


def _telling(columns: Sequence[RowColumn], losses: Floats) -> tuple[TellingColumn, ...]:
    means = losses.mean(axis=0)
    errors = losses.std(axis=0, ddof=1) / np.sqrt(FOLDS)
    ordered = np.argsort(-means, kind="stable")[:_SHOWN]
    return tuple(
        TellingColumn(columns[at].name, float(means[at]), float(errors[at]))
        for at in ordered
        if means[at] >= _LEAST_LOSS and means[at] > _ERRORS * errors[at]
    )
