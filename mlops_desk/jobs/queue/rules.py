"""The queue's rules as the settings say them."""

from dataclasses import dataclass

from mlops_desk.base.settings import SettingsStore

_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class QueueRules:
    """``gpus_per_user`` at once and ``jobs_per_user`` in the queue: 0 is no limit. Times are seconds.

    Past use loses half its weight in ``half_life_seconds``. A job that has run less than ``spared_seconds`` is not
    preempted; whoever has had no start for ``patience_seconds`` goes first. GPUs stay unused for
    another agent's job for ``kept_seconds`` at most.
    """

    gpus_per_user: int = 0
    jobs_per_user: int = 0
    half_life_seconds: float = 168 * _HOUR
    spared_seconds: float = 600.0
    patience_seconds: float = 24 * _HOUR
    kept_seconds: float = 12 * _HOUR


def rules_of(store: SettingsStore) -> QueueRules:
    """Return the rules that hold now."""
    return QueueRules(
        gpus_per_user=int(store.number("queue.gpus_per_user")),
        jobs_per_user=int(store.number("queue.jobs_per_user")),
        half_life_seconds=store.number("queue.half_life_hours") * _HOUR,
        spared_seconds=store.number("queue.spared_seconds"),
        patience_seconds=store.number("queue.patience_hours") * _HOUR,
        kept_seconds=store.number("queue.kept_hours") * _HOUR,
    )
