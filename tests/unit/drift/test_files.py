"""Data files from anywhere: Parquet and CSV, whole and broken, and the worker that programs talk to."""

import csv
import gzip
import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlops_desk.drift.records.report import DriftOptions, DriftReport
from mlops_desk.drift.worker import answer, compare_files
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.kit.base.process import run_worker

WORKER = "mlops_desk.drift.worker"
SCHEMA = "x DOUBLE, i BIGINT, k VARCHAR, flag BOOLEAN"


def rows(n, shift=0.0, seed=0):
    random = np.random.default_rng(seed)
    return [
        (float(x), int(i), str(k), bool(flag))
        for x, i, k, flag in zip(
            random.normal(shift, 1, n), random.poisson(3, n), random.choice(["a", "b", ""], n), random.random(n) < 0.4,
            strict=True,
        )
    ]  # fmt: skip


def write(path: Path, values, schema=SCHEMA) -> Path:
    """Write rows as Parquet or CSV, by the suffix."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t ({schema})")
        if values:
            marks = ", ".join("?" * len(values[0]))
            connection.executemany(f"INSERT INTO t VALUES ({marks})", values)
        options = "(FORMAT csv, HEADER)" if path.suffix == ".csv" else "(FORMAT parquet)"
        connection.execute(f"COPY t TO '{path}' {options}")
    return path


def text(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def column(report: DriftReport, name: str):
    return next(found for found in report.columns if found.name == name)


# -- the same data, whatever the file --------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("suffixes", [("parquet", "parquet"), ("csv", "csv"), ("parquet", "csv"), ("csv", "parquet")])
def test_the_format_of_a_file_changes_nothing(tmp_path, suffixes):
    reference = write(tmp_path / f"reference.{suffixes[0]}", rows(400))
    current = write(tmp_path / f"current.{suffixes[1]}", rows(300, 0.5, seed=1))
    report = compare_files(reference, current)
    assert [(found.name, found.kind) for found in report.columns] == [
        ("x", "numeric"), ("i", "numeric"), ("k", "categorical"), ("flag", "boolean")
    ]  # fmt: skip
    filled = sum(row[2] != "" for row in rows(300, 0.5, seed=1))  # an empty field is missing, however it is written
    assert {found.name: found.n_current for found in report.columns} == {"x": 300, "i": 300, "k": filled, "flag": 300}
    x, y = ([row[0] for row in side] for side in (rows(400), rows(300, 0.5, seed=1)))
    assert column(report, "x").measures["ks"].value == pytest.approx(stats.ks_2samp(x, y).statistic)
    assert column(report, "x").measures["wasserstein_normed"].value == pytest.approx(
        stats.wasserstein_distance(x, y) / np.std(x)
    )
    assert column(report, "x").verdict == "drift"
    assert sorted(column(report, "k").histogram.labels) == ["a", "b"]
    assert sorted(column(report, "flag").histogram.labels) == ["false", "true"]


def test_a_category_of_integers_by_signature_matches_its_floats(tmp_path):
    reference = write(tmp_path / "r.parquet", [(at % 3,) for at in range(90)], "c BIGINT")
    current = write(tmp_path / "c.parquet", [(float(at % 3),) for at in range(90)], "c DOUBLE")
    report = compare_files(reference, current, DriftOptions(kinds={"c": "categorical"}))
    assert report.columns[0].kind == "categorical"
    assert report.columns[0].histogram.labels == ("0", "1", "2")
    assert report.verdict == "ok"


def test_text_python_and_pandas_write_for_booleans_matches_booleans(tmp_path):
    reference = write(tmp_path / "r.parquet", [(at % 2 == 0,) for at in range(100)], "f BOOLEAN")
    current = text(tmp_path / "c.csv", "f\n" + "True\nFalse\n" * 50)
    assert compare_files(reference, current).verdict == "ok"


# -- what is no number -----------------------------------------------------------------------------


def test_every_value_is_counted_as_what_it_is(tmp_path):
    values = [(1.0,)] * 50 + [(None,)] * 5 + [(float("nan"),)] * 7 + [(float("inf"),)] * 3 + [(float("-inf"),)] * 2
    report = compare_files(*(write(tmp_path / f"{side}.parquet", values, "x DOUBLE") for side in "rc"))
    quality = report.columns[0].quality["current"]
    assert report.columns[0].n_current == 50
    assert quality.n_rows == 67
    assert quality.missing_ratio == pytest.approx(12 / 67)
    assert quality.infinite_ratio == pytest.approx(5 / 67)
    assert quality.wrong_type_ratio == 0


def test_words_in_a_csv_column_of_numbers(tmp_path):
    reference = text(tmp_path / "r.csv", "x,y\n" + "".join(f"{at},1\n" for at in range(100)))
    current = text(tmp_path / "c.csv", "x,y\n" + "".join(f"{at},1\n" for at in range(60)) + "oops,1\n" * 10
                   + "NaN,1\nNA,1\n,1\nnull,1\n" + "inf,1\n-Infinity,1\n")  # fmt: skip
    found = column(compare_files(reference, current), "x")
    assert found.kind == "numeric"
    assert found.n_current == 60
    n = found.quality["current"].n_rows
    assert found.quality["current"].wrong_type_ratio == pytest.approx(10 / n)
    assert found.quality["current"].missing_ratio == pytest.approx(4 / n)
    assert found.quality["current"].infinite_ratio == pytest.approx(2 / n)
    assert found.signals["wrong_type"].alert


def test_types_that_do_not_fit_are_critical_and_no_error(tmp_path):
    reference = write(tmp_path / "r.parquet", [(float(at), at, "a") for at in range(50)], "a DOUBLE, b INT, c VARCHAR")
    moment = "2026-01-01 00:00:00"
    current = write(tmp_path / "c.parquet", [("word", moment, 5)] * 50, "a VARCHAR, b TIMESTAMP, c INT")
    report = compare_files(reference, current)
    assert column(report, "a").verdict == "critical"
    assert column(report, "b").verdict == "critical"
    assert column(report, "b").quality["current"].wrong_type_ratio == 1
    assert column(report, "c").verdict == "drift"


def test_lists_structures_and_bytes_are_named_and_not_compared(tmp_path):
    schema = "x DOUBLE, t TIMESTAMP, l INT[], b BLOB, s STRUCT(a INT)"
    values = [(float(at), "2026-01-01", [1], b"\0", {"a": 1}) for at in range(40)]
    report = compare_files(*(write(tmp_path / f"{side}.parquet", values, schema) for side in "rc"))
    assert report.dataset.skipped_columns == ("l", "b", "s")
    assert [(found.name, found.kind) for found in report.columns] == [("x", "numeric"), ("t", "time")]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize(("kind", "value"), [("DOUBLE", 1.5), ("VARCHAR", "a")])
def test_a_column_that_arrives_empty_is_critical(tmp_path, suffix, kind, value):
    reference = write(tmp_path / f"r.{suffix}", [(value, at) for at in range(100)], f"x {kind}, i INT")
    current = write(tmp_path / f"c.{suffix}", [(None, at) for at in range(20)], f"x {kind}, i INT")
    report = compare_files(reference, current)
    assert column(report, "x").verdict == "critical"
    assert column(report, "i").verdict == "insufficient_data"
    assert report.verdict == "critical"
    found = {name: measure.value for name, measure in column(report, "x").measures.items()}
    assert found.pop("missing") == 1
    assert set(found.values()) == {None}


def test_columns_of_one_side_only(tmp_path):
    reference = write(tmp_path / "r.parquet", [(float(at), "y") for at in range(50)], "x DOUBLE, target VARCHAR")
    current = write(tmp_path / "c.parquet", [(float(at), 1) for at in range(50)], "x DOUBLE, fresh INT")
    report = compare_files(reference, current)
    assert report.dataset.missing_columns == ("target",)
    assert report.dataset.new_columns == ("fresh",)
    assert column(report, "target").verdict == "critical"
    assert "no such column" in column(report, "target").text
    monitored = compare_files(reference, current, DriftOptions(require_all_columns=False))
    assert monitored.verdict == "ok"
    assert monitored.dataset.missing_columns == ("target",)


def test_files_without_rows_are_insufficient(tmp_path):
    reference = write(tmp_path / "r.csv", rows(100))
    current = write(tmp_path / "c.csv", [])
    report = compare_files(reference, current)
    assert report.verdict == "insufficient_data"
    assert report.dataset.n_current == 0


# -- CSV from anywhere -----------------------------------------------------------------------------


@pytest.mark.slow
def test_an_empty_field_is_missing_whether_it_is_quoted_or_not(tmp_path):
    plain = text(tmp_path / "plain.csv", "k,n\n" + "a,1\n,1\n" * 50)
    assert column(compare_files(plain, plain), "k").n_current == 50
    quoted = text(tmp_path / "quoted.csv", "k,n\n" + 'a,1\n"",1\n' * 50)
    found = column(compare_files(quoted, plain), "k")
    assert (found.n_current, found.quality["current"].missing_ratio, found.verdict) == (50, 0.5, "ok")
    nulls = write(tmp_path / "n.parquet", [("a" if at % 2 else None, 1) for at in range(100)], "k VARCHAR, n INT")
    assert column(compare_files(nulls, plain), "k").n_current == 50


@pytest.mark.parametrize(
    "content",
    [
        "k;n\nä;1\nb;2\n".encode("latin-1"),
        "k;n\nä;1\nb;2\n".encode("utf-8-sig"),
        "k;n\nä;1\nb;2\n".encode("utf-16"),
        "k\tn\nä\t1\nb\t2\n".encode(),
        "k|n\r\nä|1\r\nb|2\r\n".encode(),
        '"k","n"\n"ä","1"\n"b","2"'.encode(),
    ],
    ids=["latin-1", "utf-8 with mark", "utf-16", "tabs", "bars and carriage returns", "quotes"],
)
def test_encodings_delimiters_and_line_ends(tmp_path, content):
    report = compare_files(*[text(tmp_path / "t.csv", content)] * 2)
    assert [(found.name, found.kind) for found in report.columns] == [("k", "categorical"), ("n", "numeric")]
    assert sorted(column(report, "k").histogram.labels) == ["b", "ä"]
    assert column(report, "n").n_current == 2


def test_lines_that_are_no_rows_are_counted(tmp_path):
    good = text(tmp_path / "r.csv", "a,b\n" + "1,2\n" * 50)
    bad = text(tmp_path / "c.csv", "a,b\n" + "1,2\n" * 50 + "1,2,3,4\n" * 3 + "5\n")
    report = compare_files(good, bad)
    assert report.dataset.rejected_current == 3
    assert report.dataset.n_current == 51
    assert column(report, "b").quality["current"].missing_ratio == pytest.approx(1 / 51)


def test_lines_that_are_no_rows_are_named_as_an_editor_numbers_them(tmp_path):
    good = text(tmp_path / "r.csv", "a,b\n" + "1,2\n" * 50)
    bad = text(tmp_path / "c.csv", 'a,b\n"two\nlines",2\n' + "1,2,3\n" * 4 + '5\n1,\n"open,2\n3,4\n')
    report = compare_files(good, bad)
    left_out, short, unclosed = report.dataset.notes
    assert left_out.startswith("c.csv: 4 lines left out, being no row: line 4 (too many fields), line 5 ")
    assert left_out.endswith("and 1 more.")
    assert "1 row too short" in short
    assert "line 8" in short
    assert "opens in line 10 does not end" in unclosed
    assert report.dataset.rejected_current == 5
    assert not compare_files(good, good).dataset.notes


def test_a_column_that_is_blank_in_both_files_is_not_critical(tmp_path):
    lines = "x,n\n" + "".join(f",{at}\n" for at in range(100))
    report = compare_files(*(text(tmp_path / f"{side}.csv", lines) for side in "rc"))
    assert column(report, "x").verdict == "insufficient_data"
    assert not report.verdict.is_alarm


def test_hostile_names_and_values_are_only_text(tmp_path):
    name = "x\"'); DROP TABLE t; --"
    lines = 'k,"' + name.replace('"', '""') + '",k\n' + '"=cmd()",1,"multi\nline"\n"{}",2,\'\n' * 40
    report = compare_files(*[text(tmp_path / "it's [a] *.csv", lines)] * 2)
    assert [found.name for found in report.columns] == ["k", name, "k (3)"]
    assert report.dataset.n_current == 80
    assert any("\\n" in label for label in column(report, "k (3)").histogram.labels)
    parquet = tmp_path / "it's [a] *.parquet"
    with duckdb.connect() as connection:
        quoted = name.replace('"', '""')
        connection.execute(f"COPY (SELECT range AS \"{quoted}\" FROM range(50)) TO '{tmp_path}/p.parquet'")
    (tmp_path / "p.parquet").rename(parquet)
    assert compare_files(parquet, parquet).columns[0].name == name


@pytest.mark.slow
def test_a_path_is_one_file_and_no_pattern(tmp_path):
    write(tmp_path / "a1.parquet", rows(40))
    with pytest.raises(NotFound):
        compare_files(tmp_path / "a*.parquet", tmp_path / "a1.parquet")
    for suffix in ("parquet", "csv"):
        write(tmp_path / f"b1.{suffix}", rows(100))
        star = write(tmp_path / f"star.{suffix}", rows(40)).rename(tmp_path / f"b*.{suffix}")
        assert compare_files(star, star).dataset.n_reference == 40
    folder = tmp_path / "year=2026"
    folder.mkdir()
    inside = write(folder / "a.parquet", rows(40))
    assert "year" not in {found.name for found in compare_files(inside, inside).columns}


@pytest.mark.parametrize(
    "content",
    [b"", b"PAR1 but not really", b"\x00\x01\x02binary" * 100, b"\n\n\n", b",,,\n1,2,3\n"],
    ids=["empty", "broken parquet", "binary", "blank lines", "no names"],
)
def test_what_is_no_table_is_said_to_be_none(tmp_path, content):
    good = write(tmp_path / "good.parquet", rows(40))
    bad = text(tmp_path / "bad", content)
    with pytest.raises(Invalid, match="bad") as caught:
        compare_files(good, bad)
    assert caught.value.hint


@pytest.mark.slow
def test_a_truncated_parquet_file_and_a_folder_are_said_to_be_none(tmp_path):
    good = write(tmp_path / "good.parquet", rows(4000))
    whole = good.read_bytes()
    with pytest.raises(Invalid):
        compare_files(good, text(tmp_path / "cut.parquet", whole[: len(whole) // 2]))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(Invalid, match="holds no files of data"):
        compare_files(good, tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Invalid, match="not a file"):
        compare_files(good, tmp_path / "pipe")


@pytest.mark.slow
@pytest.mark.usefixtures("one_database")
@given(st.binary(max_size=300))
def test_any_bytes_give_a_report_or_a_sentence(tmp_path, content):
    path = text(tmp_path / "any.csv", content)
    document = _report_or_hint(path)
    assert document
    json.dumps(document, allow_nan=False)


@pytest.mark.slow
@pytest.mark.usefixtures("one_database")
@given(st.lists(st.text(alphabet='a,"\n\r;é\t 1.', max_size=12), max_size=12))
def test_any_lines_give_a_report_or_a_sentence(tmp_path, lines):
    path = text(tmp_path / "lines.csv", "head,er\n" + "\n".join(lines))
    assert _report_or_hint(path)


def _report_or_hint(path: Path):
    try:
        return wire.to_builtins(compare_files(path, path))
    except Invalid as error:
        return error.hint


def test_more_categories_than_are_told_apart(tmp_path):
    path = tmp_path / "many.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT 'id' || range AS k FROM range(12000)) TO '{path}'")
    found = compare_files(path, path, DriftOptions(kinds={"k": "categorical"})).columns[0]
    assert found.n_current == 12_000
    assert found.verdict == "ok"
    assert len(found.histogram.labels) == 21
    assert sum(found.histogram.current) == pytest.approx(1)


# -- the worker ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_the_worker_answers_with_a_report_that_any_json_reader_takes(tmp_path, suffix):
    reference = write(tmp_path / f"r.{suffix}", rows(200))
    current = write(tmp_path / f"c.{suffix}", rows(200, 1.0, seed=5))
    document = run_worker(WORKER, {"reference": str(reference), "current": str(current)}, 60)
    json.dumps(document, allow_nan=False)
    assert document["verdict"] == "drift"
    assert {"columns", "dataset", "verdict"} <= document.keys()
    x = document["columns"][0]
    assert {"name", "kind", "verdict", "measures", "quality", "n_reference", "n_current"} <= x.keys()
    assert {"wasserstein_normed", "ks", "psi", "js", "hellinger", "energy", "missing"} == x["measures"].keys()
    assert {"value", "p_value", "p_adjusted", "threshold", "alert"} == x["measures"]["ks"].keys()
    of_categories = {"chi2", "l_infinity", "cramers_v", "psi", "js", "hellinger", "missing", "unseen"}
    assert of_categories == document["columns"][2]["measures"].keys()
    assert wire.from_builtins(document, DriftReport).columns[0].verdict == "drift"


def test_the_worker_says_what_is_wrong_and_what_to_do(tmp_path):
    good = write(tmp_path / "r.parquet", rows(40))
    with pytest.raises(NotFound, match="There is no file") as caught:
        run_worker(WORKER, {"reference": str(good), "current": str(tmp_path / "none.csv")}, 60)
    assert caught.value.hint


def test_options_reach_the_comparison(tmp_path):
    paths = [str(write(tmp_path / f"{side}.parquet", rows(50))) for side in "rc"]
    request = {
        "reference": paths[0],
        "current": paths[1],
        "options": {"minimum_rows": 60, "kinds": {"i": "categorical"}},
    }
    document = answer(request)
    assert document["verdict"] == "insufficient_data"
    assert document["columns"][1]["kind"] == "categorical"


@pytest.mark.slow
def test_dates_of_a_signature_are_compared_as_moments(tmp_path):
    day = timedelta(days=1)
    first = datetime(2024, 1, 1)  # noqa: DTZ001 - as a file has it
    reference = write(tmp_path / "r.parquet", [(first + day * (n % 100),) for n in range(400)], "t TIMESTAMP")
    same = write(tmp_path / "s.parquet", [(str(first + day * (n % 100)),) for n in range(400)], "t VARCHAR")
    later = write(tmp_path / "l.parquet", [(first + day * (90 + n % 100),) for n in range(400)], "t TIMESTAMP")
    odd = write(
        tmp_path / "o.parquet", [("soon",), (None,), *[(str(first + day * n),) for n in range(98)]], "t VARCHAR"
    )
    numbers = write(tmp_path / "n.parquet", [(n,) for n in range(100)], "t BIGINT")
    options = DriftOptions(kinds={"t": "time"})
    assert column(compare_files(reference, same, options), "t").verdict == "ok"
    assert column(compare_files(reference, later, options), "t").verdict == "drift"
    quality = column(compare_files(reference, odd, options), "t").quality["current"]
    assert (quality.wrong_type_ratio, quality.missing_ratio) == (0.01, 0.01)
    assert column(compare_files(reference, numbers, options), "t").quality["current"].wrong_type_ratio == 1
    assert column(compare_files(reference, later), "t").kind == "time"


def test_booleans_of_a_log_are_categories_beside_the_words_of_a_reference(tmp_path):
    reference = write(tmp_path / "r.parquet", [(n % 2 == 0,) for n in range(100)], "b BOOLEAN")
    current = write(tmp_path / "c.parquet", [(n % 2 == 0,) for n in range(100)], "b BOOLEAN")
    found = column(compare_files(reference, current, DriftOptions(kinds={"b": "categorical"})), "b")
    assert (found.kind, found.verdict) == ("categorical", "ok")


# -- what no reader should be given, and people give all the same ------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv.gz", gzip.compress(b"x\n1\n", mtime=0), "packed (gzip)"),
        ("a.csv.zst", b"\x28\xb5\x2f\xfdjunk", "packed (zstd)"),
        ("a.xlsx", b"PK\x03\x04\0junk", "spreadsheet"),
        ("wide.csv", b",".join(b"c%d" % at for at in range(100_000)) + b"\n1\n", "100,000 columns"),
        ("long.csv", b"x" * (1 << 20) + b",k\n1,a\n", "header"),
        ("long one.csv", b"x" * 900_000 + b"\n1\n", "header"),
    ],
)
@pytest.mark.parametrize("readable", [131_072, 1 << 24])
def test_files_that_are_no_tables_are_told_what_to_do(tmp_path, name, content, said, readable):
    path = text(tmp_path / name, content)
    before = csv.field_size_limit(readable)  # another part of the same process may have raised it
    try:
        with pytest.raises(Invalid) as caught:
            compare_files(path, path)
    finally:
        csv.field_size_limit(before)
    assert said in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.hint


def test_a_folder_of_parquet_files_that_do_not_go_together_is_told(tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT 'w' || range AS x FROM range(100)) TO '{folder}/a.parquet'")
        connection.execute(f"COPY (SELECT [range] AS x FROM range(100)) TO '{folder}/b.parquet'")
    with pytest.raises(Invalid, match="compared") as caught:
        compare_files(folder, folder)
    assert "same columns" in str(caught.value.hint)


def test_a_path_with_a_zero_byte_is_none():
    with pytest.raises(Invalid, match="no path"):
        answer({"reference": "a\0b", "current": "c"})


def test_it_is_told_of_each_column_whose_kind_is_looked_at(tmp_path):
    """Of a thousand columns that takes more than a minute, and nobody waits so long for a first word."""
    from mlops_desk.drift.data.file_formats import open_data
    from mlops_desk.drift.data.table_alignment import tables_of

    path = tmp_path / "a.csv"
    path.write_text("a,b,c\n" + "1,x,2024-01-01\n" * 40)
    said = []
    with duckdb.connect() as connection:
        table = open_data(connection, path, tmp_path)
        tables_of(connection, table, table, DriftOptions(), said.append)
    assert said == [f"kinds of {at} of 3 columns: {name}" for at, name in enumerate("abc")]


def test_rows_too_wide_to_be_told_apart_in_memory_cost_no_report(tmp_path, monkeypatch):
    def full(*_):
        raise duckdb.OutOfMemoryException("Out of Memory Error")

    monkeypatch.setattr("mlops_desk.drift.data.table_alignment.repeats", full)
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "1,x\n" * 40)
    report = compare_files(path, path)
    assert (report.verdict, report.quality) == ("ok", ())
