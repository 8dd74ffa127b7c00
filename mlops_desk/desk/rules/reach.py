"""What a rule names and the house does not have now: things, numbers, endpoints, ways to tell people.

Such a rule is taken, for what is lacking may come; but it would wait, or fail, without a word. So it is told when the
rule is made or changed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mlops_desk.alerts.gauging.sample import DEVICES
from mlops_desk.base.errors import DeskError, Invalid, NotFound
from mlops_desk.base.settings import SettingsStore
from mlops_desk.base.text import plain
from mlops_desk.desk.rules.names import name_in
from mlops_desk.desk.rules.past import CLASSES, RULE_METRICS, devices_of
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
    """``status`` tells of the machine, ``endpoint`` finds one by its name (raises NotFound). Both may raise DeskError.

    ``status`` may wait for the first numbers, for some seconds.
    """

    status: Callable[[], Status]
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
        elif isinstance(leaf, StateClause) and leaf.kind == _ENDPOINT and leaf.of is not None:
            yield from self._of_endpoint(leaf.of)
        elif isinstance(leaf, StateClause) and leaf.kind in CLASSES and leaf.of is not None:
            yield from _of_thing(self.status(), leaf.kind, leaf.of)
        elif isinstance(leaf, MetricClause) and leaf.device == _ENDPOINT and leaf.of is not None:
            yield from self._of_endpoint(leaf.of.partition("/")[0])
        elif isinstance(leaf, MetricClause) and leaf.device in CLASSES:
            yield from _of_metric(self.status(), leaf)

    def _of_endpoint(self, name: str) -> Iterator[str]:
        try:
            self.endpoint(name)
        except NotFound:
            yield f"There is no endpoint {plain(name)} now."
        except DeskError:
            return  # nobody can tell

    def _of_action(self, action: RuleAction) -> Iterator[str]:
        if isinstance(action, (PauseEndpointAction, RollBackAction)):
            yield from self._of_endpoint(action.endpoint)
        elif isinstance(action, NotifyAction):
            for way in action.ways:
                unset = [name for name in _WAYS.get(way, ()) if not self.settings.text(name)]
                if unset:
                    yield f"Nobody is told by {way} while the settings {', '.join(unset)} are empty."


def _of_metric(status: Status, leaf: MetricClause) -> list[str]:
    metric, names = RULE_METRICS[leaf.device, leaf.metric], devices_of(status, leaf.device)
    if leaf.of is not None and (lacks := _of_thing(status, leaf.device, leaf.of)):
        return lacks
    if not names:
        return [f"This machine has no {called(leaf.device)} now."]
    of = None if leaf.of is None else name_in(status, leaf.device, leaf.of)
    things = [thing for name, thing in _things(status, leaf.device) if of in {None, name}]
    if things and not metric.derived and not any(_is_told(thing, metric) for thing in things):
        return [f"Nothing tells the {metric.title} of {_whom(leaf)} now."]
    return []


def _of_thing(status: Status, device: str, given: str) -> list[str]:
    try:
        name_in(status, device, given)
    except NotFound:
        return [f"This machine has no {called(device)} {plain(given, 200)} now."]
    except Invalid as error:
        return [f"{error.message} {error.hint or ''}".strip()]  # it may mean several
    return []


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
