"""The documents of rules: each read once, found by name, and beside it what it says of retraining.

A document that can't be read any more (a metric is gone, say) is not lost: its rule is listed with what is wrong. Rules
that are built in stand behind those of people; only what somebody changed of one is stored.

A retraining rule as it was kept before there were documents, as the document that says the same. Pure.

Such a rule fires for each report that its endpoint's data have drifted (``drift:``), and not when a monitor turns: a
person made it so, and a cooldown of a day means that it trains once a day for as long as the data are others.
"""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeGuard

from mlops_desk.automation.records.actions import RetrainAction
from mlops_desk.automation.records.conditions import DriftClause, Lasting, Leaf, ManualClause, MetricClause, leaves
from mlops_desk.automation.records.equivalence import are_alike
from mlops_desk.automation.records.retraining_rule import Rule
from mlops_desk.automation.records.rule_record import KeptRule, KeptStanding, WrittenRule
from mlops_desk.automation.records.rule_state import RuleClock, RuleStanding
from mlops_desk.automation.records.spec import RuleSpec
from mlops_desk.automation.rules.document.conditions import Metrics
from mlops_desk.automation.rules.document.document import format_rule, parse_rule
from mlops_desk.automation.rules.sentence import sentence
from mlops_desk.automation.rules.storage.built_in import PREFIX, BuiltInRule, acts, other_name
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused
from mlops_desk.kit.base.hysteresis import Holding
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.rule_tables import RuleTables

if TYPE_CHECKING:
    from builtins import list as list_of
    from collections.abc import Callable, Iterable


def spec_of(rule: Rule) -> RuleSpec:
    """Return what a retraining rule says."""
    when = ManualClause() if rule.endpoint is None else DriftClause(rule.endpoint, rule.model)
    again = RetrainAction(
        rule.model, rule.metric, rule.alias, rule.higher_is_better, dict(rule.data), rule.plan,
        rule.augment,
    )  # fmt: skip
    return RuleSpec(rule.name, when, (again,), cooldown_seconds=rule.cooldown_seconds)


def standing_of(rule: Rule) -> RuleStanding | None:
    """Return how it stands, so that its cooldown goes on; None for one that has never fired."""
    if rule.last_fired_at is None:
        return None
    at = RuleClock(rule.last_fired_at, 0.0, "")  # of another boot, as far as anybody knows
    return RuleStanding((Holding(),), fired=1, fired_at=at)


def endpoint_of(spec: RuleSpec) -> str | None:
    """Return the endpoint whose drift sets a rule off, where there is one."""
    return next((leaf.endpoint for leaf in leaves(spec.when) if isinstance(leaf, DriftClause)), None)


_MOST = 2000
"""Chosen: twice what a look is measured with; a program that makes rules without end is stopped."""


@dataclass(frozen=True, slots=True)
class ReadRule:
    """A rule with what its document says; ``spec`` None: it can't be read, ``trouble`` says why.

    A ``built_in`` one whose document can't be read is what it was at first.
    """

    written: WrittenRule
    spec: RuleSpec | None
    trouble: DeskError | None = None
    built_in: BuiltInRule | None = None

    @property
    def is_judged(self) -> bool:
        """Whether the engine of rules judges it: a built-in one where it does more than raise its alert."""
        return self.spec is not None and not self.written.is_paused and (self.built_in is None or acts(self.spec))


