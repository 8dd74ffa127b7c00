"""Both sides of a report compared as whole rows: up to 2,000 drawn of each, MMD and the domain classifier over them.

Only inputs take part: not targets and answers (they have figures of their own), identifiers, arrays, and moments, which
move on by themselves and would give every current row away. Texts take part in the domain classifier alone.

The verdict is the section's own and moves no other: drift where the AUC is 0.65 or more and above what chance gives,
warning from 0.55 on, or where MMD's p-value is below the level.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlops_desk.drift import learning
from mlops_desk.drift.data.categories import labels_by_row
from mlops_desk.drift.data.numbers import numbers_by_row
from mlops_desk.drift.data.opened import OpenedTable
from mlops_desk.drift.data.sampling import sampled
from mlops_desk.drift.measure.verdict import DRIFT_AUC, WARN_AUC
from mlops_desk.drift.multivariate.domain import PERMUTATIONS as DEALT
from mlops_desk.drift.multivariate.domain import DomainAnswer, domain_classifier
from mlops_desk.drift.multivariate.matrix import MOST_TEXTS, RowColumn, for_distances
from mlops_desk.drift.multivariate.mmd import PERMUTATIONS, Discrepancy, mmd2
from mlops_desk.records.drift import ColumnDrift, DriftOptions, DriftReport, Measure, Verdict
from mlops_desk.records.drift.columns import ColumnKind, ColumnRole, FrozenColumn
from mlops_desk.records.drift.multivariate import JointDrift

ROWS = 2000  # DRIFT's definition: all pairs of more take gigabytes
Tell = Callable[[str, int, int], None]
"""Is told what is being done, and how many of how many parts of it are."""
_READ = {ColumnKind.NUMERIC, ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN, ColumnKind.TEXT}
_WHY_NOT = {
    ColumnKind.TIME: "Moments move on by themselves, and would give every row away.",
    ColumnKind.IDENTIFIER: "An identifier is another in every row.",
}


@dataclass(frozen=True, slots=True)
class DrawnRows:
    """What is compared: columns of drawn rows, how many rows there are, and which columns take no part."""

    columns: tuple[RowColumn, ...]
    n_reference: int
    n_current: int
    left_out: Mapping[str, str]


def drawn_rows(
    connection: Any, reference: OpenedTable, current: OpenedTable, report: DriftReport, rows: int = ROWS
) -> DrawnRows:
    """Draw rows of both sides and read the columns that take part. Raises duckdb.Error."""
    left_out: dict[str, str] = {}
    frozen = {column.name: column for column in report.frozen}
    chosen: list[FrozenColumn] = []
    for column in report.columns:
        why = _why_not(column, current, sum(one.kind is ColumnKind.TEXT for one in chosen))
        if why is not None:
            left_out[column.name] = why
        elif column.name in frozen:
            chosen.append(frozen[column.name])
    names = [column.name for column in chosen]
    sides = (
        sampled(connection, reference, names, rows, "drawn_reference"),
        sampled(connection, current, names, rows, "drawn_current"),
    )
    columns = tuple(_read(connection, sides, column) for column in chosen)
    return DrawnRows(columns, sides[0].n_rows, sides[1].n_rows, left_out)


def _why_not(column: ColumnDrift, current: OpenedTable, n_texts: int) -> str | None:
    kind = ColumnKind(column.kind)
    if column.role is not ColumnRole.FEATURE:
        return f"It is of the role {column.role}: inputs alone are compared together."
    if column.verdict is Verdict.NOT_COMPARED or column.name not in current.columns:
        return column.text or "It is not compared."
    if kind is ColumnKind.TEXT and n_texts >= MOST_TEXTS:
        return f"More than {MOST_TEXTS} columns of texts take too long together."
    return None if kind in _READ else _WHY_NOT.get(kind, "It has no values to stand beside the others.")


def _read(connection: Any, sides: tuple[OpenedTable, OpenedTable], column: FrozenColumn) -> RowColumn:
    kind = column.kind or ColumnKind.CATEGORICAL
    if kind is ColumnKind.NUMERIC:
        numbers = [numbers_by_row(connection, side, column)[0] for side in sides]
        return RowColumn(column.name, kind, numbers[0], numbers[1])
    labels = labels_by_row(connection, sides, column)
    return RowColumn(column.name, kind, labels[0], labels[1])


def joint_drift(
    rows: DrawnRows, options: DriftOptions, tell: Tell | None = None
) -> tuple[dict[str, Measure], JointDrift]:
    """Compare the drawn rows: the measures, and what stands behind them."""
    told = rows.n_reference, rows.n_current, tuple(column.name for column in rows.columns), rows.left_out
    if not rows.columns or min(rows.n_reference, rows.n_current) < options.minimum_rows:
        why = "Too few rows" if rows.columns else "No column is left"
        found = {"mmd2": Measure(None), "domain_auc": Measure(None)}
        return found, JointDrift(Verdict.INSUFFICIENT_DATA, *told, notes=(f"{why} to compare rows with rows.",))
    level = options.false_discovery_rate
    points = for_distances(rows.columns)
    apart = mmd2(*points, _part(tell, "MMD")) if points[0].shape[1] else Discrepancy(None)
    notes = [] if points[0].shape[1] else ["No column has distances, so that there is no MMD."]
    domain: DomainAnswer | None = None
    if learning.is_there():
        domain = domain_classifier(rows.columns, _part(tell, "domain classifier"))
    else:
        notes.append(f"There is no domain classifier: {learning.LACKING}")
    measures = {"mmd2": _of_mmd(apart, level), "domain_auc": _of_domain(domain)}
    joint = JointDrift(
        _verdict(measures.values(), domain),
        *told,
        telling=() if domain is None else domain.telling,
        bandwidth=apart.bandwidth,
        permutations={"mmd2": PERMUTATIONS, "domain_auc": DEALT},
        notes=tuple(notes),
    )
    return measures, joint


def _part(tell: Tell | None, what: str) -> Callable[[int, int], None] | None:
    return None if tell is None else lambda done, total: tell(what, done, total)


def _of_mmd(found: Discrepancy, level: float) -> Measure:
    alert = None if found.p_value is None else found.p_value < level
    return Measure(found.value, found.p_value, found.p_value, alert=alert)


def _of_domain(found: DomainAnswer | None) -> Measure:
    if found is None:
        return Measure(None)
    threshold = max(WARN_AUC, found.by_chance)
    return Measure(found.auc, found.p_value, found.p_value, threshold, alert=_is_told(found) and found.auc >= WARN_AUC)


def _is_told(found: DomainAnswer) -> bool:
    return bool(np.isfinite(found.auc)) and found.auc > found.by_chance


def _verdict(measures: Iterable[Measure], domain: DomainAnswer | None) -> Verdict:
    if domain is not None and _is_told(domain) and domain.auc >= DRIFT_AUC:
        return Verdict.DRIFT
    return Verdict.WARNING if any(measure.alert for measure in measures) else Verdict.OK
