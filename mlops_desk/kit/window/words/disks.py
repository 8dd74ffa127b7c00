"""How full a filesystem is, the same on every page. No Qt here."""

from collections.abc import Mapping

from mlops_desk.kit.window.words.numbers import value_of
from mlops_desk.machine.records.host import Filesystem
from mlops_desk.machine.records.metric import Reading

Metrics = Mapping[str, Reading]


def space(filesystem: Filesystem) -> float | None:
    """Return the share of a filesystem (0-1) that is used; None where it is not known."""
    share = value_of(filesystem.metrics.get("system.filesystem.utilization"))
    if share is not None:
        return share
    return ratio(filesystem.metrics, "system.filesystem.usage", "system.filesystem.limit")


def ratio(metrics: Metrics, name: str, limit: str) -> float | None:
    """Return which share (0-1) of what can be used is used; None where either is not known."""
    used, most = value_of(metrics.get(name)), value_of(metrics.get(limit))
    return used / most if used is not None and most else None
