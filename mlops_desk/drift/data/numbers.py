"""Reading one side of a column of numbers or of moments, in whatever spelling it comes."""

# ruff: noqa: S608 - DuckDB binds no names; ``spelling`` makes expressions of quoted identifiers

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_desk.drift.columns import NumericColumn, NumericSide
from mlops_desk.drift.data import value_parsers
from mlops_desk.drift.data.dates import dates_of
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.pair import Floats
from mlops_desk.drift.records.columns import ColumnKind, FrozenColumn


def numeric_column(connection: Any, sides: tuple[OpenedTable, OpenedTable], column: FrozenColumn) -> NumericColumn:
    """Read both sides as numbers. Raises duckdb.Error."""
    first, second = (_side(connection, side, column, number_of(connection, side, column)) for side in sides)
    return NumericColumn(first, second)


def parts_of(connection: Any, source: OpenedTable, column: FrozenColumn, rows: int) -> Iterator[NumericSide]:
    """Read one side of a column of numbers or moments, ``rows`` of them at a time. Raises duckdb.Error."""
    is_time = column.kind is ColumnKind.TIME
    value = moment_of(connection, source, column) if is_time else number_of(connection, source, column)
    now = time.time()  # data tell of the world's clock
    for part in source.parts(rows):
        side = _side(connection, part, column, value)
        yield _with_future(side, now) if is_time else side


def lengths_of(
    connection: Any, source: OpenedTable, column: FrozenColumn, characters: int, rows: int
) -> Iterator[NumericSide]:
    """Read the lengths of one side's texts, of ``characters`` at most, ``rows`` at a time. Raises duckdb.Error."""
    name, _ = source.columns.get(column.name, ("NULL", ""))
    text = f"CAST({name} AS VARCHAR)"
    for part in source.parts(rows):
        if column.name not in source.columns:
            yield NumericSide(np.empty(0), n_missing=part.n_rows)
            continue
        query = f"""
            SELECT CAST(len(left({text}, {characters})) AS DOUBLE) AS value FROM {part.relation}
            WHERE NOT {value_parsers.missing(text, column.real_values)}"""
        found = connection.execute(query).fetchnumpy()["value"]
        lengths = np.ma.filled(found.astype(np.float64), 0.0)
        yield NumericSide(lengths, n_missing=part.n_rows - lengths.size)


def time_column(connection: Any, sides: tuple[OpenedTable, OpenedTable], column: FrozenColumn) -> NumericColumn:
    """Read both sides as seconds since 1970; what lies ahead of now is counted too. Raises duckdb.Error."""
    now = time.time()  # data tell of the world's clock
    first, second = (
        _with_future(_side(connection, side, column, moment_of(connection, side, column)), now) for side in sides
    )
    return NumericColumn(first, second, ColumnKind.TIME)


def _with_future(side: NumericSide, now: float) -> NumericSide:
    return replace(side, n_future=int(np.count_nonzero(side.finite > now)))


def _side(connection: Any, source: OpenedTable, column: FrozenColumn, value: str | None) -> NumericSide:
    """Read one side; ``value`` is the expression of what fits, None where nothing of this type does."""
    if column.name not in source.columns:
        return NumericSide(np.empty(0), n_missing=source.n_rows)
    if value is None:
        name, _ = source.columns[column.name]
        n_values = int(connection.execute(f"SELECT count({name}) FROM {source.relation}").fetchall()[0][0])
        return NumericSide(np.empty(0), n_missing=source.n_rows - n_values, n_wrong_type=n_values)
    values, gone = _values(connection, source, column, value)
    return NumericSide(
        values[np.isfinite(values) & ~gone],
        n_missing=int(np.count_nonzero(gone)),
        n_infinite=int(np.count_nonzero(np.isinf(values))),
        n_wrong_type=int(np.count_nonzero(np.isnan(values) & ~gone)),
    )


