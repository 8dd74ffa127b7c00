"""When an alert begins and ends. Pure: samples and both clocks are handed in.

Missing data neither fires nor ends anything. A device that is gone for an hour takes its alerts along; one that
fires again soon after its end is the same alert, not a new one.
"""

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any, TypeAlias

from mlops_desk.alerts.causes import LOST_XID, UNKNOWN, XID_RULES, Cause
from mlops_desk.alerts.drift import DRIFT_CLASS
from mlops_desk.alerts.jobs import JOB_CLASS, cause_of
from mlops_desk.alerts.links import NvLinks
from mlops_desk.alerts.measures import gone
from mlops_desk.alerts.rule_rows import RuleRow, RuleRows
from mlops_desk.alerts.silences import Silences, Spot, spot_of
from mlops_desk.alerts.table import WATCHED
from mlops_desk.alerts.watched import Watched
from mlops_desk.alerts.words import describe, device_title
from mlops_desk.base.hysteresis import Condition, CounterGrowth, Holding, step
from mlops_desk.base.text import plain
from mlops_desk.records.alert import Alert, AlertRule
from mlops_desk.records.drift.monitors import DriftWatch
from mlops_desk.records.gpu import Gpu
from mlops_desk.records.jobs.running import JobWatch
from mlops_desk.records.status import Status

PULSE_SECONDS = 600.0
"""How long an incident keeps its alert going."""

GONE_SECONDS = 3600.0
"""Chosen: a device that is away for a restart of its driver or a change of cable comes back as the same."""
REOPEN_SECONDS = 600.0
"""As long as an incident keeps its alert going: what comes back sooner is the same trouble, not a new one."""
_SUBJECTS = 8
"""So many alerts of one rule and device, for different processes; what comes on top is told together."""

ALERT_CLASS = "alert"
"""The class of the facts that tell whether rules of the table fire, by the rule's name."""
Wanted: TypeAlias = Mapping[str, Collection[str]]
"""Names of what is asked for, by class."""
Fact: TypeAlias = tuple[str, str, float | None]
"""Class and name, the thing, and what it is now; None: nobody knows."""
_LOST = "gpu_lost"
_SAID_LIMIT = 500  # chosen: a paragraph; it may hold names of processes
_NVLINKS = "gpu_nvlink_down"


@dataclass(frozen=True, slots=True)
class Change:
    """An alert began or ended. ``fresh`` is False for one that only came back: nobody is told of it again.

    ``silent``: a person wanted to hear nothing of it.
    """

    alert: Alert
    watched: Watched
    fresh: bool
    silent: bool = False


@dataclass(slots=True)
class _Pulse:
    """An incident that set a rule off; ``gone`` says that the GPU was lost since."""

    at: float
    cause: Cause
    gone: bool = False


