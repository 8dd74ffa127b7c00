"""All rules at once: which of them a look concerns, which fire, and what of them is to be stored first. Pure.

Whoever has rules has one: the life of people's rules, which stores before anything is done, and alerts, which judge the
rules of their table at each sample and store afterwards, so that a full disk keeps no alert from being told.

Only what changed is looked at: each fact knows the rules that rest on it, and beside these only those are judged whose
durations run, or who wait for something. A value holds until another is told, so whoever hears of a thing no more tells
None of it.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from types import MappingProxyType
from zoneinfo import ZoneInfo

from cronsim import CronSim

from mlops_desk.automation.records.conditions import Momentary, ScheduleClause
from mlops_desk.automation.records.rule_state import RuleClock, RuleFiring, RuleStanding
from mlops_desk.automation.records.spec import QuietHours, RuleSpec
from mlops_desk.kit.base.hysteresis import Holding
from mlops_desk.kit.rule_engine.plan import BUDGET_FACT, UNDERWAY, UNDERWAY_FACT, RulePlan, Value, plan_of
from mlops_desk.kit.rule_engine.rule_state import RuleSpot

# When a cron line comes next, and which of its times is the newest one due. Pure.
# Lines are read as Debian's cron reads them, changes of daylight saving time included: a fixed time that a change
# skips comes right after it, one that comes twice comes once, and ``*/10`` goes on by real time. A day that a zone
# skipped, as Samoa did when it went over the date line, had no times.
LATE_SECONDS = 600.0
"""Chosen: a time is made up for so long after it, for an agent that was restarted or a machine that slept then. What
is older is missed, as cron misses it: whoever boots on Monday is not met by the week-end's trainings."""
JUMP_SECONDS = 60.0
"""Chosen: if the wall clock went further than time itself by this, somebody set it; NTP steers slower."""

_LARGEST_CHANGE = timedelta(hours=3)
"""As Debian's cron has it: more is no daylight saving time, and what lay in between is missed."""

BACK_SECONDS = 7200.0
"""Chosen: a clock that is set back by more was wrong before, and so were the times that came by it."""


class Schedule:
    """The times of one clause. It begins at a moment: what lay before is past."""

    def __init__(self, clause: ScheduleClause, wall: float) -> None:
        self._clause = clause
        self._zone = ZoneInfo(clause.zone)
        self.judged = wall
        self.next = self._after(wall)

    def take(self, wall: float, *, jumped: bool = False) -> bool:
        """Tell whether a time has come since the last look; one that came is never told again.

        ``jumped``: the clock was set, so that the times in between did not pass.
        """
        if wall < self.next:
            return False
        newest = self.next
        while (following := self._after(newest)) <= wall:
            newest = following
        self.judged, self.next = newest, following
        return not jumped and wall - newest <= LATE_SECONDS

    def set_back(self, wall: float) -> None:
        """Go on by a clock that was set back: a time that came a little ago does not come again."""
        ahead = self.judged - wall
        self.judged = self.judged if 0.0 < ahead <= BACK_SECONDS else wall
        self.next = self._after(self.judged)

    def _after(self, wall: float) -> float:
        """Return the first time after a Unix time; infinity where there is none."""
        local = datetime.fromtimestamp(wall, UTC).astimezone(self._zone)
        times = (one for one in CronSim(self._clause.cron, local) if not self._is_of_skipped_day(one))
        found = next(times, None)
        return math.inf if found is None else found.timestamp()

    def _is_of_skipped_day(self, found: datetime) -> bool:
        """Tell whether a time is made up for one of a day that the zone went over: that day was none, and missed it."""
        sooner = (found.astimezone(UTC) - timedelta(seconds=1)).astimezone(self._zone)
        if (found.utcoffset() or timedelta()) - (sooner.utcoffset() or timedelta()) <= _LARGEST_CHANGE:
            return False
        told = found.replace(tzinfo=None)
        return next(CronSim(self._clause.cron, told - timedelta(minutes=1)), None) != told


# Whether a moment lies within quiet hours, by the clocks of the zone that they are written for. Pure.
_zone = cache(ZoneInfo)


def is_quiet(hours: QuietHours, wall: float) -> bool:
    """Tell whether Unix time ``wall`` lies within; the end itself does not."""
    local = datetime.fromtimestamp(wall, UTC).astimezone(_zone(hours.zone))
    minute = 60 * local.hour + local.minute
    if hours.from_minute < hours.to_minute:
        return local.weekday() in hours.days and hours.from_minute <= minute < hours.to_minute
    if minute >= hours.from_minute:
        return local.weekday() in hours.days
    yesterday = (local - timedelta(days=1)).weekday()
    return minute < hours.to_minute and yesterday in hours.days


