"""How what rules watch went lately, beside the threshold: asked for while the page is seen, and now and then anew.

A rule about each of several things shows the one for which its condition holds, else the first that is known. What the
history knows nothing of stays blank.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from mlops_desk.base.text import plain
from mlops_desk.records.rules.kept import KeptRule
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.parts.lately import LatelyCurves, values_of
from mlops_desk.ui.tables.model import Spark
from mlops_desk.ui.words import alerts

if TYPE_CHECKING:
    from mlops_desk.records.history import Curves
    from mlops_desk.records.status import Status

SPAN_SECONDS = 86_400.0  # chosen: a day has the night and the work in it
_BUCKETS = 96  # a quarter of an hour each, which the history keeps for long
_AGAIN_MILLISECONDS = 60_000  # chosen: a bucket stands for a quarter of an hour
_MOST = 300  # chosen: more rules than anybody scrolls through; further ones have no curve
_MACHINE = frozenset({"gpu", "host", "core", "sensor", "disk", "network", "filesystem"})
"""Classes whose things go by their own names; what features record goes by KIND:NAME."""


@dataclass(frozen=True, slots=True)
class WatchedCurve:
    """What of a rule is shown: its thing as people call it; values in ``unit`` that begin at Unix time ``start``."""

    thing: str
    metric: str
    unit: str
    start: float
    step_seconds: float
    spark: Spark
    above: bool

    @property
    def last(self) -> float | None:
        """The newest value that is known."""
        return next((value for value in reversed(self.spark.values) if value is not None), None)


def watched(rule: KeptRule, status: "Status | None") -> tuple[str, str] | None:
    """Return device and metric of what is shown of a rule; None where it watches no number, or of nothing known."""
    if not rule.watched:
        return None
    clause = rule.watched[0]
    thing = clause.of
    if thing is None:
        order = sorted(rule.standings, key=lambda one: (one.holds is not True, one.holds is None, one.subject))
        thing = next((one.subject for one in order if one.subject), None)
    if thing is None and clause.device == "host":
        thing = "host"
    if thing is None:
        return None
    if clause.device not in _MACHINE:
        return f"{clause.device}:{thing.removeprefix(f'{clause.device}:')}", clause.metric
    gpus = status.gpus if status is not None and clause.device == "gpu" else ()
    named = next((gpu.uuid for gpu in gpus if thing.lower() in {f"gpu{gpu.index}", str(gpu.index)}), thing)
    return named, clause.metric


class RuleCurves(QObject):
    """``changed`` is called when there are new ones."""

    def __init__(self, context: Context, parent: QObject, changed: Callable[[], None]) -> None:
        super().__init__(parent)
        self._context = context
        self._changed = changed
        self._wanted: dict[str, tuple[str, str]] = {}
        self._rules: Mapping[str, KeptRule] = {}
        self._found: dict[str, WatchedCurve] = {}
        self._lately = LatelyCurves(
            self, context, "what rules watch", SPAN_SECONDS, _BUCKETS, _AGAIN_MILLISECONDS, self._got
        )

    def of(self, name: str) -> WatchedCurve | None:
        """Return what is known of a rule's curve."""
        return self._found.get(name)

    def want(self, rules: Mapping[str, KeptRule]) -> None:
        """Hear which rules there are; where they watch something else than before, it is asked for at once."""
        status = self._context.store.status
        told = ((name, watched(rule, status)) for name, rule in [*rules.items()][:_MOST])
        wanted = {name: one for name, one in told if one is not None}
        self._rules = rules
        if wanted != self._wanted or not self._lately.goes_on:
            self._wanted = wanted
            self._lately.want(sorted({f"{device}\t{metric}" for device, metric in wanted.values()}))

    def left(self) -> None:
        """Hear that it is not seen any more."""
        self._lately.left()

    def _got(self, found: "Curves") -> None:
        read = {(one.device, one.metric): (one.unit, _known(one.mean)) for one in found.curves}
        curves = {}
        for name, (device, metric) in self._wanted.items():
            rule = self._rules.get(name)
            unit, values = read.get((device, metric), ("", ()))
            if rule is None or not any(value is not None for value in values):
                continue
            clause = rule.watched[0]
            spark = Spark(values, clause.threshold)
            title = _titled(device, clause.device, self._context.store.status)
            curves[name] = WatchedCurve(title, metric, unit, found.start, found.step_seconds, spark, clause.above)
        if curves != self._found:
            self._found = curves
            self._changed()


def _titled(thing: str, device: str, status: "Status | None") -> str:
    """Return what people call a thing of a class: GPU 3, endpoint churn-prod."""
    if device in _MACHINE:
        return alerts.device_title(thing, status)
    return plain(f"{device} {thing.removeprefix(f'{device}:')}", 80)


def _known(packed: bytes) -> tuple[float | None, ...]:
    return tuple(None if math.isnan(value) else value for value in values_of(packed))
