"""Which reports of drift let a rule fire. Pure.

A report carries the monitor's answer (two of the last three windows alarm). Data that hold nothing usable alarm as
well, but retraining can't mend them, so only drift fires a rule. Of two models one metric decides; a value that is
missing or not finite is never better.
"""

from mlops_desk.automation.records.conditions import DriftClause
from mlops_desk.drift.records.report import BROKEN, DriftReport
from mlops_desk.drift.records.verdict import Verdict


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
