"""Databases and MLflow's tables as sides of a comparison: each column as what its values are, and nothing lost."""

import json
import sqlite3
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import uuid4

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.drift.data import sources
from mlops_desk.drift.data.file_formats import open_data
from mlops_desk.drift.data.rows import table_of_rows
from mlops_desk.drift.data.sources import DataSide, file_at
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.drift.worker import MODULE, compare_files, compare_sources
from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.storage.data_files import connect
from tests.postgres_server import PASSWORD, postgres_server

QUERY = "SELECT * FROM t ORDER BY number"
BERLIN = timezone(timedelta(hours=1))


@pytest.fixture(scope="module")
def server():
    with postgres_server() as found:
        yield found


@pytest.fixture(scope="module")
def postgres(server):
    """A table of every kind of column that people have, a hundred rows, some of them missing."""
    import psycopg

    uri = server.uri(server.new_database())
    columns = {
        "number": "integer", "amount": "numeric", "ratio": "double precision", "flag": "boolean", "word": "text",
        "day": "date", "at": "timestamptz", "span": "interval", "doc": "jsonb", "list": "integer[]", "raw": "bytea",
        "id": "uuid", "nothing": "text",
    }  # fmt: skip
    start = datetime(2024, 1, 1, tzinfo=BERLIN)
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE t ({', '.join(f'{name} {kind}' for name, kind in columns.items())})".encode())
        for at in range(100):
            values = (
                at, Decimal(at) / 8, None if at % 10 == 0 else at / 3, at % 3 == 0, f"w{at % 4}",
                date(2024, 1, 1) + timedelta(days=at), start + timedelta(hours=at), timedelta(days=at % 3, seconds=at),
                json.dumps({"a": at}), [at, at], b"x", uuid4(), None,
            )  # fmt: skip
            marks = ", ".join(["%s"] * len(values))
            connection.execute(f"INSERT INTO t VALUES ({marks})".encode(), values)
    return uri


def sql(place, query=QUERY):
    return DataSide(Source(SourceKind.SQL, place, query))


@pytest.mark.slow
def test_each_column_of_postgresql_is_what_it_is_there(postgres):
    report = compare_sources(sql(postgres), sql(postgres))
    assert (report.verdict, report.dataset.n_current) == ("ok", 100)
    kinds = {column.name: column.kind for column in report.columns if column.verdict != "not_compared"}
    assert kinds == {
        "number": "numeric", "amount": "numeric", "ratio": "numeric", "flag": "boolean", "word": "categorical",
        "day": "time", "at": "time", "span": "numeric", "nothing": "categorical",
    }  # fmt: skip
    assert set(report.dataset.left_out) == {"doc", "list", "raw", "id"}
    moments = next(column for column in report.columns if column.name == "at").quality["current"]
    assert moments.earliest == datetime(2023, 12, 31, 23, tzinfo=timezone.utc).timestamp()  # noqa: UP017 - as it reads
    spans = next(column for column in report.columns if column.name == "span")
    assert spans.histogram.edges[-1] == pytest.approx(2 * 86400 + 98, abs=90)


@pytest.mark.slow
def test_a_database_and_a_file_of_the_same_rows_do_not_differ(postgres, tmp_path):
    (tmp_path / "t.csv").write_text(
        "number,flag,word,day\n"
        + "".join(f"{n},{n % 3 == 0},w{n % 4},{date(2024, 1, 1) + timedelta(days=n)}\n" for n in range(100))
    )
    report = compare_sources(
        sql(postgres, "SELECT number, flag, word, day FROM t"), DataSide(file_at(tmp_path / "t.csv"))
    )
    assert report.verdict == "ok"
    assert {column.measures["missing"].value for column in report.columns} == {0.0}


@pytest.mark.slow
def test_the_worker_is_told_of_a_password_beside_and_says_it_nowhere(server, postgres, tmp_path):
    bare = postgres.replace(postgres.split("://")[1].split("@")[0], "desk")
    source = {"kind": "sql", "place": bare, "query": "SELECT number FROM t"}
    request = {
        "reference": source,
        "current": source,
        "access": {side: {"password": PASSWORD} for side in ("reference", "current")},
    }
    document = run_worker(MODULE, request, 60)
    assert (
        document["reference"]
        == f"sql:postgresql://desk@127.0.0.1:{server.port}/{bare.rsplit('/')[-1]} SELECT number FROM t"
    )
    assert PASSWORD not in json.dumps(document)
    request["access"] = {"reference": {"password": "hunter2"}}
    with pytest.raises(DeskError) as caught:
        run_worker(MODULE, request, 60)
    assert "hunter2" not in f"{caught.value.message}{caught.value.hint}"


