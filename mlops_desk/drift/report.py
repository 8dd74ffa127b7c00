"""A drift report from two tables: measure every column, adjust the p-values across them, then judge.

Where the tables come from is the reader's business (``data.tables``); one column at a time is in memory.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from mlops_desk.drift.columns import Column
from mlops_desk.drift.measure import alarms
from mlops_desk.drift.measure import verdict as v
from mlops_desk.drift.measure.battery import measured
from mlops_desk.drift.measure.quality import CHANGE_LIMIT
from mlops_desk.drift.words import text_of
from mlops_desk.records.drift import ColumnDrift, DatasetDrift, DriftOptions, DriftReport, Measure, Verdict
from mlops_desk.records.drift.columns import ColumnKind, ColumnRole, FrozenColumn


@dataclass(frozen=True, slots=True)
class Tables:
    """Two tables to compare: how to read each column that is judged, and what the reader found besides.

    A column that is judged although the current data lack it reads as missing in every current row. ``left_out`` are
    not read; each says why. ``repeats`` tells how often rows are repeated on either side.
    """

    columns: Sequence[tuple[str, Callable[[], Column]]]
    n_reference: int
    n_current: int
    missing_columns: tuple[str, ...] = ()
    new_columns: tuple[str, ...] = ()
    left_out: tuple[FrozenColumn, ...] = ()
    roles: Mapping[str, ColumnRole] = field(default_factory=dict)
    frozen: tuple[FrozenColumn, ...] = ()
    rejected_reference: int = 0
    rejected_current: int = 0
    notes: tuple[str, ...] = ()
    repeats: Callable[[], tuple[alarms.Repeats, alarms.Repeats]] = lambda: ({}, {})


def compare(tables: Tables, options: DriftOptions) -> DriftReport:
    """Measure and judge all columns; raises what the reader raises."""
    return report_of(tables, [measure_column(name, read()) for name, read in tables.columns], options)


def told(tables: Tables, tell: Callable[[int, int, str], None]) -> Tables:
    """Return the tables, each column told of when its turn comes: how many are done, of how many, and its name."""

    def reading(done: int, name: str, read: Callable[[], Column]) -> Column:
        tell(done, len(tables.columns), name)
        return read()

    columns = [(name, partial(reading, at, name, read)) for at, (name, read) in enumerate(tables.columns)]
    return replace(tables, columns=columns)


def report_of(tables: Tables, measured_columns: Iterable[ColumnDrift], options: DriftOptions) -> DriftReport:
    """Judge the measured columns of two tables, however they were measured."""
    return report_of_judged(tables, judge(measured_columns, options), options)


def report_of_judged(tables: Tables, columns_judged: Iterable[ColumnDrift], options: DriftOptions) -> DriftReport:
    """Return the report of columns that ``judge`` has judged, with others perhaps."""
    judged = [
        replace(_not_there(one) if one.name in tables.missing_columns else one, role=_role(tables, one.name))
        for one in columns_judged
    ]
    n_drifted = sum(column.verdict.is_alarm for column in judged)
    empty = tuple(column.name for column in judged if _is_empty(column) and column.name not in tables.missing_columns)
    dataset = DatasetDrift(
        n_reference=tables.n_reference,
        n_current=tables.n_current,
        n_columns=len(judged),
        n_drifted=n_drifted,
        drifted_ratio=n_drifted / len(judged) if judged else None,
        missing_columns=tables.missing_columns,
        new_columns=tables.new_columns,
        skipped_columns=tuple(
            column.name for column in tables.left_out if column.kind in {None, ColumnKind.IDENTIFIER}
        ),
        rejected_reference=tables.rejected_reference,
        rejected_current=tables.rejected_current,
        notes=tables.notes,
        quality_columns=tuple(c.name for c in judged if any(signal.alert for signal in c.signals.values())),
        empty_columns=empty,
        left_out={column.name: column.why_not or "" for column in tables.left_out},
    )
    deciding = [column.verdict for column in judged if column.name not in empty] or [c.verdict for c in judged]
    columns = _in_order(tables, judged)
    quality = (
        *alarms.of_rows(*tables.repeats(), options),
        *alarms.of_columns(judged, options),
        *alarms.of_schema(tables.missing_columns, tables.new_columns),
    )
    return DriftReport(v.dataset_verdict(deciding), columns, dataset, frozen=tables.frozen, quality=quality)


def _in_order(tables: Tables, judged: Iterable[ColumnDrift]) -> tuple[ColumnDrift, ...]:
    """Return the judged columns, and those left out that have a kind, in the reference's order."""
    found = {column.name: column for column in judged}
    left = {column.name: column for column in tables.left_out if column.kind is not None}
    named = [column.name for column in tables.frozen]
    named += [name for name in found if name not in set(named)]  # what is derived of others
    return tuple(
        found[name] if name in found else _left_out(left[name]) for name in named if name in found or name in left
    )


