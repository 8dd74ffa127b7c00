"""The life of rules: each second what changed goes to the engine, and what follows is stored before it is done.

A firing and the standing that keeps it from being fired again are written in one transaction. What could not be written
(a full disk) is owed: it is tried again each second, and done only then. An agent that dies before has fired nothing,
one that dies after has it in the table of firings, where the next one finds it (``acting/``).
"""

import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from mlops_desk.automation.records.conditions import Lasting, Momentary, PushClause, StateClause, device_class, leaves
from mlops_desk.automation.records.firing import FiringStep, KeptFiring, PushedRef
from mlops_desk.automation.records.rule_record import KeptRule, KeptStanding, RuleSight, ThingStanding, WrittenRule
from mlops_desk.automation.records.rule_state import RuleClock, RuleFiring, RuleStanding
from mlops_desk.automation.records.spec import RuleSpec
from mlops_desk.automation.rules.live.alerts import alert_clause, with_alerts, with_raised
from mlops_desk.automation.rules.live.display_names import Name, renamed
from mlops_desk.automation.rules.live.event_adapter import JOB, RuleHearing
from mlops_desk.automation.rules.live.fact_store import FactBoard
from mlops_desk.automation.rules.live.pushes import kept_text, pushed_of, pushed_refs
from mlops_desk.automation.rules.live.triggers import set_off_by
from mlops_desk.automation.rules.sentence import action_words
from mlops_desk.automation.rules.storage.built_in import acts
from mlops_desk.automation.rules.storage.rule_repository import ReadRule, RuleShelf
from mlops_desk.kit.base.errors import DeskError, Refused
from mlops_desk.kit.base.hysteresis import Holding
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import boot_id
from mlops_desk.kit.rule_engine.engine import Key, RuleEngine, RulesLook
from mlops_desk.kit.rule_engine.rule_state import RuleSpot
from mlops_desk.machine.records.alert import Alert

_log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # what is sampled comes as often
SEEN_SECONDS = 60.0
"""Chosen: so often it is written down that somebody looked, for a schedule to go on over a restart of the agent; a time
that comes in between is made up for, as it is less than the ten minutes for which a schedule does that."""
_MACHINE_SECONDS = 15.0  # chosen: many looks of the slowest sampling but one, and far less than what lasts
_SHOWN_FIRINGS = 20  # chosen: a screen
_SHOWN_THINGS = 200  # chosen: more than a machine has of anything but ended jobs
_PUSHED = -1
"""In place of a part's: what was pushed, and no firing has taken yet."""
_OF_JOBS = ("job/", "alert/job_")
"""How facts begin whose things are jobs: measures of them, and their alerts."""
_LOOKED = RuleSight("", 0, "look", 0.0)
_this_boot = functools.cache(boot_id)


def present() -> RuleClock:
    return RuleClock(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), _this_boot())


@dataclass(frozen=True, slots=True)
class LifeParts:
    """What the house hands over.

    ``name`` tells by what name a thing of a class goes that people name otherwise (raises NotFound), ``act`` does what
    stored firings say, ``changed`` is told of a rule that has fired. ``alerts`` are the newest of a built-in rule (by
    the name that alerts know it by), those that fire first. ``unseen`` tells of a rule, by its name, why
    what it waits for can't be looked at; None where it can. ``missing`` tells what such a rule lacks.
    """

    name: Callable[[str, str], str]
    act: Callable[[Sequence[KeptFiring]], None]
    changed: Callable[[ReadRule], None] = lambda _one: None
    clock: Callable[[], RuleClock] = present
    alerts: Callable[[str, int], Sequence[Alert]] = lambda _name, _most: ()
    unseen: Callable[[str], str | None] = lambda _name: None
    missing: Callable[[str], tuple[str, ...]] = lambda _name: ()


