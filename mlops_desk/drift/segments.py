"""Drift within segments: the rows that share a value of one column, each set compared with its like in the reference.

The ten most frequent values of both sides together are told apart, the others are one segment. One that has fewer than
30 rows on a side is named and not compared. Every column of every segment is measured as in a report, kinds as the
whole reference has them; the p-values of all of them are corrected together, so that ten segments raise no more false
alarms than one report.
"""

# ruff: noqa: S608 - DuckDB binds no names; ``category_labels`` quotes them, and values are quoted here

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.drift.data.categories import category_labels, truth_of
from mlops_desk.drift.data.opened import OpenedTable
from mlops_desk.drift.data.tables import tables_of
from mlops_desk.drift.measure import verdict as v
from mlops_desk.drift.report import judge, measure_column
from mlops_desk.records.drift import ColumnDrift, DriftOptions, DriftReport, Verdict
from mlops_desk.records.drift.columns import ColumnKind, FrozenColumn
from mlops_desk.records.drift.segments import Segment, SegmentColumn, SegmentDrift
from mlops_desk.storage.data_files import quoted

MOST = 10
"""Chosen: as many lines as one compares by eye; each costs a report on its rows."""
_NAMED = 10  # chosen: enough to see what the names look like
_WORST_FIRST = (Verdict.CRITICAL, Verdict.DRIFT, Verdict.WARNING, Verdict.INSUFFICIENT_DATA, Verdict.OK)
_EFFECTS = ("wasserstein_normed", "domain_auc", "l_infinity", "cramers_v")
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class _Part:
    """One segment before it is compared: its value, the condition of its rows, and how many each side has."""

    value: str | None
    conditions: tuple[str, str]
    n_reference: int
    n_current: int
    is_rest: bool = False
    n_values: int = 1


def segment_drift(
    connection: Any,
    reference: OpenedTable,
    current: OpenedTable,
    name: str,
    report: DriftReport,
    options: DriftOptions,
    tell: Tell | None = None,
) -> SegmentDrift:
    """Compare both sides segment by segment; columns have the reference's names. Raises Invalid, duckdb.Error."""
    for side, table in (("reference", reference), ("current data", current)):
        if name not in table.columns:
            known = ", ".join(plain(one, 60) for one in list(table.columns)[:_NAMED])
            raise Invalid(f"The {side} has no column {plain(name)!r} to cut into segments.", f"It has {known}.")
    frozen = next(column for column in report.frozen if column.name == name)
    chosen = replace(options, frozen=report.frozen, renamed={}, ignored=tuple({*options.ignored, name}))
    parts = _parts(connection, (reference, current), frozen)
    measured: list[tuple[int, ColumnDrift]] = []
    for at, part in enumerate(parts):
        if tell is not None:
            tell("segment", at, len(parts))
        if min(part.n_reference, part.n_current) >= options.minimum_rows:
            measured += [(at, one) for one in _measured(connection, (reference, current), part, chosen)]
    judged = judge([one for _, one in measured], options)
    owners = [at for at, _ in measured]
    segments = [
        _segment(part, [one for owner, one in zip(owners, judged, strict=True) if owner == at])
        for at, part in enumerate(parts)
    ]
    segments.sort(key=lambda one: (_WORST_FIRST.index(one.verdict), -one.n_drifted, -one.n_current))
    return SegmentDrift(name, tuple(segments), sum(_n_tests(one) for one in judged))


def _measured(
    connection: Any, sides: tuple[OpenedTable, OpenedTable], part: _Part, options: DriftOptions
) -> Iterable[ColumnDrift]:
    first, second = (
        replace(
            side, relation=f"(SELECT * FROM {side.relation} WHERE {condition})", n_rows=n, numbered=None, lengths=()
        )
        for side, condition, n in zip(sides, part.conditions, (part.n_reference, part.n_current), strict=True)
    )
    for name, read in tables_of(connection, first, second, options).columns:
        yield measure_column(name, read())


def _parts(connection: Any, sides: tuple[OpenedTable, OpenedTable], column: FrozenColumn) -> list[_Part]:
    """Cut both sides by the column's most frequent values."""
    labels = _labels(connection, sides, column)
    counted = [
        dict(connection.execute(f"SELECT {label} AS label, count(*) FROM {side.relation} GROUP BY ALL").fetchall())
        for side, label in zip(sides, labels, strict=True)
    ]
    together = {value: counted[0].get(value, 0) + counted[1].get(value, 0) for value in (*counted[0], *counted[1])}
    values = sorted((value for value in together if value is not None), key=lambda one: (-together[one], one))
    shown, rest = values[:MOST], values[MOST:]
    parts = [_part(value, labels, counted) for value in shown]
    if rest:
        listed = ", ".join(quoted(value) for value in shown)
        conditions = tuple(f"{label} IS NOT NULL AND {label} NOT IN ({listed})" for label in labels)
        n, m = (sum(side.get(value, 0) for value in rest) for side in counted)
        parts.append(_Part(None, (conditions[0], conditions[1]), n, m, is_rest=True, n_values=len(rest)))
    if None in together:
        first, second = (f"{label} IS NULL" for label in labels)
        parts.append(_Part(None, (first, second), counted[0].get(None, 0), counted[1].get(None, 0)))
    return parts


def _part(value: str, labels: Sequence[str], counted: Sequence[dict[str | None, int]]) -> _Part:
    first, second = (f"{label} = {quoted(value)}" for label in labels)
    return _Part(value, (first, second), counted[0].get(value, 0), counted[1].get(value, 0))


def _labels(connection: Any, sides: tuple[OpenedTable, OpenedTable], column: FrozenColumn) -> list[str]:
    """Return the expression of the value on either side, however that spells it."""
    if column.kind is ColumnKind.BOOLEAN:
        truths = [truth_of(*side.columns[column.name]) for side in sides]
        return [f"CAST({value or 'NULL'} AS VARCHAR)" for value in truths]
    found = category_labels(connection, sides, column)
    return [f"({label or 'NULL::VARCHAR'})" for label in found]


def _segment(part: _Part, columns: list[ColumnDrift]) -> Segment:
    drifted = sum(column.verdict.is_alarm for column in columns)
    return Segment(
        part.value,
        v.worst(column.verdict for column in columns) if columns else Verdict.INSUFFICIENT_DATA,
        part.n_reference,
        part.n_current,
        tuple(_column(column) for column in columns),
        drifted,
        part.is_rest,
        part.n_values,
    )


def _column(column: ColumnDrift) -> SegmentColumn:
    effects = [column.measures[name].value for name in _EFFECTS if name in column.measures]
    tested = v.DECIDING[ColumnKind(column.kind)][0]
    return SegmentColumn(
        column.name,
        column.kind,
        column.verdict,
        max((value for value in effects if value is not None), default=None),
        column.measures[tested].p_adjusted,
        column.decided_by,
        column.text,
    )


def _n_tests(column: ColumnDrift) -> int:
    deciding = [column.measures[name] for name in v.DECIDING[ColumnKind(column.kind)]]
    return sum(one.p_value is not None for one in (*deciding, *column.signals.values()))
