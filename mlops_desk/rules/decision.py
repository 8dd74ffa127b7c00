"""Which reports of drift let a rule fire, and whether its challenger is better. Pure.

A report carries the monitor's answer (two of the last three windows alarm). Data that hold nothing usable alarm as
well, but retraining can't mend them, so only drift fires a rule. Of two models one metric decides; a value that is
missing or not finite is never better.
"""

import math
from dataclasses import dataclass

from mlops_desk.base.text import plain
from mlops_desk.records.drift import BROKEN, DriftReport, Verdict
from mlops_desk.records.rule import Rule
from mlops_desk.records.rules.conditions import DriftClause


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


def drift_of(report: DriftReport) -> DriftClause | None:
    """Return the moment that a report is for rules; None for one that no retraining follows from."""
    model = (report.model or "").rpartition("/")[0]
    if report.endpoint is None or not model or not report.alarm or _is_broken(report):
        return None
    return DriftClause(report.endpoint, model)


def _is_broken(report: DriftReport) -> bool:
    """Tell whether nothing drifted but shares of values that are missing or unreadable, or it is worse than drift."""
    if report.verdict is not Verdict.DRIFT:
        return True
    drifted = [column for column in report.columns if column.verdict is Verdict.DRIFT]
    return bool(drifted) and all(column.decided_by and BROKEN.issuperset(column.decided_by) for column in drifted)
