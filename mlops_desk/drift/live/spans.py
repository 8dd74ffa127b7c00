"""The rows of a batch parted into spans: the windows, and the segments of each window where these are told apart."""

# ruff: noqa: S608 - DuckDB binds no names; the names here are our own

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.live.window_bounds import RowPiece
from mlops_desk.drift.pair import Counts, Floats
from mlops_desk.drift.profile.categories import CategorySketch, sketch_of_counts
from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.drift.profile.segment_rows import part_of_row
from mlops_desk.drift.profile.segment_values import UNKNOWN_NAMED, PartKind, SegmentCut

NUMBER = "row_number_"
MOMENT = "moment_"
_SPANS, _PLACES, _PARTS = "spans_", "places_", "parts_"


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Rows in the order in which they are cut.

    ``table`` has all of them, with the columns ``NUMBER`` (from 0 on) and ``MOMENT`` beside the source's; ``moments``
    are these (Unix times). ``now`` is the Unix time that moments are in the future of.
    """

    table: OpenedTable
    moments: Floats
    now: float


@dataclass(frozen=True, slots=True)
class RowSpans:
    """Span k are the rows from ``bounds[k]`` up to ``bounds[k + 1]``, in the rows' own order or in ``order``."""

    bounds: Counts
    order: Counts | None = None

    def ordered(self, values: NDArray[Any]) -> NDArray[Any]:
        """Bring what there is of each row into the order of the spans."""
        return values if self.order is None else values[self.order]

    def joined(self, place: str) -> str:
        """Return the join that gives each row its ``span``, by the expression of its number."""
        if self.order is None:
            return f"ASOF JOIN {_SPANS} ON {place} >= {_SPANS}.first"
        return f"JOIN {_PLACES} ON {place} = {_PLACES}.number"


@dataclass(frozen=True, slots=True)
class PartedRows:
    """The segments of all windows: span ``window * len(cut.parts) + part``; ``unknown`` for each window."""

    cut: SegmentCut
    spans: RowSpans
    unknown: list[CategorySketch]


def spans_of(
    connection: Any, batch: RowBatch, reference: DataProfile, pieces: Sequence[RowPiece]
) -> tuple[RowSpans, PartedRows | None]:
    """Part the rows into windows, at least one, and into the reference's segments where it has any.

    Raises duckdb.Error.
    """
    bounds = np.array([*(piece.first for piece in pieces), pieces[-1].last], dtype=np.int64)
    listed = ", ".join(f"({at}, {piece.first})" for at, piece in enumerate(pieces))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {_SPANS} AS SELECT * FROM (VALUES {listed}) AS t(span, first)")
    whole = RowSpans(bounds)
    if reference.segments is None:
        return whole, None
    return whole, _parted(connection, batch, reference.segments.cut, whole)


def _parted(connection: Any, batch: RowBatch, cut: SegmentCut, whole: RowSpans) -> PartedRows:
    query = part_of_row(connection, batch.table, cut)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE {_PARTS} AS SELECT {NUMBER} AS number, part_, label_ FROM ({query})""")
    read = connection.execute(f"SELECT part_ FROM {_PARTS} ORDER BY number").fetchnumpy()
    part = np.asarray(read["part_"], dtype=np.int64)
    first, last, n_windows, n = int(whole.bounds[0]), int(whole.bounds[-1]), whole.bounds.size - 1, len(cut.parts)
    window = np.repeat(np.arange(n_windows), np.diff(whole.bounds))
    span = window * n + part[first:last]
    order = np.argsort(span, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(span, minlength=n_windows * n))])
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE {_PLACES} AS SELECT number, span * {n} + part_ AS span
        FROM {_PARTS} ASOF JOIN {_SPANS} ON {_PARTS}.number >= {_SPANS}.first""")
    return PartedRows(cut, RowSpans(bounds, order + first), _unknown(connection, cut, n_windows))


def _unknown(connection: Any, cut: SegmentCut, n_windows: int) -> list[CategorySketch]:
    """Count by window the values that the reference does not have."""
    rows = connection.execute(f"""
        SELECT span, label_, count(*) FROM {_PARTS} ASOF JOIN {_SPANS} ON {_PARTS}.number >= {_SPANS}.first
        WHERE part_ = {cut.place(PartKind.UNKNOWN)} AND label_ IS NOT NULL GROUP BY ALL""").fetchall()
    counted: list[list[tuple[str, int]]] = [[] for _ in range(n_windows)]
    for span, label, count in rows:
        counted[span].append((str(label), int(count)))
    return [sketch_of_counts(one, limit=UNKNOWN_NAMED) for one in counted]
