"""The door to scikit-learn, which takes a second to load: models that tell sides apart, or what errors to expect.

It comes with the desk, but an installation may have been cut down: then what needs it says so, and the rest is done.
Its loops run in one thread: several that wait for each other on a machine that is busy took a thousand times as long.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from mlops_desk.drift.pair import Floats

LACKING = "scikit-learn is not installed: pip install scikit-learn, beside the desk."
_RATE = 0.1  # scikit-learn's
_LEAST_IN_LEAF = 10  # chosen: half of scikit-learn's; a side may have 30 rows


def is_there() -> bool:
    """Tell whether scikit-learn is installed, without loading it."""
    return importlib.util.find_spec("sklearn") is not None


def classifier(categorical: Sequence[int], seed: int) -> Any:
    """Return gradient boosting on histograms (Friedman 2001; Ke et al. 2017) that tells two classes apart.

    ``categorical`` are the columns that hold codes below 255; NaN is missing. It is small: 200 of them are made.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415 - see above

    _in_one_thread()
    small = _chosen(seed, trees=40, leaves=8)
    return HistGradientBoostingClassifier(categorical_features=list(categorical) or None, **small)


def regressor(seed: int) -> Any:
    """Return the same for a number, by squared error; NaN is missing."""
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415 - see above

    _in_one_thread()
    return HistGradientBoostingRegressor(**_chosen(seed, trees=60, leaves=15))


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree, node by node: a leaf has no children (0) and a ``value``; others ask if a feature is at most so."""

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    is_left_missing: tuple[bool, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Trees:
    """What a regressor has learned, as plain numbers: kept as such, for nothing is ever unpickled."""

    base: float
    trees: tuple[Tree, ...]

    def predict(self, inputs: Floats) -> Floats:
        """Return what the regressor tells of rows (rows x features, NaN is missing)."""
        found: Floats = np.full(inputs.shape[0], self.base)
        for tree in self.trees:
            found = found + _told(tree, inputs)
        return found


def _told(tree: Tree, inputs: Floats) -> Floats:
    feature, threshold, missing, left, right = (
        np.array(one) for one in (tree.feature, tree.threshold, tree.is_left_missing, tree.left, tree.right)
    )
    at = np.zeros(inputs.shape[0], dtype=np.int64)
    rows = np.arange(inputs.shape[0])
    while True:
        inner = rows[left[at[rows]] > 0]
        if not inner.size:
            break
        node = at[inner]
        values = inputs[inner, feature[node]]
        is_left = np.where(np.isnan(values), missing[node], values <= threshold[node])
        at[inner] = np.where(is_left, left[node], right[node])
        rows = inner
    found: Floats = np.array(tree.value)[at]
    return found


def trees_of(fitted: Any) -> Trees | None:
    """Return what a regressor has learned; None where this scikit-learn keeps it otherwise."""
    try:
        base = float(np.ravel(fitted._baseline_prediction)[0])  # noqa: SLF001 - nothing public has it
        nodes = [one[0].nodes for one in fitted._predictors]  # noqa: SLF001 - likewise
        trees = tuple(
            Tree(
                tuple(one["feature_idx"].tolist()),
                tuple(one["num_threshold"].tolist()),
                tuple(one["missing_go_to_left"].astype(bool).tolist()),
                tuple(np.where(one["is_leaf"] > 0, 0, one["left"]).tolist()),
                tuple(np.where(one["is_leaf"] > 0, 0, one["right"]).tolist()),
                tuple(one["value"].tolist()),
            )
            for one in nodes
        )
    except (AttributeError, ValueError, IndexError, TypeError):
        return None
    return Trees(base, trees)


@cache
def _in_one_thread() -> None:
    """Keep OpenMP, once it is loaded, to one thread in this process."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - scikit-learn brings it

    threadpool_limits(limits=1, user_api="openmp")


def _chosen(seed: int, *, trees: int, leaves: int) -> dict[str, Any]:
    return {
        "max_iter": trees,
        "max_leaf_nodes": leaves,
        "learning_rate": _RATE,
        "min_samples_leaf": _LEAST_IN_LEAF,
        "early_stopping": False,
        "random_state": seed,
    }
