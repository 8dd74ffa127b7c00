"""Probabilities among a table's columns: one for each class (``prob_cat``), or lists of them in one column.

A row's confidence is its highest probability, its margin by how much that leads the next; the margin is told of three
classes and more, for of two it is the confidence again. Both are compared like any column, as predictions. A row whose
numbers are none between 0 and 1 that sum to 1 is of the wrong type.
"""

# ruff: noqa: S608 - DuckDB binds no names; the columns are quoted identifiers

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_desk.drift.columns import NumericColumn, NumericSide
from mlops_desk.drift.data.numbers import numbers_by_row
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.pair import Floats
from mlops_desk.drift.records.columns import ColumnKind, ColumnRole, FrozenColumn

_PREFIXES = ("prob_", "proba_", "probability_")
_LOGGED = "_output."  # what the log of an endpoint puts before the name of an output
_SUM_TOLERANCE = 0.01  # chosen: probabilities that are written with two digits sum to 1 within it
_MOST_CLASSES = 1000  # chosen: longer lists are no classes
Sides = tuple[OpenedTable, OpenedTable]
Read = Callable[[Any, Sides, FrozenColumn], NumericColumn]


def class_of_column(name: str) -> str:
    """Return the class whose probabilities a column holds, by its name: ``prob_cat`` is cat's."""
    own = name.removeprefix(_LOGGED)
    return next((own[len(prefix) :] for prefix in _PREFIXES if own.lower().startswith(prefix)), name)


def confidence_readers(sides: Sides, known: Sequence[FrozenColumn]) -> Iterator[tuple[str, FrozenColumn, Read]]:
    """Yield what is derived of a table's probabilities: its name, a column to name in errors, and how it is read."""
    both = [column for column in known if all(column.name in side.columns for side in sides)]
    single = [column for column in both if _is_probability(column)]
    groups = [("prob_*", single)] if len(single) > 1 else []
    groups += [
        (column.name, [column]) for column in both if column.kind is None and column.role is ColumnRole.PREDICTION
    ]
    for name, columns in groups:
        for what in ("confidence", "margin") if len(columns) != 2 else ("confidence",):
            derived = f"{what} of {name}"
            if all(derived not in side.columns for side in sides):
                yield derived, columns[0], partial(_column, columns=columns, what=what)


def _is_probability(column: FrozenColumn) -> bool:
    is_named = class_of_column(column.name) != column.name
    return is_named and column.kind is ColumnKind.NUMERIC and column.why_not is None


def _column(
    connection: Any, sides: Sides, _: FrozenColumn, *, columns: Sequence[FrozenColumn], what: str
) -> NumericColumn:
    """Read both sides. Raises duckdb.Error."""
    first, second = (_side(*_table(connection, side, columns), what) for side in sides)
    return NumericColumn(first, second)


def _table(connection: Any, side: OpenedTable, columns: Sequence[FrozenColumn]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return each row's numbers, NaN where there is none, and which rows have none at all."""
    if columns[0].kind is not None:
        read = [numbers_by_row(connection, side, column) for column in columns]
        table = np.stack([numbers for numbers, _ in read], axis=1)
        return table, np.asarray(np.stack([gone for _, gone in read], axis=1).all(axis=1), dtype=bool)
    rows = lists_by_row(connection, side, columns[0].name)
    width = min(_MOST_CLASSES, max((len(row) for row in rows if row is not None), default=1))
    table = np.full((rows.size, width), np.nan)
    for at, row in enumerate(rows):
        if row is not None and len(row) == width:
            table[at] = [np.nan if value is None else value for value in row]
    return table, np.array([row is None for row in rows], dtype=bool)


def _side(table: Floats, gone: NDArray[np.bool_], what: str) -> NumericSide:
    with np.errstate(invalid="ignore"):
        fits = (table >= 0).all(axis=1) & (np.abs(table.sum(axis=1) - 1) <= _SUM_TOLERANCE)
    ordered = np.sort(table[fits], axis=1)
    values = ordered[:, -1] if what == "confidence" or ordered.shape[1] < 2 else ordered[:, -1] - ordered[:, -2]
    n_missing = int(np.count_nonzero(gone))
    return NumericSide(values, n_missing=n_missing, n_wrong_type=gone.size - n_missing - values.size)


def lists_by_row(connection: Any, side: OpenedTable, name: str) -> NDArray[np.object_]:
    """Read lists of numbers, as such or as JSON, row by row; None where there is none. Raises duckdb.Error."""
    column, _ = side.columns[name]
    rows = connection.execute(f"SELECT TRY_CAST({column} AS DOUBLE[]) FROM {side.relation}").fetchall()
    found = np.empty(len(rows), dtype=object)
    for at, (value,) in enumerate(rows):
        found[at] = value
    return found
