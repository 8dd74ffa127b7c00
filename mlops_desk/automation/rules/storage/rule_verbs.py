"""The verbs about rules that are kept: made, listed, paused, fired and removed, and what they did.

How what a rule watches went: one curve of its condition, of the thing that is worst off. Pure, but for the history.

What fires at once is shown by the most (or least) of each step, or a line that stays below its threshold would have
fired; what has to last by the mean. A counter is shown by its growth, which begins anew after a gap as it does for the
engine after a restart. What is reckoned of several readings is reckoned of their means.
"""

import math
import time
from builtins import list as list_of
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, TypeAlias

from mlops_desk.automation.records.actions import NotifyAction, RetrainAction, StopJobAction
from mlops_desk.automation.records.condition_history import ConditionCurve, OfEach, RuleCourse
from mlops_desk.automation.records.conditions import (
    DriftClause,
    DvcClause,
    Leaf,
    ManualClause,
    MetricClause,
    NewDataClause,
    NewRowsClause,
    PushClause,
    ScheduleClause,
    StateClause,
    device_class,
    leaves,
)
from mlops_desk.automation.records.fire_result import FiredRule
from mlops_desk.automation.records.firing import KeptFiring
from mlops_desk.automation.records.retraining_rule import Retraining
from mlops_desk.automation.records.rule_record import KeptRule, ThingStanding
from mlops_desk.automation.records.spec import RuleSpec
from mlops_desk.automation.rules.comparison_plan import check_retraining
from mlops_desk.automation.rules.document.conditions import Metrics
from mlops_desk.automation.rules.document.document import parse_rule
from mlops_desk.automation.rules.document_verbs import RuleDocuments, RulePast
from mlops_desk.automation.rules.dry_run_client import RuleTrial
from mlops_desk.automation.rules.sentence import condition_words
from mlops_desk.automation.rules.storage.built_in import as_judged
from mlops_desk.automation.rules.storage.rule_repository import ReadRule, RuleShelf
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import Hint, Invalid, NotFound, Refused, TimedOut
from mlops_desk.kit.base.short_ids import LOOKED_FOR, the_one
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.declaration import check_limit
from mlops_desk.machine.records.event import AutomationChanged, RuleChanged, RuleRemoved
from mlops_desk.machine.records.history import History
from mlops_desk.machine.records.metric import Metric

POINTS = 96
"""Of a curve at most: quarters of an hour of a day, which the history keeps for long and reads fast."""
_MOST_POINTS = 3000  # chosen: of what a counter's growth is told by; two days of minutes, and the history gives 5,000
_MOST_THINGS = 32  # chosen: the GPUs of any machine, as in a dry run
_MOST_PARTS = 8  # chosen: a condition of more parts is no line to look at; the first that is told is shown
_AT_ONCE_SECONDS = 60.0  # chosen: what lasts shorter is lost in the mean of a quarter of an hour
_FINEST_SECONDS = 60.0  # what is older than a few minutes is kept by the minute
_AS_GOOD_AS = 1.05  # chosen: spans that are no multiple of a minute are cut into steps that are a little longer
_UNTOLD: dict[type, str] = {
    StateClause: "it is about a state, of which no numbers are kept",
    ScheduleClause: "it waits for times of a schedule",
    NewDataClause: "it waits for new data",
    NewRowsClause: "it waits for new data",
    DvcClause: "it waits for new data",
    PushClause: "it waits for a commit",
    DriftClause: "it waits for a report of drift",
    ManualClause: "a person fires it",
}

Values: TypeAlias = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """What is shown of a thing: values for ``step`` seconds each from ``start`` on."""

    thing: str
    start: float
    step: float
    values: Values


