"""Data files as tables to compare: Parquet or CSV through DuckDB, one column at a time in memory.

DuckDB streams and spills to a folder of its own, downloads nothing, and gets paths as literal names.
The kind of a column is frozen by the reference; both sides are then read as that kind.
"""

# ruff: noqa: S608 - DuckDB binds neither names nor paths; ``identifier`` and ``pattern`` quote them

import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from mlops_desk.base.errors import Invalid, NotFound
from mlops_desk.base.text import plain
from mlops_desk.drift.columns import (
    CATEGORICAL,
    DATE,
    NUMERIC,
    CategoricalColumn,
    CategoricalSide,
    Column,
    NumericColumn,
    NumericSide,
    kind_of,
)
from mlops_desk.drift.data.delimited_text import to_parquet
from mlops_desk.drift.report import Tables
from mlops_desk.records.drift import DriftOptions
from mlops_desk.storage.data_files import identifier, pattern

CATEGORIES_LIMIT = 10_000
"""The most frequent categories are told apart, the rest count as one."""
NUMBERS_SHARE = 0.9
"""A CSV column is numeric when at least this share of what the reference has in it are numbers."""

_LABEL_CHARACTERS = 200  # chosen: categories are short; what is longer is free text
_MARKS_OF_MISSING = ("", "na", "n/a", "<na>", "null", "none", "nan", "+nan", "-nan")
_PARQUET = b"PAR1"


@dataclass(frozen=True, slots=True)
class OpenedTable:
    """An opened file: ``columns`` maps a name to (SQL identifier, type); texts of a CSV file may be numbers."""

    relation: str
    columns: Mapping[str, tuple[str, str]]
    n_rows: int
    is_text: bool = False
    n_rejected: int = 0
    notes: tuple[str, ...] = ()


def open_file(connection: Any, path: Path, folder: Path) -> OpenedTable:
    """Open a Parquet or CSV file by what it holds, not by its name. Raises NotFound, Invalid."""
    shown = plain(str(path), 1000)
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise Invalid(f"{shown} is not a file.", "Give one Parquet or CSV file.")
        if not facts.st_size:
            raise Invalid(f"{shown} is empty.", "A CSV file needs at least its header line.")
        with path.open("rb") as file:
            is_parquet = file.read(len(_PARQUET)) == _PARQUET
        if is_parquet:
            return _open_parquet(connection, path)
        table = to_parquet(connection, path, folder)
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {shown}.", "Check the path.") from error
    except OSError as error:
        raise Invalid(f"{shown} can't be read: {error.strerror}.", "Check its permissions.") from error
    except duckdb.Error as error:
        text = f"{shown} can't be read as a table: {plain(str(error).splitlines()[0], 300)}"
        raise Invalid(text, "Is the file complete? Write it again as Parquet, or as CSV with a header line.") from error
    opened = _open_parquet(connection, table.path)
    named = {name: (f'"c{at}"', "VARCHAR") for at, name in enumerate(table.names)}
    notes = tuple(f"{plain(path.name, 100)}: {note}" for note in table.notes)
    return OpenedTable(opened.relation, named, opened.n_rows, is_text=True, n_rejected=table.n_rejected, notes=notes)


def _open_parquet(connection: Any, path: Path) -> OpenedTable:
    relation = f"read_parquet({pattern(path)}, hive_partitioning = false)"
    described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    n_rows = int(connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])
    return OpenedTable(relation, {name: (identifier(name), kind) for name, kind, *_ in described}, n_rows)


def tables_of(connection: Any, reference: OpenedTable, current: OpenedTable, options: DriftOptions) -> Tables:
    """Line up both sides' columns in the reference's order."""
    columns: list[tuple[str, Callable[[], Column]]] = []
    missing, skipped = [], []
    for name in reference.columns:
        kind = options.kinds.get(name) or _frozen_kind(connection, reference, current, name)
        if name not in current.columns:
            missing.append(name)
        if kind is None:
            skipped.append(name)
        elif name in current.columns or options.require_all_columns:
            read = _READERS.get(kind, _categorical_column)
            columns.append((name, partial(_guarded, read, connection, reference, current, name)))
    return Tables(
        columns,
        reference.n_rows,
        current.n_rows,
        missing_columns=tuple(missing),
        new_columns=tuple(name for name in current.columns if name not in reference.columns),
        skipped_columns=tuple(skipped),
        rejected_reference=reference.n_rejected,
        rejected_current=current.n_rejected,
        notes=(*reference.notes, *(note for note in current.notes if note not in reference.notes)),
    )