def numbers_by_row(connection: Any, source: OpenedTable, column: FrozenColumn) -> tuple[Floats, NDArray[np.bool_]]:
    """Return a column's numbers row by row, NaN where there is none, and which rows are missing.

    Raises duckdb.Error.
    """
    value = number_of(connection, source, column)
    if column.name not in source.columns:
        return np.full(source.n_rows, np.nan), np.ones(source.n_rows, dtype=bool)
    if value is None:
        query = f"SELECT {source.columns[column.name][0]} IS NULL AS missing FROM {source.relation}"
        return np.full(source.n_rows, np.nan), np.asarray(connection.execute(query).fetchnumpy()["missing"], bool)
    return _values(connection, source, column, value)


def _values(connection: Any, source: OpenedTable, column: FrozenColumn, value: str) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the numbers, NaN where there is none, and which rows are missing; the others of those don't fit."""
    name, database_type = source.columns[column.name]
    is_words = value_parsers.is_words(database_type)
    real = column.real_values
    missing = value_parsers.missing(f"CAST({name} AS VARCHAR)", real) if is_words else f"({name} IS NULL)"
    query = f"SELECT {value} AS value, {missing} AS missing FROM {source.relation}"
    found = connection.execute(query).fetchnumpy()
    unread = np.ma.getmaskarray(found["value"])
    values = np.ma.filled(found["value"].astype(np.float64), np.nan)
    gone = np.asarray(found["missing"], dtype=bool) | (np.isnan(values) & ~unread)
    return np.where(gone, np.nan, values), gone


def number_of(connection: Any, source: OpenedTable, column: FrozenColumn) -> str | None:
    """Return the expression of a column's number; None where nothing of its type is one. Raises duckdb.Error."""
    name, database_type = source.columns.get(column.name, ("", ""))
    if value_parsers.is_numeric(database_type) or database_type == "BOOLEAN":
        return f"TRY_CAST({name} AS DOUBLE)"
    if value_parsers.is_duration(database_type):
        return f"epoch({name})"
    if not value_parsers.is_words(database_type):
        return None
    text = f"CAST({name} AS VARCHAR)"
    ways = [value_parsers.number(text, comma=_has_commas(connection, source, text))]
    if column.is_binary:
        ways.append(f"CAST({value_parsers.boolean(text)} AS DOUBLE)")
    if column.is_duration:
        ways.append(value_parsers.duration(text))
    return f"coalesce({', '.join(ways)})"


def _has_commas(connection: Any, source: OpenedTable, text: str) -> bool:
    """Tell whether one side writes decimal commas: more of its numbers have one than have a point."""
    query = f"SELECT count(*) FILTER (contains({text}, ',')) FROM {source.relation}"
    if not connection.execute(query).fetchall()[0][0]:
        return False
    commas, points = connection.execute(f"""
        SELECT count(*) FILTER ({value_parsers.has_comma(text)}), count(*) FILTER ({value_parsers.has_point(text)})
        FROM {source.relation}""").fetchall()[0]
    return bool(commas > points)


def moment_of(connection: Any, source: OpenedTable, column: FrozenColumn) -> str | None:
    """Return the expression of a column's moment in seconds since 1970; None where nothing of its type is one."""
    name, database_type = source.columns.get(column.name, ("", ""))
    if value_parsers.is_moment(database_type):
        if database_type == "TIMESTAMPTZ_NS":  # what pandas' moments with a zone are in Parquet: it has no isfinite
            name = f"CAST({name} AS TIMESTAMPTZ)"
        return f"CASE WHEN isfinite({name}) THEN epoch({name}) END"
    text = f"CAST({name} AS VARCHAR)"
    if value_parsers.is_numeric(database_type):
        whole = f"CAST(TRY_CAST({name} AS BIGINT) AS VARCHAR)"
        return f"coalesce({value_parsers.moment_of_number(f'CAST({name} AS DOUBLE)')}, {value_parsers.compact(whole)})"
    if not value_parsers.is_words(database_type):
        return None
    ways = [value_parsers.moment(text)]
    dates = dates_of(connection, f"(SELECT {text} AS t, 1 AS n FROM {source.relation})")
    first = column.day_first if dates.day_first is None else dates.day_first
    if dates.n and (first is not None or dates.is_same):
        ways.append(value_parsers.slashed(text, day_first=bool(first)))
    ways += [value_parsers.moment_of_number(f"TRY_CAST({text} AS DOUBLE)"), value_parsers.compact(text)]
    return f"coalesce({', '.join(ways)})"
