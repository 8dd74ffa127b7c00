"""The sketches of many windows at once are those of each window by itself."""

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.drift.columns import NumericSide
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.live.batch import sketch_pieces, sketch_values
from mlops_desk.drift.live.spans import MOMENT, NUMBER, RowBatch
from mlops_desk.drift.live.window_bounds import RowPiece
from mlops_desk.drift.profile.bin_edges import frame_of
from mlops_desk.drift.profile.numbers import sketch_numbers
from mlops_desk.drift.profile.sketch_builder import profile_of
from mlops_desk.drift.profile.table_comparison import make_profile
from mlops_desk.drift.profile.texts import TextSketch
from mlops_desk.drift.records.report import DriftOptions

VALUES = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1e300, -1e308]))


@given(
    st.lists(st.floats(-1e6, 1e6), max_size=80), st.lists(VALUES, max_size=60), st.lists(st.integers(0, 60), max_size=5)
)
def test_numbers_of_many_windows_are_those_of_each(reference, values, cuts):
    frame = frame_of(np.array(reference))
    some = np.array(values, dtype=float)
    bounds = np.array([*sorted(min(cut, some.size) for cut in [0, *cuts]), some.size])
    gone = np.isnan(some)
    found = sketch_values(frame, some, gone, np.zeros(some.size, dtype=bool), bounds, 0.0)
    for at, one in enumerate(found):
        mine = some[bounds[at] : bounds[at + 1]]
        finite = mine[np.isfinite(mine)]
        n_infinite, n_gone = int(np.isinf(mine).sum()), int(np.isnan(mine).sum())
        side = NumericSide(finite, n_gone, n_infinite, n_future=int((finite > 0).sum()))
        wanted = sketch_numbers(frame, side)
        assert one.counts.tolist() == wanted.counts.tolist()
        assert one.sums == pytest.approx(wanted.sums, rel=1e-9, abs=1e-9 * (1 + np.abs(frame.scaled(finite)).sum()))
        assert one.squares == pytest.approx(wanted.squares, rel=1e-9)
        assert (one.least, one.most, one.n_missing, one.n_infinite, one.n_future) == (
            wanted.least, wanted.most, wanted.n_missing, wanted.n_infinite, wanted.n_future,
        )  # fmt: skip


ROWS = """
    SELECT i AS number, i % 97 AS whole, CASE WHEN i % 11 = 0 THEN NULL ELSE sin(i) * 100 END AS age,
        CASE WHEN i % 7 = 0 THEN NULL ELSE (i * 31 % 5)::VARCHAR END AS grade, i % 3 = 0 AS ok,
        CASE WHEN i % 13 = 0 THEN 'n/a' ELSE (i % 50)::VARCHAR END AS words,
        TIMESTAMP '2026-01-01' + INTERVAL (i) MINUTE AS seen,
        'a text of ' || (i * 7919 % 1000) || ' several words ' || i AS remark, 1.7e9 + i AS moment
    FROM range(900) AS t(i)"""


def table_of(connection, relation):
    described = connection.execute(f"DESCRIBE SELECT * EXCLUDE (number, moment) FROM {relation}").fetchall()
    n = connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0]
    return OpenedTable(relation, {name: (f'"{name}"', kind) for name, kind, *_ in described}, n)


@pytest.mark.slow
def test_each_kind_of_column_is_what_reading_the_window_alone_gives():
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE rows AS {ROWS}")
        connection.execute(f"CREATE TABLE fresh AS SELECT *, number AS {NUMBER}, moment AS {MOMENT} FROM rows")
        reference = make_profile(
            connection, table_of(connection, "(SELECT * FROM rows WHERE number < 500)"), DriftOptions()
        )
        kinds = {one.column.name: one.column.kind for one in reference.columns}
        assert {str(kind) for kind in kinds.values()} == {"numeric", "categorical", "boolean", "time", "text"}
        moments = np.array([1.7e9 + at for at in range(900)])
        batch = RowBatch(table_of(connection, "(SELECT * EXCLUDE (remark), remark FROM fresh)"), moments, 1.8e9)
        pieces = [RowPiece(100, 350, True), RowPiece(350, 360, True), RowPiece(360, 900, False)]
        found = sketch_pieces(connection, batch, reference, pieces)
        for piece, profile in zip(pieces, found, strict=True):
            alone = table_of(
                connection, f"(SELECT * FROM rows WHERE number >= {piece.first} AND number < {piece.last})"
            )
            assert profile.n_rows == piece.last - piece.first
            for one, before in zip(profile.columns, reference.columns, strict=True):
                wanted = profile_of(connection, alone, before.column, before.frame)
                assert_like(one.sketch, wanted.sketch)
        assert sketch_pieces(connection, batch, reference, []) == []
        lacking = RowBatch(OpenedTable("fresh", {}, 900), moments, 1.8e9)
        for one in sketch_pieces(connection, lacking, reference, pieces)[0].columns:
            numbers = one.sketch.lengths if isinstance(one.sketch, TextSketch) else one.sketch
            assert (numbers.n_rows, numbers.n_missing) == (250, 250)


def assert_like(found, wanted):
    assert type(found) is type(wanted)
    if isinstance(found, TextSketch):
        assert_like(found.lengths, wanted.lengths)
        assert len(found.sample) == len(wanted.sample)
        assert [number for number, _ in found.sample] == sorted(number for number, _ in found.sample)
    elif hasattr(found, "sums"):
        assert found.counts.tolist() == wanted.counts.tolist()
        assert found.sums == pytest.approx(wanted.sums)
        facts = ("least", "most", "n_missing", "n_infinite", "n_wrong_type", "n_future")
        assert [getattr(found, name) for name in facts] == [getattr(wanted, name) for name in facts]
    else:
        assert found == wanted