def _frozen_kind(connection: Any, reference: OpenedTable, current: OpenedTable, name: str) -> str | None:
    """Return the reference's kind of a column; where it has no value, the current data's."""
    for source in (reference, current):
        if name in source.columns:
            column, database_type = source.columns[name]
            query = f"SELECT count({column}) FROM {source.relation}"
            if source.is_text:
                kind = _kind_of_texts(connection, source, column)
            elif connection.execute(query).fetchall()[0][0]:
                kind = kind_of(database_type)
            else:
                continue
            if kind is not None or not source.is_text:
                return kind
    return kind_of(reference.columns[name][1])


def _kind_of_texts(connection: Any, source: OpenedTable, column: str) -> str | None:
    query = f"""
        SELECT count(*), count(TRY_CAST({column} AS DOUBLE)) FROM {source.relation}
        WHERE NOT ({_is_missing(column)})"""
    n_values, n_numbers = connection.execute(query).fetchall()[0]
    if not n_values:
        return None
    return NUMERIC if n_numbers >= NUMBERS_SHARE * n_values else CATEGORICAL


def _guarded(
    read: Callable[[Any, OpenedTable, OpenedTable, str], Column],
    connection: Any,
    reference: OpenedTable,
    current: OpenedTable,
    name: str,
) -> Column:
    try:
        return read(connection, reference, current, name)
    except duckdb.Error as error:
        text = f"Column {plain(name)!r} can't be read: {plain(str(error).splitlines()[0], 300)}"
        raise Invalid(text, "Is the file complete? Write it again.") from error


def _numeric_column(connection: Any, reference: OpenedTable, current: OpenedTable, name: str) -> Column:
    return NumericColumn(*(_numeric_side(connection, source, name) for source in (reference, current)))


def _date_column(connection: Any, reference: OpenedTable, current: OpenedTable, name: str) -> Column:
    """Read moments as seconds; a text that is none, and any number, is of the wrong type."""
    sides = [_dates_of(source, name) for source in (reference, current)]
    return NumericColumn(*(_numeric_side(connection, source, name) for source in sides))


def _dates_of(source: OpenedTable, name: str) -> OpenedTable:
    if name not in source.columns:
        return source
    column, database_type = source.columns[name]
    if database_type == "VARCHAR":
        gap = f"CASE WHEN {_is_missing(column)} THEN NULL"
        value = f"{gap} ELSE coalesce(epoch(TRY_CAST({column} AS TIMESTAMP))::VARCHAR, 'no date') END"
    elif database_type == "DATE" or database_type.startswith("TIMESTAMP"):
        database_type, value = "DOUBLE", f"epoch({column})"
    else:
        database_type, value = "VARCHAR", f"CASE WHEN {column} NOTNULL THEN 'no date' END"
    relation = f"(SELECT {value} AS moment FROM {source.relation})"
    return replace(source, relation=relation, columns={name: ("moment", database_type)})


def _numeric_side(connection: Any, source: OpenedTable, name: str) -> NumericSide:
    if name not in source.columns:
        return NumericSide(np.empty(0), n_missing=source.n_rows)
    column, database_type = source.columns[name]
    if kind_of(database_type) is None:
        n_values = int(connection.execute(f"SELECT count({column}) FROM {source.relation}").fetchall()[0][0])
        return NumericSide(np.empty(0), n_missing=source.n_rows - n_values, n_wrong_type=n_values)
    missing = f"({_is_missing(column)})" if database_type == "VARCHAR" else f"({column} IS NULL)"
    text = f"CAST({column} AS VARCHAR)" if database_type == "UUID" or database_type.startswith("ENUM") else column
    query = f"SELECT TRY_CAST({text} AS DOUBLE) AS value, {missing} AS missing FROM {source.relation}"
    found = connection.execute(query).fetchnumpy()
    unread = np.ma.getmaskarray(found["value"])
    values = np.ma.filled(found["value"].astype(np.float64), np.nan)
    gone = np.asarray(found["missing"], dtype=bool) | (np.isnan(values) & ~unread)
    return NumericSide(
        values[np.isfinite(values) & ~gone],
        n_missing=int(np.count_nonzero(gone)),
        n_infinite=int(np.count_nonzero(np.isinf(values))),
        n_wrong_type=int(np.count_nonzero(unread & ~gone)),
    )