class AlertEngine:
    """Holds what fires. ``firing`` and ``rules`` are what was stored: rules that a person changed, and open alerts."""

    def __init__(self, rules: Iterable[AlertRule] = (), firing: Iterable[Alert] = ()) -> None:
        changed = {rule.name: rule for rule in rules}
        self._watched = {item.rule.name: item for item in WATCHED}
        self._rules = {name: with_changes(item.rule, changed.get(name)) for name, item in self._watched.items()}
        self._table: list[tuple[str, RuleRows]] = []
        self._holdings: dict[Spot, Holding] = {}
        self._growth: dict[Spot, CounterGrowth] = {}
        self._pulses: dict[Spot, _Pulse] = {}
        self._seen: dict[Spot, float] = {}
        self._ended: dict[Spot, tuple[Alert, float]] = {}
        self._sweep_due = 0.0
        self.silences = Silences()
        self._links = NvLinks()
        self.firing: dict[Spot, Alert] = {}
        for alert in firing:
            if alert.rule in self._rules:
                self.firing[spot_of(alert)] = alert
                self._holdings[spot_of(alert)] = Holding(on=True)
        self._arrange()

    @property
    def rules(self) -> Mapping[str, AlertRule]:
        return self._rules

    def watched(self, name: str) -> Watched:
        return self._watched[name]

    def configure(self, rule: AlertRule, at: float) -> list[Change]:
        """Take a changed rule; one that is switched off ends its alerts."""
        self._rules[rule.name] = rule
        self._arrange()
        spots = [spot for spot in self._holdings if spot[0] == rule.name]
        for spot in spots:
            holding = self._holdings[spot]
            self._holdings[spot] = Holding(on=holding.on)
        if rule.enabled:
            return []
        for spot in spots:
            del self._holdings[spot]
        return [self._end(spot, at, None) for spot in [*self.firing] if spot[0] == rule.name]

    def pulse(self, name: str, device: str, now: float, cause: Cause = UNKNOWN) -> list[Change]:
        """Set a rule off for a device, because of an incident; return what changes at once.

        That a GPU is lost is one alert: the driver's word for it belongs to the one that fires already.
        """
        lost = _LOST, device, ""
        if cause.xid == LOST_XID and lost in self.firing:
            alert = self.firing[lost] = cause.said_of(self.firing[lost])
            return [Change(alert, self._watched[_LOST], fresh=False)]
        spot = self._spot(name, device, cause)
        known = self._pulses.get(spot)
        self._pulses[spot] = _Pulse(now, cause, known is not None and known.gone)
        if spot in self.firing:
            self.firing[spot] = cause.said_of(self.firing[spot])
        return []

    def silence(self, alert: Alert, seconds: float, by: str, now: float, at: float) -> Alert:
        """Tell nobody of an alert and of what comes in its place for so many seconds; 0 ends that.

        Return what stands in its place now: the one that fires, where that is another one.
        """
        spot = spot_of(alert)
        quiet = self.silences.put(self.firing.get(spot, alert), seconds, by, now, at)
        ended = self._ended.get(spot)
        if spot in self.firing:
            self.firing[spot] = quiet
        elif ended is not None and ended[0].id == quiet.id:
            self._ended[spot] = quiet, ended[1]
        return quiet

    def _loud_again(self, now: float) -> list[Change]:
        """End the silences whose time is over; what fires then is told anew."""
        changes = []
        for spot in self.silences.over(now):
            alert = self.firing.get(spot)
            if alert is not None:
                alert = self.firing[spot] = self.silences.marked(alert)
                silent = alert.acknowledged_by is not None
                changes.append(Change(alert, self._watched[spot[0]], fresh=True, silent=silent))
        return changes

    def _spot(self, name: str, device: str, cause: Cause) -> Spot:
        known = [spot for spot in self._pulses if spot[:2] == (name, device)]
        same = [spot for spot in known if cause.event and self._pulses[spot].cause.event == cause.event]
        spot = same[0] if same else (name, device, cause.subject)
        if spot in self._pulses or len(known) < _SUBJECTS:
            return spot
        return name, device, "" if cause.xid is None else str(cause.xid)

    def step(self, status: Status, now: float, at: float) -> list[Change]:
        """Look at a sample; ``now`` is a clock that only grows, ``at`` Unix time."""
        changes = self._loud_again(now)
        if self._links.see(status.gpus):
            self._look_anew()
        pulsing = {*self._pulses, *(spot for spot in self.firing if self._watched[spot[0]].pulse)}
        restless = {device for _, device, _ in pulsing}
        clocks = now, at
        for device_class, rows in self._table:
            for device, thing in _DEVICES[device_class](status):
                if device in restless:
                    changes += self._look_at_pulses(rows, pulsing, device, thing, clocks)
                changes += self._look(rows.always, device, thing, clocks)
                if not rows.is_quiet(device, thing):
                    changes += self._look(rows.steady, device, thing, clocks)
                    quiet = device not in restless and not any(map(self._remembers, rows.steady, repeat(device)))
                    rows.keep(device, thing, quiet=quiet)
        changes += self._gone(now, at)
        if now >= self._sweep_due:
            self._sweep_due = now + GONE_SECONDS
            self._sweep(status, now)
        return changes

    def look_at_jobs(self, jobs: Sequence[JobWatch], now: float, at: float) -> list[Change]:
        """Look at all jobs that run; what fired for one that does not any more is over."""
        return self._look_at_all(JOB_CLASS, {job.id: job for job in jobs}, now, at)

    def look_at_drift(self, monitors: Sequence[DriftWatch], now: float, at: float) -> list[Change]:
        """Look at all monitors of drift; what fired for one that is gone is over."""
        return self._look_at_all(DRIFT_CLASS, {monitor.name: monitor for monitor in monitors}, now, at)

    def machine_facts(self, status: Status, wanted: Wanted, now: float) -> Iterator[Fact]:
        """Yield what rules ask for of a sample: measures by their names, and of whole rules whether they fire."""
        for device_class, devices in _DEVICES.items():
            if any(self._asked(device_class, wanted)):
                yield from self.facts(device_class, dict(devices(status)), wanted, now)

    def facts(self, device_class: str, things: Mapping[str, Any], wanted: Wanted, now: float) -> Iterator[Fact]:
        """Yield the same of all things of a class."""
        for watched in self._asked(device_class, wanted):
            device, name = watched.named
            if name in wanted.get(device, ()):
                for thing, each in things.items():
                    yield f"{device}/{name}", thing, self._fact(watched, thing, each, now)
            if watched.rule.name in wanted.get(ALERT_CLASS, ()):
                fires = {spot[1] for spot in self.firing if spot[0] == watched.rule.name}
                yield from ((f"{ALERT_CLASS}/{watched.rule.name}", thing, float(thing in fires)) for thing in things)

    def _asked(self, device_class: str, wanted: Wanted) -> Iterator[Watched]:
        alerts = wanted.get(ALERT_CLASS, ())
        for watched in self._watched.values():
            device, name = watched.named
            is_measured = watched.measure.declared is not None and name in wanted.get(device, ())
            if watched.rule.device_class == device_class and (is_measured or watched.rule.name in alerts):
                yield watched

    def _fact(self, watched: Watched, device: str, thing: Any, now: float) -> float | None:
        name = watched.rule.name
        if watched.pulse:
            told = (pulse.at for spot, pulse in self._pulses.items() if spot[:2] == (name, device))
            return float(any(now - at < PULSE_SECONDS for at in told))
        return gone(thing) if name == _LOST else self._measure(watched, (name, device, ""), thing, now)

    def _look_at_all(self, device_class: str, things: Mapping[str, Any], now: float, at: float) -> list[Change]:
        changes = []
        for rows in (rows for each, rows in self._table if each == device_class):
            for device, thing in things.items():
                changes += self._look(rows.all, device, thing, (now, at))
        for spot in [*self.firing]:
            if self._rules[spot[0]].device_class == device_class and spot[1] not in things:
                self._holdings.pop(spot, None)
                changes.append(self._end(spot, at, None))
        return changes

    def _look(self, rows: Sequence[RuleRow], device: str, thing: Any, clocks: tuple[float, float]) -> list[Change]:
        changes = []
        for watched, rule, condition in rows:
            spot = rule.name, device, ""
            value = self._measure(watched, spot, thing, clocks[0])
            before = self._holdings.get(spot)
            if before is not None or (value is not None and condition.is_bad(value)):
                changes += self._turn(spot, thing, value, before or Holding(), condition, clocks)
        return changes

    def _look_at_pulses(
        self, rows: RuleRows, pulsing: Iterable[Spot], device: str, thing: Any, clocks: tuple[float, float]
    ) -> list[Change]:
        changes = []
        for _, rule, condition in rows.set_off:
            for spot in pulsing:
                if spot[:2] == (rule.name, device):
                    value, before = self._pulsed(spot, thing, clocks[0]), self._holdings.get(spot)
                    changes += self._turn(spot, thing, value, before or Holding(), condition, clocks)
        return changes

    def _remembers(self, row: RuleRow, device: str) -> bool:
        """Tell whether a rule would find something else in the same number at another time."""
        spot = row.rule.name, device, ""
        growth = self._growth.get(spot)
        return spot in self._holdings or (growth is not None and bool(growth.steps))

    def _look_anew(self) -> None:
        for _, rows in self._table:
            rows.forget()

    def _measure(self, watched: Watched, spot: Spot, thing: Any, now: float) -> float | None:
        if spot[0] == _NVLINKS:
            return self._links.down(thing)
        if spot[0] == _LOST and spot not in self.firing and self._fell_off(spot[1]):
            return None
        value = watched.measure.of(thing)
        if value is None or not watched.grown_over:
            return value
        growth = self._growth.get(spot)
        if growth is None:
            growth = self._growth[spot] = CounterGrowth(value, self._grown_before(watched, spot, thing, now))
        elif value == growth.last and not growth.steps:
            return 0.0
        return growth.add(value, now, watched.grown_over) / watched.grown_in(thing)

    def _pulsed(self, spot: Spot, thing: Any, now: float) -> float | None:
        pulse = self._pulses.get(spot)
        if pulse is None:  # set off when another agent looked: it goes on for as long
            pulse = self._pulses[spot] = _Pulse(now, Cause(xid=self.firing[spot].xid))
        if pulse.cause.xid == LOST_XID and isinstance(thing, Gpu):
            lost = gone(thing)
            pulse.gone = pulse.gone or lost == 1.0
            if pulse.gone:  # it is over when the GPU is back, whatever the clock says
                return lost
        return 1.0 if now - pulse.at < PULSE_SECONDS else 0.0

    def _fell_off(self, device: str) -> bool:
        """Tell whether the driver's word that a GPU is lost is an alert, or becomes one."""
        rule = XID_RULES["alert"]
        if not self._rules[rule].enabled:
            return False
        told = (pulse.cause.xid for spot, pulse in self._pulses.items() if spot[:2] == (rule, device))
        fires = (alert.xid for spot, alert in self.firing.items() if spot[:2] == (rule, device))
        return LOST_XID in {*told, *fires}

    def _grown_before(self, watched: Watched, spot: Spot, thing: Any, now: float) -> list[tuple[float, float]]:
        """Return the growth that set an alert off when another agent looked: a restart is no repair."""
        alert = self.firing.get(spot)
        if alert is None:
            return []
        return [(now, (alert.value or self._rules[spot[0]].threshold) * watched.grown_in(thing))]

    def _turn(
        self, spot: Spot, thing: Any, value: float | None, before: Holding, condition: Condition,
        clocks: tuple[float, float],
    ) -> list[Change]:  # fmt: skip
        now, at = clocks
        after = step(condition, before, value, now)
        if after.is_idle:
            self._holdings.pop(spot, None)
        else:
            self._holdings[spot] = after
        if after.on:
            self._seen[spot] = now
        if condition.averaged and value is not None:  # of a share of time the moment says little
            mean = after.mean if after.on and before.on else before.mean
            value = value if mean is None else mean
        if after.on and not before.on:
            return [self._begin(spot, thing, value, now, at)]
        if before.on and not after.on:
            return [self._end(spot, at, value, now)]
        if after.on and value is not None:
            known = self.firing.get(spot)
            if known is not None and known.value != value:
                self.firing[spot] = replace(known, value=value)
        return []

    def _begin(self, spot: Spot, thing: Any, value: float | None, now: float, at: float) -> Change:
        watched, rule = self._watched[spot[0]], self._rules[spot[0]]
        pulse = self._pulses.get(spot)
        cause = pulse.cause if pulse is not None else cause_of(thing, rule.name)
        said = plain(watched.said(thing) or "", _SAID_LIMIT)
        text = f"{cause.text or describe(rule, value)} {said}".rstrip()
        ended, ended_at = self._ended.pop(spot, (None, 0.0))
        if ended is not None and now - ended_at < REOPEN_SECONDS:
            again = replace(ended, ended_at=None, value=value, text=text if said else ended.text)
            alert = self.firing[spot] = self.silences.marked(cause.said_of(again))
            return Change(alert, watched, fresh=False, silent=self.silences.holds(alert))
        title = device_title(rule.device_class, spot[1], thing)
        alert = Alert(
            id=uuid.uuid4().hex,
            rule=rule.name,
            title=cause.title or rule.title,
            level=cause.level or rule.level,
            device=spot[1],
            device_title=title,
            text=text,
            hint=cause.hint or watched.next_step(spot[1]),
            since=at,
            value=value,
            unit=rule.unit,
            metric=rule.metric if watched.measured else None,
            threshold=rule.threshold if watched.measured else None,
            uuid=thing.uuid if isinstance(thing, Gpu) else None,
            subject=spot[2],
            noticed=watched.noticed,
        )
        alert = self.firing[spot] = self.silences.marked(cause.said_of(alert))
        return Change(alert, watched, fresh=True, silent=self.silences.holds(alert))

    def _end(self, spot: Spot, at: float, value: float | None, now: float | None = None) -> Change:
        alert = replace(self.firing.pop(spot), ended_at=at)
        if value is not None:
            alert = replace(alert, value=value)
        self._seen.pop(spot, None)
        self._pulses.pop(spot, None)
        if now is not None:
            self._ended[spot] = alert, now
        return Change(alert, self._watched[spot[0]], fresh=True, silent=self.silences.holds_end(alert))

    def _gone(self, now: float, at: float) -> Iterator[Change]:
        if not self.firing:
            return
        for spot in [*self.firing]:
            if now - self._seen.setdefault(spot, now) > GONE_SECONDS:
                self._holdings.pop(spot, None)
                yield self._end(spot, at, None)

    def _sweep(self, status: Status, now: float) -> None:
        """Forget what is known of devices that are gone: mounts and plugged things come and go for months."""
        there = {
            (rule.name, device, "")
            for device_class, rows in self._table
            for device, _ in _DEVICES[device_class](status)
            for _, rule, _ in rows.all
        }
        self._look_anew()
        self._holdings = {spot: holding for spot, holding in self._holdings.items() if holding.on or spot in there}
        self._growth = {spot: growth for spot, growth in self._growth.items() if spot in there}
        self._ended = {spot: ended for spot, ended in self._ended.items() if now - ended[1] < REOPEN_SECONDS}
        self._pulses = {
            spot: pulse for spot, pulse in self._pulses.items() if spot in self.firing or now - pulse.at < PULSE_SECONDS
        }

    def _arrange(self) -> None:
        table: dict[str, list[RuleRow]] = {}
        for name, rule in self._rules.items():
            if rule.enabled:
                condition = Condition(rule.above, rule.threshold, rule.clear_at, rule.for_seconds, rule.averaged)
                table.setdefault(rule.device_class, []).append(RuleRow(self._watched[name], rule, condition))
        self._table = [(device_class, RuleRows(rows)) for device_class, rows in table.items()]


_DEVICES: dict[str, Callable[[Status], Iterable[tuple[str, Any]]]] = {
    "gpu": lambda status: ((gpu.uuid, gpu) for gpu in status.gpus),
    "host": lambda status: (("host", status.host),),
    "disk": lambda status: ((disk.name, disk) for disk in status.disks),
    "filesystem": lambda status: ((mounted.mount, mounted) for mounted in status.filesystems),
    "network": lambda status: ((network.name, network) for network in status.networks),
    JOB_CLASS: lambda _status: (),  # they are looked at by themselves, not with each sample
    DRIFT_CLASS: lambda _status: (),  # likewise
}


def with_changes(rule: AlertRule, changed: AlertRule | None) -> AlertRule:
    """Return the rule with a person's values; what the program says of it is always its newest."""
    if changed is None or changed.above is not rule.above or changed.metric != rule.metric:
        return rule
    return replace(
        rule,
        threshold=changed.threshold,
        clear_at=changed.clear_at,
        for_seconds=changed.for_seconds,
        level=changed.level,
        enabled=changed.enabled,
    )
