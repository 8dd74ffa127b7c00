"""Reads off a fitted model how much it looks at each of its columns, where it says that itself: nothing is asked of it.

It runs inside the model's own container, and knows models by what they have, so that no library is needed that the
model does not need. What is said of derived columns is followed back to the column that each was made of; where a step
makes one out of several, nobody can tell, and NotSaid is raised with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

GAIN = "gain"
IMPURITY = "feature_importances"
COEFFICIENTS = "coefficients"
DEEP = 20  # chosen: pipelines within pipelines within searches; a model that holds itself ends here


class NotSaid(Exception):  # noqa: N818 - no fault: most models don't say
    """A model that doesn't say it, or says it of columns that can't be followed back; its text is the reason."""


def read(model: Any, names: Sequence[str], table: Callable[[], Any]) -> tuple[str, list[float]]:
    """Return by which method, and a number of at least 0 for each of ``names``, the model's columns in their order.

    ``table`` gives rows of them as a pandas frame; only coefficients need it. Raises NotSaid, and whatever the model's
    library raises.
    """
    opened = unwrapped(model)
    steps, last = parted(opened)
    labels = input_names(opened, names)
    sources = list(range(len(labels)))
    known: list[str] | None = list(labels)
    for step in steps:
        sources, known = followed(step, sources, known)
    method, values, groups_of = said_by(last)
    if method == COEFFICIENTS:
        made = table()[list(labels)]
        for step in steps:
            made = step.transform(made)
        values = contributions(groups_of, made, sources, len(labels))
    else:
        values = summed(values, sources, len(labels))
    if not sum(values) > 0:
        raise NotSaid(f"{called(last)} says of no column that it matters")
    by_name = dict(zip(labels, values))
    return method, [by_name.get(name, 0.0) for name in names]


def called(model: Any) -> str:
    return type(model).__name__


def unwrapped(model: Any) -> Any:
    """Return the model that a search has found, or that a transformer of the target surrounds."""
    for _ in range(DEEP):
        inner = getattr(model, "best_estimator_", None)
        inner = getattr(model, "regressor_", None) if inner is None else inner
        if inner is None:
            return model
        model = inner
    raise NotSaid("its models lie too deep in one another")


def parted(model: Any) -> tuple[list[Any], Any]:
    """Return the steps before a pipeline's last one, and the model that is the last."""
    steps: list[Any] = []
    for _ in range(DEEP):
        if not is_pipeline(model):
            return steps, model
        steps += [one for _, one in model.steps[:-1]]
        model = unwrapped(model.steps[-1][1])
    raise NotSaid("its pipelines lie too deep in one another")


def is_pipeline(model: Any) -> bool:
    return isinstance(getattr(model, "steps", None), list) and hasattr(model, "named_steps")


def input_names(model: Any, names: Sequence[str]) -> list[str]:
    """Return what the model itself calls its columns; ``names`` where it has learned by place alone."""
    first = unwrapped(model.steps[0][1]) if is_pipeline(model) else model
    told = getattr(model, "feature_names_in_", None)
    told = getattr(first, "feature_names_in_", None) if told is None else told
    told = booster_names(first) if told is None else told
    own = None if told is None else [str(one) for one in told]
    if own is not None and set(own) <= set(names):
        return own
    n_own = len(own) if own is not None else getattr(model, "n_features_in_", getattr(first, "n_features_in_", None))
    if n_own is not None and n_own != len(names):
        raise NotSaid(f"it has learned by {n_own} columns, and takes {len(names)}")
    return list(names)


def booster_names(model: Any) -> Any:
    """Return the columns' names of a booster of XGBoost (None where it has none) or LightGBM."""
    named = getattr(model, "feature_name", None)
    return named() if callable(named) else getattr(model, "feature_names", None)


# -- what a step makes of columns ---------------------------------------------------------------------------------


def followed(step: Any, sources: list[int], known: list[str] | None) -> tuple[list[int], list[str] | None]:
    """Return of which input each column is made after a step, and the columns' names where they are still known."""
    if step is None or isinstance(step, str):
        if step == "drop":
            return [], []
        return sources, known  # "passthrough"
    if is_pipeline(step):
        for _, inner in step.steps:
            sources, known = followed(inner, sources, known)
        return sources, known
    if hasattr(step, "transformers_") and hasattr(step, "output_indices_"):
        return of_columns(step, sources, known), None
    places = places_of(step, len(sources))
    return [sources[at] for at in places], None if len(places) != len(sources) else known


def of_columns(step: Any, sources: list[int], known: list[str] | None) -> list[int]:
    """Follow scikit-learn's ColumnTransformer: each of its parts takes some columns, and makes a run of the result."""
    ends = [one.stop for one in step.output_indices_.values()]
    found: list[int | None] = [None] * max(ends, default=0)
    for name, inner, chosen in step.transformers_:
        run = step.output_indices_.get(name)
        if run is None or run.stop == run.start:
            continue
        taken = places_in(chosen, known, len(sources))
        labels = None if known is None else [known[at] for at in taken]
        made, _ = followed(inner, [sources[at] for at in taken], labels)
        if len(made) != run.stop - run.start:
            raise NotSaid(f"what {called(inner)} makes of its columns can't be followed")
        found[run] = made
    return [one for one in found if one is not None]


