"""What samples and incidents say of the rules of the table: facts, for the engine of rules to judge.

Incidents that set alerts off, and keep them going for a while. Pure: the clock is handed in.

One rule and device may have several at once, by what is behind them; what comes on top of a few is told together.

What a sample says of the rules of the table, as facts for the engine of rules. Pure.

Most of a machine is well at each moment, so only that is told of which something may come: what has the engine's eye
already, what is beyond a limit, and counters, which have to be known to be seen growing.

Devices of which everything is as it was when nothing was amiss. Pure.

Most rules look at what hardly ever changes: counters of errors, the state of a link, wear. Where none of them found
anything to remember, they find nothing again until one of their readings is another.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

from mlops_desk.kit.base.hysteresis import Condition, CounterGrowth
from mlops_desk.kit.rule_engine.engine import Key
from mlops_desk.kit.rule_engine.rule_state import RuleSpot
from mlops_desk.machine.alerts.alert_rule import Watched
from mlops_desk.machine.alerts.causes import LOST_XID, XID_RULES, Cause
from mlops_desk.machine.alerts.drift import DRIFT_CLASS
from mlops_desk.machine.alerts.jobs import JOB_CLASS
from mlops_desk.machine.alerts.measures import NvLinks, gone
from mlops_desk.machine.alerts.silences import Spot
from mlops_desk.machine.records.alert import Alert, AlertRule
from mlops_desk.machine.records.gpu import Gpu
from mlops_desk.machine.records.status import Status

PULSE_SECONDS = 600.0
"""How long an incident keeps its alert going."""

_SUBJECTS = 8
"""So many alerts of one rule and device, for different processes; what comes on top is told together."""


@dataclass(slots=True)
class _Pulse:
    """An incident that set a rule off; ``gone`` says that the GPU was lost since."""

    at: float
    cause: Cause
    gone: bool = False


class Pulses:
    """``firing`` are the alerts that fire, as they do at each moment; ``pulsed`` the rules that incidents set off."""

    def __init__(self, firing: Mapping[Spot, Alert], pulsed: frozenset[str]) -> None:
        self._firing = firing
        self._pulsed = pulsed
        self._pulses: dict[Spot, _Pulse] = {}

    def put(self, name: str, device: str, now: float, cause: Cause) -> Spot:
        """Take in an incident; return what it is one of."""
        spot = self._spot(name, device, cause)
        known = self._pulses.get(spot)
        self._pulses[spot] = _Pulse(now, cause, known is not None and known.gone)
        return spot

    def drop(self, spot: Spot) -> None:
        self._pulses.pop(spot, None)

    def cause(self, spot: Spot) -> Cause | None:
        pulse = self._pulses.get(spot)
        return None if pulse is None else pulse.cause

    def spots(self) -> set[Spot]:
        """Return what incidents have set off, before a restart too."""
        return {*self._pulses, *(spot for spot in self._firing if spot[0] in self._pulsed)}

    def value(self, spot: Spot, thing: Any, now: float) -> float | None:
        """Return 1 as long as an incident lasts, 0 once it is over, None where that is not known."""
        pulse = self._pulses.get(spot)
        if pulse is None:  # set off when another agent looked: it goes on for as long
            pulse = self._pulses[spot] = _Pulse(now, Cause(xid=self._firing[spot].xid))
        if pulse.cause.xid == LOST_XID and isinstance(thing, Gpu):
            lost = gone(thing)
            pulse.gone = pulse.gone or lost == 1.0
            if pulse.gone:  # it is over when the GPU is back, whatever the clock says
                return lost
        return 1.0 if now - pulse.at < PULSE_SECONDS else 0.0

    def is_going(self, name: str, device: str, now: float) -> bool:
        """Tell whether an incident of a kind was on a device lately, whether or not its rule is on."""
        return any(now - pulse.at < PULSE_SECONDS for pulse in self._of(name, device))

    def say_lost(self, device: str) -> bool:
        """Tell whether the driver has said that a GPU is lost."""
        rule = XID_RULES["alert"]
        told = (pulse.cause.xid for pulse in self._of(rule, device))
        fires = (alert.xid for spot, alert in self._firing.items() if spot[:2] == (rule, device))
        return LOST_XID in {*told, *fires}

    def sweep(self, now: float) -> None:
        """Forget what is over."""
        self._pulses = {
            spot: pulse
            for spot, pulse in self._pulses.items()
            if spot in self._firing or now - pulse.at < PULSE_SECONDS
        }

    def _of(self, name: str, device: str) -> Iterator[_Pulse]:
        return (pulse for spot, pulse in self._pulses.items() if spot[:2] == (name, device))

    def _spot(self, name: str, device: str, cause: Cause) -> Spot:
        known = [spot for spot in self._pulses if spot[:2] == (name, device)]
        same = [spot for spot in known if cause.event and self._pulses[spot].cause.event == cause.event]
        spot = same[0] if same else (name, device, cause.subject)
        if spot in self._pulses or len(known) < _SUBJECTS:
            return spot
        return name, device, "" if cause.xid is None else str(cause.xid)


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


Fact: TypeAlias = tuple[str, str, float | None]
"""Class and name, the thing, and what it is now; None: nobody knows."""
Eyed: TypeAlias = Mapping[Key, RuleSpot]
"""What the engine of rules has its eye on, by rule and thing."""
Devices: TypeAlias = Iterable[tuple[str, Any]]
_LOST = "gpu_lost"
_NVLINKS = "gpu_nvlink_down"
_BETWEEN = "\n"
"""Between a device and a subject: neither a GPU's name nor that of the host has one in it."""

