"""Which metrics of versions are worth a column: those that vary, the most told first; or those that a person chose.

No Qt here. What most versions have says more than what one has; what is the same everywhere says nothing.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlops_desk.registry.records.version_hit import VersionHit

SHOWN = 3  # as many as stand beside the rest on a small screen
_SYSTEM = "system/"
"""What MLflow itself measures of the machine begins so."""
_EARLY = ("auc", "accuracy", "acc", "f1", "rmse", "mae", "loss")
"""What people look at first, where it varies as much as others do."""


def known(hits: Iterable[VersionHit]) -> list[str]:
    """Return all metrics of some versions, by name; those of the system last."""
    return _by_name(_counted(hits))


def varying(hits: Sequence[VersionHit], most: int = SHOWN) -> list[str]:
    """Return the metrics that vary, at most ``most``; where none does, those that there are."""
    return _varying(_counted(hits), most)


def chosen(hits: Sequence[VersionHit], kept: Sequence[str]) -> list[str]:
    """Return the metrics that a person chose and that are there; where none of them is, those that vary."""
    return offered(hits, kept)[0]


def offered(hits: Iterable[VersionHit], kept: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the metrics that have a column, and all that could have one: in one look at the versions."""
    told = _counted(hits)
    return [name for name in kept if name in told] or _varying(told, SHOWN), _by_name(told)


@dataclass(slots=True)
class _Told:
    """How many versions tell a metric, its first value, and whether another is a different one; NaN is like NaN."""

    first: float
    count: int = 1
    varies: bool = False


def _counted(hits: Iterable[VersionHit]) -> dict[str, _Told]:
    told: dict[str, _Told] = {}
    for hit in hits:
        for name, value in hit.metrics.items():
            one = told.get(name)
            if one is None:
                told[name] = _Told(value)
                continue
            one.count += 1
            if not one.varies and value != one.first:
                one.varies = not (math.isnan(value) and math.isnan(one.first))
    return told


def _varying(told: Mapping[str, _Told], most: int) -> list[str]:
    def order(name: str) -> tuple[bool, int, int, str]:
        return name.startswith(_SYSTEM), _place(name), -told[name].count, name

    return sorted([name for name, one in told.items() if one.varies] or told, key=order)[:most]


def _by_name(told: Iterable[str]) -> list[str]:
    return sorted(told, key=lambda name: (name.startswith(_SYSTEM), name.lower(), name))


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
