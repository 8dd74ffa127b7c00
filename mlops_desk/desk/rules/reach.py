"""What a rule names and the house does not have now: things, numbers, endpoints, ways to tell people.

Such a rule is taken, for what is lacking may come; but it would wait, or fail, without a word. So it is told when the
rule is made or changed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mlops_desk.alerts.gauging.sample import DEVICES
from mlops_desk.base.errors import DeskError, NotFound
from mlops_desk.base.settings import SettingsStore
from mlops_desk.base.text import plain
from mlops_desk.desk.rules.names import ThingNames
from mlops_desk.desk.rules.past import CLASSES, RULE_METRICS
from mlops_desk.records.metric import Metric, MetricState, Reading
from mlops_desk.records.rules.actions import NotifyAction, PauseEndpointAction, RollBackAction, RuleAction
from mlops_desk.records.rules.conditions import DriftClause, Leaf, MetricClause, StateClause, leaves
from mlops_desk.records.rules.spec import RuleSpec
from mlops_desk.records.status import Status
from mlops_desk.rules.document.conditions import HOST
from mlops_desk.rules.sentence import called

_UNTOLD = frozenset({MetricState.NOT_SUPPORTED, MetricState.NOT_SUPPORTED_BY_DRIVER, MetricState.NO_PERMISSION})
_ENDPOINT = "endpoint"
_WAYS = {
    "email": ("notify.smtp", "notify.mail_from", "notify.mail_to"),
    "webhook": ("alerts.webhook",),
    "command": ("notify.command",),
}
"""The settings without which a way to tell people leads nowhere."""


@dataclass(frozen=True, slots=True)
class RuleReach:
    """``endpoint`` finds one by its name; raises NotFound, and DeskError while nobody can tell."""

    names: ThingNames
    endpoint: Callable[[str], object]
    settings: SettingsStore

    def lacking(self, spec: RuleSpec) -> list[str]:
        """Return what a rule names in vain as things stand, in sentences."""
        found = [text for leaf in leaves(spec.when) for text in self._of_part(leaf)]
        found += [text for action in spec.then for text in self._of_action(action)]
        return [*dict.fromkeys(found)]

    def _of_part(self, leaf: Leaf) -> Iterator[str]:
        if isinstance(leaf, DriftClause):
            yield from self._of_endpoint(leaf.endpoint)
        elif isinstance(leaf, StateClause) and leaf.of is not None:
            yield from self._of_endpoint(leaf.of) if leaf.kind == _ENDPOINT else self._of_thing(leaf.kind, leaf.of)
        elif isinstance(leaf, MetricClause) and leaf.device == _ENDPOINT and leaf.of is not None:
            yield from self._of_endpoint(leaf.of.partition("/")[0])
        elif isinstance(leaf, MetricClause) and leaf.device in CLASSES:
            yield from self._of_metric(leaf)

    def _of_metric(self, leaf: MetricClause) -> Iterator[str]:
        status, metric = self.names.status, RULE_METRICS[leaf.device, leaf.metric]
        lacks = [] if leaf.of is None else [*self._of_thing(leaf.device, leaf.of)]
        if lacks or status is None:
            yield from lacks
            return
        of = None if leaf.of is None else self.names.name(leaf.device, leaf.of)
        things = [thing for name, thing in _things(status, leaf.device) if of in {None, name}]
        if leaf.of is None and not self.names.there(leaf.device):
            yield f"This machine has no {called(leaf.device)} now."
        elif things and not metric.derived and not any(_is_told(thing, metric) for thing in things):
            yield f"Nothing tells the {metric.title} of {_whom(leaf)} now."

    def _of_thing(self, device: str, given: str) -> Iterator[str]:
        try:
            self.names.name(device, given)
        except NotFound:
            yield f"This machine has no {called(device)} {plain(given, 200)} now."
        except DeskError:
            return  # nobody has looked yet

    def _of_endpoint(self, name: str) -> Iterator[str]:
        try:
            self.endpoint(name)
        except NotFound:
            yield f"There is no endpoint {plain(name)} now."
        except DeskError:
            return  # likewise

    def _of_action(self, action: RuleAction) -> Iterator[str]:
        if isinstance(action, (PauseEndpointAction, RollBackAction)):
            yield from self._of_endpoint(action.endpoint)
        elif isinstance(action, NotifyAction):
            for way in action.ways:
                unset = [name for name in _WAYS.get(way, ()) if not self.settings.text(name)]
                if unset:
                    yield f"Nobody is told by {way} while the settings {', '.join(unset)} are empty."


def _whom(leaf: MetricClause) -> str:
    if leaf.device == HOST:
        return called(HOST)
    return f"any {called(leaf.device)}" if leaf.of is None else f"{called(leaf.device)} {plain(leaf.of, 200)}"


def _things(status: Status, device: str) -> list[tuple[str, Any]]:
    return [*DEVICES[device](status)] if device in DEVICES else []


def _is_told(thing: Any, metric: Metric) -> bool:
    """Tell whether a device has a number, or may have one soon: a rate or a latency has none while nothing happens."""
    reading: Reading | None = thing.metrics.get(metric.name)
    if reading is None:
        return metric.kind == "rate" or metric.unit == "s"
    return reading.value is not None or reading.state not in _UNTOLD
