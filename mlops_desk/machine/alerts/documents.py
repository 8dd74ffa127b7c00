"""A rule of the table as what its document says, and back. Pure.

Its document may say other limits, times and levels, and more to be done beside the alert: what it measures, and of
what, is the rule itself. What holds actions back (a cooldown, quiet hours, a budget) holds no alert back, so there has
to be something else for it to hold back.
"""

import math
from dataclasses import replace

from mlops_desk.automation.records.actions import AlertAction, RuleAction
from mlops_desk.automation.records.conditions import MetricClause
from mlops_desk.automation.records.spec import RuleSpec
from mlops_desk.kit.base.errors import Hint, Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.alerts.alert_rule import Watched
from mlops_desk.machine.alerts.filters import LEVELS
from mlops_desk.machine.alerts.words import quantity
from mlops_desk.machine.records.alert import AlertRule

LONGEST_SECONDS = 86_400.0
"""A condition must hold so long before anybody is told: beyond a day nobody is warned."""
_HOST = "host"  # the class of which a machine has one thing, of the same name


def spec_of(watched: Watched, rule: AlertRule, kept: RuleSpec | None = None) -> RuleSpec:
    """Return what a rule says as it holds now; ``kept`` is the document before, whose other actions stay."""
    device, metric = watched.named
    within, whole = (rule.for_seconds, 0.0) if rule.averaged else (0.0, rule.for_seconds)
    when = MetricClause(
        metric, device, rule.threshold, rule.clear_at, rule.above, _HOST if device == _HOST else None, within,
        bool(rule.averaged and within), watched.grown_over if watched.is_counted else None,
    )  # fmt: skip
    first = RuleSpec(rule.name, when, (AlertAction(rule.level),), whole)
    if kept is None:
        return first
    then = tuple(AlertAction(rule.level) if isinstance(one, AlertAction) else one for one in kept.then)
    return replace(kept, when=when, then=then, for_seconds=whole)


def judged(watched: Watched, rule: AlertRule) -> RuleSpec:
    """Return a rule as the engine judges it: how long it lasts is asked of what is beyond its own limits."""
    device, metric = watched.named
    grown_over = watched.grown_over if watched.is_counted else None
    when = MetricClause(
        metric, device, rule.threshold, rule.clear_at, rule.above, None, rule.for_seconds, rule.averaged, grown_over
    )
    return RuleSpec(rule.name, when, (AlertAction(rule.level),))


def rule_of(watched: Watched, was: AlertRule, spec: RuleSpec) -> AlertRule:
    """Return the rule that a document says, whether or not it is judged. Raises Invalid for one of something else."""
    when = spec.when
    if not isinstance(when, MetricClause) or not _is_of(when, watched, was):
        device, metric = watched.named
        after = " prints its document. For anything else make a rule of your own."
        text = f"{was.name} is built in, and about {metric} of each {device}: its limits and times can change."
        raise Invalid(text, Hint(f"mlops-desk rules show {was.name}", after=after))
    if when.for_seconds and spec.for_seconds:
        raise Invalid(f"How long {was.name} has to hold stands there twice.", "Keep for: in one of the two places.")
    alert = _alert_of(was.name, spec)
    if len(spec.then) == 1 and (spec.cooldown_seconds or spec.quiet or spec.gpu_hours is not None):
        hint = Hint("mlops-desk alerts silence ID --for 8h", before="Silence the alert instead: ")
        raise Invalid(f"{was.name} only raises an alert, which nothing holds back.", hint)
    rule = replace(
        was,
        threshold=when.threshold,
        clear_at=when.clear,
        for_seconds=when.for_seconds or spec.for_seconds,
        level=alert.level,
    )
    check(rule)
    return rule


def beside(spec: RuleSpec) -> tuple[RuleAction, ...]:
    """Return what a rule does beside its alert."""
    return tuple(one for one in spec.then if not isinstance(one, AlertAction))


def check(rule: AlertRule) -> None:
    """Refuse a rule that could never end, or never begin. Raises Invalid."""
    if not all(map(math.isfinite, (rule.threshold, rule.clear_at, rule.for_seconds))):
        raise Invalid("Thresholds and times are numbers.")
    if rule.level not in LEVELS:
        raise Invalid(f"{plain(rule.level)!r} is no level.", f"One of {', '.join(LEVELS)}.")
    if not 0.0 <= rule.for_seconds <= LONGEST_SECONDS:
        raise Invalid(f"{rule.for_seconds:g} s is not between 0 and {LONGEST_SECONDS:g} s.")
    if (rule.clear_at >= rule.threshold) if rule.above else (rule.clear_at <= rule.threshold):
        side = "below" if rule.above else "above"
        text = f"{rule.title}: it has to end at a value {side} {quantity(rule.threshold, rule.unit)}."
        raise Invalid(text, "The two limits differ, so that a value that flickers does not ring twice.")


def check_share(was: AlertRule, now: AlertRule) -> None:
    """Refuse 97 where 0.97 is meant: such a rule would never ring, and say nothing of it. Raises Invalid."""
    if was.unit != "1" or max(abs(was.threshold), abs(was.clear_at)) >= 1.0:
        return
    for value in (now.threshold, now.clear_at):
        if value > 1.0:
            hint = f"{value:g} % is {value / 100:g}." if value <= 100.0 else None
            raise Invalid(f"{now.title}: this is a share from 0 to 1, and {value:g} is more.", hint)


def _is_of(when: MetricClause, watched: Watched, rule: AlertRule) -> bool:
    """Tell whether a condition measures what a rule does; a mean is taken over a time, so at once there is none."""
    device, metric = watched.named
    of = _HOST if device == _HOST else None
    grown_over = watched.grown_over if watched.is_counted else None
    known = device, metric, rule.above, of, grown_over
    same = (when.device, when.metric, when.above, when.of, when.grown_over) == known
    averaged = when.averaged or (rule.averaged and not when.for_seconds)
    return (
        same and averaged is rule.averaged and when.grown_over == (watched.grown_over if watched.is_counted else None)
    )


def _alert_of(name: str, spec: RuleSpec) -> AlertAction:
    alerts = [one for one in spec.then if isinstance(one, AlertAction)]
    if len(alerts) != 1 or alerts[0].text is not None:
        hint = Hint(f"mlops-desk rules pause {name}", after=" switches it off.")
        text = f"{name} is built in, so it raises one alert, which says by itself what there is to say."
        raise Invalid(text, hint)
    return alerts[0]