def _left_out(column: FrozenColumn) -> ColumnDrift:
    kind = str(column.kind)
    return ColumnDrift(column.name, kind, Verdict.NOT_COMPARED, {}, {}, 0, 0, text=column.why_not, role=column.role)


def _role(tables: Tables, name: str) -> ColumnRole:
    return tables.roles.get(name, ColumnRole.FEATURE)


def _is_empty(column: ColumnDrift) -> bool:
    """Tell whether neither side has any value of a column, not even one of the wrong type."""
    sides = column.quality.values()
    return all(side.missing_ratio == 1 for side in sides if side.n_rows) and any(side.n_rows for side in sides)


def _not_there(column: ColumnDrift) -> ColumnDrift:
    """Judge a column that the current data lack: its rows read as missing, and it is more than that."""
    verdict = Verdict.CRITICAL if column.quality["current"].n_rows else column.verdict
    return replace(column, verdict=verdict, text="The current data have no such column.")


def measure_column(name: str, column: Column) -> ColumnDrift:
    """Compute everything about one column that needs no look at the others; its verdict is still open."""
    found = measured(column)
    usable = column.reference.n_usable, column.current.n_usable
    return ColumnDrift(
        name,
        str(column.kind),
        Verdict.OK,
        found.measures,
        found.quality,
        *usable,
        text=found.text,
        histogram=found.histogram,
        signals=found.signals,
    )


def judge(columns: Iterable[ColumnDrift], options: DriftOptions) -> list[ColumnDrift]:
    """Adjust the deciding p-values across all columns, and the signals' among themselves, then give verdicts."""
    listed = list(columns)
    deciding = [
        (at, name, column.measures[name].p_value)
        for at, column in enumerate(listed)
        for name in v.DECIDING[ColumnKind(column.kind)]
    ]
    signals = [(at, name, one.p_value) for at, column in enumerate(listed) for name, one in column.signals.items()]
    adjusted, changed = _adjusted(deciding), _adjusted(signals)
    return [
        _judge(
            column,
            {name: adjusted[at, name] for name in v.DECIDING[ColumnKind(column.kind)]},
            {name: changed[at, name] for name in column.signals},
            options,
        )
        for at, column in enumerate(listed)
    ]


def _adjusted(p_values: Sequence[tuple[int, str, float | None]]) -> dict[tuple[int, str], float | None]:
    found = v.adjust([p for _, _, p in p_values])
    return {(at, name): p for (at, name, _), p in zip(p_values, found, strict=True)}


def _judge(
    column: ColumnDrift,
    adjusted: Mapping[str, float | None],
    changed: Mapping[str, float | None],
    options: DriftOptions,
) -> ColumnDrift:
    level = options.false_discovery_rate
    found = {**column.measures, **{name: replace(column.measures[name], p_adjusted=p) for name, p in adjusted.items()}}
    found = v.with_alerts(found, level)
    rows = column.quality["current"].n_rows
    usable = column.n_reference, column.n_current
    verdict = v.column_verdict(column.kind, found, rows, usable, options.minimum_rows, level)
    signals = {name: _alerted(column.signals[name], p, level) for name, p in changed.items()}
    by_quality = v.signal_verdict(signals, level)
    if min(side.n_rows for side in column.quality.values()) >= options.minimum_rows and by_quality is not Verdict.OK:
        verdict = v.worst([verdict, by_quality])
    found |= {"missing": _as_measure(signals.get("missing"), rows and column.quality["reference"].n_rows)}
    if "unseen" in found:
        found["unseen"] = _as_measure(signals.get("unseen"), min(usable))
    by = v.decided_by(column.kind, found, signals, verdict, level)
    judged = replace(column, measures=found, verdict=verdict, signals=signals, decided_by=by)
    return replace(judged, text=text_of(judged, options))


def _as_measure(signal: Measure | None, n: int) -> Measure:
    """Return a change of quality as one of the measures; one that is nowhere among ``n`` has not changed."""
    if signal is not None:
        return signal
    return Measure(0.0, 1.0, 1.0, CHANGE_LIMIT, alert=False) if n else Measure(None)


def _alerted(signal: Measure, p_adjusted: float | None, level: float) -> Measure:
    judged = replace(signal, p_adjusted=p_adjusted)
    return replace(judged, alert=v.signal_verdict({"": judged}, level) is not Verdict.OK)
