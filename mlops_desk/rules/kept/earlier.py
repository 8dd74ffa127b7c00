"""A retraining rule as it was kept before there were documents, as the document that says the same. Pure.

Such a rule fires for each report that its endpoint's data have drifted (``drift:``), and not when a monitor turns: a
person made it so, and a cooldown of a day means that it trains once a day for as long as the data are others.
"""

from mlops_desk.base.hysteresis import Holding
from mlops_desk.records.rule import Rule
from mlops_desk.records.rules.actions import RetrainAction
from mlops_desk.records.rules.conditions import DriftClause, ManualClause, leaves
from mlops_desk.records.rules.spec import RuleSpec
from mlops_desk.records.rules.standing import RuleClock, RuleStanding


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
