"""Two profiles of one reference compared: the verdicts of the data, columns that are not sent, and quantiles."""

import itertools

import duckdb
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.drift.columns import NumericSide
from mlops_desk.drift.data.file_formats import open_data
from mlops_desk.drift.monitors.worker import answer
from mlops_desk.drift.profile.bin_edges import frame_of
from mlops_desk.drift.profile.file_format import to_bytes
from mlops_desk.drift.profile.numbers import sketch_numbers
from mlops_desk.drift.profile.profile_comparison import compare_profiles, middles, quantiles
from mlops_desk.drift.profile.sketch_builder import profile_of
from mlops_desk.drift.profile.table_comparison import compare_with, make_profile
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.kit.base.errors import Invalid
from tests.unit.drift.monitors.sketches import reference_profile, window_profile

OPTIONS = DriftOptions(require_all_columns=False)


def write(folder, name, shift, rows=800, *, seed=0):
    """Write a table of numbers, categories, booleans, moments, texts and a target."""
    some = np.random.default_rng(seed)
    path = folder / f"{name}.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE t (age DOUBLE, city VARCHAR, paid BOOLEAN, born TIMESTAMP, said VARCHAR, y DOUBLE)"
        )
        for _ in range(rows):
            city = some.choice(["Bonn", "Rome", "Oslo"], p=[0.5 - shift / 4, 0.3, 0.2 + shift / 4])
            said = " ".join(some.choice(["cold", "warm", "old", "new", "red"], 4)) + f" {some.integers(1e6)}"
            moment = f"2026-01-01 00:00:{some.integers(60):02d}"
            row = [some.normal(40 + 10 * shift, 10), str(city), bool(some.random() < 0.4), moment, said, some.normal()]
            connection.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", row)
        connection.execute(f"COPY t TO '{path}'")
    return path


def profiles(folder, shift, drop=""):
    """Return the profile of a reference, that of a window, and the report on the window's data."""
    options = DriftOptions(targets=("y",), require_all_columns=False)
    with duckdb.connect() as connection:
        reference = make_profile(connection, open_data(connection, write(folder, "first", 0.0), folder), options)
    with duckdb.connect() as connection:
        current = write(folder, "second", shift, seed=1)
        if drop:
            connection.execute(f"COPY (SELECT * EXCLUDE ({drop}) FROM '{current}') TO '{folder / 'less.parquet'}'")
            current = folder / "less.parquet"
        table = open_data(connection, current, folder)
        report = compare_with(connection, reference, table, options)
        columns = tuple(
            one if one.sketch is None else profile_of(connection, table, one.column, one.frame)
            for one in reference.columns
        )
        window = type(reference)(table.n_rows, columns)
    return reference, window, report, options


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_a_window_has_the_verdicts_that_its_data_have(tmp_path, shift):
    reference, window, report, options = profiles(tmp_path, shift)
    again = compare_profiles(reference, window, options)
    assert again.verdict == report.verdict == ("drift" if shift else "ok")
    assert [(one.name, one.verdict, one.decided_by) for one in again.columns] == [
        (one.name, one.verdict, one.decided_by) for one in report.columns
    ]
    assert again.frozen == report.frozen


@pytest.mark.slow
def test_a_target_that_is_not_sent_is_no_fault(tmp_path):
    reference, window, _, options = profiles(tmp_path, 0.0, drop="y")
    report = compare_profiles(reference, window, options)
    assert report.verdict == "ok"
    assert report.dataset.left_out["y"] == "A target that is not sent."


@pytest.mark.slow
def test_a_feature_that_holds_nothing_any_more_is_critical(tmp_path):
    reference, window, _, options = profiles(tmp_path, 0.0, drop="age")
    report = compare_profiles(reference, window, options)
    assert {one.name: one.verdict for one in report.columns}["age"] == "critical"


def test_a_column_without_a_sketch_is_named_as_missing():
    reference = reference_profile({"x": range(100), "y": range(100)})
    window = window_profile(reference, {"x": range(50), "y": range(50)})
    less = type(window)(window.n_rows, window.columns[:1])
    assert compare_profiles(reference, less, OPTIONS).dataset.missing_columns == ("y",)


def test_the_worker_refuses_what_was_not_made_alike(tmp_path):
    numbers = reference_profile({"x": range(100)})
    with duckdb.connect() as connection:
        (tmp_path / "words.csv").write_text("x\n" + "red\nblue\n" * 50)
        words = make_profile(connection, open_data(connection, tmp_path / "words.csv", tmp_path), OPTIONS)
    for name, profile in (("a", numbers), ("b", words)):
        (tmp_path / name).write_bytes(to_bytes(profile))
    with pytest.raises(Invalid, match="not made alike"):
        answer({"reference": str(tmp_path / "a"), "windows": [str(tmp_path / "b")], "options": {}})
    with pytest.raises(Invalid, match="can't be read"):
        answer({"reference": str(tmp_path / "none"), "windows": [], "options": {}})


def test_each_window_may_be_held_against_the_one_before(tmp_path):
    reference = reference_profile({"x": np.random.default_rng(0).normal(0, 1, 2000)})
    shifts = (0.0, 3.0, 3.0)
    for at, shift in enumerate(shifts):
        values = np.random.default_rng(at + 1).normal(shift, 1, 1000)
        (tmp_path / str(at)).write_bytes(to_bytes(window_profile(reference, {"x": values})))
    (tmp_path / "reference").write_bytes(to_bytes(reference))
    paths = [str(tmp_path / str(at)) for at in range(3)]
    asked = {"reference": str(tmp_path / "reference"), "windows": paths, "options": {}}
    assert [one["report"]["verdict"] for one in answer(asked)] == ["ok", "drift", "drift"]
    assert [one["report"]["verdict"] for one in answer({**asked, "previous": True})] == ["ok", "drift", "ok"]


@pytest.mark.slow
def test_medians_are_told_of_numbers(tmp_path):
    reference, window, _, _ = profiles(tmp_path, 1.0)
    found = middles(reference, window)
    assert found["age"] == (pytest.approx(40, abs=1.5), pytest.approx(50, abs=1.5))
    assert set(found) == {"age", "born", "y"}


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=300))
@example([0.0])
@example([5e-324, 1.0])
@example([-1e300, 1e300])
def test_quantiles_lie_within_the_values_and_rise(values):
    frame = frame_of(np.array(values))
    side = sketch_numbers(frame, NumericSide(np.array(values)))
    found = quantiles(frame, side, (0.05, 0.25, 0.5, 0.75, 0.95))
    slack = 1e-9 * max(1.0, *map(abs, values))
    assert all(first <= second + slack for first, second in itertools.pairwise(found))
    assert min(values) - slack <= found[0]
    assert found[-1] <= max(values) + slack


def test_no_values_have_no_quantiles():
    frame = frame_of(np.array([1.0, 2.0]))
    assert quantiles(frame, sketch_numbers(frame, NumericSide(np.array([]), 5)), (0.5,)) == ()
