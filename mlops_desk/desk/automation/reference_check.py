"""What a rule names and the house does not have now: things, numbers, endpoints, ways to tell people.

Such a rule is taken, for what is lacking may come; but it would wait, or fail, without a word. So it is told when the
rule is made or changed.

By what names the things of rules go: people say gpu0, and facts are known by a GPU's UUID.

The newest sample tells them, so that nobody waits for one; where devices are others than before, rules are to be named
anew. A GPU may have another index after each start of its driver.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_desk.automation.records.actions import NotifyAction, PauseEndpointAction, RollBackAction, RuleAction
from mlops_desk.automation.records.conditions import DriftClause, Leaf, MetricClause, StateClause, leaves
from mlops_desk.automation.records.spec import RuleSpec
from mlops_desk.automation.rules.document.conditions import HOST
from mlops_desk.automation.rules.sentence import called
from mlops_desk.desk.automation.fact_history import CLASSES, KINDS, RULE_METRICS, devices_of
from mlops_desk.drift.records.monitors import MonitorStanding, MonitorState
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Unavailable
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.alerts.readings import DEVICES
from mlops_desk.machine.records.history import SeriesName
from mlops_desk.machine.records.metric import Metric, MetricState, Reading
from mlops_desk.machine.records.status import Status
from mlops_desk.machine.telemetry.devices import resolve_device
from mlops_desk.machine.telemetry.metrics.gpu import GPU
from mlops_desk.machine.telemetry.metrics.host import DISK, FILESYSTEM, NETWORK

_COME_AND_GO = (GPU, DISK, FILESYSTEM, NETWORK)


class ThingNames:
    """Is told each sample, in the thread that samples, and asked in any thread."""

    def __init__(self) -> None:
        self._status: Status | None = None
        self._there: object = None

    def sampled(self, status: Status) -> bool:
        """Take in a sample; tell whether it has other devices than the one before, or is the first."""
        there = [(gpu.index, gpu.uuid) for gpu in status.gpus], *(devices_of(status, each) for each in _COME_AND_GO)
        is_news = there != self._there
        self._status, self._there = status, there
        return is_news

    def name(self, device: str, given: str) -> str:
        """Return the name by which ``RuleHearing`` knows a thing of a class: that of a feature without its kind.

        Raises NotFound where the machine has no such thing now, Invalid where it has several, and Unavailable while
        nobody has looked.
        """
        if device in KINDS:
            return SeriesName.of(device, given, "").key
        if device not in CLASSES:
            return given  # what a device consists of, jobs and monitors go by one name alone
        if self._status is None:
            raise Unavailable("The machine was not measured yet.", "Ask again in some seconds.")
        return name_in(self._status, device, given)


def name_in(status: Status, device: str, given: str) -> str:
    """Return the name of a device of the machine, by what people call it. Raises NotFound, Invalid."""
    gpus = {gpu.index: gpu.uuid for gpu in status.gpus} if device == GPU else {}
    return resolve_device(given, gpus, devices_of(status, device))


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

    ``status`` may wait for the first numbers, for some seconds. ``monitors`` are those of an endpoint's drift.
    """

    status: Callable[[], Status]
    endpoint: Callable[[str], object]
    settings: SettingsStore
    monitors: Callable[[str], Sequence[MonitorStanding]] = lambda _endpoint: ()

    def lacking(self, spec: RuleSpec) -> list[str]:
        """Return what a rule names in vain as things stand, in sentences."""
        found = [text for leaf in leaves(spec.when) for text in self._of_part(leaf)]
        found += [text for action in spec.then for text in self._of_action(action)]
        return [*dict.fromkeys(found)]

    def _of_part(self, leaf: Leaf) -> Iterator[str]:
        if isinstance(leaf, DriftClause):
            yield from self._of_endpoint(leaf.endpoint)
            yield from unjudged(leaf.endpoint, self.monitors)
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


def unjudged(endpoint: str, monitors: Callable[[str], Sequence[MonitorStanding]]) -> list[str]:
    """Return why drift of an endpoint can't be judged; nothing while one of its monitors judges it, or may."""
    try:
        standings = [one for one in monitors(endpoint) if one.state is not MonitorState.PAUSED]
    except DeskError:
        return []  # nobody can tell
    if not standings or any(one.state is not MonitorState.UNKNOWN for one in standings):
        return []
    text = f"Drift of endpoint {plain(endpoint, 200)} is not judged: {standings[0].trouble or ''}"
    return [f"{text} {standings[0].hint or ''}".strip()]


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
