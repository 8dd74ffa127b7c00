"""The documents of rules: each read once, found by name, and beside it what it says of retraining.

A document that can't be read any more (a metric is gone, say) is not lost: its rule is listed with what is wrong.
"""

import threading
import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlops_desk.base.errors import DeskError, Hint, Invalid, NotFound, Refused
from mlops_desk.base.text import plain
from mlops_desk.records.rule import Rule
from mlops_desk.records.rules.actions import RetrainAction
from mlops_desk.records.rules.conditions import Lasting, MetricClause, leaves
from mlops_desk.records.rules.kept import KeptRule, KeptStanding, WrittenRule
from mlops_desk.records.rules.spec import RuleSpec
from mlops_desk.rules.document.conditions import Metrics
from mlops_desk.rules.document.document import format_rule, parse_rule
from mlops_desk.rules.kept.earlier import endpoint_of, spec_of, standing_of
from mlops_desk.rules.sentence import sentence
from mlops_desk.storage.rule_tables import RuleTables

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST = 2000
"""Chosen: twice what a look is measured with; a program that makes rules without end is stopped."""


@dataclass(frozen=True, slots=True)
class ReadRule:
    """A rule with what its document says; ``spec`` None: it can't be read, ``trouble`` says why."""

    written: WrittenRule
    spec: RuleSpec | None
    trouble: DeskError | None = None


class RuleShelf:
    """All rules. ``changed`` is called after each change, in the thread that made it."""

    def __init__(self, tables: RuleTables, metrics: Metrics) -> None:
        self.tables = tables
        self._metrics = metrics
        self._lock = threading.RLock()
        self._read: dict[str, ReadRule] = {}
        self.changed: Callable[[], None] = lambda: None
        for written in tables.rules.list(newest_first=False):
            self._read[written.id] = self._reading(written)
        self.take_up()

    @property
    def metrics(self) -> Metrics:
        return self._metrics

    def all(self) -> list[ReadRule]:
        """Return all rules, newest first."""
        with self._lock:
            return sorted(self._read.values(), key=lambda one: -one.written.created_at)

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

    def of_id(self, rule_id: str) -> ReadRule | None:
        with self._lock:
            return self._read.get(rule_id)

    def add(self, spec: RuleSpec, created_by: int | None) -> ReadRule:
        """Keep a new rule. Raises Refused where there is one of its name, or too many."""
        with self._lock:
            if self.find(spec.name) is not None:
                hint = Hint(f"mlops-desk rules remove {spec.name}", after=" forgets it.")
                raise Refused(f"There is a rule {spec.name} already.", hint)
            if len(self._read) >= _MOST:
                raise Refused(f"{_MOST} rules are the most that are kept.", "Remove some.")
            written = WrittenRule(uuid.uuid4().hex, spec.name, format_rule(spec), created_by, time.time())
            return self._put(written)

    def change(self, name: str, spec: RuleSpec) -> ReadRule:
        """Let a rule say something else. Raises NotFound."""
        with self._lock:
            return self._put(replace(self.named(name).written, document=format_rule(spec)))

    def pause(self, name: str, *, is_paused: bool) -> ReadRule:
        """Judge a rule no more, or again. Raises NotFound."""
        with self._lock:
            return self._put(replace(self.named(name).written, is_paused=is_paused))

    def remove(self, name: str) -> ReadRule:
        """Forget a rule. Raises NotFound."""
        with self._lock:
            found = self.named(name)
            self.tables.remove(found.written.id)
            del self._read[found.written.id]
        self.changed()
        return found

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
        if spec is None:
            return shown
        said = replace(
            shown,
            sentence=sentence(spec, self._metrics),
            cooldown_seconds=spec.cooldown_seconds,
            lasts=any(isinstance(leaf, Lasting) for leaf in leaves(spec.when)),
            watched=tuple(leaf for leaf in leaves(spec.when) if isinstance(leaf, MetricClause)),
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
            self._put(replace(found.written, last_fired_at=rule.last_fired_at))

    def _put(self, written: WrittenRule) -> ReadRule:
        with self._lock:
            self.tables.rules.put(written)
            known = self._read.get(written.id)
            same = known is not None and known.written.document == written.document
            found = replace(known, written=written) if known is not None and same else self._reading(written)
            self._read[written.id] = found
        self.changed()
        return found

    def _reading(self, written: WrittenRule) -> ReadRule:
        try:
            return ReadRule(written, parse_rule(written.document, self._metrics))
        except Invalid as error:
            return ReadRule(written, None, error)

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
