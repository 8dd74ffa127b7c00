"""Rows drawn from a table by chance: the same ones each time, in the table's order."""

# ruff: noqa: S608 - DuckDB binds no names; the columns are quoted identifiers, the rest are our own words and numbers

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mlops_desk.drift.data.opened import OpenedTable

_SEED = 11  # any; fixed, so that two reports on the same files draw the same rows
_NUMBER = '"mlops desk row number"'  # no name that anybody gives a column


def sampled(connection: Any, source: OpenedTable, names: Sequence[str], rows: int, called: str) -> OpenedTable:
    """Draw ``rows`` rows (all where there are no more), as a table of their own in memory. Raises duckdb.Error.

    ``called`` is what it is called in the database: of two tables of one name the second takes the first's place.
    """
    kept = {name: source.columns[name] for name in names if name in source.columns}
    if not kept:
        return replace(source, n_rows=min(rows, source.n_rows), columns={}, numbered=None, lengths=())
    listed = ", ".join(dict.fromkeys(column for column, _ in kept.values()))
    if source.n_rows <= rows:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {called} AS SELECT {listed} FROM {source.relation}")
        return replace(source, relation=called, columns=kept, numbered=None, lengths=())
    drawn = np.sort(np.random.default_rng(_SEED).choice(source.n_rows, rows, replace=False)) + 1
    chosen = ", ".join(map(str, drawn.tolist()))
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE {called} AS SELECT {listed}
        FROM (SELECT {listed}, row_number() OVER () AS {_NUMBER} FROM {source.relation})
        WHERE {_NUMBER} IN (SELECT unnest([{chosen}]))""")
    return replace(source, relation=called, columns=kept, n_rows=rows, numbered=None, lengths=())
