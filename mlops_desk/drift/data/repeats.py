"""How often rows are repeated within one side, over the columns that are compared."""

# ruff: noqa: S608 - DuckDB binds no names; the columns are quoted identifiers

from collections.abc import Sequence
from typing import Any

from mlops_desk.drift.data.opened import OpenedTable


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
