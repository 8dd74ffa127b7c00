"""Built-in rules by their alerts: who judges alerts says for what they hold, and an alert is what one did. Pure.

What such a rule does beside its alert is set off by that: a fact of each thing of its class, 1 while the alert fires.

It is not set off by the engine that judged the rule, though that is the same code. An alert is told before anything is
stored, or a full disk would keep the alert of a full disk from being told; an action is stored before it is done, or an
agent that dies would do it twice or never. What holds an action back (a cooldown, quiet hours, a budget) holds no alert
back, and outlives the agent, while whoever judges alerts remembers nothing of what is calm. And a device may have
several alerts of a rule at once, for different processes, where its actions are set off once. As a fact that is so or
not, the alert is found by the next agent, too, whenever the last one died.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mlops_desk.automation.records.actions import AlertAction
from mlops_desk.automation.records.conditions import MetricClause
from mlops_desk.automation.records.firing import FiringState, FiringStep, KeptFiring
from mlops_desk.automation.records.rule_record import KeptRule, ThingStanding, WrittenRule
from mlops_desk.automation.rules.sentence import action_words
from mlops_desk.machine.records.alert import Alert

CLASS = "alert"
"""The class of those facts, by the rule's name."""
_FIRES = 1.0  # of what is so or not: it is so


def alert_clause(name: str) -> MetricClause:
    """Return what holds for a thing while a built-in rule's alert of it fires."""
    return MetricClause(name, CLASS, _FIRES, 0.0)


def with_alerts(rule: KeptRule, alerts: Sequence[Alert]) -> KeptRule:
    """Return a built-in rule with the things that it holds for, and when it fired last."""
    firing = {alert.device: alert for alert in reversed(alerts) if alert.ended_at is None}
    known = {one.subject: one for one in rule.standings}
    held = {name: known.get(name, ThingStanding(name, holds=True)) for name in firing}
    standings = [
        replace(one, holds=True, since=firing[name].since, fired=max(one.fired, 1), fired_at=firing[name].since)
        for name, one in held.items()
    ]
    standings += [one for name, one in known.items() if name not in firing]
    newest = max((alert.since for alert in alerts), default=None)
    return replace(rule, standings=tuple(standings), last_fired_at=newest)


def with_raised(stored: Iterable[KeptFiring], alerts: Iterable[Alert], rule: WrittenRule) -> list[KeptFiring]:
    """Return firings and the alerts that no firing tells of, newest first."""
    firings = [*stored]
    raised = [_raised(alert, rule) for alert in alerts if not any(_tells(firing, alert) for firing in firings)]
    return sorted([*firings, *raised], key=lambda one: -one.at)


def _tells(firing: KeptFiring, alert: Alert) -> bool:
    """Tell whether an alert set a firing off."""
    ended_at = math.inf if alert.ended_at is None else alert.ended_at
    return not firing.by_hand and firing.subject == alert.device and alert.since <= firing.at <= ended_at


def _raised(alert: Alert, rule: WrittenRule) -> KeptFiring:
    """Return an alert as a firing, by the alert's id."""
    became = "It fires." if alert.ended_at is None else "It is over."
    words = action_words(AlertAction(alert.level))
    step = FiringStep(
        AlertAction.__name__, words, FiringState.DONE, text=became, begun_at=alert.since, ended_at=alert.ended_at,
        made=alert.id,
    )  # fmt: skip
    return KeptFiring(
        id=alert.id,
        rule=rule.name,
        rule_id=rule.id,
        subject=alert.device,
        number=0,
        at=alert.since,
        trigger=alert.title,
        steps=(step,),
        state=FiringState.DONE,
        created_by=None,
        ended_at=alert.ended_at,
    )