class RuleShelf:
    """All rules. ``changed`` is called after each change, in the thread that made it, which holds nothing meanwhile."""

    def __init__(self, tables: RuleTables, metrics: Metrics, built_in: "Iterable[BuiltInRule]" = ()) -> None:
        self.tables = tables
        self._metrics = metrics
        self._lock = threading.RLock()
        self._read: dict[str, ReadRule] = {}
        self._built_in: dict[str, BuiltInRule] = {}
        self.changed: Callable[[], None] = lambda: None
        stored = tables.rules.list(newest_first=False)
        for written in stored:
            if not written.id.startswith(PREFIX):
                self._read[written.id] = self._reading(written)
        self.take_up()
        changes = {written.id: written for written in stored}
        for one in built_in:
            known = self._built_in[one.id] = one.named(other_name(one.name, lambda name: self.find(name) is not None))
            changed = changes.get(one.id)
            # What nobody has changed is known without being read: to read them all took as long as to load SQLAlchemy.
            self._read[one.id] = _as_at_first(known) if changed is None else self._reading(changed)

    @property
    def metrics(self) -> Metrics:
        return self._metrics

    def all(self) -> list[ReadRule]:
        """Return the rules of people, newest first, then those that are built in."""
        with self._lock:
            theirs = [one for one in self._read.values() if one.built_in is None]
            return sorted(theirs, key=lambda one: -one.written.created_at) + self.built_in()

    def built_in(self) -> "list_of[ReadRule]":
        """Return the rules that are built in, in the order of their table."""
        with self._lock:
            return [self._read[rule_id] for rule_id in self._built_in]

    def find(self, name: str) -> ReadRule | None:
        with self._lock:
            return next((one for one in self._read.values() if one.written.name == name), None)

    def named(self, name: str) -> ReadRule:
        """Return a rule by its name. Raises NotFound."""
        found = self.find(name)
        if found is None:
            hint = Hint("mlops-desk rules list", after=" shows them all.")
            raise NotFound(f"There is no rule {plain(name)!r}.", hint)
        return found

    def alike(self, spec: RuleSpec) -> tuple[str, ...]:
        """Return the names of the other rules that wait for the same and do the same as one that is, or is to be."""
        with self._lock:
            others = {one.written.name: one.spec for one in self._read.values()}
        return tuple(
            sorted(name for name, other in others.items() if other and name != spec.name and are_alike(spec, other))
        )

    def of_id(self, rule_id: str) -> ReadRule | None:
        with self._lock:
            return self._read.get(rule_id)

    def add(self, spec: RuleSpec, created_by: int | None) -> ReadRule:
        """Keep a new rule. Raises Refused where there is one of its name, or too many."""
        with self._changing():
            known = self.find(spec.name)
            if known is not None and known.built_in is not None:
                hint = Hint(f"mlops-desk rules edit {spec.name} RULE.yaml", after=" changes it. Or take another name.")
                raise Refused(f"There is a rule {spec.name} already: it is built in.", hint)
            if known is not None:
                hint = Hint(f"mlops-desk rules remove {spec.name}", after=" forgets it.")
                raise Refused(f"There is a rule {spec.name} already.", hint)
            if len(self._read) - len(self._built_in) >= _MOST:
                raise Refused(f"{_MOST} rules are the most that are kept.", "Remove some.")
            written = WrittenRule(uuid.uuid4().hex, spec.name, format_rule(spec), created_by, time.time())
            return self._put(written)

    def change(self, name: str, spec: RuleSpec, changed_by: int | None = None) -> ReadRule:
        """Let a rule say something else; a built-in one acts for who changed it. Raises NotFound, Invalid."""
        with self._changing():
            known = self.named(name)
            if known.built_in is None:
                return self._put(replace(known.written, document=format_rule(spec)))
            known.built_in.check(spec)
            return self._put_changed(known, changed_by, document=format_rule(spec), created_by=changed_by)

    def pause(self, name: str, *, is_paused: bool, changed_by: int | None = None) -> ReadRule:
        """Judge a rule no more, or again. Raises NotFound."""
        with self._changing():
            known = self.named(name)
            if known.built_in is None:
                return self._put(replace(known.written, is_paused=is_paused))
            return self._put_changed(known, changed_by, is_paused=is_paused)

    def _put_changed(self, known: ReadRule, changed_by: int | None, **changes: Any) -> ReadRule:
        """Keep what somebody changed of a built-in rule; nothing where it is again what it was at first."""
        by = changed_by if known.written.created_at == 0.0 else known.written.created_by
        written = replace(known.written, **{"created_by": by, "created_at": time.time(), **changes})
        built_in = known.built_in
        if built_in is not None:
            first = built_in.at_first
            if (written.document, written.is_paused) == (first.document, False):
                return self._reset(written.id, built_in)
        return self._put(written)

    def remove(self, name: str) -> ReadRule:
        """Forget a rule. Raises NotFound, and Refused for one that is built in."""
        with self._changing():
            found = self.named(name)
            if found.built_in is not None:
                hint = Hint(f"mlops-desk rules pause {name}", after=" has it judged no more.")
                raise Refused(f"The rule {plain(name)} is built in, so it can't be removed.", hint)
            self.tables.remove(found.written.id)
            del self._read[found.written.id]
            return found

    def reset(self, name: str) -> ReadRule:
        """Let a built-in rule say what it said at first, and be judged. Raises NotFound, and Refused for another."""
        with self._changing():
            found = self.named(name)
            if found.built_in is None:
                hint = Hint(f"mlops-desk rules edit {name} RULE.yaml", after=" lets it say something else.")
                raise Refused(f"The rule {plain(name)} is not built in: it is what was written down of it.", hint)
            return self._reset(found.written.id, found.built_in)

    def _reset(self, rule_id: str, built_in: "BuiltInRule") -> ReadRule:
        self.tables.forget_document(rule_id)
        again = self._read[rule_id] = _as_at_first(built_in)
        return again

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the shelf, and tell of the change once it is let go of.

        Whoever is told has a lock of their own, under which they ask the shelf at other times: each would wait for the
        other, and both for ever.
        """
        with self._lock:
            yield
        self.changed()

    def fired(self, rule_id: str, at: float) -> WrittenRule | None:
        """Return a rule's record with its last firing, to be stored with that; None where it is gone."""
        with self._lock:
            found = self._read.get(rule_id)
            if found is None:
                return None
            written = replace(found.written, last_fired_at=at)
            self._read[rule_id] = replace(found, written=written)
            return written

    def kept(self, one: ReadRule) -> KeptRule:
        """Return a rule as lists show it, without how it stands."""
        written, spec = one.written, one.spec
        shown = KeptRule(
            name=written.name,
            enabled=not written.is_paused,
            created_by=written.created_by,
            created_at=written.created_at,
            last_fired_at=written.last_fired_at,
            id=written.id,
            document=written.document,
            trouble=None if one.trouble is None else one.trouble.message,
        )
        if one.built_in is not None:
            shown = _of_machine(shown, one.built_in)
        if spec is None:
            return shown
        said = replace(
            shown,
            sentence=sentence(spec, self._metrics),
            cooldown_seconds=spec.cooldown_seconds,
            fires_by_hand=one.built_in is None or acts(spec),
            lasts=any(isinstance(leaf, Lasting) for leaf in leaves(spec.when)),
            watched=tuple(leaf for leaf in leaves(spec.when) if self._is_recorded(leaf)),
        )
        again = next((action for action in spec.then if isinstance(action, RetrainAction)), None)
        if again is None:
            return said
        return replace(
            said,
            model=again.model,
            alias=again.alias,
            metric=again.metric,
            higher_is_better=again.higher_is_better,
            endpoint=endpoint_of(spec),
            data=again.data,
            plan=again.plan,
            augment=again.augment,
        )

    def _is_recorded(self, leaf: Leaf) -> TypeGuard[MetricClause]:
        """Tell whether what a part holds against its threshold has a history."""
        if not isinstance(leaf, MetricClause) or leaf.grown_over is not None:
            return False
        return not self._metrics[leaf.device, leaf.metric].derived

    # -- what retraining asks for: a table of its rules ------------------------------------------

    def list(self) -> list[Rule]:
        """Return the rules that retrain, newest first."""
        found = (self.kept(one).retraining for one in self.all())
        return [rule for rule in found if rule is not None]

    def get(self, name: str) -> Rule | None:
        """Return a rule that retrains, by its name."""
        found = self.find(name)
        return None if found is None else self.kept(found).retraining

    def put(self, rule: Rule) -> None:
        """Keep a new rule that retrains, or that it fired. Raises Refused."""
        found = self.find(rule.name)
        if found is None:
            self.add(spec_of(rule), rule.created_by)
        elif rule.last_fired_at != found.written.last_fired_at:
            with self._changing():
                self._put(replace(found.written, last_fired_at=rule.last_fired_at))

    def _put(self, written: WrittenRule) -> ReadRule:
        self.tables.rules.put(written)
        known = self._read.get(written.id)
        same = known is not None and known.written.document == written.document
        found = replace(known, written=written) if known is not None and same else self._reading(written)
        self._read[written.id] = found
        return found

    def _reading(self, written: WrittenRule) -> ReadRule:
        built_in = self._built_in.get(written.id)
        try:
            spec = parse_rule(written.document, self._metrics)
            if built_in is not None:
                built_in.check(spec)
        except Invalid as error:
            return ReadRule(written, None if built_in is None else built_in.spec, error, built_in)
        return ReadRule(written, spec, built_in=built_in)

    def take_up(self) -> None:
        """Write a document for each rule that was kept before there were any."""
        for rule in self.tables.earlier.list(newest_first=False):
            spec, standing = spec_of(rule), standing_of(rule)
            written = WrittenRule(
                uuid.uuid4().hex,
                rule.name,
                format_rule(spec),
                rule.created_by,
                rule.created_at,
                is_paused=not rule.enabled,
                last_fired_at=rule.last_fired_at,
            )
            kept = None if standing is None else KeptStanding(written.id, "", standing)
            self.tables.take_up(rule.name, written, kept)
            with self._lock:
                self._read[written.id] = self._reading(written)
        self.changed()


def _as_at_first(built_in: BuiltInRule) -> ReadRule:
    return ReadRule(built_in.at_first, built_in.spec, built_in=built_in)


def _of_machine(shown: KeptRule, built_in: BuiltInRule) -> KeptRule:
    """Return a built-in rule as lists show it: the machine's own, with who has changed it."""
    is_changed = shown.created_at != 0.0
    trouble = None if shown.trouble is None else f"{shown.trouble} It is judged as it was at first."
    return replace(
        shown,
        built_in=True,
        title=built_in.title,
        help=built_in.help,
        trouble=trouble,
        created_by=None,
        created_at=0.0,
        changed_by=shown.created_by,
        changed_at=shown.created_at if is_changed else None,
    )