class CourseReading:
    """Reads what the parts of conditions were between two Unix times."""

    def __init__(self, metrics: Metrics, past: RulePast, since: float, until: float) -> None:
        self._metrics, self._past = metrics, past
        self._since, self._until = since, until

    def course(self, name: str, spec: RuleSpec, standings: Sequence[ThingStanding]) -> RuleCourse:
        """Return the curve of the first part of a rule's condition that has one. Raises Unavailable, TimedOut."""
        why: list[str] = []
        for leaf in [*dict.fromkeys(leaves(spec.when))][:_MOST_PARTS]:
            found = self._part(leaf, spec, standings)
            if isinstance(found, ConditionCurve):
                return RuleCourse(name, found)
            why.append(found)
        return RuleCourse(name, untold="; ".join(dict.fromkeys(why)))

    def _part(self, leaf: Leaf, spec: RuleSpec, standings: Sequence[ThingStanding]) -> ConditionCurve | str:
        """Return the curve of a part, or why there is none."""
        if not isinstance(leaf, MetricClause):
            return _UNTOLD[type(leaf)]
        why = self._past.why_untold(leaf.device, leaf.metric)
        if why is not None:
            return why
        metric = self._metrics[leaf.device, leaf.metric]
        each = _of_each(leaf, metric, spec)
        things = self._things(leaf, standings)
        lines = self._lines(leaf, each, things) if things else []
        if lines is None:
            return "it is by how much a counter grew in less time than the history tells apart here"
        known = [line for line in lines if any(value is not None for value in line.values)]
        if not known:
            return "nothing of it was measured in this time"
        holding = {one.subject for one in standings if one.holds is True}
        worst = max(known, key=lambda line: (line.thing in holding, _nearest(line.values, leaf)))
        return ConditionCurve(
            condition_words(leaf, self._metrics), leaf.device, worst.thing, leaf.metric, metric.unit, leaf.threshold,
            leaf.above, each, worst.start, worst.step, worst.values, len(things),
        )  # fmt: skip

    def _things(self, leaf: MetricClause, standings: Sequence[ThingStanding]) -> dict[str, str]:
        """Return the things of a part that there are, each with the name that its history goes by.

        Of those that the engine judges, while there are any; those for which the rule holds come first.
        """
        if leaf.of is not None:
            found: Sequence[str] = [leaf.of]
        else:
            judged = [one.subject for one in sorted(standings, key=lambda one: one.holds is not True) if one.subject]
            found = judged or self._past.things(leaf.device, leaf.metric)
        known = {}
        for thing in found[:_MOST_THINGS]:
            try:
                known[thing] = self._past.name(leaf.device, thing)
            except NotFound:
                continue  # it is gone, and so is its curve
        return known

    def _lines(self, leaf: MetricClause, each: OfEach, things: Mapping[str, str]) -> list[_Line] | None:
        """Return what is shown of each thing; None where the history is too coarse to tell a growth."""
        window = leaf.grown_over or 0.0
        span = self._until - self._since
        step = max(min(window or span, span / POINTS), _FINEST_SECONDS if window else 0.0)
        points = math.ceil((span + window) / step - 1e-9)
        if window and (window < step or points > _MOST_POINTS):
            return None
        names = [*things.values()]
        found = self._past.curves(leaf.device, leaf.metric, names, self._since - window, self._until, points)
        lines = []
        for thing, curve in zip(things, found, strict=True):
            if curve is None:
                continue
            if not window:
                lines.append(_Line(thing, curve.times[0], curve.step_seconds, _shown(curve, each)))
            elif curve.step_seconds <= window * _AS_GOOD_AS:
                lines.append(_growth(thing, curve, window))
            else:
                return None
        return lines


def _of_each(leaf: MetricClause, metric: Metric, spec: RuleSpec) -> OfEach:
    if leaf.grown_over is not None:
        return OfEach.GROWTH
    lasts = max(leaf.for_seconds, spec.for_seconds) >= _AT_ONCE_SECONDS
    if metric.derived or leaf.averaged or lasts:
        return OfEach.MEAN
    return OfEach.MOST if leaf.above else OfEach.LEAST


def _shown(curve: History, each: OfEach) -> Values:
    return {OfEach.MOST: curve.maximum, OfEach.LEAST: curve.minimum}.get(each, curve.mean)


def _growth(thing: str, curve: History, window: float) -> _Line:
    """Return by how much a counter had grown within so many seconds, the most in each of at most 96 steps.

    Counters do not fall, so what was the most of a step is what it ended with; one that falls was set back, and has
    not grown.
    """
    count = round(window / curve.step_seconds) or 1
    ends = curve.maximum
    grown = [0.0, *(max(0.0, now - before) if now is not None and before is not None else 0.0
                    for before, now in pairwise(ends))]  # fmt: skip
    sums = [None if end is None else sum(grown[max(0, place - count + 1) : place + 1])
            for place, end in enumerate(ends)][count:]  # fmt: skip
    together = math.ceil(len(sums) / POINTS) or 1
    values = tuple(_most(sums[at : at + together]) for at in range(0, len(sums), together))
    start = curve.times[0] + count * curve.step_seconds
    return _Line(thing, start, together * curve.step_seconds, values)


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _nearest(values: Values, leaf: MetricClause) -> float:
    """Return how far a thing came beyond the threshold: below 0 is how much was left."""
    return max((value - leaf.threshold) * (1 if leaf.above else -1) for value in values if value is not None)


_MOST_COURSES = 100  # chosen: more rows than a screen has
_LEAST_HOURS, _MOST_HOURS = 1.0, 168.0  # chosen: within a day lie its nights and its work, within a week its week-end
_COURSES_SECONDS = 20.0  # chosen: curves of a screen of rules take a fraction of a second; each look has 5 s itself