def _categorical_column(connection: Any, reference: OpenedTable, current: OpenedTable, name: str) -> Column:
    boolean = any(source.columns.get(name, ("", ""))[1] == "BOOLEAN" for source in (reference, current))
    sides = [
        _counted(source, name, boolean=boolean, empty=_empty_is_category(connection, source, other, name))
        for source, other in ((reference, current), (current, reference))
    ]
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE counted AS
        SELECT label, coalesce(r.n, 0) AS n, coalesce(c.n, 0) AS m
        FROM ({sides[0]}) AS r FULL JOIN ({sides[1]}) AS c USING (label)""")
    n, m, unseen = connection.execute(
        "SELECT coalesce(sum(n), 0), coalesce(sum(m), 0), coalesce(sum(m) FILTER (n = 0), 0) FROM counted"
    ).fetchall()[0]
    rows = connection.execute(f"""
        SELECT left(label, {_LABEL_CHARACTERS + 1}), n, m FROM counted
        ORDER BY n / {max(1, n)} + m / {max(1, m)} DESC, label LIMIT {CATEGORIES_LIMIT}""").fetchall()
    counts = [np.array([row[side] for row in rows], dtype=np.int64) for side in (1, 2)]
    rest = [int(total) - int(side.sum()) for total, side in zip((n, m), counts, strict=True)]
    if any(rest):
        counts = [np.append(side, left) for side, left in zip(counts, rest, strict=True)]
    return CategoricalColumn(
        CategoricalSide(counts[0], n_missing=reference.n_rows - int(n)),
        CategoricalSide(counts[1], n_missing=current.n_rows - int(m)),
        labels=tuple(plain(row[0], _LABEL_CHARACTERS) for row in rows),
        n_unseen=int(unseen),
    )


def _empty_is_category(connection: Any, source: OpenedTable, other: OpenedTable, name: str) -> bool:
    """Tell what an unquoted empty field of a CSV file stands for: the category "", or nothing.

    CSV has no word for nothing, and "" is a category; so it is one, unless the column also has quoted empty
    fields (then those are the category), holds nothing else at all, or faces a Parquet file, which can tell
    the two apart, without any "".
    """
    if not source.is_text or name not in source.columns:
        return False
    n_values, n_quoted = _count_texts(connection, source, name)
    if n_quoted or not n_values:
        return False
    if other.is_text or name not in other.columns:
        return True
    return other.columns[name][1] == "VARCHAR" and _count_texts(connection, other, name)[1] > 0


def _count_texts(connection: Any, source: OpenedTable, name: str) -> tuple[int, int]:
    column = source.columns[name][0]
    query = f"SELECT count({column}), count(*) FILTER ({column} = '') FROM {source.relation}"
    n_values, n_empty = connection.execute(query).fetchall()[0]
    return n_values, n_empty


def _counted(source: OpenedTable, name: str, *, boolean: bool, empty: bool) -> str:
    """Return the query that counts one side's categories; with ``empty`` NULL is the category ""."""
    if name not in source.columns:
        return "SELECT NULL::VARCHAR AS label, 0 AS n WHERE false"
    column, database_type = source.columns[name]
    label = f"CAST({column} AS VARCHAR)"
    if kind_of(database_type) == NUMERIC:
        number = f"CAST({column} AS DOUBLE)"
        whole = f"CASE WHEN abs({number}) < 1e15 AND {number} = floor({number}) THEN CAST({number} AS BIGINT) END"
        label = f"CASE WHEN NOT isnan({number}) THEN coalesce(CAST({whole} AS VARCHAR), {label}) END"
    elif empty:
        label = f"coalesce({column}, '')"
    if boolean and database_type == "VARCHAR":
        label = f"CASE WHEN lower({column}) IN ('true', 'false') THEN lower({column}) ELSE {column} END"
    return f"SELECT {label} AS label, count(*) AS n FROM {source.relation} GROUP BY ALL HAVING label IS NOT NULL"


def _is_missing(column: str) -> str:
    marks = ", ".join(f"'{mark}'" for mark in _MARKS_OF_MISSING)
    return f"{column} IS NULL OR lower(trim({column})) IN ({marks})"


_READERS = {NUMERIC: _numeric_column, DATE: _date_column}
