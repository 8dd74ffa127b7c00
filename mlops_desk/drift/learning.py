"""The door to scikit-learn, which takes a second to load: models that tell sides apart, or what errors to expect.

It comes with the desk, but an installation may have been cut down: then what needs it says so, and the rest is done.
Its loops run in one thread: several that wait for each other on a machine that is busy took a thousand times as long.
"""

import importlib.util
from collections.abc import Sequence
from functools import cache
from typing import Any

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