class LivingRules(Protocol):
    """What judges rules, as far as these verbs ask it."""

    def shown(self, one: ReadRule, *, whole: bool = False) -> KeptRule: ...

    def fire(self, one: ReadRule, subject: str, trigger: str, asked: list_of[tuple[str, str]]) -> KeptFiring: ...

    def begin_anew(self, rule_id: str) -> None: ...

    def firings(self, one: ReadRule, limit: int) -> list_of[KeptFiring]: ...


class ActingRules(Protocol):
    """What does what firings say."""

    def do_now(self, firing: KeptFiring) -> KeptFiring: ...

    def answer(self, firing_id: str, *, agree: bool, why: str = "") -> KeptFiring: ...


class RuleKeeping(RuleDocuments):
    """``may_command`` raises Refused where a person's (uid) rules may run no command.

    ``living`` and ``acting`` are set by who puts the house together, before anything is asked.
    """

    def __init__(
        self,
        metrics: Metrics,
        past: RulePast,
        shelf: RuleShelf,
        bus: Bus,
        may_command: Callable[[int], None],
        trial: RuleTrial | None = None,
    ) -> None:
        super().__init__(metrics, past, trial)
        self.shelf = shelf
        self._bus = bus
        self._may_command = may_command
        self.living: LivingRules
        self.acting: ActingRules

    def keep(self, document: str) -> KeptRule:
        """Keep a document as a rule of the caller. Raises Invalid, Refused."""
        return self._told(self.shelf.add(self._checked(document), current_caller().uid))

    def _checked(self, document: str) -> RuleSpec:
        """Return what a document of the caller's says. Raises Invalid, Refused."""
        spec = parse_rule(document, self._metrics)
        uid = current_caller().uid
        if any(isinstance(action, NotifyAction) and "command" in action.ways for action in spec.then):
            self._may_command(uid)
        retrained = [action for action in spec.then if isinstance(action, RetrainAction)]
        if len(retrained) > 1:
            raise Invalid("A rule retrains one model.", "Make a rule for each of them.")
        for action in retrained:
            check_retraining(action)
        return spec

    def list(self) -> list_of[KeptRule]:
        """Return all rules, newest first, as they stand."""
        return [self.living.shown(one) for one in self.shelf.all()]

    def show(self, name: str) -> KeptRule:
        """Return a rule with its newest firings. Raises NotFound."""
        return self.living.shown(self.shelf.named(name), whole=True)

    def spec_of(self, rule: str) -> RuleSpec:
        """Return what a kept rule says, as it is judged. Raises NotFound, and Refused where it can't be read."""
        one = self.shelf.named(rule)
        if one.spec is None:
            raise Refused(f"The rule {plain(rule)} can't be read: {one.trouble}", "Change its document.")
        return one.spec if one.built_in is None else as_judged(one.spec)

    def alike(self, spec: RuleSpec) -> tuple[str, ...]:
        """Return the names of the other rules that wait for the same as a rule, and do the same."""
        return self.shelf.alike(spec)

    def courses(self, names: list_of[str], hours: float = 24.0) -> list_of[RuleCourse]:
        """Return how what rules watch went. Raises NotFound, Invalid, Unavailable, TimedOut."""
        if len(names) > _MOST_COURSES:
            text = f"{len(names)} rules are more than {_MOST_COURSES}."
            raise Invalid(text, "Ask for some of them at a time.")
        if not _LEAST_HOURS <= hours <= _MOST_HOURS:
            hint = f"Give --hours from {_LEAST_HOURS:g} to {_MOST_HOURS:g}."
            raise Invalid(f"Curves of {hours:g} hours are not shown.", hint)
        now, ends_at = time.time(), time.monotonic() + _COURSES_SECONDS
        reading = CourseReading(self._metrics, self._past, now - hours * 3600.0, now)
        found: list_of[RuleCourse] = []
        for name in dict.fromkeys(names):
            one = self.shelf.named(name)
            if time.monotonic() > ends_at:
                text = f"After {_COURSES_SECONDS:g} s the history had told of {len(found)} of {len(names)} rules."
                raise TimedOut(text, "The disk of the data folder is slow, or many ask: try fewer at a time.")
            if one.spec is None:
                found.append(RuleCourse(name, untold=f"it can't be read: {one.trouble}"))
            else:
                found.append(reading.course(name, one.spec, self.living.shown(one).standings))
        return found

    def pause(self, name: str) -> KeptRule:
        """Judge a rule no more. Raises NotFound."""
        return self._told(self.shelf.pause(name, is_paused=True, changed_by=current_caller().uid))

    def resume(self, name: str) -> KeptRule:
        """Judge a rule again. Raises NotFound."""
        return self._told(self.shelf.pause(name, is_paused=False, changed_by=current_caller().uid))

    def reset(self, name: str) -> KeptRule:
        """Let a built-in rule be what it was at first. Raises NotFound, and Refused for another."""
        again = self.shelf.reset(name)
        self.living.begin_anew(again.written.id)
        return self._told(again)

    def remove(self, name: str) -> KeptRule:
        """Forget a rule; what it has begun goes on. Raises NotFound, and Refused for one that is built in."""
        kept = self.shelf.kept(self.shelf.remove(name))
        self._bus.publish(RuleRemoved(name))
        return kept

    def edit(self, name: str, document: str) -> KeptRule:
        """Let another document be what a rule says; what it did stays, how it stands begins anew.

        Raises NotFound, Invalid with line and column, and Refused for another name: that would be another rule.
        """
        known, spec = self.shelf.named(name), self._checked(document)
        if spec.name != name:
            hint = f"Write name: {name}, or make a rule of its own of it."
            raise Refused(f"The document is of the rule {plain(spec.name)}, and not of {plain(name)}.", hint)
        changed = self.shelf.change(name, spec, current_caller().uid)
        self.living.begin_anew(known.written.id)
        return self._told(changed)

    def _told(self, one: ReadRule) -> KeptRule:
        self.announce(one)
        return self.living.shown(one)

    def announce(self, one: ReadRule) -> None:
        """Tell of a rule and how it stands; of one that retrains as that too."""
        shown = self.living.shown(one)
        self._bus.publish(AutomationChanged(shown))
        again = shown.retraining
        if again is not None:
            self._bus.publish(RuleChanged(again))

    def fire(self, name: str, data: Mapping[str, str] | None = None, thing: str = "") -> FiredRule:
        """Fire a rule, whatever holds it back. Raises NotFound, Invalid, Refused, and what its actions raise."""
        one = self.shelf.named(name)
        if one.spec is not None:
            _check_fire(one.spec, data, thing)
        asked = sorted(checked_data(data).items())
        firing = self.acting.do_now(self.living.fire(one, thing, f"by {current_caller().user}", asked))
        made = (step.made for step in firing.steps if step.action == RetrainAction.__name__ and step.made)
        return FiredRule.of(firing, self.found_retraining(next(made, "")))

    def found_retraining(self, retraining_id: str) -> Retraining | None:
        """Return a retraining by its whole id."""
        raise NotImplementedError

    def firings(self, rule: str | None = None, limit: int = 50) -> list_of[KeptFiring]:
        """Return firings, newest first. Raises NotFound."""
        if rule is not None:
            return self.living.firings(self.shelf.named(rule), check_limit(limit))
        return self.shelf.tables.firings.list(limit=check_limit(limit))

    def firing(self, firing_id: str) -> KeptFiring:
        """Return a firing by its id, or the beginning of it. Raises NotFound, Invalid."""
        found = self.shelf.tables.firings.find(firing_id, LOOKED_FOR)
        hint = Hint("mlops-desk rules firings", after=" shows them all.")
        return the_one(firing_id, found, noun="firing", hint=hint)

    def answer(self, firing_id: str, *, agree: bool = True, why: str = "") -> KeptFiring:
        """Agree to what a firing waits for, or not. Raises NotFound, Refused."""
        return self.acting.answer(self.firing(firing_id).id, agree=agree, why=why)


