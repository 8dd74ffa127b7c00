"""Which metrics of versions are worth a column: those that vary, the most told first; or those that a person chose.

No Qt here. What most versions have says more than what one has; what is the same everywhere says nothing.
"""

import math
from collections.abc import Iterable, Sequence

from mlops_desk.records.registry.version_hit import VersionHit

SHOWN = 3  # as many as stand beside the rest on a small screen
_SYSTEM = "system/"
"""What MLflow itself measures of the machine begins so."""
_EARLY = ("auc", "accuracy", "acc", "f1", "rmse", "mae", "loss")
"""What people look at first, where it varies as much as others do."""


def known(hits: Iterable[VersionHit]) -> list[str]:
    """Return all metrics of some versions, by name; those of the system last."""
    names = {name for hit in hits for name in hit.metrics}
    return sorted(names, key=lambda name: (name.startswith(_SYSTEM), name.lower(), name))


def varying(hits: Sequence[VersionHit], most: int = SHOWN) -> list[str]:
    """Return the metrics that vary, at most ``most``; where none does, those that there are."""
    names = known(hits)
    spread = {name: _spread([hit.metrics[name] for hit in hits if name in hit.metrics]) for name in names}

    def order(name: str) -> tuple[bool, int, int, str]:
        return name.startswith(_SYSTEM), _place(name), -_count(hits, name), name

    return sorted([name for name in names if spread[name] > 1] or names, key=order)[:most]


def chosen(hits: Sequence[VersionHit], kept: Sequence[str]) -> list[str]:
    """Return the metrics that a person chose and that are there; where none of them is, those that vary."""
    there = set(known(hits))
    return [name for name in kept if name in there] or varying(hits)


def _spread(values: Sequence[float]) -> int:
    """Return how many different values there are; NaN is one."""
    finite = {value for value in values if not math.isnan(value)}
    return len(finite) + any(math.isnan(value) for value in values)


def _count(hits: Sequence[VersionHit], name: str) -> int:
    return sum(name in hit.metrics for hit in hits)


def _place(name: str) -> int:
    """Return how early people look at it: by the part of its name that says what it is."""
    parts = name.lower().replace("-", "_").replace("/", "_").split("_")
    return next((place for place, word in enumerate(_EARLY) if word in parts), len(_EARLY))


def is_lower_better(name: str) -> bool | None:
    """Return the direction of a metric as its name tells it; None where it does not."""
    parts = set(name.lower().replace("-", "_").replace("/", "_").split("_"))
    if parts & _LOWER:
        return True
    return False if parts & _HIGHER else None


_LOWER = frozenset({"loss", "error", "err", "rmse", "mse", "mae", "mape", "logloss", "wer", "perplexity"})
_HIGHER = frozenset({"auc", "accuracy", "acc", "f1", "precision", "recall", "r2", "score", "map", "iou", "bleu"})