def test_an_answer_without_rows_and_a_source_without_a_query(tmp_path):
    sqlite3.connect(tmp_path / "a.db").close()
    place = f"sqlite:///{tmp_path}/a.db"
    report = compare_sources(sql(place, "SELECT 1 AS a WHERE 0"), sql(place, "SELECT 1 AS a"))
    assert report.verdict == "insufficient_data"
    with pytest.raises(Invalid, match="query"):
        compare_sources(sql(place, None), sql(place))
    with pytest.raises(Invalid, match="mlflow"):
        compare_sources(DataSide(Source(SourceKind.MLFLOW, "r1", "d")), sql(place))


def test_an_answer_that_the_disk_does_not_hold_is_told(tmp_path, monkeypatch):
    def full(*_rows):
        raise OSError(28, "No space left on device")

    sqlite3.connect(tmp_path / "a.db").close()
    monkeypatch.setattr(sources, "table_of_rows", full)
    place = f"sqlite:///{tmp_path}/a.db"
    with pytest.raises(Invalid, match="No space left") as caught:
        compare_sources(sql(place, "SELECT 1 AS a"), sql(place, "SELECT 1 AS a"))
    assert caught.value.hint


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.decimals(allow_nan=False, places=3),
    st.text(max_size=5), st.datetimes(min_value=datetime(1700, 1, 1)), st.dates(min_value=date(1700, 1, 1)),  # noqa: DTZ001 - naive on purpose
    st.timedeltas(timedelta(-9999), timedelta(9999)), st.binary(max_size=3), st.lists(st.integers(), max_size=2),
)  # fmt: skip


