"""Devices of which everything is as it was when nothing was amiss. Pure.

Most rules look at what hardly ever changes: counters of errors, the state of a link, wear. Where none of them found
anything to remember, they find nothing again until one of their readings is another.
"""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, NamedTuple

from mlops_desk.alerts.watched import Watched
from mlops_desk.base.hysteresis import Condition
from mlops_desk.records.alert import AlertRule

RESTLESS = frozenset({
    "hw.gpu.utilization", "hw.gpu.memory.usage", "hw.temperature", "hw.temperature.memory",
    "hw.gpu.throttle.thermal", "hw.gpu.throttle.hardware_slowdown", "hw.gpu.throttle.power_brake",
    "system.memory.usage", "system.pressure.memory.full.avg10",
})  # fmt: skip
"""What is another at nearly every look: whoever reads it is always looked at."""


class RuleRow(NamedTuple):
    """A rule as it holds now."""

    watched: Watched
    rule: AlertRule
    condition: Condition


class RuleRows:
    """The rules of a class of devices, and which of its devices are steady.

    ``always`` are looked at each time, ``set_off`` by incidents, ``steady`` of devices that are not known as quiet.
    """

    def __init__(self, rows: Iterable[RuleRow]) -> None:
        self.all = [*rows]
        self.set_off = [row for row in self.all if row.watched.pulse]
        others = [row for row in self.all if not row.watched.pulse]
        self.steady = [row for row in others if not _is_restless(row.watched)]
        self.always = [row for row in others if _is_restless(row.watched)]
        measures = [row.watched.measure for row in self.steady]
        self._reads = sorted({name for each in measures for name in each.reads or ()})
        self._facts = _facts(sorted({name for each in measures for name in each.facts}))
        self._quiet: dict[str, tuple[object, list[float | None]]] = {}

    def is_quiet(self, device: str, thing: Any) -> bool:
        """Tell whether what the steady rules read is as it was when ``keep`` was told."""
        known = self._quiet.get(device)
        if known is None:
            return False
        return known[1] == self._values(thing) and known[0] == self._facts(thing)

    def keep(self, device: str, thing: Any, *, quiet: bool) -> None:
        """Take note that the steady rules were looked at, and whether there was nothing to remember."""
        if quiet:
            self._quiet[device] = self._facts(thing), self._values(thing)
        else:
            self._quiet.pop(device, None)

    def forget(self) -> None:
        """Have every device looked at again."""
        self._quiet.clear()

    def _values(self, thing: Any) -> list[float | None]:
        return [None if each is None else each.value for each in map(thing.metrics.get, self._reads)]


def _is_restless(watched: Watched) -> bool:
    reads = watched.measure.reads
    return reads is None or not RESTLESS.isdisjoint(reads)


def _facts(names: list[str]) -> Callable[[Any], object]:
    return attrgetter(*names) if names else lambda _: None
