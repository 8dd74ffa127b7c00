"""Labels, answers and probabilities of a file, row by row, and the inputs beside them.

The kinds are decided as for a drift report, over the reference where there is one: numbers with groups of thousands are
numbers here too, and yes and no are true and false. What is one class in the label is one in the answer: whether their
words are truths is asked of both at once, for either may hold but one of them ("no" alone), or a third.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.drift.data import spelling
from mlops_desk.drift.data.categories import labels_by_row
from mlops_desk.drift.data.kinds import freeze
from mlops_desk.drift.data.numbers import numbers_by_row
from mlops_desk.drift.data.opened import OpenedTable
from mlops_desk.drift.data.probabilities import lists_by_row
from mlops_desk.drift.pair import Floats
from mlops_desk.records.drift import DriftOptions
from mlops_desk.records.drift.columns import ColumnKind, FrozenColumn

MOST_CELLS = 50_000_000
"""Of inputs, 400 MB; chosen: of more the errors to expect are not estimated, and the report says so."""
_CODES = {ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN}
_NAMED = 10  # chosen: enough to see what the names look like
Sides = tuple[OpenedTable, OpenedTable]


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """A column of both sides, one below the other: numbers with what is missing, or values of any kind."""

    missing: NDArray[np.bool_]
    numbers: Floats | None = None
    values: NDArray[np.object_] | None = None


def read_columns(
    connection: Any, sides: Sides, names: Sequence[str], alike: Sequence[str] = ()
) -> dict[str, ReadColumn]:
    """Read columns of both sides (the second may be empty); ``alike`` are those of them that hold the same classes.

    Raises Invalid where a side lacks one, duckdb.Error.
    """
    for side in sides:
        for name in names:
            if name not in side.columns:
                known = ", ".join(plain(one, 60) for one in list(side.columns)[:_NAMED])
                raise Invalid(f"The data have no column {plain(name)!r}.", f"They have {known}.")
    frozen = {column.name: column for column in freeze(connection, *sides, DriftOptions())}
    frozen |= _alike(connection, sides, [frozen[name] for name in alike])
    return {name: _read(connection, sides, frozen[name]) for name in names}


def _alike(connection: Any, sides: Sides, columns: Sequence[FrozenColumn]) -> dict[str, FrozenColumn]:
    """Return columns of words as truths where all that any of them holds is one, and is not one and the same word."""
    words = [column for column in columns if column.kind in _CODES]
    if not words:
        return {}
    texts = " UNION ALL ".join(
        f"SELECT CAST({side.columns[column.name][0]} AS VARCHAR) AS t FROM {side.relation}"  # noqa: S608 - quoted
        for column in columns
        for side in sides
    )
    counted = f"""
        SELECT count(DISTINCT trim(t)), coalesce(bool_and({spelling.boolean("t")} NOTNULL), false)
        FROM ({texts}) WHERE NOT {spelling.missing("t")}"""  # noqa: S608 - of quoted identifiers
    n_words, are_truths = connection.execute(counted).fetchall()[0]
    kind = ColumnKind.BOOLEAN if are_truths and n_words > 1 else ColumnKind.CATEGORICAL
    return {column.name: replace(column, kind=kind) for column in words}


def _read(connection: Any, sides: Sides, column: FrozenColumn) -> ReadColumn:
    if column.kind is ColumnKind.NUMERIC:
        found = [numbers_by_row(connection, side, column) for side in sides]
        numbers, missing = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return ReadColumn(missing, numbers)
    if column.kind is None:
        values = np.concatenate([lists_by_row(connection, side, column.name) for side in sides])
    else:
        values = np.concatenate(labels_by_row(connection, sides, column))
    return ReadColumn(np.array([value is None for value in values], dtype=bool), values=values)


def inputs_of(connection: Any, sides: Sides, without: Sequence[str]) -> tuple[Floats | None, list[str]]:
    """Return the inputs as numbers (rows x columns, NaN is missing, categories by their place), and their names.

    A category that the first side does not know is missing too.

    Left out are the columns ``without``, texts, identifiers, arrays and moments. None where there are too many.
    Raises duckdb.Error.
    """
    kinds = {ColumnKind.NUMERIC, *_CODES}
    columns = [
        column
        for column in freeze(connection, *sides, DriftOptions())
        if column.kind in kinds and column.name not in without and all(column.name in side.columns for side in sides)
    ]
    n = sum(side.n_rows for side in sides)
    if n * len(columns) > MOST_CELLS:
        return None, []
    found = np.empty((n, len(columns)))
    for at, column in enumerate(columns):
        if column.kind is ColumnKind.NUMERIC:
            found[:, at] = np.concatenate([numbers_by_row(connection, side, column)[0] for side in sides])
        else:
            found[:, at] = _codes(*labels_by_row(connection, sides, column))
    return np.where(np.isfinite(found), found, np.nan), [column.name for column in columns]


def _codes(reference: NDArray[np.object_], current: NDArray[np.object_]) -> Floats:
    """Return categories as numbers, the reference's most frequent first; NaN where there is none, or it knows none.

    The same whatever the current rows hold, so that what was learned of the reference once can be kept.
    """
    held = np.array([label for label in reference if label is not None], dtype=str)
    values, sizes = np.unique(held, return_counts=True)
    places = dict(zip(values[np.argsort(-sizes, kind="stable")].tolist(), map(float, range(values.size)), strict=True))
    return np.array(
        [np.nan if label is None else places.get(str(label), np.nan) for side in (reference, current) for label in side]
    )
