"""All figures of some rows, whichever kind they are of, and which way each is better."""

from mlops_desk.drift.performance.classification import figures_of_classes
from mlops_desk.drift.performance.regression import figures_of_numbers
from mlops_desk.drift.performance.rows import AnsweredRows
from mlops_desk.records.drift.performance import Direction, Figure, PredictionKind

_LESS_IS_BETTER = frozenset({"log_loss", "brier", "mae", "rmse"})
_NEARER_TO_ZERO = frozenset({"bias"})


def figures_of(rows: AnsweredRows) -> dict[str, Figure]:
    """Return all figures of the rows that have a label and an answer; what is not defined is None."""
    return figures_of_classes(rows) if rows.kind is PredictionKind.CLASSIFICATION else figures_of_numbers(rows)


def direction_of(name: str, value: float, before: float) -> Direction:
    """Tell whether a figure is better or worse than it was; equal ones are not asked about."""
    if name in _NEARER_TO_ZERO:
        return Direction.BETTER if abs(value) < abs(before) else Direction.WORSE
    return Direction.BETTER if (value < before) == (name in _LESS_IS_BETTER) else Direction.WORSE
