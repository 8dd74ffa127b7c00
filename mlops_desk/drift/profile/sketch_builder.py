"""One side of a column as a sketch, in batches: a file larger than memory is read without holding more than a part.

A reference's bins are its exact quantiles where it has at most four million rows. Of more, DuckDB's exact quantiles
would hold the whole column, which can't be spilled; its approximate ones differ from run to run with threads. So a
first pass keeps one row by chance (the same each time) of every few, and the exact ends, and freezes the bins by these;
the second pass counts all rows. What the sample moves is where the bins lie, by a thousandth of the rows; the counts
in them are exact.
"""

# ruff: noqa: S608 - DuckDB binds no names; ``spelling`` makes expressions of quoted identifiers

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mlops_desk.drift.columns import NumericSide
from mlops_desk.drift.data import value_parsers
from mlops_desk.drift.data.categories import label_of, truth_of
from mlops_desk.drift.data.numbers import lengths_of, parts_of
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.data.texts import CHARACTERS as TEXT_CHARACTERS
from mlops_desk.drift.profile.bin_edges import FrozenBins, frame_of
from mlops_desk.drift.profile.categories import LIMIT, CategorySketch, sketch_of_counts
from mlops_desk.drift.profile.numbers import NumericSketch, add_numbers, sketch_numbers
from mlops_desk.drift.profile.profile import ColumnProfile
from mlops_desk.drift.profile.texts import CHARACTERS, SAMPLE, TextSketch
from mlops_desk.drift.records.columns import ColumnKind, FrozenColumn

PART_ROWS = 4_000_000  # chosen: 100 MB with what sorting and counting need beside
_SAMPLE_ROWS = 1_000_000  # chosen: quantiles lie within a thousandth of the rows of the exact ones
LABEL_CHARACTERS = 200  # as many as a report keeps apart; of longer ones a digest tells them apart
_DIGESTED_FROM = LABEL_CHARACTERS - 33  # a mark and 32 digits

Tell = Callable[[], None]


