"""Rows turned into columns, fewer points of a curve, and what drivers say: pure parts of the store's reader."""

import math
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.registry.mlflow import decimation
from mlops_desk.registry.readers import curve_decimation
from mlops_desk.registry.store.batch_size import ReadPace
from mlops_desk.registry.store.columns import Separators, floats, metric_cells, text_cells
from mlops_desk.registry.store.errors import TooLong, said
from mlops_desk.registry.store.metric_history import curve
from mlops_desk.registry.store.reader import SqlReader
from mlops_desk.registry.store.sqlite.connection import TableEnd, read_end
from tests.registry_reading import sqlite_source
from tests.registry_stores import empty_store

LARGEST = 1.7976931348623157e308
ODD = st.one_of(st.floats(), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1.0]))


@given(st.lists(ODD, max_size=120), st.integers(10, 60))
@example([math.nan] * 30, 10)
@example([math.inf, *[1.0] * 20, -math.inf], 10)
@example([1.0] * 11, 10)
def test_fewer_points_are_those_that_the_other_decimation_keeps(values, most):
    assert curve_decimation.kept(np.array(values, np.float64), most).tolist() == decimation.kept(values, most)


def test_infinities_and_nan_are_what_was_logged():
    found = floats([1.0, None, LARGEST, -LARGEST, 1e308]).tolist()
    assert math.isnan(found.pop(1))
    assert found == [1.0, math.inf, -math.inf, 1e308]
    short = curve("r", "m", [(0, 0, None, 1), (1, 0, LARGEST, 2), (2, 0, -LARGEST, 3)], 10, None)
    assert math.isnan(short.values[0])
    assert short.values[1:] == (math.inf, -math.inf)


POINT = st.tuples(st.integers(-5, 5), st.integers(0, 3), st.one_of(st.none(), st.floats(-1e9, 1e9)))


@given(st.lists(POINT, max_size=40), st.integers(10, 30))
@example([], 10)
def test_a_curve_is_by_step_then_time_then_as_it_was_logged(points, most):
    rows = [(*point, place) for place, point in enumerate(points)]
    found = curve("r", "m", rows[::-1], 1000, "mark")
    expected = sorted(rows, key=lambda row: (row[0], row[1], row[3]))
    assert (found.n_points, found.mark) == (len(points), "mark")
    assert list(zip(found.steps, found.timestamps, strict=True)) == [row[:2] for row in expected]
    numbers = [math.nan if row[2] is None else row[2] for row in expected]
    assert list(map(str, found.values)) == list(map(str, numbers))
    few = curve("r", "m", rows, most, None)
    kept = decimation.kept(numbers, most)
    assert [str(value) for value in few.values] == [str(numbers[place]) for place in kept]
    assert few.n_points == len(points)


NAME = st.text(min_size=1, max_size=8)


@given(st.lists(st.dictionaries(NAME, st.text(max_size=12), max_size=4), max_size=6))
@example([{"a": ""}, {}, {"a": "\x1e\x1f\n", "b\x1f": "x\x1ey"}])
def test_texts_that_are_put_together_come_apart_as_they_were(runs):
    separators = Separators()
    texts = [separators.pair.join(f"{key}{separators.name}{value}" for key, value in run.items()) or None if run else None
             for run in runs]  # fmt: skip
    found = text_cells(texts, separators)
    back = [{} for _ in runs]
    for name, cells in found.items():
        for place, value in zip(cells.rows.tolist(), cells.values, strict=True):
            back[place][name] = value
    assert back == runs


def test_separators_are_other_ones_each_time():
    first, second = Separators(), Separators()
    assert len({first.pair, first.name, second.pair, second.name}) == 4


@given(
    st.lists(
        st.tuples(st.integers(0, 5), NAME, st.one_of(st.none(), st.floats(-1e9, 1e9)), st.integers(-3, 3)), max_size=30
    )
)
def test_last_values_are_gathered_by_metric_and_those_of_unknown_runs_left(rows):
    places = {0: 2, 1: 0, 2: 1}
    found = metric_cells(rows, places)
    told = [(name, row, str(value), step) for name, cells in found.items()
            for row, value, step in zip(cells.rows.tolist(), cells.values.tolist(), cells.steps.tolist(), strict=True)]  # fmt: skip
    expected = [
        (name, places[key], str(math.nan if value is None else value), step)
        for key, name, value, step in rows
        if key in places
    ]
    assert sorted(told) == sorted(expected)


def test_a_tag_without_a_value_is_an_empty_one(tmp_path):
    path = empty_store(tmp_path / "mlflow.db")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO runs (run_uuid, status, lifecycle_stage, experiment_id, source_type, user_id, start_time) VALUES ('r', 'RUNNING', 'active', 0, 'LOCAL', 'u', 1)"
        )
        connection.execute("INSERT INTO tags (key, value, run_uuid) VALUES ('none', NULL, 'r'), ('some', 'x', 'r')")
    reader = SqlReader(sqlite_source(path))
    assert reader.run("r").tags == {"none": "", "some": "x"}
    reader.close()


def test_a_read_that_takes_too_long_is_asked_for_in_smaller_parts_and_in_the_end_allowed():
    asked = []

    def ask(size, limited):
        asked.append((size, limited))
        if size > 2 or (size == 1 and limited):
            raise TooLong
        return size

    pace = ReadPace(16, 100)
    assert pace.read(ask) == 2
    assert [size for size, _ in asked] == [16, 8, 4, 2]
    asked.clear()
    single = ReadPace(1, 1)
    assert single.read(ask) == 1
    assert asked == [(1, True)] * 8 + [(1, False)]


def test_a_quick_read_is_followed_by_a_larger_one_up_to_the_most():
    pace = ReadPace(10, 35)
    for expected in (20, 35, 35):
        pace.read(lambda size, _: size)
        assert pace.size == expected


@pytest.mark.parametrize("text", ["", "1", "1.2", "1.2.3.4", "a.b.c", "-1.2.3", "1.2." + "9" * 30, "\u0661.2.x"])
def test_a_mark_of_a_curve_that_is_none_is_none(text):
    assert read_end(text) is None


def test_a_mark_of_a_curve_is_read_as_it_was_written():
    assert read_end(str(TableEnd(3, 77, 12))) == TableEnd(3, 77, 12)


def test_a_password_is_never_told():
    told = said("could not use postgresql://ada:secret@host/db and password=secret there\nnor more")
    assert "secret" not in told
    assert "host/db" in told
    assert "\n" not in told
