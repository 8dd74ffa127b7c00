"""What errors of numbers will be once labels arrive: direct loss estimation (NannyML's DLE), by gradient boosting.

Three models learn from the reference, by squared error, what follows from inputs and answer: the error, its size and
its square. Over a window their means are the expected bias, MAE and squared error (RMSE its root). R2 is not expected:
it needs the labels' own spread.

The interval is what will be realised in 95 of 100 cases, from the spread that the models leave: of the size it is
E[e^2 | x] - E[|e| | x]^2, of the error likewise, and of the square as large beside its expectation as in the reference
on rows that had no part in learning. True only under covariate shift, and trees know nothing beyond the reference's
range: there they say what they know of its edge.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlops_desk.drift import scikit_learn
from mlops_desk.drift.pair import Floats
from mlops_desk.drift.performance.intervals import DEVIATIONS
from mlops_desk.drift.performance.rows import AnsweredRows
from mlops_desk.drift.records.performance import ExpectedFigure

LEAST_ROWS = 100  # chosen: as for a calibration
_MOST_ROWS = 20_000  # chosen: more teach trees of 15 leaves nothing, and take time
_SEED = 7  # any; fixed
_FOLDS = 3  # chosen: enough for one spread
_LARGEST = 1e100  # chosen: squares of larger errors leave what trees can sum


class LearnedNumber(Protocol):
    """What was learned of one number."""

    def predict(self, inputs: Floats) -> Floats: ...


@dataclass(frozen=True, slots=True)
class KeptLosses:
    """The three models of a reference as plain numbers, to be kept with it."""

    error: scikit_learn.Trees
    size: scikit_learn.Trees
    square: scikit_learn.Trees
    relative: float


class ExpectedLosses:
    """The three models. Made of a reference by ``fit``, which gives None where the reference can't teach them."""

    def __init__(self, models: tuple[LearnedNumber, LearnedNumber, LearnedNumber], relative: float) -> None:
        self._models = models
        self._relative = relative

    @classmethod
    def of_kept(cls, kept: KeptLosses) -> "ExpectedLosses":
        """Return the models that were kept; they tell the same as when they were fitted."""
        return cls((kept.error, kept.size, kept.square), kept.relative)

    def kept(self) -> KeptLosses | None:
        """Return the models as plain numbers; None where this scikit-learn has them otherwise."""
        found = [one if isinstance(one, scikit_learn.Trees) else scikit_learn.trees_of(one) for one in self._models]
        error, size, square = found
        if error is None or size is None or square is None:
            return None
        return KeptLosses(error, size, square, self._relative)

    @classmethod
    def fit(cls, features: Floats, reference: AnsweredRows) -> "ExpectedLosses | None":
        """Learn from a reference's labelled rows; ``features`` (rows x k, NaN is missing) stand beside them.

        Raises ImportError where scikit-learn is not installed.
        """
        used = np.flatnonzero(reference.readable & reference.answered)
        if used.size < LEAST_ROWS:
            return None
        rng = np.random.default_rng(_SEED)
        used = np.sort(rng.permutation(used)[:_MOST_ROWS])
        errors = reference.predictions[used] - reference.labels[used]
        if not np.all(np.abs(errors) < _LARGEST):
            return None
        inputs = _inputs(features[used], reference.predictions[used])
        squares = np.square(errors)
        fold = rng.permutation(used.size) % _FOLDS
        left, size = 0.0, 0.0
        for one in range(_FOLDS):
            model = scikit_learn.regressor(_SEED).fit(inputs[fold != one], squares[fold != one])
            told = np.maximum(model.predict(inputs[fold == one]), 0.0)
            left += float(np.square(squares[fold == one] - told).sum())
            size += float(np.square(told).sum())
        targets = (errors, np.abs(errors), squares)
        models = tuple(scikit_learn.regressor(_SEED).fit(inputs, target) for target in targets)
        return cls((models[0], models[1], models[2]), left / size if size > 0 else 0.0)

    def of(self, features: Floats, current: AnsweredRows) -> dict[str, ExpectedFigure]:
        """Return the expected figures of the rows that have an answer, labelled or not."""
        inputs = _inputs(features[current.answered], current.predictions[current.answered])
        n = inputs.shape[0]
        if not n:
            return {name: ExpectedFigure(None) for name in ("mae", "rmse", "bias")}
        error, size, square = (model.predict(inputs) for model in self._models)
        size, square = np.maximum(size, 0.0), np.maximum(square, np.square(error))
        square = np.maximum(square, np.square(size))
        root = float(np.sqrt(square.mean()))
        spread = float(np.sqrt(self._relative * np.square(square).mean() / n))
        return {
            "mae": _around(float(size.mean()), _error_of(square - np.square(size), n), 0.0),
            "rmse": _around(root, spread / (2 * root) if root > 0 else 0.0, 0.0),
            "bias": _around(float(error.mean()), _error_of(square - np.square(error), n), None),
        }


def _inputs(features: Floats, predictions: Floats) -> Floats:
    inputs = np.concatenate([features, predictions[:, None]], axis=1)
    return np.where(np.isfinite(inputs), inputs, np.nan)


def _error_of(variances: Floats, n: int) -> float:
    return float(np.sqrt(np.maximum(variances, 0.0).mean() / n))


def _around(value: float, error: float, least: float | None) -> ExpectedFigure:
    low = value - DEVIATIONS * error
    return ExpectedFigure(value, low if least is None else max(least, low), value + DEVIATIONS * error)