def profile_of(
    connection: Any,
    source: OpenedTable,
    column: FrozenColumn,
    frame: FrozenBins | None = None,
    *,
    tell: Tell | None = None,
    rows: int = PART_ROWS,
) -> ColumnProfile:
    """Sketch one column, in the bins of ``frame`` where a reference has frozen them. Raises duckdb.Error.

    ``tell`` is called after each part.
    """
    if column.kind in {ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN}:
        return ColumnProfile(column, _categories(connection, source, column))
    tell = tell or _nobody
    is_text = column.kind in {ColumnKind.TEXT, ColumnKind.IDENTIFIER}

    def read() -> Iterator[NumericSide]:
        if is_text:
            return lengths_of(connection, source, column, TEXT_CHARACTERS, rows)
        return parts_of(connection, source, column, rows)

    if frame is None and source.n_rows <= rows:
        values = _joined(list(read()))
        frame = frame_of(values.finite)
        found = sketch_numbers(frame, values)
    else:
        frame = frame or _frame(read(), max(1, -(-source.n_rows // _SAMPLE_ROWS)), tell)
        found = add_numbers(_sketched(frame, read(), tell))
    if is_text:
        return ColumnProfile(column, TextSketch(found, _sample(connection, source, column)), frame)
    return ColumnProfile(column, found, frame)


def _nobody() -> None:
    """Tell nobody."""


def _sketched(frame: FrozenBins, parts: Iterator[NumericSide], tell: Tell) -> Iterator[NumericSketch]:
    for part in parts:
        yield sketch_numbers(frame, part)
        tell()


def _joined(parts: list[NumericSide]) -> NumericSide:
    """Return a table's only part, or the parts of a table that is cut in spite of its size."""
    if len(parts) == 1:
        return parts[0]
    return replace(
        parts[0],
        finite=np.concatenate([part.finite for part in parts]),
        n_missing=sum(part.n_missing for part in parts),
        n_infinite=sum(part.n_infinite for part in parts),
        n_wrong_type=sum(part.n_wrong_type for part in parts),
        n_future=None if parts[0].n_future is None else sum(part.n_future or 0 for part in parts),
    )


def _frame(parts: Iterator[NumericSide], step: int, tell: Tell) -> FrozenBins:
    """Freeze the bins by one value by chance of every ``step``, and both ends."""
    random = np.random.default_rng(step)
    kept = []
    ends: list[float] = []
    for part in parts:
        values = part.finite
        if values.size:
            ends += [float(values.min()), float(values.max())]
            blocks = np.arange(0, values.size, step)
            at = blocks + random.integers(0, step, blocks.size)
            kept.append(values[np.minimum(at, values.size - 1)])
        tell()
    if not ends:
        return frame_of(np.empty(0))
    return frame_of(np.concatenate(kept), min(ends), max(ends))


def _categories(connection: Any, source: OpenedTable, column: FrozenColumn) -> CategorySketch:
    """Count the labels: whole numbers are spelled as such, whatever the file, for the other side may be any file."""
    if column.name not in source.columns:
        return sketch_of_counts((), n_missing=source.n_rows)
    key, missing = label_of_row(source, column)
    labelled = f"SELECT {key} AS label, {missing} AS missing FROM {source.relation}"
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE counted AS
        SELECT label, missing, count(*) AS n FROM ({labelled}) GROUP BY ALL""")
    n_missing, n_wrong, n_usable = connection.execute("""
        SELECT coalesce(sum(n) FILTER (missing), 0), coalesce(sum(n) FILTER (NOT missing AND label IS NULL), 0),
            coalesce(sum(n) FILTER (NOT missing AND label IS NOT NULL), 0) FROM counted""").fetchall()[0]
    listed = connection.execute(f"""
        SELECT label, n FROM counted WHERE NOT missing AND label IS NOT NULL
        ORDER BY n DESC, label LIMIT {LIMIT + 1}""").fetchall()
    connection.execute("DROP TABLE counted")
    kept = [(str(found), int(n)) for found, n in listed[:LIMIT]]
    is_blank = has_blanks(source, column)
    return sketch_of_counts(
        kept,
        n_rest=int(n_usable) - sum(n for _, n in kept),
        error=int(listed[LIMIT][1]) if len(listed) > LIMIT else 0,
        n_missing=int(n_missing),
        n_wrong_type=int(n_wrong),
        n_blank=int(n_missing) if is_blank else 0,
        tells_empty=not is_blank,
    )


def label_of_row(source: OpenedTable, column: FrozenColumn) -> tuple[str, str]:
    """Return the expressions of a row's label, cut, and of its having none, for a column that the source has."""
    name, database_type = source.columns[column.name]
    if column.kind is ColumnKind.BOOLEAN:
        value = truth_of(name, database_type)
        label: str | None = value and f"CAST({value} AS VARCHAR)"
        text = f"CAST({name} AS VARCHAR)"
        is_words = value_parsers.is_words(database_type)
        real = column.real_values
        missing = value_parsers.missing(text, real) if is_words else f"({name} IS NULL OR {text} = 'nan')"
    else:
        label = label_of(source, column, numbers=True, empty=False)
        missing = f"({label} IS NULL)"
    if label is None:
        return "NULL::VARCHAR", missing
    long = f"left({label}, {_DIGESTED_FROM}) || '#' || md5({label})"
    return f"CASE WHEN len({label}) > {LABEL_CHARACTERS} THEN {long} ELSE {label} END", missing


def has_blanks(source: OpenedTable, column: FrozenColumn) -> bool:
    """Tell whether what is missing of a column may be the category "" (``CategorySketch.n_blank``)."""
    is_words = value_parsers.is_words(source.columns[column.name][1])
    return column.kind is ColumnKind.CATEGORICAL and is_words and not source.tells_empty


def _sample(connection: Any, source: OpenedTable, column: FrozenColumn) -> tuple[tuple[int, str], ...]:
    """Take the texts of the rows with the lowest hashed numbers: by chance, and the same in every form of the data."""
    if column.name not in source.columns:
        return ()
    text = f"CAST({source.columns[column.name][0]} AS VARCHAR)"
    rows = connection.execute(f"""
        SELECT hash(number) AS by_chance, t FROM (
            SELECT left({text}, {CHARACTERS}) AS t, row_number() OVER () AS number
            FROM {source.relation} WHERE NOT {value_parsers.missing(text, column.real_values)})
        ORDER BY by_chance LIMIT {SAMPLE}""").fetchall()
    return tuple((int(number), str(value)) for number, value in rows)
