"""How much of what a model looks at has drifted: a report's columns weighted by what they mean to the model. Pure.

A weight is any number that grows with what a column means (permutation importance on validation data, say); negative
ones, which are noise about 0, count as 0. Of the compared columns weights become shares. A column's score is its share
times how bad its verdict is, the report's score the sum of them: 0 where nothing moved, 1 where all drifted.
"""

import math
from collections.abc import Mapping

from mlops_desk.drift.records.importance import WeightedColumn, WeightedDrift
from mlops_desk.drift.records.report import DriftReport
from mlops_desk.drift.records.verdict import Verdict

SEVERITY: Mapping[Verdict, float] = {
    Verdict.CRITICAL: 1.0,
    Verdict.DRIFT: 1.0,
    Verdict.WARNING: 0.5,  # chosen: half of an alarm
    Verdict.INSUFFICIENT_DATA: 0.0,
    Verdict.OK: 0.0,
}


def weighted(report: DriftReport, weights: Mapping[str, float]) -> WeightedDrift:
    """Weight a report's compared columns; names that it does not compare are named, and so are those without."""
    compared = {column.name: column for column in report.columns if column.verdict is not Verdict.NOT_COMPARED}
    usable = {name: _plain(weights[name]) for name in compared if name in weights}
    largest = max(usable.values(), default=0.0)
    scaled = {name: weight / largest for name, weight in usable.items()} if largest > 0 else dict.fromkeys(usable, 0.0)
    total = sum(scaled.values())
    shares = {name: weight / total if total else 0.0 for name, weight in scaled.items()}
    columns = [WeightedColumn(name, share, share * SEVERITY[compared[name].verdict]) for name, share in shares.items()]
    columns.sort(key=lambda one: (-one.score, -one.weight, one.name))
    drifted = sum(share for name, share in shares.items() if compared[name].verdict.is_alarm)
    return WeightedDrift(
        columns=tuple(columns),
        drifted_ratio=min(1.0, drifted) if total else None,
        score=min(1.0, sum(one.score for one in columns)) if total else None,
        unweighted=tuple(name for name in compared if name not in weights),
        unknown=tuple(name for name in weights if name not in compared),
    )


def _plain(weight: float) -> float:
    return weight if math.isfinite(weight) and weight > 0 else 0.0