class RuleLife:
    """Judges the rules of a shelf. ``hearing`` is told what happens."""

    def __init__(self, shelf: RuleShelf, parts: LifeParts) -> None:
        self._shelf = shelf
        self._tables = shelf.tables
        self._parts = parts
        self._lock = threading.RLock()
        self.board = FactBoard(time.monotonic)
        self.hearing = RuleHearing(self.board, time.monotonic)
        self._standings = {
            (one.rule_id, one.subject): one.standing for one in self._tables.standings.list() if one.rule_id
        }
        looked = self._tables.sights.get(_LOOKED.key)
        self._seen = self._noted = None if looked is None else looked.at
        self._owed: tuple[dict[Key, RuleStanding], list[KeptFiring]] = ({}, [])
        self._fresh: dict[Key, RuleStanding] = {}
        self._moments: dict[Momentary, str] = {}
        self._own: dict[str, set[int]] = {}
        self._pushed = {
            one.rule_id: pushed_of(one.seen) for one in self._tables.sights.list() if one.place == _PUSHED and one.seen
        }
        self._sights: dict[str, RuleSight] = {}
        self._held: dict[Key, str] = {}
        self._since: dict[Key, tuple[bool | None, float]] = {}
        self._sampled_at: float | None = None
        self._trouble: str | None = None
        self._specs = self._judged_now(lambda _device, given: given)  # a device is named once it was heard of
        self._engine = RuleEngine(self._specs.values(), parts.clock(), self._standings, self._seen)
        self.board.want(self._engine.facts)
        self._stale = True
        shelf.changed = self.renew

    @property
    def seen_before(self) -> float | None:
        """Unix time of the last look of an earlier agent, within a minute; None: there was none."""
        return self._noted

    def start(self, loop: Loop) -> None:
        """Begin to look."""
        loop.repeat("rules", LOOK_SECONDS, self.look, at_once=False)

    def sampled(self) -> None:
        """Take note that the machine was measured; after a while without, its facts are unknown."""
        self._sampled_at = time.monotonic()

    def came(self, moment: Momentary, words: str) -> None:
        """Take in a moment, and what set it off in words; the next look judges it."""
        with self._lock:
            self._moments[moment] = words

    def saw(self, sight: RuleSight, is_news: Callable[[str, str], bool] = lambda _was, _now: True) -> None:
        """Take in what a rule's part that is looked at from time to time looks like.

        The first look is what others are held against. A change is stored with what follows from it, or neither is;
        ``is_news`` tells of a change, by what was seen before and now, whether anything follows.
        """
        with self._lock:
            known = self._sights.get(sight.key) or self._tables.sights.get(sight.key)
            if known is not None and known.seen == sight.seen:
                return
            self._sights[sight.key] = sight
            if known is not None and is_news(known.seen, sight.seen):
                self._came_to(sight, known.seen)
                self._own.setdefault(sight.rule_id, set()).add(sight.place)

    def _came_to(self, sight: RuleSight, was: str) -> None:
        """Keep what came to a repository until a firing takes it, over an agent's end too."""
        refs = self._refs(sight, was)
        if refs:
            self._keep_pushed(sight.rule_id, [*self._pushed.get(sight.rule_id, ()), *refs])

    def _keep_pushed(self, rule_id: str, refs: list[PushedRef]) -> RuleSight:
        self._pushed[rule_id] = refs
        kept = RuleSight(rule_id, _PUSHED, kept_text(refs), self._parts.clock().wall)
        self._sights[kept.key] = kept
        return kept

    def _forget_pushed(self) -> None:
        """Forget what was pushed to rules of which no firing waits: it was no moment for them."""
        for rule_id in [one for one, refs in self._pushed.items() if refs]:
            if self._shelf.of_id(rule_id) is None:
                del self._pushed[rule_id]
            elif not any(spot.pending for spot in self._engine.spots(rule_id)):
                self._keep_pushed(rule_id, [])

    def _refs(self, sight: RuleSight, was: str) -> list[PushedRef]:
        """Return what came to a repository, where the part of the rule is about one."""
        read = self._shelf.of_id(sight.rule_id)
        parts = [] if read is None or read.spec is None else list(leaves(read.spec.when))
        leaf = parts[sight.place] if sight.place < len(parts) else None
        return pushed_refs(leaf, was, sight.seen) if isinstance(leaf, PushClause) else []

    def renew(self) -> None:
        """Judge the rules as they are from now on, at the next look."""
        with self._lock:
            self._stale = True

    def look(self) -> None:
        """Look at what changed, store what follows, and have it done."""
        with self._lock:
            if self._stale:
                self._renewed()
            if self._sampled_at is not None and time.monotonic() - self._sampled_at > _MACHINE_SECONDS:
                self._sampled_at = None
                self.board.put_machine(())
            self._forget_jobs()
            clock = self._parts.clock()
            moments, self._moments = self._moments, {}
            own, self._own = self._own, {}
            found = self._engine.look(self.board.news(), clock, moments, own)
            self._held, self._seen = dict(found.held), clock.wall
            self._owe(found, moments)
            self._forget_pushed()
            done = self._stored(clock)
        if done:
            self._parts.act(done)
            self._tell(done)

    def fire(self, one: ReadRule, subject: str, trigger: str, asked: Sequence[tuple[str, str]]) -> KeptFiring:
        """Fire a rule now, as a person wants, and have it stored. Raises Refused, NotFound, Unavailable."""
        if one.spec is None:
            raise Refused(f"The rule {one.written.name} can't be read: {one.trouble}", "Remove it, and make it anew.")
        if one.built_in is not None and not acts(one.spec):
            text = f"The rule {one.written.name} raises an alert when it holds, and does nothing else by hand."
            raise Refused(text, "Give it something to do beside the alert, in its document.")
        with self._lock:
            if self._stale:
                self._renewed()
            clock, rule_id, engine = self._parts.clock(), one.written.id, self._engine
            subject = self._called(one.spec, subject)
            if one.written.is_paused:
                engine = RuleEngine([self._judged(one, self._parts.name)], clock, self._standings)
            found = engine.fire(rule_id, subject, clock)
            firing = self._firing(found.firings[0], trigger, asked, by_hand=True)
            if firing is None:
                raise Refused(f"The rule {one.written.name} is gone.")
            self._standings.update(found.changed)
            kept = [KeptStanding(*key, standing) for key, standing in found.changed.items()]
            sights = [self._keep_pushed(rule_id, [])] if firing.pushed else []
            self._tables.keep(kept, [firing], self._written([firing]), sights)
        self._tell([firing])
        return firing

    def _called(self, spec: RuleSpec, given: str) -> str:
        """Return by what name a thing goes that a person has named. Raises NotFound."""
        device = next((found for leaf in leaves(spec.when) if (found := device_class(leaf)) is not None), "")
        return self._parts.name(device, given) if given and device else given

    def came_to_nothing(self, firing: KeptFiring) -> None:
        """Let no cooldown follow from a firing of which nothing could be done: the next one may try again."""
        key = firing.rule_id, firing.subject
        with self._lock:
            standing = self._engine.release(*key, firing.number)
            if standing is not None:
                self._standings[key] = self._owed[0][key] = standing

    def begin_anew(self, rule_id: str) -> None:
        """Judge a rule that says something else as one that nobody has looked at; its firings go on being counted.

        What is stored of its condition so far is of no use any more, nor is what was seen of its folders.
        """
        with self._lock:
            told = {**self._standings, **self._engine.standings()}
            for key, known in [(key, known) for key, known in told.items() if key[0] == rule_id]:
                self._fresh[key] = self._owed[0][key] = RuleStanding((), fired=known.fired, fired_at=known.fired_at)
                self._since.pop(key, None)
            self._sights = {key: sight for key, sight in self._sights.items() if sight.rule_id != rule_id}
            self._tables.forget_sights(rule_id)
            self._pushed.pop(rule_id, None)
            self._stale = True

    def shown(self, one: ReadRule, *, whole: bool = False) -> KeptRule:
        """Return a rule with how it stands; ``whole``: with its newest firings."""
        kept, rule_id = self._shelf.kept(one), one.written.id
        with self._lock:
            spots, judged = self._engine.spots(rule_id)[:_SHOWN_THINGS], self._judged_spots(rule_id)
            standings = tuple(
                ThingStanding(
                    subject=spot.subject, holds=spot.holds if judged else None,
                    since=self._since.get((rule_id, spot.subject), (None, None))[1],
                    held_by=self._held.get((rule_id, spot.subject)), fired=spot.fired,
                    fired_at=None if spot.fired_at is None else spot.fired_at.wall,
                )
                for spot in spots
            )  # fmt: skip
            next_at = self._engine.next_time(rule_id)
        firings = tuple(self.firings(one, _SHOWN_FIRINGS)) if whole else ()
        newest = self._tables.firings.list(parent=rule_id, limit=1)
        last = newest[0].state if newest and not newest[0].is_rejected else None
        kept = replace(kept, standings=standings, next_at=next_at, firings=firings, last_state=last)
        if one.is_judged:
            kept = replace(kept, unseen=self._parts.unseen(kept.name), missing=self._parts.missing(kept.name))
        return kept if one.built_in is None else with_alerts(kept, self._parts.alerts(one.built_in.name, 1))

    def firings(self, one: ReadRule, limit: int) -> list[KeptFiring]:
        """Return what a rule did, newest first; what a built-in one did is that it raised alerts."""
        stored = self._tables.firings.list(parent=one.written.id, limit=limit)
        if one.built_in is None:
            return stored
        return with_raised(stored, self._parts.alerts(one.built_in.name, limit), one.written)[:limit]

    def holds(self, rule_id: str, subject: str) -> bool | None:
        """Tell whether what lasts of a rule's condition holds for a thing; None where nobody knows."""
        with self._lock:
            return next((spot.holds for spot in self._judged_spots(rule_id) if spot.subject == subject), None)

    def stands(self, rule_id: str, subject: str) -> bool | None:
        """Tell the same of a rule that has fired: what it has forgotten since does not hold."""
        with self._lock:
            spots = [spot for spot in self._judged_spots(rule_id) if spot.subject == subject]
            return spots[0].holds if spots else (None if self._stale else False)

    def watched(self) -> list[tuple[ReadRule, int, Momentary]]:
        """Return what is looked at from time to time for rules that are judged: each with its place."""
        return [
            (one, place, leaf)
            for one in self._shelf.all()
            if one.spec is not None and one.is_judged
            for place, leaf in enumerate(leaves(one.spec.when))
            if not isinstance(leaf, Lasting)
        ]

    def _judged_spots(self, rule_id: str) -> list[RuleSpot]:
        """Return how a rule stands; nothing of one that was edited since the last look, as nobody knows it yet."""
        return [] if any(key[0] == rule_id for key in self._fresh) else self._engine.spots(rule_id)

    def _tell(self, firings: Sequence[KeptFiring]) -> None:
        for rule_id in {firing.rule_id for firing in firings}:
            read = self._shelf.of_id(rule_id)
            if read is not None:
                self._parts.changed(read)

    # -- inside ---------------------------------------------------------------------------------

    def _judged_now(self, name: Name) -> dict[str, RuleSpec]:
        """Return the rules that are judged, by id; ``name`` tells by what names their things go."""
        self._let_paused_go()
        return {one.written.id: self._judged(one, name) for one in self._shelf.all() if one.is_judged}

    def _let_paused_go(self) -> None:
        """Forget how rules that are paused stood, but for what holds them back: what holds once they go on is news."""
        paused = {one.written.id for one in self._shelf.all() if one.written.is_paused}
        for key, standing in self._standings.items():
            if key[0] in paused:
                fresh = RuleStanding((Holding(),) * len(standing.parts))
                self._standings[key] = replace(fresh, fired=standing.fired, fired_at=standing.fired_at)

    def _renewed(self) -> None:
        """Judge the rules as they are by now; one of which nothing is new goes on, with what it has counted."""
        known = {one.written.id for one in self._shelf.all()}
        told = {**self._standings, **self._engine.standings(), **self._fresh}
        self._standings = {key: standing for key, standing in told.items() if key[0] in known}
        specs, clock, anew = self._judged_now(self._parts.name), self._parts.clock(), {key[0] for key in self._fresh}
        for rule in dict.fromkeys((*self._specs, *specs)):
            if rule in anew or specs.get(rule) != self._specs.get(rule):
                self._engine.begin(rule, specs.get(rule), self._standings, clock, self._seen)
        self._specs, self._fresh, self._stale = specs, {}, False
        self.board.want(self._engine.facts)
        self.board.all_again()

    def _judged(self, one: ReadRule, name: Name) -> RuleSpec:
        """Return a rule as the engine has it: by its id, and its things by the names that they go by.

        A built-in one holds while its alert fires, which who judges alerts has found by then.
        """
        spec = one.spec
        if spec is None:
            raise ValueError(f"the rule {one.written.name} can't be read")
        when = renamed(spec.when, name) if one.built_in is None else alert_clause(one.built_in.name)
        seconds = spec.for_seconds if one.built_in is None else 0.0
        return replace(spec, name=one.written.id, when=when, for_seconds=seconds)

    def _owe(self, found: RulesLook, moments: Mapping[Momentary, str]) -> None:
        owed, firings = self._owed
        owed.update(found.changed)
        self._standings.update(found.changed)
        now = self._parts.clock().wall
        for key in found.changed:
            self._note(key, now)
        for one in found.firings:
            firing = self._firing(one, self._trigger(one.rule, moments), ())
            if firing is not None:
                firings.append(firing)

    def _trigger(self, rule_id: str, moments: Mapping[Momentary, str]) -> str:
        """Say what set a rule off, as far as that came a moment ago."""
        read = self._shelf.of_id(rule_id)
        return "its condition" if read is None or read.spec is None else set_off_by(read.spec.when, moments)

    def _note(self, key: Key, now: float) -> None:
        holds = next((spot.holds for spot in self._engine.spots(key[0]) if spot.subject == key[1]), None)
        if self._since.get(key, (None, 0.0))[0] is not holds or key not in self._since:
            self._since[key] = holds, now

    def _stored(self, clock: RuleClock) -> list[KeptFiring]:
        """Store what is owed, and return what is to be done now."""
        owed, firings = self._owed
        looked = [*self._looked(clock), *self._sights.values()]
        if not (owed or firings or looked):
            return []
        kept = [KeptStanding(*key, standing) for key, standing in owed.items()]
        try:
            self._tables.keep(kept, firings, self._written(firings), looked)
        except DeskError as error:
            if self._trouble != error.message:
                self._trouble = error.message
                _log.warning("What rules found can't be stored, so nothing of it is done: %s", error.message)
            return []
        self._trouble = None
        self._owed = {}, []
        self._sights = {}
        self._noted = clock.wall if _LOOKED.key in {sight.key for sight in looked} else self._noted
        return firings

    def _looked(self, clock: RuleClock) -> list[RuleSight]:
        """Return that somebody looked, now and then, for the schedules of the next agent."""
        passed = None if self._noted is None else clock.wall - self._noted
        if passed is not None and 0.0 <= passed < SEEN_SECONDS:
            return []
        return [replace(_LOOKED, at=clock.wall)]

    def _written(self, firings: Sequence[KeptFiring]) -> list[WrittenRule]:
        found = (self._shelf.fired(firing.rule_id, firing.at) for firing in firings)
        return [written for written in found if written is not None]

    def _firing(
        self, one: RuleFiring, trigger: str, asked: Sequence[tuple[str, str]], *, by_hand: bool = False
    ) -> KeptFiring | None:
        read = self._shelf.of_id(one.rule)
        if read is None or read.spec is None:
            return None  # it was removed a moment ago
        steps = tuple(FiringStep(type(action).__name__, action_words(action)) for action in read.spec.then)
        return KeptFiring(
            id=one.id,
            rule=read.written.name,
            rule_id=one.rule,
            subject=one.subject,
            number=one.number,
            at=one.at,
            trigger=trigger,
            steps=steps,
            created_by=read.written.created_by,
            asked=tuple(asked),
            by_hand=by_hand,
            pushed=tuple(self._pushed.get(one.rule, ())),
            chain=0 if by_hand else self._chain(read.spec, one),
        )

    def _chain(self, spec: RuleSpec, one: RuleFiring) -> int:
        """Return the chain of the job that has set a rule off; 0 where something else has."""
        parts = leaves(spec.when)
        about = parts if one.cause is None else parts[one.cause : one.cause + 1]
        jobs = {part.of or one.subject for part in about if isinstance(part, Lasting) and _kind(part) == "job"}
        return max(map(self.hearing.chain_of, jobs), default=0)

    def _forget_jobs(self) -> None:
        job_facts = sorted(fact for fact in self._engine.facts if fact.startswith(_OF_JOBS))
        keys = [
            f"{rule}/{subject}"
            for job_id in self.hearing.jobs_over()
            for fact in (JOB, *job_facts)
            for rule, subject in self._engine.forget(fact, job_id)
            if self._standings.pop((rule, subject), None) is not None
        ]
        if keys:
            try:
                self._tables.forget_things(keys)
            except DeskError as error:
                _log.info("How rules stood for jobs that are over stays stored: %s", error.message)


def _kind(part: Lasting) -> str:
    return part.kind if isinstance(part, StateClause) else part.device
