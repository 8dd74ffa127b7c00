"""A query's answer: in batches, without a right to change anything, ended at its time, and no password in any word."""

import contextlib
import resource
import sqlite3

import pytest

from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, TimedOut, Unavailable
from mlops_desk.kit.storage.queries import address, query_reader
from mlops_desk.kit.storage.queries.query_reader import asked
from tests.postgres_server import PASSWORD, postgres_server

ENDLESS = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t"


@pytest.fixture
def lite(tmp_path):
    path = tmp_path / "data base #1.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (n INTEGER, word TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(at, f"w{at % 3}") for at in range(12_000)])
    connection.close()
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def server():
    with postgres_server() as found:
        yield found


@pytest.fixture(scope="module")
def postgres(server):
    import psycopg

    uri = server.uri(server.new_database())
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("CREATE SEQUENCE s")
        connection.execute("CREATE TABLE t AS SELECT n, 'w' || n % 3 AS word FROM generate_series(0, 11999) AS n")
    return uri


@pytest.fixture(params=["lite", "postgres"])
def place(request):
    return request.getfixturevalue(request.param)


def rows(place, query, seconds=60.0, password=None):
    with asked(place, query, seconds, password) as answer:
        return answer.names, [list(map(tuple, batch)) for batch in answer.batches]


@pytest.mark.slow
def test_an_answer_comes_in_batches(place):
    names, batches = rows(place, "SELECT n, word FROM t WHERE word LIKE 'w%' ORDER BY n")
    assert names == ("n", "word")
    assert [len(batch) for batch in batches] == [5000, 5000, 2000]
    assert batches[0][4] == (4, "w1")


@pytest.mark.slow
def test_columns_of_one_name_and_an_answer_without_rows(place):
    names, batches = rows(place, "SELECT n, n FROM t WHERE n < 0")
    assert (names, [row for batch in batches for row in batch]) == (("n", "n"), [])


@pytest.mark.slow
@pytest.mark.parametrize(
    "query",
    ["DELETE FROM t", "INSERT INTO t VALUES (1, 'x')", "CREATE TABLE u (n INTEGER)", "SELEKT 1", "SELECT x FROM t", ""],
)
def test_what_changes_anything_or_is_no_query_is_refused(place, query):
    with pytest.raises(Invalid) as caught:
        rows(place, query)
    assert caught.value.hint
    assert PASSWORD not in caught.value.message
    assert sum(map(len, rows(place, "SELECT n FROM t")[1])) == 12_000


def test_no_function_changes_anything(postgres):
    with pytest.raises(Invalid, match="read-only transaction"):
        rows(postgres, "SELECT nextval('s')")


@pytest.mark.parametrize("query", ["ATTACH 'other.db' AS o", "VACUUM INTO 'copy.db'", "PRAGMA query_only = OFF"])
def test_no_other_file_is_written(lite, tmp_path, monkeypatch, query):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Invalid):
        rows(lite, query)
    assert [path.name for path in tmp_path.iterdir()] == ["data base #1.db"]


@pytest.mark.slow
def test_a_query_that_does_not_end_is_ended(lite, postgres):
    for one, query in ((lite, ENDLESS), (postgres, "SELECT pg_sleep(60)")):
        with pytest.raises(TimedOut, match="not answered in time") as caught:
            rows(one, query, 0.3)
        assert "--query-seconds" in str(caught.value.hint)


def test_rows_that_come_too_slowly_are_left(lite, monkeypatch):
    with pytest.raises(TimedOut), asked(lite, "SELECT n FROM t", 60.0) as answer:
        for _batch in answer.batches:
            monkeypatch.setattr(query_reader.time, "monotonic", lambda: 1e12)


def test_a_password_is_in_no_word(server, postgres):
    wrong = server.uri("postgres", password="hunter2 %@:/")
    for where, query in (
        (wrong, "SELECT 1"),
        (server.uri("nowhere"), "SELECT 1"),
        (postgres, f"SELECT '{PASSWORD}'::int"),
    ):
        with pytest.raises(DeskError) as caught:
            rows(where, query)
        said = f"{caught.value.message} {caught.value.hint} {caught.value.__cause__}"
        assert "hunter2" not in said
        assert PASSWORD not in said
    assert address.shown(wrong) == f"postgresql://desk@127.0.0.1:{server.port}/postgres"
    assert "s3cret" not in address.shown("postgresql://h/d?password=s3cret&sslmode=require")


def test_a_password_may_come_beside_the_address(server, postgres):
    bare = address.shown(postgres)
    assert rows(bare, "SELECT 1 AS one", password=PASSWORD) == (("one",), [[(1,)]])


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("sqlite:////no/such.db", NotFound),
        ("sqlite://", Invalid),
        ("mysql://u:hunter2@h/d", Invalid),
        ("hunter2:no:url", Invalid),
        ("postgresql://u:hunter2@h:port/d", Invalid),
        ("postgresql://u:hunter2@127.0.0.1:1/d", Unavailable),
    ],
)
def test_an_address_that_is_none_is_told_so(place, kind):
    with pytest.raises(kind) as caught:
        rows(place, "SELECT 1")
    assert caught.value.hint
    assert "hunter2" not in caught.value.message


def test_a_file_that_is_no_database_and_texts_that_are_none(tmp_path, lite):
    (tmp_path / "no.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(Invalid, match="not a database"):
        rows(f"sqlite:///{tmp_path}/no.db", "SELECT 1 FROM t")
    assert rows(lite, "SELECT CAST(x'ff41' AS TEXT) AS t")[1] == [[("\ufffdA",)]]


@pytest.mark.parametrize("call", ["randomblob(1000000000)", "zeroblob(1000000000)", "printf('%*d', 1000000000, 1)"])
def test_no_call_of_a_query_takes_gigabytes(lite, call):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(Invalid):  # too big, or (printf, by SQLite's own rule) nothing
        assert rows(lite, f"SELECT length({call})")[1] == [[(None,)]]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_a_large_text_of_a_table_is_read(lite):
    assert rows(lite, "SELECT length(hex(zeroblob(4000000)))") == (("length(hex(zeroblob(4000000)))",), [[(8000000,)]])
