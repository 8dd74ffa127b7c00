"""Which segment each row of a table belongs to, as DuckDB tells it.

A value is spelled alike on both sides, whatever the file: whole numbers as such, true and false as words, other numbers
as far as one of 32 bits tells them apart, and "" is no value, since not every file can tell.
"""

# ruff: noqa: S608 - DuckDB binds no names; ``spelling`` makes expressions of quoted identifiers

from typing import Any

from mlops_desk.drift.data import value_parsers
from mlops_desk.drift.data.numbers import number_of
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.profile.segment_values import KNOWN, MOST, PartKind, SegmentCut, check_kind
from mlops_desk.drift.profile.sketch_builder import label_of_row
from mlops_desk.drift.records.columns import ColumnKind, FrozenColumn

_WHOLE_LIMIT = "1e15"  # up to here each whole number has one double
_KNOWN_TABLE = "segment_values_"


def segment_label(connection: Any, table: OpenedTable, column: FrozenColumn) -> tuple[str, str]:
    """Return the expressions of a row's value as it is spelled here, and of its having none. Raises duckdb.Error."""
    if column.name not in table.columns:
        return "NULL::VARCHAR", "true"
    if column.kind is not ColumnKind.NUMERIC:
        label, missing = label_of_row(table, column)
        return f"nullif({label}, '')", f"({missing} OR {label} = '')" if label != "NULL::VARCHAR" else missing
    name, database_type = table.columns[column.name]
    value = number_of(connection, table, column)
    is_words = value_parsers.is_words(database_type)
    gone = value_parsers.missing(f"CAST({name} AS VARCHAR)", column.real_values) if is_words else f"({name} IS NULL)"
    if value is None:
        return "NULL::VARCHAR", gone
    is_whole = f"abs({value}) < {_WHOLE_LIMIT} AND {value} = floor({value})"
    short = f"CAST(TRY_CAST({value} AS FLOAT) AS VARCHAR)"
    label = f"CASE WHEN {is_whole} THEN CAST(CAST({value} AS BIGINT) AS VARCHAR) ELSE {short} END"
    return f"CASE WHEN isfinite({value}) THEN {label} END", f"({gone} OR coalesce(isnan({value}), false))"


def freeze_cut(connection: Any, table: OpenedTable, column: FrozenColumn) -> SegmentCut:
    """Return by which values a reference is cut. Raises Invalid, duckdb.Error."""
    check_kind(column)
    label, _ = segment_label(connection, table, column)
    counted = f"SELECT {label} AS label, count(*) AS n FROM {table.relation} GROUP BY ALL"
    found = [
        str(value)
        for (value,) in connection.execute(f"""
            SELECT label FROM ({counted}) WHERE label IS NOT NULL
            ORDER BY n DESC, label LIMIT {MOST + KNOWN + 1}""").fetchall()
    ]
    return SegmentCut(column, tuple(found[:MOST]), tuple(found[MOST : MOST + KNOWN]), len(found) > MOST + KNOWN)


def part_of_row(connection: Any, table: OpenedTable, cut: SegmentCut) -> str:
    """Return a query of ``table``'s rows with ``part_``, the place of theirs, and ``label_``. Raises duckdb.Error."""
    label, missing = segment_label(connection, table, cut.column)
    listed = {value: at for at, value in enumerate(cut.values)}
    listed |= dict.fromkeys(cut.others, cut.place(PartKind.OTHERS))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {_KNOWN_TABLE} (known_ VARCHAR, known_part_ INTEGER)")
    if listed:
        connection.execute(
            f"INSERT INTO {_KNOWN_TABLE} SELECT unnest(?), unnest(?)", [list(listed), [*listed.values()]]
        )
    others, none, unknown = (cut.place(one) for one in (PartKind.OTHERS, PartKind.MISSING, PartKind.UNKNOWN))
    unlisted = f"CASE WHEN label_ IS NULL THEN {unknown} ELSE {others if cut.has_more else unknown} END"
    part = f"coalesce(CASE WHEN missing_ THEN {none} END, known_part_, {unlisted})"
    return f"""
        SELECT rows_.* EXCLUDE (missing_), {part} AS part_
        FROM (SELECT *, {label} AS label_, {missing} AS missing_ FROM {table.relation}) AS rows_
        LEFT JOIN {_KNOWN_TABLE} ON label_ = known_"""
