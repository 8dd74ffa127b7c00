"""Reading both sides of a column of categories, or of true and false, as counts by label."""

# ruff: noqa: S608 - DuckDB binds no names; ``spelling`` makes expressions of quoted identifiers

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_desk.drift.columns import CategoricalColumn, CategoricalSide
from mlops_desk.drift.data import value_parsers
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.records.columns import ColumnKind, FrozenColumn
from mlops_desk.kit.base.text import plain

CATEGORIES_LIMIT = 10_000
"""The most frequent categories are told apart, the rest count as one."""

_LABEL_CHARACTERS = 200  # chosen: categories are short; what is longer is free text
_TEXT_CHARACTERS = 4096  # as many as the log of an endpoint keeps
_WHOLE_LIMIT = "1e15"  # up to here each whole number has one double
_NO_LABELS = "SELECT NULL::VARCHAR AS label, 0 AS n WHERE false"


def categorical_column(
    connection: Any, sides: tuple[OpenedTable, OpenedTable], column: FrozenColumn
) -> CategoricalColumn:
    """Count both sides' categories. Raises duckdb.Error."""
    return _counted(connection, sides, category_labels(connection, sides, column), [0, 0], ColumnKind.CATEGORICAL)


def category_labels(connection: Any, sides: tuple[OpenedTable, OpenedTable], column: FrozenColumn) -> list[str | None]:
    """Return the expression of the label on either side, None where it lacks the column. Raises duckdb.Error."""
    empty = _empty_is_category(connection, sides, column.name) if "" in column.real_values else [False] * len(sides)
    numbers = any(_may_be_numbers(side, column.name) for side in sides)
    return [label_of(side, column, numbers=numbers, empty=is_one) for side, is_one in zip(sides, empty, strict=True)]


def labels_by_row(
    connection: Any, sides: tuple[OpenedTable, OpenedTable], column: FrozenColumn
) -> list[NDArray[np.object_]]:
    """Return categories, true and false, or texts, row by row on either side, None where there is none.

    Raises duckdb.Error.
    """
    if column.kind is ColumnKind.BOOLEAN:
        truths = [truth_of(*side.columns.get(column.name, ("", ""))) for side in sides]
        labels = [value and f"CAST({value} AS VARCHAR)" for value in truths]
    else:
        labels = category_labels(connection, sides, column)
    most = _TEXT_CHARACTERS if column.kind is ColumnKind.TEXT else _LABEL_CHARACTERS
    found = []
    for side, label in zip(sides, labels, strict=True):
        query = f"SELECT left({label or 'NULL::VARCHAR'}, {most}) AS label FROM {side.relation}"
        values = connection.execute(query).fetchnumpy()["label"]
        held = np.array(np.ma.getdata(values), dtype=object)
        held[np.ma.getmaskarray(values)] = None
        found.append(held)
    return found


def boolean_column(connection: Any, sides: tuple[OpenedTable, OpenedTable], column: FrozenColumn) -> CategoricalColumn:
    """Count true and false on both sides, however each spells them. Raises duckdb.Error."""
    labels, wrong = [], []
    for side in sides:
        name, database_type = side.columns.get(column.name, ("", ""))
        value = truth_of(name, database_type)
        labels.append(value and f"CAST({value} AS VARCHAR)")
        text = f"CAST({name} AS VARCHAR)"
        is_words = value_parsers.is_words(database_type)
        missing = value_parsers.missing(text, column.real_values) if is_words else f"{name} IS NULL OR {text} = 'nan'"
        query = f"SELECT count(*) FILTER (NOT ({missing}) AND ({value or 'NULL'}) IS NULL) FROM {side.relation}"
        wrong.append(int(connection.execute(query).fetchall()[0][0]) if name else 0)
    return _counted(connection, sides, labels, wrong, ColumnKind.BOOLEAN)


def truth_of(name: str, database_type: str) -> str | None:
    if database_type == "BOOLEAN":
        return name
    if value_parsers.is_numeric(database_type):
        return f"CASE {name} WHEN 1 THEN true WHEN 0 THEN false END"
    return value_parsers.boolean(f"CAST({name} AS VARCHAR)") if value_parsers.is_words(database_type) else None


