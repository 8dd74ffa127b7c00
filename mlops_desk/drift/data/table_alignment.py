"""Two opened tables lined up column by column: what each column is, how it is read, and what is left out.

The kind of a column is frozen by the reference (``kinds``); both sides are then read as that kind, one column at a
time.
"""

# ruff: noqa: S608 - DuckDB binds no names; the columns are quoted identifiers

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import duckdb

from mlops_desk.drift.columns import Column
from mlops_desk.drift.data import value_parsers
from mlops_desk.drift.data.categories import boolean_column, categorical_column
from mlops_desk.drift.data.column_kinds import chosen, freeze, readable
from mlops_desk.drift.data.numbers import numeric_column, time_column
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.data.probabilities import confidence_readers
from mlops_desk.drift.data.texts import text_column
from mlops_desk.drift.records.columns import ColumnKind, ColumnRole, FrozenColumn
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.report import Tables
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain


# How often rows are repeated within one side, over the columns that are compared.
def repeats(connection: Any, source: OpenedTable, names: Sequence[str]) -> dict[int, int]:
    """Return how many different rows there are once, twice and so on; nothing without columns. Raises duckdb.Error.

    Rows are told apart by DuckDB's hash of 64 bits: of a hundred million different rows two share one in 1 of 3,700
    files, and that one pair changes nothing.
    """
    columns = [source.columns[name][0] for name in names if name in source.columns]
    if not columns:
        return {}
    each = f"SELECT count(*) AS times FROM {source.relation} GROUP BY hash({', '.join(columns)})"
    found = connection.execute(f"SELECT times, count(*) FROM ({each}) GROUP BY times ORDER BY times").fetchall()
    return {int(times): int(rows) for times, rows in found}


_NAMED = 10  # chosen: enough to see what the names look like

Read = Callable[[Any, tuple[OpenedTable, OpenedTable], FrozenColumn], Column]

_READERS: dict[ColumnKind, Read] = {
    ColumnKind.NUMERIC: numeric_column,
    ColumnKind.TIME: time_column,
    ColumnKind.CATEGORICAL: categorical_column,
    ColumnKind.BOOLEAN: boolean_column,
    ColumnKind.TEXT: text_column,
    ColumnKind.IDENTIFIER: text_column,
}


def tables_of(
    connection: Any,
    reference: OpenedTable,
    current: OpenedTable,
    options: DriftOptions,
    say: Callable[[str], None] = lambda _text: None,
) -> Tables:
    """Line up both sides' columns in the reference's order; ``say`` as in ``freeze``. Raises Invalid, duckdb.Error."""
    current = renamed(current, options)
    check_names(reference, options)
    frozen = freeze(connection, reference, current, options, say)
    known = [_readable(connection, (reference, current), chosen(column, options), options) for column in frozen]
    columns: list[tuple[str, Callable[[], Column]]] = []
    missing = []
    left_out: list[FrozenColumn] = []
    for column in known:
        is_there = column.name in current.columns
        if not is_there and column.why_not is None and not column.role.may_lack:
            missing.append(column.name)
        if column.why_not is not None or column.kind is None:
            left_out.append(column)
        elif not is_there and column.role.may_lack:
            left_out.append(replace(column, why_not=f"A {column.role} that is not sent."))
        elif is_there or options.require_all_columns:
            read = partial(_guarded, _READERS[column.kind], connection, (reference, current), column)
            columns.append((column.name, read))
    names = [name for name, _ in columns if name in current.columns]
    roles = {column.name: column.role for column in known}
    for name, column, reader in confidence_readers((reference, current), known):
        columns.append((name, partial(_guarded, reader, connection, (reference, current), column)))
        roles[name] = ColumnRole.PREDICTION
    return Tables(
        columns,
        reference.n_rows,
        current.n_rows,
        missing_columns=tuple(missing),
        new_columns=tuple(name for name in current.columns if name not in reference.columns),
        left_out=tuple(left_out),
        roles=roles,
        frozen=tuple(frozen),
        rejected_reference=reference.n_rejected,
        rejected_current=current.n_rejected,
        notes=(*reference.notes, *(note for note in current.notes if note not in reference.notes)),
        repeats=partial(_repeats, connection, (reference, current), names),
    )


def _readable(
    connection: Any, sides: Sequence[OpenedTable], column: FrozenColumn, options: DriftOptions
) -> FrozenColumn:
    for side in sides:
        column = readable(connection, side, column, options)
    return column


def renamed(current: OpenedTable, options: DriftOptions) -> OpenedTable:
    """Give columns of the current data the reference's names. Raises Invalid."""
    lacking = [name for name in options.renamed if name not in current.columns]
    if lacking:
        raise Invalid(f"The current data have no column {plain(lacking[0])!r} to rename.", _names_of(current))
    columns = {options.renamed.get(name, name): where for name, where in current.columns.items()}
    if len(columns) < len(current.columns):
        raise Invalid("Two columns of the current data would have one name.", _names_of(current))
    return replace(current, columns=columns)


def check_names(reference: OpenedTable, options: DriftOptions) -> None:
    """Refuse names that somebody chose and the reference does not have: they would be left out in silence."""
    value_parsers.check_real_values(options.real_values)
    named = (*options.columns, *options.ignored, *options.targets, *options.predictions, *options.ids)
    for name in (*named, *options.real_values):
        if name not in reference.columns:
            raise Invalid(f"The reference has no column {plain(name)!r}.", _names_of(reference))


def _names_of(table: OpenedTable) -> str:
    names = [plain(name, 60) for name in table.columns]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"It has {', '.join(names[:_NAMED])}{more}."


def _repeats(
    connection: Any, sides: tuple[OpenedTable, OpenedTable], names: Sequence[str]
) -> tuple[Mapping[int, int], Mapping[int, int]]:
    try:
        first, second = (repeats(connection, side, names) for side in sides)
    except duckdb.OutOfMemoryException:  # of a thousand columns: rows of neither side are counted, and none alarm
        return {}, {}
    except duckdb.Error as error:
        text = f"Repeated rows can't be counted: {plain(str(error).splitlines()[0], 300)}"
        raise Invalid(text, "Is there room on the disk for temporary files?") from error
    return first, second


def _guarded(read: Read, connection: Any, sides: tuple[OpenedTable, OpenedTable], column: FrozenColumn) -> Column:
    try:
        return read(connection, sides, column)
    except duckdb.Error as error:
        text = f"Column {plain(column.name)!r} can't be read: {plain(str(error).splitlines()[0], 300)}"
        raise Invalid(text, "Is the file complete? Write it again.") from error
