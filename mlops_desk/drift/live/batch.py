"""Rows that were read of a source, as one table in DuckDB, and the sketches of all its windows at once.

Each column is read once for all windows: what a window of 1,000 rows costs is then a thousandth of the rows' work, and
not a query for each column. Where windows are told apart by segment, rows are put in the order of window and segment,
so that each segment of each window is a span of its own; the windows' own sketches are the same with segments or
without.
"""

# ruff: noqa: S608 - DuckDB binds no names; ``spelling`` makes expressions of quoted identifiers

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mlops_desk.drift.data import value_parsers
from mlops_desk.drift.data.numbers import moment_of, number_of
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.live.spans import MOMENT, NUMBER, RowBatch, RowSpans, spans_of
from mlops_desk.drift.live.window_bounds import RowPiece
from mlops_desk.drift.pair import Counts, Floats
from mlops_desk.drift.profile.bin_edges import FrozenBins
from mlops_desk.drift.profile.categories import LIMIT, CategorySketch, sketch_of_counts
from mlops_desk.drift.profile.numbers import SQUARED_LARGEST, NumericSketch
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile, SegmentedRows, Sketch
from mlops_desk.drift.profile.sketch_builder import has_blanks, label_of_row
from mlops_desk.drift.profile.texts import CHARACTERS, SAMPLE, TextSketch
from mlops_desk.drift.records.columns import ColumnKind, FrozenColumn


def sketch_pieces(
    connection: Any, batch: RowBatch, reference: DataProfile, pieces: Sequence[RowPiece]
) -> list[DataProfile]:
    """Sketch each piece of a batch in the reference's bins. Raises duckdb.Error."""
    if not pieces:
        return []
    whole, parted = spans_of(connection, batch, reference, pieces)
    every = (whole,) if parted is None else (whole, parted.spans)
    found = [_sketches(connection, batch, one, every) for one in reference.columns]
    windows = _profiles(reference, whole, [of_column[0] for of_column in found])
    if parted is None:
        return windows
    parts = _profiles(reference, parted.spans, [of_column[1] for of_column in found])
    n = len(parted.cut.parts)
    return [
        replace(one, segments=SegmentedRows(parted.cut, tuple(parts[at * n : (at + 1) * n]), parted.unknown[at]))
        for at, one in enumerate(windows)
    ]


def _profiles(reference: DataProfile, spans: RowSpans, columns: Sequence[Sequence[Sketch | None]]) -> list[DataProfile]:
    return [
        DataProfile(
            int(size),
            tuple(
                ColumnProfile(one.column, sketches[at], one.frame)
                for one, sketches in zip(reference.columns, columns, strict=True)
            ),
        )
        for at, size in enumerate(np.diff(spans.bounds))
    ]


def _sketches(
    connection: Any, batch: RowBatch, one: ColumnProfile, every: Sequence[RowSpans]
) -> Sequence[Sequence[Sketch | None]]:
    """Return a column's sketches of all spans, for each way in which the rows are parted."""
    if one.sketch is None or one.column.kind is None:
        return [[None] * (spans.bounds.size - 1) for spans in every]
    if isinstance(one.sketch, CategorySketch):
        return [_categories(connection, batch.table, one.column, spans) for spans in every]
    if one.frame is None:
        raise TypeError(f"{one.column.name!r} has no bins")  # a profile of numbers always has
    if isinstance(one.sketch, TextSketch):
        return _texts(connection, batch, one.column, one.frame, every)
    is_time = one.column.kind is ColumnKind.TIME
    value = (
        moment_of(connection, batch.table, one.column) if is_time else number_of(connection, batch.table, one.column)
    )
    return _numbers(connection, batch, one, value, every)


def _numbers(
    connection: Any, batch: RowBatch, one: ColumnProfile, value: str | None, every: Sequence[RowSpans]
) -> list[list[NumericSketch]]:
    name, database_type = batch.table.columns.get(one.column.name, ("NULL", ""))
    is_words = value_parsers.is_words(database_type)
    real = one.column.real_values
    missing = value_parsers.missing(f"CAST({name} AS VARCHAR)", real) if is_words else f"({name} IS NULL)"
    query = f"SELECT {NUMBER} AS place, {value or 'NULL::DOUBLE'} AS value, {missing} AS missing"
    found = connection.execute(f"{query} FROM {batch.table.relation} ORDER BY place").fetchnumpy()
    unread = np.ma.getmaskarray(found["value"])
    values = np.ma.filled(found["value"].astype(np.float64), np.nan)
    gone = np.asarray(found["missing"], dtype=bool) | (np.isnan(values) & ~unread)
    now = batch.now if one.column.kind is ColumnKind.TIME else None
    assert one.frame is not None  # noqa: S101 - the caller has seen to it
    return [
        sketch_values(
            one.frame, spans.ordered(values), spans.ordered(gone), spans.ordered(unread & ~gone), spans.bounds, now
        )
        for spans in every
    ]


