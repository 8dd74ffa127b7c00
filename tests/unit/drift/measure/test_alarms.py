"""Alarms about the table: rows that stand there twice, columns that came, went, stand still or have another type."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.drift import report as alarms
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.worker import compare_files

OPTIONS = DriftOptions()
REPEATS = st.dictionaries(st.integers(1, 6), st.integers(1, 30), min_size=1)


def csv(path, **columns):
    names = ",".join(columns)
    lines = [",".join(str(value) for value in row) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join([names, *lines]) + "\n")
    return path


def named(report):
    return [(alarm.name, alarm.column) for alarm in report.quality]


def test_the_share_of_repeated_rows_by_hand():
    assert alarms.repeated_share({1: 10}, 10) == 0
    assert alarms.repeated_share({2: 5}, 10) == pytest.approx(0.5)
    assert alarms.repeated_share({2: 5}, 1) == pytest.approx(0)
    assert alarms.repeated_share({2: 1}, 2) == pytest.approx(0.5)
    # Two of the four rows a a b b: both alike in 2 of 6 cases, and then one of two repeats.
    assert alarms.repeated_share({2: 2}, 2) == pytest.approx(1 / 6)


@given(REPEATS, st.data())
@example({1: 1}, None)
@example({500: 10}, None)
def test_repeated_rows_of_a_sample_are_those_counted_exactly(rows, data):
    """Hurlbert's formula in whole numbers, of which none is rounded."""
    total = sum(times * count for times, count in rows.items())
    n = min(total, 100) if data is None else data.draw(st.integers(1, total))
    different = sum(count * (1 - Fraction(comb(total - times, n), comb(total, n))) for times, count in rows.items())
    assert alarms.repeated_share(rows, n) == pytest.approx(float(1 - different / n), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("repeated", "found"), [({2: 500}, True), ({1: 1000}, False), ({1: 980, 2: 10}, False)])
def test_rows_that_stand_twice_are_an_alarm(repeated, found):
    told = alarms.of_rows({1: 1000}, repeated, OPTIONS)
    assert [alarm.name for alarm in told] == (["duplicate_rows"] if found else [])


def test_more_rows_of_few_values_are_no_alarm():
    """Ten kinds of rows: among 5,000 nearly all repeat, among 100 of the reference nine of ten."""
    assert alarms.of_rows({10: 10}, {500: 10}, OPTIONS) == []
    assert alarms.of_rows({500: 10}, {10: 10}, OPTIONS) == []


def test_few_rows_or_none_are_no_alarm():
    assert alarms.of_rows({}, {2: 500}, OPTIONS) == []
    assert alarms.of_rows({1: 1000}, {}, OPTIONS) == []
    assert alarms.of_rows({1: 1000}, {2: 14}, OPTIONS) == []


def test_a_file_that_was_loaded_twice(tmp_path):
    random = np.random.default_rng(1)
    before, now = random.normal(size=(2, 400))
    reference = csv(tmp_path / "r.csv", x=before, k=random.choice(["a", "b"], 400))
    current = csv(tmp_path / "c.csv", x=np.repeat(now, 2), k=np.repeat(random.choice(["a", "b"], 400), 2))
    assert named(compare_files(reference, reference)) == []
    (alarm,) = compare_files(reference, current).quality
    assert (alarm.name, alarm.reference) == ("duplicate_rows", 0)
    assert alarm.current == pytest.approx(0.25, abs=0.01)  # of 400 of the 800 rows a quarter repeats
    assert "repeat another" in alarm.text


@pytest.mark.slow
def test_a_column_that_stands_still_is_named_and_one_that_nearly_did_before_is_not(tmp_path):
    random = np.random.default_rng(2)

    def side(path, **still):
        columns = {
            "x": random.normal(size=300),
            "k": random.choice(["a", "b"], 300),
            "w": [f"the {one} of {two}" for one, two in random.integers(0, 10**6, (300, 2))],
            "rare": np.where(np.arange(300) < 2, 1, 0),
            "flag": np.where(random.random(300) < 0.5, "True", "False"),
            "always": np.full(300, 7),
        }
        return csv(path, **(columns | still))

    reference = side(tmp_path / "r.csv")
    assert named(compare_files(reference, reference)) == []
    now = {"x": np.full(300, 0.5), "k": ["a"] * 300, "w": ["one text"] * 300, "flag": ["True"] * 300}
    report = compare_files(reference, side(tmp_path / "c.csv", rare=np.zeros(300, int), **now))
    found = {alarm.column: alarm.reference for alarm in report.quality if alarm.name == "constant"}
    assert set(found) == {"x", "k", "w", "flag"}
    assert (found["x"], found["w"]) == (0, 0)
    assert found["k"] == pytest.approx(0.5, abs=0.1)
    ratios = {c.name: c.quality["reference"].constant_ratio for c in report.columns}
    assert (ratios["always"], ratios["rare"]) == (1, pytest.approx(298 / 300))


@pytest.mark.slow
def test_a_column_that_stood_still_before_is_no_alarm(tmp_path):
    random = np.random.default_rng(3)
    reference = csv(tmp_path / "r.csv", x=random.normal(size=100), y=np.full(100, 3))
    current = csv(tmp_path / "c.csv", x=random.normal(size=100), y=random.normal(size=100))
    assert named(compare_files(reference, current)) == []
    assert compare_files(reference, current).columns[1].quality["current"].constant_ratio is None


@pytest.mark.slow
def test_columns_of_one_side_and_those_with_another_name(tmp_path):
    random = np.random.default_rng(4)
    values = random.normal(size=(2, 60))
    reference = csv(tmp_path / "r.csv", **{"body_mass": values[0], "gone": values[0], "a b": values[0], "x": values[0]})
    current = csv(
        tmp_path / "c.csv",
        **{"Body Mass": values[0], "new": values[1], "a_b": values[0], "A.B": values[1], "x": values[0]},
    )
    report = compare_files(reference, current)
    assert named(report) == [
        ("renamed_column", "body_mass"),
        ("missing_column", "gone"), ("missing_column", "a b"),
        ("new_column", "new"), ("new_column", "a_b"), ("new_column", "A.B"),
    ]  # fmt: skip
    assert report.quality[0].other == "Body Mass"
    renamed = compare_files(reference, current, DriftOptions(renamed={"Body Mass": "body_mass"}))
    assert ("renamed_column", "body_mass") not in named(renamed)


def test_names_without_letters_are_not_taken_for_one_another():
    assert [one.name for one in alarms.of_schema(["-"], ["+"])] == ["missing_column", "new_column"]


def test_a_column_of_another_type_is_named(tmp_path):
    random = np.random.default_rng(5)
    reference = csv(tmp_path / "r.csv", x=random.normal(size=100), y=random.normal(size=100))
    words = ["word" if at % 3 else "1.5" for at in range(100)]
    few = ["word" if at < 40 else str(value) for at, value in enumerate(random.normal(size=100))]
    report = compare_files(reference, csv(tmp_path / "c.csv", x=words, y=few))
    changed = [alarm for alarm in report.quality if alarm.name == "type_changed"]
    assert [(alarm.column, alarm.reference, alarm.current) for alarm in changed] == [("x", 0, 0.66)]
    assert named(compare_files(tmp_path / "c.csv", tmp_path / "c.csv")) == []


def test_texts_of_alarms_are_plain_and_short(tmp_path):
    (alarm,) = alarms.of_schema(["x\x1b[31m" + "y" * 500], [])
    assert "\x1b" not in alarm.text
    assert len(alarm.text) < 150
