"""How the importance of columns was found, in words that command line and window share."""

from mlops_desk.drift.records.importance import CHANGE, ComputedImportance, FoundWeight, ImportanceMethod
from mlops_desk.kit.base.text import plain

_SAID = {
    ImportanceMethod.IMPURITY: "The model says it itself: feature_importances_ of its trees, which favour columns of "
    "many values",
    ImportanceMethod.GAIN: "The model says it itself: what its trees gain by a column",
    ImportanceMethod.COEFFICIENTS: "The model says it itself: how far a column moves its sum, by its coefficients",
}
_NAME = 100  # chosen: names of models come from registries


def how(found: ComputedImportance, model: str | None) -> str:
    """Say how it was found, by what, and of which version, where that is not ``model``, the one that answers now."""
    if found.method is not ImportanceMethod.PERMUTATION:
        told = f"{_SAID[found.method]}."
    else:
        times = f"{found.n_repeats or 0} times each, seed {found.seed or 0}"
        told = f"{_permuted(found)} ({found.n_rows:,} rows, {times})."
    if found.why:
        told += f" Asked because {plain(found.why, _NAME)}."
    if model is not None and model != found.model:
        told += f" It is of {plain(found.model, _NAME)}, and {plain(model, _NAME)} answers now: compute it again."
    return told


def _permuted(found: ComputedImportance) -> str:
    if found.metric == CHANGE:
        return "Permutation: how far answers change when a column is shuffled; no row has a label to score them by"
    sign = -1.0 if found.metric in {"log_loss", "mae", "rmse"} else 1.0
    before = "" if found.baseline is None else f" of {sign * found.baseline:.4g}"
    return f"Permutation: what a column costs in {found.metric or 'score'}{before} when it is shuffled"


def interval(weight: FoundWeight) -> str:
    """Return a column's number with its standard deviation; one that is no importance as 0, with what was measured."""
    if weight.deviation is None:
        return f"{weight.mean:.3g}"
    if weight.mean <= 0.0:
        return f"0 ({weight.mean:.2g} ± {weight.deviation:.2g})" if weight.mean or weight.deviation else "0"
    return f"{weight.mean:.3g} ± {weight.deviation:.2g}"