def sketch_values(
    frame: FrozenBins, values: Floats, gone: Any, wrong: Any, bounds: Counts, now: float | None
) -> list[NumericSketch]:
    """Sketch spans of rows at once: row i belongs to the span k with ``bounds[k] <= i < bounds[k + 1]``.

    ``gone`` are the rows without a value, ``wrong`` those of the wrong type; infinite values are counted. Moments after
    ``now`` are counted too, where it is given.
    """
    n, bins = bounds.size - 1, frame.edges.size + 1
    values, gone, wrong = (some[bounds[0] : bounds[-1]] for some in (values, gone, wrong))
    spans = np.repeat(np.arange(n), np.diff(bounds))
    usable = np.isfinite(values) & ~gone & ~wrong
    scaled, of = frame.scaled(values[usable]), spans[usable]
    place = np.searchsorted(frame.edges, scaled, "right")
    flat = of * bins + place
    counts = np.bincount(flat, minlength=n * bins).reshape(n, bins).astype(np.int64)
    sums = np.bincount(flat, scaled - frame.anchors[place], minlength=n * bins).reshape(n, bins)
    away = np.clip(scaled - frame.center, -SQUARED_LARGEST, SQUARED_LARGEST)
    squares = np.bincount(of, away * away, minlength=n)
    used = counts.sum(axis=1) > 0
    starts = np.searchsorted(of, np.flatnonzero(used))
    least, most = np.full(n, np.nan), np.full(n, np.nan)
    if starts.size:
        least[used], most[used] = np.minimum.reduceat(scaled, starts), np.maximum.reduceat(scaled, starts)
    n_gone, n_wrong = (np.bincount(spans[some], minlength=n) for some in (gone, wrong))
    n_infinite = np.bincount(spans[np.isinf(values) & ~gone & ~wrong], minlength=n)
    ahead = None if now is None else np.bincount(spans[usable][values[usable] > now], minlength=n)
    return [
        NumericSketch(
            counts[at],
            sums[at],
            float(squares[at]),
            float(least[at]) if used[at] else None,
            float(most[at]) if used[at] else None,
            int(n_gone[at]),
            int(n_infinite[at]),
            int(n_wrong[at]),
            None if ahead is None else int(ahead[at]),
        )
        for at in range(n)
    ]


def _categories(connection: Any, table: OpenedTable, column: FrozenColumn, spans: RowSpans) -> list[CategorySketch]:
    n, sizes = spans.bounds.size - 1, np.diff(spans.bounds)
    if column.name not in table.columns:
        return [CategorySketch(n_missing=int(size)) for size in sizes]
    key, missing = label_of_row(table, column)
    rows = connection.execute(f"""
        SELECT span, label, missing, count(*) FROM (
            SELECT {NUMBER} AS place, {key} AS label, {missing} AS missing FROM {table.relation}) AS labelled
        {spans.joined("labelled.place")} GROUP BY ALL""").fetchall()
    labels: list[dict[str, int]] = [{} for _ in range(n)]
    n_missing, n_wrong = [0] * n, [0] * n
    for span, label, is_missing, count in rows:
        if is_missing:
            n_missing[span] += count
        elif label is None:
            n_wrong[span] += count
        else:
            labels[span][str(label)] = labels[span].get(str(label), 0) + count
    is_blank = has_blanks(table, column)
    return [
        _most_frequent(labels[at], n_missing[at], n_wrong[at], n_missing[at] if is_blank else 0, not is_blank)
        for at in range(n)
    ]


def _most_frequent(
    labels: dict[str, int], n_missing: int, n_wrong: int, n_blank: int, tells_empty: bool
) -> CategorySketch:
    """Keep the most frequent labels, whose counts are exact, and count the rest together."""
    ordered = sorted(labels.items(), key=lambda one: (-one[1], one[0]))
    rest = ordered[LIMIT:]
    return sketch_of_counts(
        ordered[:LIMIT],
        n_rest=sum(count for _, count in rest),
        error=rest[0][1] if rest else 0,
        n_missing=n_missing,
        n_wrong_type=n_wrong,
        n_blank=n_blank,
        tells_empty=tells_empty,
    )


def _texts(
    connection: Any, batch: RowBatch, column: FrozenColumn, frame: FrozenBins, every: Sequence[RowSpans]
) -> list[list[TextSketch]]:
    if column.name not in batch.table.columns:
        return [[TextSketch(NumericSketch(np.zeros(frame.edges.size + 1, dtype=np.int64),
                 np.zeros(frame.edges.size + 1), n_missing=int(size))) for size in np.diff(spans.bounds)]
                for spans in every]  # fmt: skip
    text = f"CAST({batch.table.columns[column.name][0]} AS VARCHAR)"
    missing = value_parsers.missing(text, column.real_values)
    query = f"SELECT {NUMBER} AS place, CAST(len(left({text}, {CHARACTERS})) AS DOUBLE) AS value, {missing} AS missing"
    found = connection.execute(f"{query} FROM {batch.table.relation} ORDER BY place").fetchnumpy()
    gone = np.asarray(found["missing"], dtype=bool)
    values = np.ma.filled(found["value"].astype(np.float64), np.nan)
    none = np.zeros(gone.size, dtype=bool)
    return [
        [
            TextSketch(lengths, sample)
            for lengths, sample in zip(
                sketch_values(frame, spans.ordered(values), spans.ordered(gone), none, spans.bounds, None),
                _samples(connection, batch.table, text, missing, spans),
                strict=True,
            )
        ]
        for spans in every
    ]


def _samples(
    connection: Any, table: OpenedTable, text: str, missing: str, spans: RowSpans
) -> list[tuple[tuple[int, str], ...]]:
    """Take of each span the texts of the rows with the lowest hashed numbers."""
    rows = connection.execute(f"""
        SELECT span, by_chance, told FROM (
            SELECT {NUMBER} AS place, hash({NUMBER}, {MOMENT}) AS by_chance, left({text}, {CHARACTERS}) AS told
            FROM {table.relation} WHERE NOT {missing}) AS texts
        {spans.joined("texts.place")}
        QUALIFY row_number() OVER (PARTITION BY span ORDER BY by_chance) <= {SAMPLE}
        ORDER BY span, by_chance""").fetchall()
    found: list[list[tuple[int, str]]] = [[] for _ in range(spans.bounds.size - 1)]
    for span, number, value in rows:
        found[span].append((int(number), str(value)))
    return [tuple(one) for one in found]
