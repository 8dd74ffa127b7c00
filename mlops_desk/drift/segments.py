"""Drift within segments: the rows that share a value of one column, each set compared with its like in the reference.

The ten most frequent values of the reference are told apart, its others are one segment, and so are the values that it
does not have: these are named and never compared. One that has fewer than 30 rows on a side is named and not compared
either. Every column of every segment is measured as in a report, kinds as the
whole reference has them; the p-values of all of them are corrected together, so that ten segments raise no more false
alarms than one report.
"""

# ruff: noqa: S608 - DuckDB binds no names; ``category_labels`` quotes them, and values are quoted here

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlops_desk.drift.data.categories import category_labels, truth_of
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.data.table_alignment import tables_of
from mlops_desk.drift.measure import verdict as v
from mlops_desk.drift.profile.segment_values import MOST
from mlops_desk.drift.records.columns import ColumnKind, FrozenColumn
from mlops_desk.drift.records.report import ColumnDrift, DriftOptions, DriftReport
from mlops_desk.drift.records.segments import Segment, SegmentColumn, SegmentDrift
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.report import judge, measure_column
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.data_files import quoted

_NAMED = 10  # chosen: enough to see what the names look like
_WORST_FIRST = (
    Verdict.CRITICAL, Verdict.DRIFT, Verdict.WARNING, Verdict.NOT_COMPARED, Verdict.INSUFFICIENT_DATA, Verdict.OK,
)  # fmt: skip
UNKNOWN_SHOWN = 5
"""Chosen: as many names as stand in one line; a value that the reference lacks is named, not drawn."""
_RARE, _UNKNOWN = "rare_values_", "unknown_values_"
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
    is_unknown: bool = False
    names: tuple[str, ...] = ()


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
        if not part.is_unknown and min(part.n_reference, part.n_current) >= options.minimum_rows:
            measured += [(at, one) for one in _measured(connection, (reference, current), part, chosen)]
    judged = judge([one for _, one in measured], options)
    owners = [at for at, _ in measured]
    segments = []
    for at, part in enumerate(parts):
        columns = [one for owner, one in zip(owners, judged, strict=True) if owner == at]
        facts = Segment(
            part.value, Verdict.OK, part.n_reference, part.n_current, is_rest=part.is_rest, n_values=part.n_values,
            is_unknown=part.is_unknown, names=part.names,
        )  # fmt: skip
        segments.append(segment_of(facts, columns))
    return SegmentDrift(name, worst_first(segments), n_tests(judged))


def worst_first(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Return segments in the order in which they are told of."""
    return tuple(sorted(segments, key=lambda one: (_WORST_FIRST.index(one.verdict), -one.n_drifted, -one.n_current)))


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
    first, second = counted
    values = sorted((value for value in first if value is not None), key=lambda one: (-first[one], one))
    shown, rest = values[:MOST], values[MOST:]
    parts = [_part(value, labels, counted) for value in shown]
    if rest:
        known = set(rest)
        parts.append(_pooled(connection, labels, counted, known, is_rest=True))
    unknown = {value for value in second if value is not None and value not in first}
    if unknown:
        parts.append(_pooled(connection, labels, counted, unknown, is_rest=False))
    if None in first or None in second:
        none = tuple(f"{label} IS NULL" for label in labels)
        parts.append(_Part(None, (none[0], none[1]), first.get(None, 0), second.get(None, 0)))
    return parts


def _pooled(
    connection: Any, labels: Sequence[str], counted: Sequence[dict[str | None, int]], values: set[str], *, is_rest: bool
) -> _Part:
    """Pool rarer values of the reference, or those that it does not have."""
    table = _RARE if is_rest else _UNKNOWN
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT unnest(?::VARCHAR[]) AS value", [sorted(values)]
    )
    within = [f"{label} IN (SELECT value FROM {table})" for label in labels]
    first, second = (sum(side.get(value, 0) for value in values) for side in counted)
    names = () if is_rest else tuple(sorted(values, key=lambda one: (-counted[1][one], one))[:UNKNOWN_SHOWN])
    return _Part(
        None, (within[0], within[1]), first, second, is_rest=is_rest, n_values=len(values),
        is_unknown=not is_rest, names=names,
    )  # fmt: skip


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


def segment_of(facts: Segment, columns: Sequence[ColumnDrift]) -> Segment:
    """Return a segment with its judged columns: with none it is too small, or unknown to the reference."""
    nothing = Verdict.NOT_COMPARED if facts.is_unknown else Verdict.INSUFFICIENT_DATA
    return replace(
        facts,
        verdict=v.worst(column.verdict for column in columns) if columns else nothing,
        columns=tuple(_column(column) for column in columns),
        n_drifted=sum(column.verdict.is_alarm for column in columns),
    )


def _column(column: ColumnDrift) -> SegmentColumn:
    effects = [column.measures[name].value for name in _EFFECTS if name in column.measures]
    tested = v.DECIDING[ColumnKind(column.kind)][0]
    by = column.decided_by
    of_quality = column.verdict.is_alarm and bool(by) and all(name in column.signals for name in by)
    decides = column.signals[by[0]] if of_quality else column.measures[tested]
    return SegmentColumn(
        column.name,
        column.kind,
        column.verdict,
        max((value for value in effects if value is not None), default=None),
        decides.p_adjusted,
        by,
        column.text,
        of_quality=of_quality,
    )


def n_tests(columns: Iterable[ColumnDrift]) -> int:
    """Count the p-values that were corrected together."""
    return sum(
        one.p_value is not None
        for column in columns
        for one in (*(column.measures[name] for name in v.DECIDING[ColumnKind(column.kind)]), *column.signals.values())
    )
