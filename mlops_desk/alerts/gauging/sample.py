"""What a sample says of the rules of the table, as facts for the engine of rules. Pure.

Most of a machine is well at each moment, so only that is told of which something may come: what has the engine's eye
already, what is beyond a limit, and counters, which have to be known to be seen growing.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any, TypeAlias

from mlops_desk.alerts.causes import XID_RULES
from mlops_desk.alerts.drift import DRIFT_CLASS
from mlops_desk.alerts.gauging.pulses import Pulses
from mlops_desk.alerts.jobs import JOB_CLASS
from mlops_desk.alerts.links import NvLinks
from mlops_desk.alerts.measures import gone
from mlops_desk.alerts.rule_rows import RuleRow, RuleRows
from mlops_desk.alerts.silences import Spot
from mlops_desk.alerts.watched import Watched
from mlops_desk.base.hysteresis import Condition, CounterGrowth
from mlops_desk.judging.engine import Key
from mlops_desk.judging.spot import RuleSpot
from mlops_desk.records.alert import Alert, AlertRule
from mlops_desk.records.status import Status

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
