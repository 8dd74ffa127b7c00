"""References and windows whose rows are told apart by the values of a column, made of data frames."""

from itertools import pairwise

import duckdb
import numpy as np

from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.live.batch import sketch_pieces
from mlops_desk.drift.live.spans import MOMENT, NUMBER, RowBatch
from mlops_desk.drift.live.window_bounds import RowPiece
from mlops_desk.drift.profile.table_comparison import make_profile
from mlops_desk.drift.records.report import DriftOptions


def opened(connection, frame, name):
    """Open a frame as a table of its own."""
    connection.register("given", frame)
    connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM given")
    described = connection.execute(f"DESCRIBE {name}").fetchall()
    columns = {column: (f'"{column}"', kind) for column, kind, *_ in described if column not in {NUMBER, MOMENT}}
    return OpenedTable(name, columns, len(frame))


def segmented(frame, segment, options=None):
    """Make a reference of a frame, told apart by a column."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return make_profile(
            connection, opened(connection, frame, "reference"), options or DriftOptions(), segment=segment
        )


def cut(frame, reference, *sizes):
    """Sketch a frame's rows as windows of so many rows, one after the other."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        numbered = frame.assign(**{NUMBER: np.arange(len(frame)), MOMENT: 1.7e9 + np.arange(len(frame))})
        table = opened(connection, numbered, "fresh")
        bounds = [0, *np.cumsum(sizes or (len(frame),)).tolist()]
        pieces = [RowPiece(first, last, is_full=True) for first, last in pairwise(bounds)]
        batch = RowBatch(table, 1.7e9 + np.arange(len(frame), dtype=float), 1.8e9)
        return sketch_pieces(connection, batch, reference, pieces)