DEVICES: dict[str, Callable[[Status], Devices]] = {
    "gpu": lambda status: ((gpu.uuid, gpu) for gpu in status.gpus),
    "host": lambda status: (("host", status.host),),
    "disk": lambda status: ((disk.name, disk) for disk in status.disks),
    "filesystem": lambda status: ((mounted.mount, mounted) for mounted in status.filesystems),
    "network": lambda status: ((network.name, network) for network in status.networks),
    JOB_CLASS: lambda _status: (),  # they are looked at by themselves, not with each sample
    DRIFT_CLASS: lambda _status: (),  # likewise
}


def thing_of(spot: Spot) -> str:
    """Return the name by which the engine knows what a rule is judged for."""
    return f"{spot[1]}{_BETWEEN}{spot[2]}" if spot[2] else spot[1]


def spot_at(watched: Watched, thing: str) -> Spot:
    """Return it the other way round; what no incident sets off has one alert for each device."""
    device, _, subject = thing.partition(_BETWEEN) if watched.pulse else (thing, "", "")
    return watched.rule.name, device, subject


class Gauging:
    """``rules`` are as they hold now, ``firing`` what fires: both are the owner's, and change.

    Of counters the engine sees the growth, but for those that have a name of their own (``gpu.pcie_replays``). Such a
    number is a share of what its device tolerates, which the engine knows nothing of; people's rules hold it against a
    threshold without saying over which time it grows, and have to find it the same whether or not the rule of the table
    is on.
    """

    def __init__(
        self,
        watched: Mapping[str, Watched],
        rules: Mapping[str, AlertRule],
        firing: Mapping[Spot, Alert],
        pulses: Pulses,
    ) -> None:
        self._watched = watched
        self._rules = rules
        self._firing = firing
        self._pulses = pulses
        self._table: list[tuple[str, RuleRows]] = []
        self._there: dict[str, list[str]] = {}
        self._growth: dict[Key, CounterGrowth] = {}
        self._links = NvLinks()
        self.arrange()

    def arrange(self) -> None:
        """Take up the rules as they are now."""
        table: dict[str, list[RuleRow]] = {}
        for name, rule in self._rules.items():
            if rule.enabled:
                condition = Condition(rule.above, rule.threshold, rule.clear_at, rule.for_seconds, rule.averaged)
                table.setdefault(rule.device_class, []).append(RuleRow(self._watched[name], rule, condition))
        self._table = [(device_class, RuleRows(rows)) for device_class, rows in table.items()]

    def look_anew(self) -> None:
        """Measure everything once more."""
        for _, rows in self._table:
            rows.forget()

    def of_sample(self, status: Status, now: float, eyed: Eyed) -> list[Fact]:
        """Return what there is to tell of a sample; of devices that are gone since, that nobody knows."""
        if self._links.see(status.gpus):
            self.look_anew()
        pulsing = self._pulses.spots()
        restless = {device for _, device, _ in pulsing}
        found: list[Fact] = []
        for device_class, rows in self._table:
            there = []
            for device, thing in DEVICES[device_class](status):
                there.append(device)
                if device in restless:
                    found += self._pulsed(rows, pulsing, device, thing, now)
                found += self._told(rows.always, device, thing, now, eyed)
                if not rows.is_quiet(device, thing):
                    told = self._told(rows.steady, device, thing, now, eyed)
                    facts = {fact for fact, *_ in told}
                    found += told
                    quiet = device not in restless and not any(
                        map(self._remembers, rows.steady, repeat(device), repeat(eyed), repeat(facts))
                    )
                    rows.keep(device, thing, quiet=quiet)
            if self._there.get(device_class) != there:
                found += self._gone(rows, device_class, there, eyed)
        return found

    def of_all(self, device_class: str, things: Mapping[str, Any], now: float, eyed: Eyed) -> list[Fact]:
        """Return what there is to tell of all things of a class."""
        return [
            fact
            for each, rows in self._table
            if each == device_class
            for device, thing in things.items()
            for fact in self._told(rows.all, device, thing, now, eyed)
        ]

    def wanted(self, watched: Watched, device: str, thing: Any, now: float) -> float | None:
        """Return a measure for whoever asks for it by its name, whether or not the rule of the table is on."""
        name = watched.rule.name
        if watched.pulse:
            return float(self._pulses.is_going(name, device, now))
        return gone(thing) if name == _LOST else self._measure(watched, device, thing, now)

    def sweep(self, status: Status, now: float) -> None:
        """Forget what is known of devices that are gone: mounts and plugged things come and go for months."""
        there = {
            (rule.name, device)
            for device_class, rows in self._table
            for device, _ in DEVICES[device_class](status)
            for _, rule, _ in rows.all
        }
        self.look_anew()
        self._growth = {key: growth for key, growth in self._growth.items() if key in there}
        self._pulses.sweep(now)

    def _told(self, rows: Iterable[RuleRow], device: str, thing: Any, now: float, eyed: Eyed) -> list[Fact]:
        found = []
        for watched, rule, condition in rows:
            value = self._measure(watched, device, thing, now)
            may_matter = value is not None and (watched.is_counted or condition.is_bad(value))
            if may_matter or (rule.name, device) in eyed:
                found.append((watched.fact, device, value))
        return found

    def _pulsed(self, rows: RuleRows, pulsing: Collection[Spot], device: str, thing: Any, now: float) -> Iterator[Fact]:
        for watched, rule, _ in rows.set_off:
            for spot in pulsing:
                if spot[:2] == (rule.name, device):
                    yield watched.fact, thing_of(spot), self._pulses.value(spot, thing, now)

    def _gone(self, rows: RuleRows, device_class: str, there: list[str], eyed: Eyed) -> list[Fact]:
        away = {*self._there.get(device_class, ())}.difference(there)
        self._there[device_class] = there
        mine = {rule.name: watched for watched, rule, _ in rows.all}
        return [
            (mine[name].fact, thing, None)
            for name, thing in eyed
            if name in mine and spot_at(mine[name], thing)[1] in away
        ]

    def _remembers(self, row: RuleRow, device: str, eyed: Eyed, told: Collection[str]) -> bool:
        """Tell whether a rule would find something else in the same number at another time.

        What is ``told`` for the first time now, the engine has its eye on from the next look on.
        """
        key = row.rule.name, device
        spot, growth = eyed.get(key), self._growth.get(key)
        begins = row.watched.fact in told if spot is None else not spot.is_calm
        return begins or (growth is not None and bool(growth.steps))

    def _measure(self, watched: Watched, device: str, thing: Any, now: float) -> float | None:
        name = watched.rule.name
        if name == _NVLINKS:
            return self._links.down(thing)
        if name == _LOST and (name, device, "") not in self._firing and self._fell_off(device):
            return None
        value = watched.measure.of(thing)
        if value is None or not watched.grown_over or watched.is_counted:
            return value
        growth = self._growth.get((name, device))
        if growth is None:
            before = self._grown_before(watched, device, thing, now)
            growth = self._growth[name, device] = CounterGrowth(value, before)
        elif value == growth.last and not growth.steps:
            return 0.0
        return growth.add(value, now, watched.grown_over) / watched.grown_in(thing)

    def _fell_off(self, device: str) -> bool:
        """Tell whether the driver's word that a GPU is lost is an alert, or becomes one."""
        return self._rules[XID_RULES["alert"]].enabled and self._pulses.say_lost(device)

    def _grown_before(self, watched: Watched, device: str, thing: Any, now: float) -> list[tuple[float, float]]:
        """Return the growth that set an alert off when another agent looked: a restart is no repair."""
        rule = self._rules[watched.rule.name]
        alert = self._firing.get((rule.name, device, ""))
        if alert is None:
            return []
        return [(now, (alert.value or rule.threshold) * watched.grown_in(thing))]
