"""The queue's rules as the settings say them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.kit.base.settings import SettingsStore

_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class QueueRules:
    """``gpus_per_user`` at once and ``jobs_per_user`` in the queue: 0 is no limit. Times are seconds.

    Past use loses half its weight in ``half_life_seconds``. A job that has run less than ``spared_seconds`` is not
    preempted; whoever has had no start for ``patience_seconds`` goes first. GPUs stay unused for
    another agent's job for ``kept_seconds`` at most. ``weights`` are those of users whose share is not 1, by name.
    """

    gpus_per_user: int = 0
    jobs_per_user: int = 0
    half_life_seconds: float = 168 * _HOUR
    spared_seconds: float = 600.0
    patience_seconds: float = 24 * _HOUR
    kept_seconds: float = 12 * _HOUR
    weights: Mapping[str, float] = field(default_factory=dict)


def rules_of(store: SettingsStore) -> QueueRules:
    """Return the rules that hold now."""
    return QueueRules(
        gpus_per_user=int(store.number("queue.gpus_per_user")),
        jobs_per_user=int(store.number("queue.jobs_per_user")),
        half_life_seconds=store.number("queue.half_life_hours") * _HOUR,
        spared_seconds=store.number("queue.spared_seconds"),
        patience_seconds=store.number("queue.patience_hours") * _HOUR,
        kept_seconds=store.number("queue.kept_hours") * _HOUR,
        weights=_weights(store.text("queue.weights")),
    )


def _weights(text: str) -> dict[str, float]:
    """Read "ana=2 bo=0.5"; the setting's form has been checked."""
    pairs = (word.rpartition("=") for word in text.split())
    return {name: float(weight) for name, _, weight in pairs if name and float(weight) > 0}
