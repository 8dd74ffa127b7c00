"""When an alert begins and ends. Pure: samples and both clocks are handed in.

Rules of the table are judged by the one engine of rules, from what ``gauging`` tells it of a sample; here what it
finds becomes alerts. Missing data neither fires nor ends anything. A device that is gone for an hour takes its alerts
along; one that fires again soon after its end is the same alert, not a new one.
"""

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from mlops_desk.automation.records.rule_state import RuleClock, RuleStanding
from mlops_desk.drift.records.monitors import DriftWatch
from mlops_desk.jobs.records.job_activity import JobWatch
from mlops_desk.kit.base.hysteresis import Holding
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.rule_engine.engine import Key, RuleEngine
from mlops_desk.machine.alerts.alert_rule import Watched
from mlops_desk.machine.alerts.causes import LOST_XID, UNKNOWN, Cause
from mlops_desk.machine.alerts.default_rules import WATCHED
from mlops_desk.machine.alerts.documents import judged
from mlops_desk.machine.alerts.drift import DRIFT_CLASS
from mlops_desk.machine.alerts.jobs import JOB_CLASS, cause_of
from mlops_desk.machine.alerts.readings import DEVICES, Fact, Gauging, Pulses, spot_at, thing_of
from mlops_desk.machine.alerts.silences import Silences, Spot, spot_of
from mlops_desk.machine.alerts.words import describe, device_title
from mlops_desk.machine.records.alert import Alert, AlertRule
from mlops_desk.machine.records.gpu import Gpu
from mlops_desk.machine.records.status import Status

GONE_SECONDS = 3600.0
"""Chosen: a device that is away for a restart of its driver or a change of cable comes back as the same."""
REOPEN_SECONDS = 600.0
"""As long as an incident keeps its alert going: what comes back sooner is the same trouble, not a new one."""

ALERT_CLASS = "alert"
"""The class of the facts that tell whether rules of the table fire, by the rule's name."""
Wanted: TypeAlias = Mapping[str, Collection[str]]
"""Names of what is asked for, by class."""
_LOST = "gpu_lost"
_MACHINE = "machine"
"""What is looked at with each sample; jobs and monitors are looked at apart, each when they are told."""
_SAID_LIMIT = 500  # chosen: a paragraph; it may hold names of processes
_BOOT = "this agent"
"""Durations go by the clock that only grows; of the boot nothing is asked, for nothing of it is stored."""
Clocks: TypeAlias = tuple[float, float]
"""A clock that only grows, and Unix time."""


@dataclass(frozen=True, slots=True)
class Change:
    """An alert began or ended. ``fresh`` is False for one that only came back: nobody is told of it again.

    ``silent``: a person wanted to hear nothing of it.
    """

    alert: Alert
    watched: Watched
    fresh: bool
    silent: bool = False