def places_in(chosen: Any, known: list[str] | None, n: int) -> list[int]:
    """Return which columns are meant by names, places, a slice or a mask."""
    if isinstance(chosen, slice):
        ends = (chosen.start, chosen.stop)
        if any(isinstance(one, str) for one in ends):
            raise NotSaid("columns are chosen from a name to another")
        return list(range(n))[chosen]
    some = [chosen] if isinstance(chosen, (str, int)) else list(chosen)
    if some and all(isinstance(one, str) for one in some):
        if known is None or not set(some) <= set(known):
            raise NotSaid("columns are chosen by names that are made on the way")
        return [known.index(one) for one in some]
    if len(some) == n and all(type(one).__name__ in {"bool", "bool_"} for one in some):
        return [at for at, one in enumerate(some) if one]
    return [int(one) % n for one in some]


def places_of(step: Any, n: int) -> list[int]:
    """Return for each column that a transformer makes the place of the one it is made of. Raises NotSaid."""
    if hasattr(step, "categories_") and hasattr(step, "drop_idx_"):
        return of_one_hot(step)
    if hasattr(step, "statistics_") and hasattr(step, "indicator_"):
        return of_imputer(step)
    if hasattr(step, "get_support"):
        return [int(one) for one in step.get_support(indices=True)]
    if is_one_to_one(step):
        return list(range(n))
    raise NotSaid(f"{called(step)} makes columns out of several")


def is_one_to_one(step: Any) -> bool:
    """Tell whether a transformer changes each column by itself and keeps their order."""
    try:
        from sklearn.base import OneToOneFeatureMixin
    except ImportError:
        return False
    plain = called(step) == "FunctionTransformer" and getattr(step, "func", step) is None
    return plain or isinstance(step, OneToOneFeatureMixin)


def of_one_hot(step: Any) -> list[int]:
    """Return the column of each indicator: those of one column stand together."""
    rare = getattr(step, "infrequent_categories_", None)
    places: list[int] = []
    for at, values in enumerate(step.categories_):
        n = len(values)
        if rare is not None and rare[at] is not None:
            n -= len(rare[at]) - 1
        if step.drop_idx_ is not None and step.drop_idx_[at] is not None:
            n -= 1
        places += [at] * n
    if len(places) != len(step.get_feature_names_out()):
        raise NotSaid("which indicator is of which column can't be told")
    return places


def of_imputer(step: Any) -> list[int]:
    """Return the column of each filled one (empty ones are left out), then of each that says where values lack."""
    kept = getattr(step, "keep_empty_features", False)
    places = [at for at, value in enumerate(step.statistics_) if kept or value == value]  # noqa: PLR0124 - NaN is none
    if step.indicator_ is not None:
        places += [int(one) for one in step.indicator_.features_]
    return places


# -- what the last one says ---------------------------------------------------------------------------------------


def said_by(model: Any) -> tuple[str, list[float], Any]:
    """Return the method, a number for each column, and of a linear model its coefficients. Raises NotSaid."""
    library = type(model).__module__.partition(".")[0]
    if library == "xgboost":
        return GAIN, gain_of_xgboost(model), None
    if library == "lightgbm":
        booster = model if hasattr(model, "feature_importance") else model.booster_
        return GAIN, [float(one) for one in booster.feature_importance(importance_type="gain")], None
    told = getattr(model, "feature_importances_", None)
    if told is not None:
        return IMPURITY, [float(one) for one in told], None
    told = getattr(model, "coef_", None)
    if told is not None:
        return COEFFICIENTS, [], told
    raise NotSaid(f"{called(model)} does not say which columns it looks at")


def gain_of_xgboost(model: Any) -> list[float]:
    """Return the gain of all splits of a column together, which is what LightGBM's own gain is.

    (``feature_importances_`` of XGBoost's wrappers is the mean gain of a split.)
    """
    booster = model if hasattr(model, "get_score") else model.get_booster()
    told = booster.get_score(importance_type="total_gain")
    names = booster.feature_names or [f"f{at}" for at in range(booster.num_features())]
    return [float(told.get(name, 0.0)) for name in names]


def summed(values: Sequence[float], sources: Sequence[int], n: int) -> list[float]:
    """Return the sum of what is said of the columns that were made of each input."""
    if len(values) != len(sources):
        raise NotSaid(f"it says it of {len(values)} columns, and {len(sources)} are known")
    sums = [0.0] * n
    for value, source in zip(values, sources):
        sums[source] += value
    return sums


def contributions(coefficients: Any, made: Any, sources: Sequence[int], n: int) -> list[float]:
    """Return how far each input moves a linear model's answer: the standard deviation of its part of the sum.

    Of one that is passed on as it is that is |coefficient| times its spread; of one that was made into several, as
    categories are, it does not depend on which of them was left out. Of several classes it is their mean.
    """
    import numpy  # noqa: ICN001 - short names save nothing here

    values = made.to_numpy() if hasattr(made, "to_numpy") else made
    dense = coefficients.toarray() if hasattr(coefficients, "toarray") else coefficients
    weights = numpy.atleast_2d(numpy.asarray(dense, dtype=float))
    if weights.shape[1] != len(sources) or values.shape[1] != len(sources):
        raise NotSaid(f"it has {weights.shape[1]} coefficients, and {len(sources)} columns are known")
    found = []
    for source in range(n):
        places = [at for at, one in enumerate(sources) if one == source]
        part = values[:, places]
        part = part.toarray() if hasattr(part, "toarray") else part
        moved = numpy.asarray(part, dtype=float) @ weights[:, places].T
        found.append(float(moved.std(axis=0).mean()) if places else 0.0)
    return found
