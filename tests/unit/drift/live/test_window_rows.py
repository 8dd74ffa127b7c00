"""Rows of a window are read again from where they came: by their moments, whatever kind of file, each as text."""

import json
import os

import duckdb
import pytest

from mlops_desk.drift.live import window_rows
from mlops_desk.drift.live.window_rows import RowsRequest, find_rows
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid

BEGIN = 1_772_323_200  # 2026-03-01T00:00:00Z


def wanted(tmp_path, path, start, end, limit=10, time_column="at"):
    folder = tmp_path / "scratch"
    folder.mkdir(exist_ok=True)
    return RowsRequest(str(path), BEGIN + start, BEGIN + end, limit, str(folder), time_column)


def write_csv(file, numbers):
    file.write_text("age,at\n" + "".join(f"{number},{BEGIN + number}\n" for number in numbers), encoding="utf-8")


def write_lines(file, numbers):
    rows = [{"age": number, "at": BEGIN + number} for number in numbers]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_parquet(file, numbers):
    rows = ", ".join(f"({number}, {BEGIN + number})" for number in numbers)
    duckdb.sql(f"COPY (SELECT * FROM (VALUES {rows}) AS t(age, \"at\")) TO '{file}' (FORMAT parquet)")


@pytest.mark.parametrize(
    ("write", "name"), [(write_csv, "a.csv"), (write_lines, "a.jsonl"), (write_parquet, "a.parquet")]
)
def test_rows_of_the_time_are_found_with_both_ends_and_no_others(tmp_path, write, name):
    write(tmp_path / name, [5, 3, 9, 4, 1])
    found = find_rows(wanted(tmp_path, tmp_path / name, 3, 5))
    assert found.columns == ("age", "at")
    assert [row[0] for row in found.rows] == ["3", "4", "5"]
    assert found.moments == (BEGIN + 3, BEGIN + 4, BEGIN + 5)
    assert found.n_found == 3


def test_of_several_files_the_first_by_time_are_given_and_all_are_counted(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    write_csv(folder / "b.csv", range(0, 20, 2))
    (folder / "c.csv").write_text(f"more,at\nx,{BEGIN + 1}\n", encoding="utf-8")
    found = find_rows(wanted(tmp_path, folder, 0, 100, limit=3))
    assert found.n_found == 11
    assert found.columns == ("age", "at", "more")
    assert [row[0] for row in found.rows] == ["0", None, "2"], "what a file does not have is missing in it"
    assert [row[2] for row in found.rows] == [None, "x", None]


def test_without_a_time_column_rows_have_the_time_of_their_file(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, at in (("a.csv", 10), ("b.csv", 20)):
        write_csv(folder / name, [at])
        os.utime(folder / name, (BEGIN + at, BEGIN + at))
    found = find_rows(wanted(tmp_path, folder, 15, 25, time_column=None))
    assert [row[0] for row in found.rows] == ["20"]
    assert find_rows(wanted(tmp_path, folder, 30, 40, time_column=None)).n_found == 0


def test_a_row_without_a_moment_has_that_of_its_file(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text(f"age,at\n1,{BEGIN + 1}\n2,\n", encoding="utf-8")
    os.utime(file, (BEGIN + 50, BEGIN + 50))
    assert [row[0] for row in find_rows(wanted(tmp_path, file, 40, 60)).rows] == ["2"]


def test_long_values_and_many_columns_are_cut(tmp_path):
    file = tmp_path / "a.csv"
    names = ["at", *(f"c{number}" for number in range(400))]
    file.write_text(",".join(names) + "\n" + ",".join([str(BEGIN), "x" * 5000, *["1"] * 399]) + "\n", encoding="utf-8")
    found = find_rows(wanted(tmp_path, file, 0, 1))
    assert len(found.columns) == len(found.rows[0]) == 300
    assert len(found.rows[0][1]) == 200
    assert found.notes == ("101 more columns are not shown.",)


def test_names_and_values_that_look_like_sql_are_names_and_values(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text(f'"a"" , (SELECT 1)","at"\n"\'; DROP TABLE x",{BEGIN}\n', encoding="utf-8")
    found = find_rows(wanted(tmp_path, file, 0, 1))
    assert found.columns == ('a" , (SELECT 1)', "at")
    assert found.rows[0][0] == "'; DROP TABLE x"


@pytest.mark.parametrize("what", ["gone", "column", "empty"])
def test_what_is_not_there_any_more_is_said(tmp_path, what):
    file = tmp_path / "a.csv"
    if what == "column":
        file.write_text("age\n1\n", encoding="utf-8")
    if what == "empty":
        file.touch()
    with pytest.raises(Invalid):
        find_rows(wanted(tmp_path, file, 0, 1))


def test_the_worker_answers_in_json(tmp_path):
    write_csv(tmp_path / "a.csv", [1])
    told = window_rows.answer(wire.to_builtins(wanted(tmp_path, tmp_path / "a.csv", 0, 5)))
    assert json.loads(json.dumps(told))["rows"] == [["1", str(BEGIN + 1)]]