def _counted(
    connection: Any,
    sides: tuple[OpenedTable, OpenedTable],
    labels: list[str | None],
    wrong: list[int],
    kind: ColumnKind,
) -> CategoricalColumn:
    queries = [
        f"SELECT {label} AS label, count(*) AS n FROM {side.relation} GROUP BY ALL HAVING label IS NOT NULL"
        if label
        else _NO_LABELS
        for side, label in zip(sides, labels, strict=True)
    ]
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE counted AS
        SELECT label, coalesce(r.n, 0) AS n, coalesce(c.n, 0) AS m
        FROM ({queries[0]}) AS r FULL JOIN ({queries[1]}) AS c USING (label)""")
    n, m, unseen, single = connection.execute("""
        SELECT coalesce(sum(n), 0), coalesce(sum(m), 0), coalesce(sum(m) FILTER (n = 0), 0), count(*) FILTER (n = 1)
        FROM counted""").fetchall()[0]
    rows = connection.execute(f"""
        SELECT left(label, {_LABEL_CHARACTERS + 1}), n, m FROM counted
        ORDER BY n / {max(1, n)} + m / {max(1, m)} DESC, label LIMIT {CATEGORIES_LIMIT}""").fetchall()
    connection.execute("DROP TABLE counted")
    counts = [np.array([row[side] for row in rows], dtype=np.int64) for side in (1, 2)]
    rest = [int(total) - int(side.sum()) for total, side in zip((n, m), counts, strict=True)]
    if any(rest):
        counts = [np.append(side, left) for side, left in zip(counts, rest, strict=True)]
    missing = [side.n_rows - int(total) - bad for side, total, bad in zip(sides, (n, m), wrong, strict=True)]
    return CategoricalColumn(
        CategoricalSide(counts[0], missing[0], wrong[0]),
        CategoricalSide(counts[1], missing[1], wrong[1]),
        labels=tuple(plain(row[0], _LABEL_CHARACTERS) for row in rows),
        n_unseen=int(unseen),
        n_single=int(single),
        kind=kind,
    )


def _empty_is_category(connection: Any, sides: tuple[OpenedTable, OpenedTable], name: str) -> list[bool]:
    """Tell for either side what an unquoted empty field of a CSV file stands for: the category "", or nothing.

    CSV has no word for nothing, and "" is a category. So it is one where the other side tells the two apart and has "",
    or is a CSV file too and the reference has such fields; unless the column also has quoted empty fields (then those
    are the category), or holds nothing else at all. A reference of CSV without any says that "" is none.
    """
    counts = [_count_texts(connection, side, name) for side in sides]
    found = []
    for at, side in enumerate(sides):
        other = 1 - at
        with_column = name in sides[other].columns
        tells = side.tells_empty, sides[other].tells_empty
        found.append(blanks_are_values(counts[at], tells, counts[other] if with_column else None, counts[0]))
    return found


def blanks_are_values(
    own: tuple[int, int, int],
    tells: tuple[bool, bool],
    other: tuple[int, int, int] | None,
    reference: tuple[int, int, int],
) -> bool:
    """Tell it of one side by what it counts, and the other: values, "" among them, and blanks.

    ``tells``: whether this one and the other tell "" from nothing. ``other`` is None where it lacks the column.
    """
    n_values, n_quoted, _ = own
    if tells[0] or not n_values or n_quoted:
        return False
    if other is None:
        return True
    if tells[1]:
        return other[1] > 0
    return reference[1] + reference[2] > 0 or not reference[0]


def _count_texts(connection: Any, source: OpenedTable, name: str) -> tuple[int, int, int]:
    """Count values, "" among them, and what is NULL."""
    if name not in source.columns or source.columns[name][1] != "VARCHAR":
        return 0, 0, 0
    column = source.columns[name][0]
    query = f"SELECT count({column}), count(*) FILTER ({column} = ''), count(*) FROM {source.relation}"
    n_values, n_empty, n_rows = connection.execute(query).fetchall()[0]
    return n_values, n_empty, n_rows - n_values


def _may_be_numbers(source: OpenedTable, name: str) -> bool:
    """Tell whether a number may be spelled in several ways there: 1, 1.0, 1e0."""
    return source.is_text or value_parsers.is_numeric(source.columns.get(name, ("", ""))[1])


def label_of(source: OpenedTable, column: FrozenColumn, *, numbers: bool, empty: bool) -> str | None:
    """Return the expression of a category's label, NULL where the value says that there is none.

    Whole ``numbers`` are written as such, however they are spelled; with ``empty`` no value is the category "".
    """
    if column.name not in source.columns:
        return None
    name, database_type = source.columns[column.name]
    text = f"CAST({name} AS VARCHAR)"
    if value_parsers.is_numeric(database_type):
        return f"CASE WHEN NOT isnan(CAST({name} AS DOUBLE)) THEN {_as_whole(name, text)} END"
    if not value_parsers.is_words(database_type):
        return text
    gone = value_parsers.missing(text, column.real_values, signs=False)
    label = f"CASE WHEN {text}[1] = '0' AND {text}[2] <> '.' THEN {text} ELSE {_as_whole(text, text)} END"
    label = f"CASE WHEN NOT {gone} THEN {label if numbers else text} END"
    return f"CASE WHEN {text} IS NULL THEN '' ELSE {label} END" if empty else label


def _as_whole(value: str, otherwise: str) -> str:
    number = f"TRY_CAST({value} AS DOUBLE)"
    is_whole = f"abs({number}) < {_WHOLE_LIMIT} AND {number} = floor({number})"
    return f"CASE WHEN {is_whole} THEN CAST(CAST({number} AS BIGINT) AS VARCHAR) ELSE {otherwise} END"