@pytest.mark.slow
@given(st.lists(st.tuples(VALUES, VALUES), max_size=8))
@example([(2**65, timedelta(days=-1)), (1, None)])
def test_any_values_are_kept_and_none_becomes_missing(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("rows")
    with connect(folder / "spill") as connection:
        table = table_of_rows(connection, ["a", "a"], [rows], folder, lambda _text: None)
        assert list(table.columns) == ["a", "a (2)"]
        counts = [f"count({name})" for name, _ in table.columns.values()]
        found = connection.execute(f"SELECT count(*), {', '.join(counts)} FROM {table.relation}").fetchall()[0]
    assert found == (len(rows), *(sum(row[at] is not None for row in rows) for at in range(2)))


def test_moments_with_a_zone_are_kept_as_those_of_utc(tmp_path):
    rows = [(datetime(2024, 1, 1, 1, tzinfo=BERLIN), date(2024, 1, 1))]
    with connect(tmp_path / "spill") as connection:
        table = table_of_rows(connection, ["at", "day"], [rows], tmp_path, lambda _text: None)
        found = connection.execute(f"SELECT * FROM {table.relation}").fetchall()
    assert found == [(datetime(2024, 1, 1), date(2024, 1, 1))]  # noqa: DTZ001 - as it is kept


# -- what mlflow.log_table writes -------------------------------------------------------------------


def split(path, columns, rows):
    path.write_text(json.dumps({"columns": columns, "data": rows}))
    return path


def test_a_table_of_mlflows_is_one_of_rows(tmp_path):
    rows = [[at, at % 3 == 0, f"w{at % 4}", None if at % 10 == 0 else at / 3] for at in range(100)]
    table = split(tmp_path / "eval_results_table.json", ["n", "flag", "word", "x"], rows)
    parquet = tmp_path / "t.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"""COPY (SELECT range AS n, range % 3 = 0 AS flag, 'w' || range % 4 AS word,
            CASE WHEN range % 10 > 0 THEN range / 3 END AS x FROM range(100)) TO '{parquet}'""")
    report = compare_files(parquet, table)
    assert (report.verdict, report.dataset.n_current) == ("ok", 100)
    assert {column.measures["ks"].value for column in report.columns if column.kind == "numeric"} == {0.0}
    two = tmp_path / "two"
    two.mkdir()
    for name in ("a.json", "b.json"):
        split(two / name, ["n", "flag", "word", "x"], rows)
    assert compare_files(parquet, two).dataset.n_current == 200


@pytest.mark.parametrize(
    "content",
    [
        '{"columns": ["a"], "data": [[1, 2]]}', '{"columns": ["a"], "data": [1]}', '{"columns": ["a"]}',
        '{"columns": ["a"], "data": [[1]', '{"columns": [], "data": []}', '{"data": [[1]], "columns": 5}',
    ],
)  # fmt: skip
def test_a_table_that_is_not_whole_is_told(tmp_path, content):
    path = tmp_path / "t.json"
    path.write_text(content)
    with pytest.raises(Invalid) as caught:
        compare_files(path, path)
    assert caught.value.hint


def test_tables_of_other_columns_and_very_large_ones_are_refused(tmp_path, monkeypatch):
    for name in "ab":
        split(tmp_path / f"{name}.json", [name], [[1]])
    with pytest.raises(Invalid, match="other columns"):
        compare_files(tmp_path, tmp_path)
    monkeypatch.setattr("mlops_desk.drift.data.split_table._LIMIT_BYTES", 10)
    with pytest.raises(Invalid, match="more than"):
        compare_files(tmp_path / "a.json", tmp_path / "a.json")


@pytest.mark.parametrize("before", ["", "\ufeff", "\n  "])
def test_a_list_of_objects_as_pandas_writes_records_is_a_table(tmp_path, before):
    rows = [{"n": at, "flag": at % 3 == 0, **({"x": at / 3} if at % 10 else {})} for at in range(100)]
    lines, listed = tmp_path / "t.jsonl", tmp_path / "t.json"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    listed.write_text(before + json.dumps(rows), encoding="utf-8")
    report = compare_files(lines, listed)
    assert (report.verdict, report.dataset.n_current, report.dataset.missing_columns) == ("ok", 100, ())
    assert {column.name: column.kind for column in report.columns} == {
        "n": "numeric",
        "flag": "boolean",
        "x": "numeric",
    }
    assert report.columns[2].quality["current"].missing_ratio == 0.1


@pytest.mark.parametrize("content", ["[]", "[{}]", '[{"a": 1}, 2]', '[{"a": 1}', "[[1, 2]]"])
def test_a_list_without_rows_is_told(tmp_path, content):
    path = tmp_path / "t.json"
    path.write_text(content)
    with pytest.raises(Invalid) as caught:
        compare_files(path, path)
    assert caught.value.hint


def test_json_lines_that_begin_alike_stay_json_lines(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"columns": [1], "x": 1}\n{"columns": [2], "x": 2}\n')
    with connect(tmp_path / "spill") as connection:
        assert list(open_data(connection, path, tmp_path).columns) == ["columns", "x"]


# -- larger than memory -----------------------------------------------------------------------------

CAPPED = """
import json, resource, sys
from pathlib import Path
from mlops_desk.drift import worker
limit = 700 << 20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
found = worker.compare_files(Path(sys.argv[1]), Path(sys.argv[2]))
print(json.dumps([found.dataset.n_current, list(found.dataset.notes), [str(one.verdict) for one in found.columns]]))
"""


@pytest.mark.slow
def test_more_rows_than_memory_holds_are_compared_part_by_part(tmp_path):
    """Eleven million rows a side in 700 MB of memory: of one column alone, compared value by value, it is more."""
    with duckdb.connect(config={"threads": 1}) as connection:
        for side, shift in (("r", 0), ("c", 40)):
            connection.execute(f"""COPY (SELECT CAST(range * 7919 % 1000003 AS FLOAT) AS same,
                CAST(range * 104729 % 1000 + {shift} AS FLOAT) AS moved, 'k' || range % 5 AS k FROM range(11000000))
                TO '{tmp_path}/{side}.parquet'""")
    command = [sys.executable, "-c", CAPPED, tmp_path / "r.parquet", tmp_path / "c.parquet"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    n_rows, notes, verdicts = json.loads(done.stdout.splitlines()[-1])
    assert n_rows == 11_000_000
    assert "compared by sketches" in notes[0]
    assert verdicts == ["ok", "drift", "ok"]