def checked_data(data: Mapping[str, str] | None) -> dict[str, str]:
    """Return mount replacements, both sides absolute. Raises Invalid."""
    for target, source in (data or {}).items():
        if not (target.startswith("/") and source.startswith("/")):
            text = f"{plain(target)}={plain(source)} is not the absolute path of a mount target and of its new source."
            raise Invalid(text, "For example: --data /data=/srv/digits-2026-11")
    return dict(data or {})


def _check_fire(spec: RuleSpec, data: Mapping[str, str] | None, thing: str) -> None:
    """Refuse what makes no sense of a firing by hand."""
    each = next((found for leaf in leaves(spec.when) if (found := device_class(leaf)) is not None), None)
    if thing and each is None:
        raise Invalid(f"The rule {spec.name} is of one thing, so none is to be named.", "Leave out --thing.")
    if not thing and any(isinstance(action, StopJobAction) and action.job is None for action in spec.then):
        hint = Hint(f"mlops-desk rules fire {spec.name} --thing JOB", before="Name its id: ")
        raise Refused(f"The rule {spec.name} stops the job that it fires for, and none is named.", hint)
    if data and not any(isinstance(action, RetrainAction) for action in spec.then):
        raise Invalid(f"The rule {spec.name} trains nothing, so it takes no data.", "Leave out --data.")
