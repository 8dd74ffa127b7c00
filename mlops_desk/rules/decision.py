"""When a rule fires by itself, and whether its challenger is better. Pure.

A report carries the monitor's answer (two of the last three windows alarm). Data that hold nothing usable alarm as
well, but retraining can't mend them, so only drift fires a rule. Of two models one metric decides; a value that is
missing or not finite is never better.
"""

import math
from dataclasses import dataclass

from mlops_desk.base.text import plain
from mlops_desk.records.drift import BROKEN, DriftReport, Verdict
from mlops_desk.records.rule import Rule


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer and the sentence that explains it."""

    better: bool
    text: str


def decide(rule: Rule, champion: float | None, challenger: float | None) -> Decision:
    """Compare two values of the rule's metric in its direction; equal is not better."""
    metric = plain(rule.metric)
    if champion is None or challenger is None:
        who = "champion" if champion is None else "challenger"
        return Decision(better=False, text=f"The {who}'s run has no metric {metric}, so nothing is proposed.")
    if not (math.isfinite(champion) and math.isfinite(challenger)):
        values = f"champion {champion:g}, challenger {challenger:g}"
        return Decision(better=False, text=f"{metric} is no number to compare ({values}), so nothing is proposed.")
    better = challenger > champion if rule.higher_is_better else challenger < champion
    word = "higher" if rule.higher_is_better else "lower"
    verdict = "better" if better else "not better"
    text = f"{metric}: champion {champion:.6g}, challenger {challenger:.6g}; {word} is better, so it is {verdict}."
    return Decision(better, text)


def why_not(rule: Rule, report: DriftReport, now: float, *, underway: bool) -> str | None:
    """Return why ``rule`` does not fire on ``report`` at ``now`` (Unix seconds), or None when it does.

    ``underway`` tells that an earlier retraining of the rule is training or waits for a person. A last time that
    lies ahead is a clock's that was set back since: it holds the rule up no longer.
    """
    since = None if rule.last_fired_at is None else now - rule.last_fired_at
    reasons = (
        (not rule.enabled, "The rule is switched off."),
        (rule.endpoint is None or rule.endpoint != report.endpoint, "The rule watches another endpoint, or none."),
        ((report.model or "").rpartition("/")[0] != rule.model, "The endpoint serves another model than the rule's."),
        (not report.alarm, "The monitor does not alarm."),
        (
            report.verdict is not Verdict.DRIFT or _is_broken(report),
            "The newest data are broken, not drifted; retraining would not help.",
        ),
        (underway, "A retraining of this rule is not finished or not decided."),
        (since is not None and 0 <= since < rule.cooldown_seconds, "The rule has fired lately and is in its cooldown."),
    )
    return next((text for holds, text in reasons if holds), None)


def _is_broken(report: DriftReport) -> bool:
    """Tell whether nothing drifted but shares of values that are missing or unreadable, or it is worse than drift."""
    if report.verdict is not Verdict.DRIFT:
        return True
    drifted = [column for column in report.columns if column.verdict is Verdict.DRIFT]
    return bool(drifted) and all(column.decided_by and BROKEN.issuperset(column.decided_by) for column in drifted)
