"""Alerts' rules among people's: the shelf of rules keeps what was changed of them, and alerts judge them."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace

from mlops_desk.automation.rules.document.conditions import Metrics
from mlops_desk.automation.rules.document.document import format_rule, parse_rule
from mlops_desk.automation.rules.storage.built_in import BuiltInRule
from mlops_desk.automation.rules.storage.rule_repository import ReadRule, RuleShelf
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.alerts.alert_rule import Watched
from mlops_desk.machine.alerts.default_rules import WATCHED
from mlops_desk.machine.alerts.documents import rule_of, spec_of
from mlops_desk.machine.alerts.engine import with_changes
from mlops_desk.machine.records.alert import AlertRule

_log = logging.getLogger(__name__)
_TABLE = {watched.rule.name: watched for watched in WATCHED}


def built_in(watched: Watched) -> BuiltInRule:
    """Return an alert rule as the rule that it is among others."""
    rule = watched.rule
    return BuiltInRule(
        rule.name, rule.title, rule.help, spec_of(watched, rule), lambda spec: rule_of(watched, rule, spec)
    )


def open_shelf(state: State, metrics: Metrics) -> RuleShelf:
    """Return all rules; alert rules that were changed before there were documents of them are taken up."""
    known = [built_in(watched) for watched in WATCHED]
    shelf = RuleShelf(state.rule_tables, metrics, known)
    taken = [_take_up(state, shelf, rule, metrics) for rule in state.alert_rules.list()]
    return RuleShelf(state.rule_tables, metrics, known) if any(taken) else shelf


def _take_up(state: State, shelf: RuleShelf, changed: AlertRule, metrics: Metrics) -> bool:
    """Keep a changed alert rule as a document; tell whether it is one now. What can't be one stays as it was kept."""
    watched = _TABLE.get(changed.name)
    if watched is None:
        return False  # of a later program, or of an earlier one that watched more
    now = with_changes(watched.rule, changed)
    one = next(one for one in shelf.built_in() if one.built_in is not None and one.built_in.name == changed.name)
    if now == watched.rule:
        state.rule_tables.take_up_alert_rule(changed.name, None)
        return False
    try:
        document = _document(watched, now, one, metrics)
    except Invalid as error:
        _log.warning(
            "The alert rule %s is judged as it was changed, but is no document: %s", changed.name, error.message
        )
        return False
    written = replace(one.written, document=document, is_paused=not now.enabled, created_at=time.time())
    state.rule_tables.take_up_alert_rule(changed.name, written)
    return True


def _document(watched: Watched, rule: AlertRule, one: ReadRule, metrics: Metrics) -> str:
    """Return the document of an alert rule as it is changed now. Raises Invalid."""
    document = format_rule(replace(spec_of(watched, rule, one.spec), name=one.written.name))
    rule_of(watched, watched.rule, parse_rule(document, metrics))
    return document


class ShelvedAlertRules:
    """What alerts keep their rules in: the shelf of rules. ``list`` and ``put`` are as a table's."""

    def __init__(self, shelf: RuleShelf, state: State) -> None:
        self._shelf = shelf
        self._state = state

    def list(self) -> list[AlertRule]:
        """Return all alert rules as they are changed now."""
        left = {rule.name: rule for rule in self._state.alert_rules.list()}
        found = {rule.name: rule for rule in self._read()}
        changed = {name: rule for name, rule in left.items() if name not in found or found[name] == _TABLE[name].rule}
        return [*{**found, **changed}.values()]

    def _read(self) -> Iterator[AlertRule]:
        for one in self._shelf.built_in():
            if one.built_in is not None and one.spec is not None:
                watched = _TABLE[one.built_in.name]
                yield replace(rule_of(watched, watched.rule, one.spec), enabled=not one.written.is_paused)

    def put(self, rule: AlertRule) -> None:
        """Keep an alert rule that the caller has changed. Raises Invalid, Unavailable."""
        watched, uid = _TABLE[rule.name], current_caller().uid
        one = next(one for one in self._shelf.built_in() if one.built_in is not None and one.built_in.name == rule.name)
        spec = parse_rule(_document(watched, rule, one, self._shelf.metrics), self._shelf.metrics)
        name = one.written.name
        if spec != one.spec:
            self._shelf.change(name, spec, uid)
        if rule.enabled is one.written.is_paused:
            self._shelf.pause(name, is_paused=not rule.enabled, changed_by=uid)
        if self._state.alert_rules.get(rule.name) is not None:
            self._state.rule_tables.take_up_alert_rule(rule.name, None)
