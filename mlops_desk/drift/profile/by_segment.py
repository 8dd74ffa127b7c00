"""A reference's rows told apart by the values of a column: a profile of each segment, in the bins of the whole."""

# ruff: noqa: S608 - DuckDB binds no names; ``segment_rows`` makes its query of quoted identifiers

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import duckdb

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.drift.data.opened import OpenedTable
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile, SegmentedRows
from mlops_desk.drift.profile.reading import PART_ROWS, profile_of
from mlops_desk.drift.profile.segment_rows import freeze_cut, part_of_row

_NAMED = 10  # chosen: enough to see what the names look like
_NUMBERED = "segmented_"
Tell = Callable[[int, int, str], None]


def with_segments(connection: Any, table: OpenedTable, whole: DataProfile, name: str, tell: Tell) -> DataProfile:
    """Return a profile with the segments of a column of its table. Raises Invalid.

    ``tell`` is called before each segment: how many are done, of how many, and what it is.
    """
    column = next((one.column for one in whole.columns if one.column.name == name), None)
    if column is None:
        known = ", ".join(plain(one.column.name, 60) for one in whole.columns[:_NAMED])
        raise Invalid(f"The reference has no column {plain(name)!r} to cut into segments.", f"It has {known}.")
    try:
        cut = freeze_cut(connection, table, column)
        query = part_of_row(connection, table, cut)
        told = f"({query})"
        if table.n_rows <= PART_ROWS:  # read once; a larger one would fill the disk, and is read for each column
            connection.execute(f"CREATE OR REPLACE TEMP TABLE {_NUMBERED} AS {query}")
            told = _NUMBERED
        rows = dict(connection.execute(f"SELECT part_, count(*) FROM {told} GROUP BY ALL").fetchall())
        parts = []
        for at, (kind, value) in enumerate(cut.parts):
            tell(at, len(cut.parts), f"segment {plain(value or kind.value, 60)}")
            relation = f"(SELECT * EXCLUDE (part_, label_) FROM {told} WHERE part_ = {at})"
            some = replace(table, relation=relation, n_rows=rows.get(at, 0), numbered=None, lengths=())
            parts.append(DataProfile(some.n_rows, tuple(_part(connection, some, one) for one in whole.columns)))
        connection.execute(f"DROP TABLE IF EXISTS {_NUMBERED}")
    except duckdb.Error as error:
        text = f"The data can't be cut by {plain(name)!r}: {plain(str(error).splitlines()[0], 300)}"
        raise Invalid(text, "Is the file complete? Write it again.") from error
    return replace(whole, segments=SegmentedRows(cut, tuple(parts)))


def _part(connection: Any, some: OpenedTable, one: ColumnProfile) -> ColumnProfile:
    if one.sketch is None:
        return one
    return profile_of(connection, some, one.column, one.frame)