class AlertEngine:
    """Holds what fires. ``firing`` and ``rules`` are what was stored: rules that a person changed, and open alerts."""

    def __init__(self, rules: Iterable[AlertRule] = (), firing: Iterable[Alert] = ()) -> None:
        changed = {rule.name: rule for rule in rules}
        self._watched = {item.rule.name: item for item in WATCHED}
        self._rules = {name: with_changes(item.rule, changed.get(name)) for name, item in self._watched.items()}
        self._seen: dict[Spot, float] = {}
        self._ended: dict[Spot, tuple[Alert, float]] = {}
        self._sweep_due = 0.0
        self.silences = Silences()
        self.firing: dict[Spot, Alert] = {spot_of(alert): alert for alert in firing if alert.rule in self._rules}
        self._pulses = Pulses(self.firing, frozenset(name for name, item in self._watched.items() if item.pulse))
        self._gauging = Gauging(self._watched, self._rules, self.firing, self._pulses)
        self._judges = {kind: self._judge_of(kind) for kind in (_MACHINE, JOB_CLASS, DRIFT_CLASS)}

    def _judge_of(self, kind: str) -> RuleEngine:
        """Return what judges the rules of a kind. What fires goes on, and is begun by nothing anew."""
        specs = [judged(self._watched[name], rule) for name, rule in self._rules.items()
                 if rule.enabled and _kind(rule) == kind]  # fmt: skip
        standings = {
            _key(spot): _held(self._watched[spot[0]], alert.value or self._rules[spot[0]].threshold)
            for spot, alert in self.firing.items()
            if _kind(self._rules[spot[0]]) == kind
        }
        return RuleEngine(specs, _clock((0.0, 0.0)), standings, forgets=True)

    @property
    def rules(self) -> Mapping[str, AlertRule]:
        return self._rules

    def watched(self, name: str) -> Watched:
        return self._watched[name]

    def configure(self, rule: AlertRule, at: float) -> list[Change]:
        """Take a changed rule; one that is switched off ends its alerts."""
        self._rules[rule.name] = rule
        self._gauging.arrange()
        spec = judged(self._watched[rule.name], rule) if rule.enabled else None
        self._judges[_kind(rule)].change(rule.name, spec, _clock((0.0, at)))
        if rule.enabled:
            return []
        return [self._end(spot, at, None) for spot in [*self.firing] if spot[0] == rule.name]

    def pulse(self, name: str, device: str, now: float, cause: Cause = UNKNOWN) -> list[Change]:
        """Set a rule off for a device, because of an incident; return what changes at once.

        That a GPU is lost is one alert: the driver's word for it belongs to the one that fires already.
        """
        lost = _LOST, device, ""
        if cause.xid == LOST_XID and lost in self.firing:
            alert = self.firing[lost] = cause.said_of(self.firing[lost])
            return [Change(alert, self._watched[_LOST], fresh=False)]
        spot = self._pulses.put(name, device, now, cause)
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

    def step(self, status: Status, now: float, at: float) -> list[Change]:
        """Look at a sample; ``now`` is a clock that only grows, ``at`` Unix time."""
        changes = self._loud_again(now)
        judge = self._judges[_MACHINE]
        facts = self._gauging.of_sample(status, now, judge.all_spots)
        if facts or judge.all_spots:
            changes += self._judged(judge, facts, lambda kind, device: dict(DEVICES[kind](status))[device], (now, at))
        if self.firing:
            self._note_seen(lambda kind: {device for device, _ in DEVICES[kind](status)}, now)
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
        for device_class, devices in DEVICES.items():
            if any(self._asked(device_class, wanted)):
                yield from self.facts(device_class, dict(devices(status)), wanted, now)

    def facts(self, device_class: str, things: Mapping[str, Any], wanted: Wanted, now: float) -> Iterator[Fact]:
        """Yield the same of all things of a class."""
        for watched in self._asked(device_class, wanted):
            device, name = watched.named
            if name in wanted.get(device, ()):
                for thing, each in things.items():
                    yield watched.fact, thing, self._gauging.wanted(watched, thing, each, now)
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

    def _look_at_all(self, device_class: str, things: Mapping[str, Any], now: float, at: float) -> list[Change]:
        judge = self._judges[device_class]
        for name, thing in [key for key in judge.all_spots if key[1] not in things]:
            judge.forget(self._watched[name].fact, thing)
        facts = self._gauging.of_all(device_class, things, now, judge.all_spots)
        changes = self._judged(judge, facts, lambda _kind, device: things[device], (now, at))
        if device_class == DRIFT_CLASS:
            changes += self._said_anew(things, {change.alert.id for change in changes})
        over = [spot for spot in self.firing if self._class_of(spot) == device_class and spot[1] not in things]
        changes += [self._end(spot, at, None) for spot in over]
        self._note_seen(lambda kind: things if kind == device_class else (), now)
        return changes

    def _said_anew(self, things: Mapping[str, Any], told: Collection[str]) -> Iterator[Change]:
        """Have what fires for a monitor say what is so now: other columns may move than when it began."""
        for spot, alert in [*self.firing.items()]:
            if self._class_of(spot) != DRIFT_CLASS or spot[1] not in things or alert.id in told:
                continue
            cause = cause_of(things[spot[1]], spot[0])
            if cause.text is None:  # nobody can tell
                continue
            watched, rule = self._watched[spot[0]], self._rules[spot[0]]
            now = replace(alert, **_words(watched, rule, spot[1], cause, cause.text))
            if now != alert:
                self.firing[spot] = now
                yield Change(now, watched, fresh=False, silent=True)

    def _judged(
        self, judge: RuleEngine, facts: Sequence[Fact], thing: Callable[[str, str], Any], clocks: Clocks
    ) -> list[Change]:
        """Return what the engine of rules finds, as alerts; ``thing`` gives a device by its class and name."""
        look = judge.look(facts, _clock(clocks))
        changes = []
        for firing in look.firings:
            key = firing.rule, firing.subject
            spot = self._spot(key)
            changes.append(self._begin(spot, thing(self._class_of(spot), spot[1]), look.numbers[key], clocks))
        for key, standing in look.changed.items():
            if not standing.whole.on and self._spot(key) in self.firing:
                changes.append(self._end(self._spot(key), clocks[1], look.numbers[key], clocks[0]))
        for spot, alert in self.firing.items():
            stands = judge.all_spots.get(_key(spot))
            if stands is not None and stands.numbers[0] not in {None, alert.value}:
                self.firing[spot] = replace(alert, value=stands.numbers[0])
        return changes

    def _spot(self, key: Key) -> Spot:
        return spot_at(self._watched[key[0]], key[1])

    def _class_of(self, spot: Spot) -> str:
        return self._rules[spot[0]].device_class

    def _note_seen(self, there: Callable[[str], Collection[str]], now: float) -> None:
        """Take note of devices that are there and looked at, of those that something fires for."""
        known: dict[str, Collection[str]] = {}
        for spot in self.firing:
            kind = self._class_of(spot)
            if kind not in known:
                known[kind] = there(kind)
            if spot[1] in known[kind] and self._rules[spot[0]].enabled:
                self._seen[spot] = now

    def _begin(self, spot: Spot, thing: Any, value: float | None, clocks: Clocks) -> Change:
        watched, rule, (now, at) = self._watched[spot[0]], self._rules[spot[0]], clocks
        cause = self._pulses.cause(spot) or cause_of(thing, rule.name)
        said = plain(watched.said(thing) or "", _SAID_LIMIT)
        text = f"{cause.text or describe(rule, value)} {said}".rstrip()
        ended, ended_at = self._ended.pop(spot, (None, 0.0))
        if ended is not None and now - ended_at < REOPEN_SECONDS:
            again = replace(ended, ended_at=None, value=value, **_words(watched, rule, spot[1], cause, text))
            alert = self.firing[spot] = self.silences.marked(cause.said_of(again))
            return Change(alert, watched, fresh=False, silent=self.silences.holds(alert))
        title = device_title(rule.device_class, spot[1], thing)
        alert = Alert(
            id=uuid.uuid4().hex,
            rule=rule.name,
            device=spot[1],
            device_title=title,
            since=at,
            value=value,
            unit=rule.unit,
            metric=rule.metric if watched.measured else None,
            threshold=rule.threshold if watched.measured else None,
            uuid=thing.uuid if isinstance(thing, Gpu) else None,
            subject=spot[2],
            noticed=watched.noticed,
            **_words(watched, rule, spot[1], cause, text),
        )
        alert = self.firing[spot] = self.silences.marked(cause.said_of(alert))
        return Change(alert, watched, fresh=True, silent=self.silences.holds(alert))

    def _end(self, spot: Spot, at: float, value: float | None, now: float | None = None) -> Change:
        alert = replace(self.firing.pop(spot), ended_at=at)
        if value is not None:
            alert = replace(alert, value=value)
        self._seen.pop(spot, None)
        self._pulses.drop(spot)
        if now is not None:
            self._ended[spot] = alert, now
        return Change(alert, self._watched[spot[0]], fresh=True, silent=self.silences.holds_end(alert))

    def _gone(self, now: float, at: float) -> Iterator[Change]:
        for spot in [*self.firing]:
            if now - self._seen.setdefault(spot, now) > GONE_SECONDS:
                self._judges[_kind(self._rules[spot[0]])].forget(self._watched[spot[0]].fact, thing_of(spot))
                yield self._end(spot, at, None)

    def _sweep(self, status: Status, now: float) -> None:
        """Forget what is known of devices that are gone: mounts and plugged things come and go for months."""
        self._gauging.sweep(status, now)
        judge = self._judges[_MACHINE]
        there = {kind: {device for device, _ in devices(status)} for kind, devices in DEVICES.items()}
        for key in [*judge.all_spots]:
            spot = self._spot(key)
            if spot not in self.firing and spot[1] not in there[self._class_of(spot)]:
                judge.forget(self._watched[spot[0]].fact, key[1])
        self._ended = {spot: ended for spot, ended in self._ended.items() if now - ended[1] < REOPEN_SECONDS}


def _words(watched: Watched, rule: AlertRule, device: str, cause: Cause, text: str) -> dict[str, Any]:
    """Return what an alert says of its cause; the command is read from the hint anew."""
    hint = cause.hint or watched.next_step(device)
    title, level = cause.title or rule.title, cause.level or rule.level
    return {"title": title, "level": level, "text": text, "hint": hint, "command": None}


def _kind(rule: AlertRule) -> str:
    """Return with what a rule is looked at."""
    return rule.device_class if rule.device_class in {JOB_CLASS, DRIFT_CLASS} else _MACHINE


def _key(spot: Spot) -> Key:
    return spot[0], thing_of(spot)


def _clock(clocks: Clocks) -> RuleClock:
    return RuleClock(clocks[1], clocks[0], _BOOT)


def _held(watched: Watched, value: float) -> RuleStanding:
    """Return how a rule stands for what its alert fired for when another agent looked."""
    grown = (value,) if watched.is_counted else ()
    return RuleStanding((Holding(on=True),), Holding(on=True), fired=1, grown=grown)


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