Key = tuple[str, str]
"""A rule's name and a subject; or a fact and a thing."""


@dataclass(frozen=True, slots=True)
class RulesLook:
    """What a look found. ``changed`` is to be stored, together with ``firings``, before anything is done.

    ``held`` says of those that would fire why they wait. ``numbers`` has what the first part of those that changed was
    judged by.
    """

    firings: tuple[RuleFiring, ...]
    changed: Mapping[Key, RuleStanding]
    held: Mapping[Key, str]
    numbers: Mapping[Key, float | None]


_NOTHING = RulesLook((), MappingProxyType({}), MappingProxyType({}), MappingProxyType({}))


class RuleEngine:
    """``standings`` is what was stored, ``seen`` the Unix time of the last look before (None: there was none).

    ``forgets``: who is calm is forgotten, however often it has fired; for who tells of a thing only while something may
    come of it, and asks of nothing else how it stands.
    """

    def __init__(
        self,
        rules: Iterable[RuleSpec],
        clock: RuleClock,
        standings: Mapping[Key, RuleStanding] | None = None,
        seen: float | None = None,
        *,
        forgets: bool = False,
    ) -> None:
        self._forgets = forgets
        self._stored = dict(standings or {})
        self._plans: list[RulePlan] = []
        self._spots: dict[Key, RuleSpot] = {}
        self._of_plan: defaultdict[RulePlan, list[RuleSpot]] = defaultdict(list)
        self._values: dict[Key, Value] = {}
        self._resting: defaultdict[Key, list[RuleSpot]] = defaultdict(list)
        self._of_fact: defaultdict[str, list[RulePlan]] = defaultdict(list)
        self._restless: dict[Key, RuleSpot] = {}
        self._clock: RuleClock | None = None
        self._begun = clock
        for spec in rules:
            self._take_up(plan_of(spec))
        for name, subject in self._stored:
            for plan in self._plans:
                if plan.spec.name == name and plan.device is not None:
                    self._add(plan, subject)
        self._schedules = [*self._timed(self._plans, clock, seen)]

    def look(
        self,
        facts: Iterable[tuple[str, str, Value]],
        clock: RuleClock,
        moments: Collection[Momentary] = (),
        own: Mapping[str, Collection[int]] | None = None,
    ) -> RulesLook:
        """Take in what changed and what came, and tell what follows. ``facts`` are of a class, a thing, a value.

        ``moments`` came for all rules that wait for them, ``own`` (by the rule, their places among its parts) for one.
        """
        if not (facts or moments or own or self._restless or self._schedules):
            self._clock = clock
            return _NOTHING
        before = self._clock
        if before is not None and before.boot != clock.boot:
            before = None
        touched = {**self._restless, **self._take(facts)}
        came = self._moments(moments, clock, before, own or {})
        for spot in came:
            touched[spot.plan.spec.name, spot.subject] = spot
        firings, changed, held, numbers = [], {}, {}, {}
        for key, spot in touched.items():
            mark = spot.mark
            values = [None if fact is None else self._values.get(fact) for fact in spot.facts]
            spot.look(values, came.get(spot, ()), clock.uptime_seconds, before.uptime_seconds if before else None)
            if spot.ready:
                why = self._held_by(spot, clock)
                if why is None:
                    cause = spot.cause
                    spot.fire(clock)
                    firings.append(RuleFiring(*key, spot.fired, clock.wall, cause))
                else:
                    spot.let_go(why)
                    held[key] = why
            if spot.mark != mark:
                changed[key], numbers[key] = spot.standing(), spot.numbers[0]
            self._settle(key, spot)
        self._clock = clock
        return RulesLook(tuple(firings), changed, held, numbers)

    def fire(self, rule: str, subject: str, clock: RuleClock) -> RulesLook:
        """Fire a rule whatever it waits for and whatever holds it back: a person wants it. KeyError: it is none."""
        plan = next((plan for plan in self._plans if plan.spec.name == rule), None)
        if plan is None:
            raise KeyError(rule)
        self._add(plan, subject)
        key = rule, subject
        spot = self._spots[key]
        spot.fire(clock)
        self._settle(key, spot)
        return RulesLook((RuleFiring(rule, subject, spot.fired, clock.wall),), {key: spot.standing()}, {}, {})

    def release(self, rule: str, subject: str, number: int) -> RuleStanding | None:
        """Let no cooldown follow from a firing that came to nothing; return how it stands, None: it has fired since."""
        spot = self._spots.get((rule, subject))
        if spot is None or spot.fired != number:
            return None
        spot.fired_at = None
        return spot.standing()

    def forget(self, fact: str, thing: str) -> list[Key]:
        """Forget a thing of which nobody will ever tell anything again; return what was known of it, by rule."""
        self._values.pop((fact, thing), None)
        gone = [key for key, spot in self._spots.items() if spot.subject == thing and (fact, thing) in spot.facts]
        for key in gone:
            self._remove(key)
        return gone

    def change(self, rule: str, spec: RuleSpec | None, clock: RuleClock) -> None:
        """Judge a rule by what it says now, None: no more. What holds goes on; all other rules are as they were."""
        standings = self._dropped(rule)
        if spec is None:
            return
        self._stored.update({key: _held(standing) for key, standing in standings.items()})
        plan = self._begun_with(spec, clock, clock.wall)
        for _, subject in standings:
            self._add(plan, subject)

    def begin(
        self,
        rule: str,
        spec: RuleSpec | None,
        standings: Mapping[Key, RuleStanding],
        clock: RuleClock,
        seen: float | None,
    ) -> None:
        """Judge a rule as one that is new here, by how it stood (of all rules ``standings``) and what is told next.

        None: judge it no more. ``seen`` is as for an engine. All other rules are as they were, counters and all. All
        facts are to be told again.
        """
        self._dropped(rule)
        if spec is None:
            return
        mine = {key: standing for key, standing in standings.items() if key[0] == rule}
        self._stored.update(mine)
        plan = self._begun_with(spec, clock, seen)
        rests_on = {part.fact for part in plan.parts}
        self._values = {key: value for key, value in self._values.items() if key[0] not in rests_on}
        for _, subject in mine if plan.device is not None else ():
            self._add(plan, subject)

    def _dropped(self, rule: str) -> dict[Key, RuleStanding]:
        """Judge a rule no more; return how it stood."""
        keys = [key for key in self._spots if key[0] == rule]
        standings = {key: self._spots[key].standing() for key in keys}
        for key in keys:
            self._remove(key)
        self._stored = {key: standing for key, standing in self._stored.items() if key[0] != rule}
        self._plans = [plan for plan in self._plans if plan.spec.name != rule]
        for plans in self._of_fact.values():
            plans[:] = [plan for plan in plans if plan.spec.name != rule]
        self._schedules = [one for one in self._schedules if one[0].spec.name != rule]
        return standings

    def _begun_with(self, spec: RuleSpec, clock: RuleClock, seen: float | None) -> RulePlan:
        plan = plan_of(spec)
        self._take_up(plan)
        self._schedules += self._timed([plan], clock, seen)
        return plan

    def _take_up(self, plan: RulePlan) -> None:
        self._plans.append(plan)
        for fact in {part.fact for part in plan.parts if part.fact is not None and part.of is None}:
            self._of_fact[fact].append(plan)
        if plan.device is None:
            self._add(plan, "")

    def _remove(self, key: Key) -> None:
        """Forget how a rule stands for a thing, and of facts on which nothing rests any more what they were."""
        spot = self._spots.pop(key)
        self._of_plan[spot.plan].remove(spot)
        self._restless.pop(key, None)
        self._stored.pop(key, None)
        for fact in spot.rests_on:
            self._resting[fact].remove(spot)
            if not self._resting[fact]:
                del self._resting[fact]
                self._values.pop(fact, None)

    @property
    def facts(self) -> set[str]:
        """The classes of facts that rules rest on."""
        return {part.fact for plan in self._plans for part in plan.parts if part.fact is not None}

    def standings(self) -> dict[Key, RuleStanding]:
        """Return how all rules stand, with how far durations have come."""
        return {**self._stored, **{key: spot.standing() for key, spot in self._spots.items()}}

    @property
    def all_spots(self) -> Mapping[Key, RuleSpot]:
        """How every rule stands for each thing that something is known of."""
        return self._spots

    def spots(self, rule: str) -> list[RuleSpot]:
        """Return how a rule stands for each thing."""
        return [spot for plan in self._plans if plan.spec.name == rule for spot in self._of_plan[plan]]

    def next_time(self, rule: str) -> float | None:
        """Return the next time (Unix seconds) of a rule's schedules; None where it has none."""
        found = [each.next for plan, _, each in self._schedules if plan.spec.name == rule and each.next < math.inf]
        return min(found, default=None)

    def _take(self, facts: Iterable[tuple[str, str, Value]]) -> dict[Key, RuleSpot]:
        """Take in facts; return the spots that rest on those that are others than before."""
        touched = {}
        for fact, thing, value in facts:
            key = fact, thing
            if key in self._values and self._values[key] == value:
                continue
            if key not in self._values and value is not None:
                for plan in self._of_fact.get(fact, ()):
                    self._add(plan, thing)
            self._values[key] = value
            for spot in self._resting.get(key, ()):
                touched[spot.plan.spec.name, spot.subject] = spot
        return touched

    def _add(self, plan: RulePlan, subject: str) -> None:
        """Begin to judge a rule for a thing."""
        key = plan.spec.name, subject
        if key in self._spots:
            return
        spot = self._spots[key] = RuleSpot(plan, subject, self._stored.get(key))
        self._of_plan[plan].append(spot)
        for fact in spot.rests_on:
            self._resting[fact].append(spot)
        if spot.is_restless:
            self._restless[key] = spot

    def _settle(self, key: Key, spot: RuleSpot) -> None:
        """Remember what has to be looked at again, and forget what there is nothing to remember of."""
        if spot.is_restless:
            self._restless[key] = spot
            return
        self._restless.pop(key, None)
        if spot.subject and self._is_over(spot):
            self._remove(key)

    def _is_over(self, spot: RuleSpot) -> bool:
        """Tell whether a thing is forgotten; a counter has to be known to see it grow."""
        if self._forgets and spot.is_calm and not spot.plan.counts:
            return True
        return spot.is_blank and all(self._values.get(fact) is None for fact in spot.rests_on)

    def _moments(
        self,
        moments: Collection[Momentary],
        clock: RuleClock,
        before: RuleClock | None,
        own: Mapping[str, Collection[int]],
    ) -> dict[RuleSpot, set[int]]:
        """Return the moments that came for each spot, by their place among its parts."""
        came: defaultdict[RuleSpot, set[int]] = defaultdict(set)
        for plan in self._plans if moments or own else ():
            places = {index for index, part in enumerate(plan.parts) if part.leaf in moments}
            places |= {*own.get(plan.spec.name, ())}
            for spot in self._of_plan[plan] if places else ():
                came[spot] |= places
        jump = _jump(before, clock)
        for plan, index, schedule in self._schedules:
            if jump < -JUMP_SECONDS:
                schedule.set_back(clock.wall)
            if schedule.take(clock.wall, jumped=jump > JUMP_SECONDS):
                for spot in self._of_plan[plan]:
                    came[spot].add(index)
        return came

    def _held_by(self, spot: RuleSpot, clock: RuleClock) -> str | None:
        """Return what keeps a rule from firing though it holds; None where nothing does."""
        spec = spot.plan.spec
        if any(is_quiet(hours, clock.wall) for hours in spec.quiet):
            return "quiet"
        if spot.fired_at is not None and _passed(spot.fired_at, clock, self._begun) < spec.cooldown_seconds:
            return "cooldown"
        if spec.gpu_hours is not None:
            spent = self._values.get((BUDGET_FACT, spec.name))
            if not isinstance(spent, float) or spent >= spec.gpu_hours:
                return "budget"
        if self._values.get((UNDERWAY_FACT, spec.name)) == 1.0:
            return UNDERWAY
        return None

    def _timed(
        self, plans: Iterable[RulePlan], clock: RuleClock, seen: float | None
    ) -> Iterable[tuple[RulePlan, int, Schedule]]:
        """Yield the schedules of rules: they go on from the last look, and none from before a firing."""
        last: defaultdict[str, float] = defaultdict(lambda: clock.wall if seen is None else min(seen, clock.wall))
        for (name, _), kept in self._stored.items():
            if kept.fired_at is not None and kept.fired_at.wall <= clock.wall:
                last[name] = max(last[name], kept.fired_at.wall)
        for plan in plans:
            for index, part in enumerate(plan.parts):
                if isinstance(part.leaf, ScheduleClause):
                    yield plan, index, Schedule(part.leaf, last[plan.spec.name])


def _held(standing: RuleStanding) -> RuleStanding:
    """Return what of a standing goes on where its rule says something else: what holds, holds."""
    parts = tuple(Holding(on=part.on) for part in standing.parts)
    return replace(standing, parts=parts, whole=Holding(on=standing.whole.on))


def _jump(before: RuleClock | None, clock: RuleClock) -> float:
    """Return by how many seconds the wall clock was set since the last look."""
    if before is None:
        return 0.0
    return (clock.wall - before.wall) - (clock.uptime_seconds - before.uptime_seconds)


def _passed(mark: RuleClock, clock: RuleClock, begun: RuleClock) -> float:
    """Return the seconds since a moment, which no setting of a clock changes within one boot.

    Over a restart of the machine only the wall clock tells. One that was set back says that nothing passed; but what
    passed since the engine ``begun`` did pass, so that a cooldown ends whatever the clock was set to.
    """
    if mark.boot == clock.boot:
        return max(0.0, clock.uptime_seconds - mark.uptime_seconds)
    here = clock.uptime_seconds - begun.uptime_seconds if begun.boot == clock.boot else 0.0
    return max(0.0, clock.wall - mark.wall, here)
