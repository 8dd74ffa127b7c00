"""The verbs about rules that are kept: made, listed, paused, fired and removed, and what they did."""

import time
from builtins import list as list_of
from collections.abc import Callable, Mapping
from typing import Protocol

from mlops_desk.base.bus import Bus
from mlops_desk.base.caller import current_caller
from mlops_desk.base.errors import Hint, Invalid, Refused, TimedOut
from mlops_desk.base.short_ids import LOOKED_FOR, the_one
from mlops_desk.base.text import plain
from mlops_desk.records.event import AutomationChanged, RuleChanged, RuleRemoved
from mlops_desk.records.rule import Retraining
from mlops_desk.records.rules.actions import NotifyAction, RetrainAction, StopJobAction
from mlops_desk.records.rules.conditions import device_class, leaves
from mlops_desk.records.rules.course import RuleCourse
from mlops_desk.records.rules.fired import FiredRule
from mlops_desk.records.rules.firing import KeptFiring
from mlops_desk.records.rules.kept import KeptRule
from mlops_desk.records.rules.spec import RuleSpec
from mlops_desk.rules.courses import CourseReading
from mlops_desk.rules.document.conditions import Metrics
from mlops_desk.rules.document.document import parse_rule
from mlops_desk.rules.documents import RuleDocuments, RulePast
from mlops_desk.rules.kept.built_in import as_judged
from mlops_desk.rules.kept.shelf import ReadRule, RuleShelf
from mlops_desk.rules.planning import check_retraining
from mlops_desk.rules.trial import RuleTrial
from mlops_desk.verbs.declaration import check_limit

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
