"""When rows were made, by which they are cut: a column tells that was named, or when they were written or read."""

# ruff: noqa: S608 - DuckDB binds no names; ``spelling`` makes expressions of quoted identifiers

from dataclasses import replace
from typing import Any

import numpy as np

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.drift.data.numbers import moment_of
from mlops_desk.drift.data.opened import OpenedTable
from mlops_desk.drift.live.spans import MOMENT, NUMBER, RowBatch
from mlops_desk.records.drift.columns import ColumnKind, FrozenColumn
from mlops_desk.storage.data_files import identifier


def batch_of(
    connection: Any, table: OpenedTable, relation: str, moments: tuple[str | None, float, float]
) -> RowBatch:  # fmt: skip
    """Keep a relation's rows as the connection's table ``fresh``, numbered by their moments.

    ``moments``: the column that has them if one was named, the Unix time of rows without one, and now. Raises Invalid
    where there is no such column, duckdb.Error.
    """
    time_column, written_at, now = moments
    if time_column is not None and time_column not in table.columns:
        raise Invalid(f"The data have no column {plain(time_column)!r} for the time of a row.", "Name another one.")
    named = None if time_column is None else FrozenColumn(time_column, ColumnKind.TIME)
    moment = None if named is None else moment_of(connection, table, named)
    known = f"coalesce({moment or 'NULL'}, {written_at!r}::DOUBLE)"
    listed = ", ".join(f"{column} AS k{at}" for at, (column, _) in enumerate(table.columns.values()))
    order = "file_row_number" if relation != table.relation else "0"
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE fresh AS
        SELECT {listed}, {known} AS {MOMENT}, row_number() OVER (ORDER BY {known}, {order}) - 1 AS {NUMBER}
        FROM {relation}""")
    columns = {name: (identifier(f"k{at}"), kind) for at, (name, (_, kind)) in enumerate(table.columns.items())}
    found = connection.execute(f"SELECT {MOMENT} FROM fresh ORDER BY {NUMBER}").fetchnumpy()[MOMENT]
    values = np.asarray(found, dtype=np.float64)
    fresh = replace(table, relation="fresh", columns=columns, n_rows=values.size, numbered=None, lengths=())
    return RowBatch(fresh, values, now)
