"""When a rule fires by itself. Pure: a rule, a report and a moment in, a reason why not (or None) out.

The report carries the monitor's answer (two of the last three windows alarm). Data that hold nothing
usable alarm as well, but retraining can't mend them, so only drift fires a rule.
"""

from mlops_desk.records.drift import DriftReport, Verdict
from mlops_desk.records.rule import Rule


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
        (report.verdict is not Verdict.DRIFT, "The newest data are broken, not drifted; retraining would not help."),
        (underway, "A retraining of this rule is not finished or not decided."),
        (since is not None and 0 <= since < rule.cooldown_seconds, "The rule has fired lately and is in its cooldown."),
    )
    return next((text for holds, text in reasons if holds), None)
