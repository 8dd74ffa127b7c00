"""Says how much each parameter has to do with a metric: a process of its own, for scikit-learn is large and slow.

A forest of trees learns the metric from the parameters; how much worse it foretells runs that it has not seen when a
parameter's values are shuffled is that one's importance. A forest that foretells nothing says nothing.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.process import limit_memory, serve_one
from mlops_desk.registry.comparison.parameters import ParameterColumn, ParameterTable
from mlops_desk.registry.records.run_window import Importance

FEWEST_RUNS = 10  # chosen: fewer show by chance whatever one likes
_FOLDS = 5  # as usual: each run is foretold by a forest of the other four fifths
_TREES = 100  # scikit-learn's own number
_SHUFFLES = 5  # scikit-learn's own number
_LEAST_R2 = 0.05  # chosen: below that the forest foretells no better than the mean does
_FEWEST_PAIRS = 3  # two points always lie on a line
_MEMORY_BYTES = 2 << 30  # chosen: the library and a forest on 5,000 runs of 200 parameters take less than half


def work(request: dict[str, Any]) -> Any:
    return wire.to_builtins(importances(wire.from_builtins(request, ParameterTable)))


def importances(table: ParameterTable) -> list[Importance]:
    """Return what each parameter has to do with the metric, in the order of the table."""
    targets = np.array(table.targets)
    varying = [column for column in table.params if _varies(column)]
    shares: dict[str, float] = {}
    if len(targets) >= FEWEST_RUNS and varying and np.ptp(targets) > 0.0:
        shares = dict(zip((column.name for column in varying), _shares(varying, targets), strict=False))
    return [
        Importance(column.name, shares.get(column.name), _correlation(column, targets), _counted(column))
        for column in table.params
    ]


def _varies(column: ParameterColumn) -> bool:
    return len(set(column.values)) > 1


def _counted(column: ParameterColumn) -> int:
    return sum(value is not None for value in column.values)


def _shares(columns: Sequence[ParameterColumn], targets: NDArray[np.float64]) -> list[float]:
    """Return the importances, which sum up to 1; none where the forest foretells nothing."""
    features = np.column_stack([_filled(column) for column in columns])
    ranks = stats.rankdata(targets)  # one run that has diverged must not decide all
    foretold = np.empty_like(ranks)
    total = np.zeros(len(columns))
    for learnt, unseen in KFold(_FOLDS, shuffle=True, random_state=0).split(features):
        forest = RandomForestRegressor(_TREES, random_state=0, n_jobs=1).fit(features[learnt], ranks[learnt])
        foretold[unseen] = forest.predict(features[unseen])
        shuffled = permutation_importance(
            forest, features[unseen], ranks[unseen], scoring="neg_mean_squared_error",
            n_repeats=_SHUFFLES, random_state=0, n_jobs=1,
        )  # fmt: skip
        total += np.maximum(shuffled.importances_mean, 0.0)
    if r2_score(ranks, foretold) < _LEAST_R2 or not total.sum() > 0.0:
        return []
    return [float(share) for share in total / total.sum()]


def _filled(column: ParameterColumn) -> NDArray[np.float64]:
    """Return a column as numbers; "none" is a value of its own, below all others."""
    there = [value for value in column.values if value is not None]
    none = min(there, default=0.0) - 1.0
    return np.array([none if value is None else value for value in column.values])


def _correlation(column: ParameterColumn, targets: NDArray[np.float64]) -> float | None:
    """Return Spearman's rank correlation over the runs that have the parameter; None where it can't be told."""
    if not column.is_number:
        return None
    pairs = [(value, target) for value, target in zip(column.values, targets, strict=True) if value is not None]
    if len(pairs) < max(_FEWEST_PAIRS, FEWEST_RUNS):
        return None
    values, measured = np.array(pairs).T
    if np.ptp(values) == 0.0 or np.ptp(measured) == 0.0:
        return None
    return float(stats.spearmanr(values, measured).statistic)


if __name__ == "__main__":
    limit_memory(_MEMORY_BYTES)
    serve_one(work)
