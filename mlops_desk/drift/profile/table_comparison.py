"""A profile made of a table, and a table compared with a stored profile: kinds and bins are the profile's."""

# ruff: noqa: S608 - DuckDB binds no names; ``segment_rows`` makes its query of quoted identifiers

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from mlops_desk.drift.data.column_kinds import chosen, freeze, readable
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.data.table_alignment import check_names, renamed
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile, SegmentedRows
from mlops_desk.drift.profile.segment_rows import freeze_cut, part_of_row
from mlops_desk.drift.profile.sketch_builder import PART_ROWS, profile_of
from mlops_desk.drift.profile.sketch_measures import measure_profiles
from mlops_desk.drift.records.columns import ColumnRole, FrozenColumn
from mlops_desk.drift.records.report import ColumnDrift, DriftOptions, DriftReport
from mlops_desk.drift.report import Tables, report_of
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

# A reference's rows told apart by the values of a column: a profile of each segment, in the bins of the whole.
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


_NO_SKETCH = "The profile of the reference has no sketch of it."


def _nobody(_done: int, _total: int, _name: str) -> None:
    """Tell nobody."""


def make_profile(
    connection: Any,
    table: OpenedTable,
    options: DriftOptions,
    tell: Tell = _nobody,
    rows: int = PART_ROWS,
    segment: str | None = None,
) -> DataProfile:
    """Sketch each column of a reference that the options do not leave out, and by ``segment``. Raises Invalid.

    ``tell`` is called after each part of a column that was read: with how many columns are done, of how many, and the
    name of the one that is read.
    """
    check_names(table, options)
    try:
        columns = [chosen(column, options) for column in freeze(connection, table, table, options)]
    except duckdb.Error as error:
        raise _unreadable("The data", error) from error
    n_columns = sum(column.why_not is None and column.kind is not None for column in columns)
    found: list[ColumnProfile] = []
    n_done = 0
    for column in columns:
        if column.why_not is not None or column.kind is None:
            found.append(ColumnProfile(column))
            continue
        found.append(_read(connection, table, ColumnProfile(column), _Told(tell, n_done, n_columns, column.name), rows))
        n_done += 1
        tell(n_done, n_columns, column.name)
    whole = DataProfile(table.n_rows, tuple(found), table.n_rejected, table.notes)
    return whole if segment is None else with_segments(connection, table, whole, segment, tell)


def compare_with(
    connection: Any,
    reference: DataProfile,
    current: OpenedTable,
    options: DriftOptions,
    rows: int = PART_ROWS,
    tell: Tell = _nobody,
) -> DriftReport:
    """Compare a table with a profile, which alone says what kind each column is. Raises Invalid.

    ``tell`` is called as by ``make_profile``.
    """
    current = renamed(current, options)
    by_name = {one.column.name: one for one in reference.columns}
    check_names(replace(current, columns=dict.fromkeys(by_name, ("", ""))), options)
    frozen = tuple(one.column for one in reference.columns)
    known = [readable(connection, current, chosen_now(one, options), options) for one in reference.columns]
    missing = [c.name for c in known if c.name not in current.columns and c.why_not is None and not c.role.may_lack]
    left_out: list[FrozenColumn] = []
    measured: list[ColumnDrift] = []
    for column in known:
        is_there = column.name in current.columns
        if column.why_not is not None or column.kind is None:
            left_out.append(column)
        elif not is_there and column.role.may_lack:
            left_out.append(replace(column, why_not=f"A {column.role} that is not sent."))
        elif is_there or options.require_all_columns:
            before = by_name[column.name]
            progress = _Told(tell, len(measured), len(known), column.name)
            progress()
            measured.append(measure_profiles(before, _read(connection, current, before, progress, rows)))
    tables = Tables(
        (),
        reference.n_rows,
        current.n_rows,
        missing_columns=tuple(missing),
        new_columns=tuple(name for name in current.columns if name not in by_name),
        left_out=tuple(left_out),
        roles={column.name: column.role for column in known},
        frozen=frozen,
        rejected_reference=reference.n_rejected,
        rejected_current=current.n_rejected,
        notes=tuple(dict.fromkeys((*reference.notes, *current.notes))),
    )
    return report_of(tables, measured, options)


def chosen_now(one: ColumnProfile, options: DriftOptions) -> FrozenColumn:
    """Give a column the role that is chosen now, else the profile's; one without a sketch is left out in any case."""
    column = chosen(one.column, options)
    said = {*options.targets, *options.predictions, *options.ids, *options.ignored}
    if (
        column.name not in said
        and column.name.casefold() not in options.redacted
        and one.column.role is not ColumnRole.FEATURE
    ):
        column = replace(column, role=one.column.role)
    if one.sketch is None and column.why_not is None and column.kind is not None:
        return replace(column, why_not=_NO_SKETCH)
    return column


@dataclass(frozen=True, slots=True)
class _Told:
    tell: Tell
    n_done: int
    n_columns: int
    name: str

    def __call__(self) -> None:
        self.tell(self.n_done, self.n_columns, self.name)


def _read(
    connection: Any, table: OpenedTable, one: ColumnProfile, tell: Callable[[], None] | None, rows: int
) -> ColumnProfile:
    try:
        return profile_of(connection, table, one.column, one.frame, tell=tell, rows=rows)
    except duckdb.Error as error:
        raise _unreadable(f"Column {plain(one.column.name)!r}", error) from error


def _unreadable(what: str, error: Exception) -> Invalid:
    text = f"{what} can't be read: {plain(str(error).splitlines()[0], 300)}"
    return Invalid(text, "Is the file complete? Write it again.")
