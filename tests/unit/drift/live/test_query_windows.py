"""A table that grows in a database becomes windows: each row once, whatever shares its watermark or comes late."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.drift.data.sources import DataSide, file_at
from mlops_desk.drift.live import query_rows, worker
from mlops_desk.drift.live.current_window import newest_rows
from mlops_desk.drift.live.watermarks import QueryCursor, QueryPlace
from mlops_desk.drift.live.windowing import WindowCutter
from mlops_desk.drift.profile.worker import profile_of_source
from mlops_desk.drift.records.monitors import Monitor, WindowRule
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.drift.store.windows import WindowStore
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid, NotFound, TimedOut, Unavailable
from mlops_desk.kit.storage.data_files import connect
from tests.postgres_server import PASSWORD, postgres_server
from tests.unit.drift.live.doors import doors

BEGIN = 1_772_323_200  # 2026-03-01T00:00:00Z
QUERY = "SELECT * FROM t -- all of it"


@pytest.fixture(scope="module")
def server():
    with postgres_server() as found:
        yield found


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    file = tmp_path_factory.mktemp("reference") / "train.csv"
    file.write_text("age\n" + "".join(f"{number % 71}\n" for number in range(300)))
    return profile_of_source(DataSide(file_at(file)))


@pytest.fixture
def store(tmp_path, reference):
    with closing(WindowStore(tmp_path / "drift")) as made:
        made.put_reference("m", reference)
        yield made


class SqliteTable:
    """A table of ages with a watermark of a type; ``place`` is its address."""

    is_server = False

    def __init__(self, folder, kind="INTEGER"):
        self.place = f"sqlite:///{folder}/a.db"
        self.connection = sqlite3.connect(folder / "a.db", isolation_level=None)
        self.connection.execute(f"CREATE TABLE t (mark {kind}, age INTEGER)")

    def add(self, *rows):
        self.connection.executemany("INSERT INTO t VALUES (?, ?)", rows)

    def close(self):
        self.connection.close()


class PostgresTable:
    is_server = True

    def __init__(self, server, kind="bigint"):
        import psycopg

        uri = server.uri(server.new_database())
        self.connection = psycopg.connect(uri, autocommit=True)
        self.connection.execute(f"CREATE TABLE t (mark {kind}, age integer)".encode())
        self.place = f"postgresql://desk@127.0.0.1:{server.port}/{uri.rsplit('/', 1)[-1]}"

    def add(self, *rows):
        with self.connection.cursor() as cursor:
            cursor.executemany("INSERT INTO t VALUES (%s, %s)", rows)

    def close(self):
        self.connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def made(request, tmp_path):
    """Makes a table of either database, with a watermark of the type that is named for it."""
    tables = []

    def make(sqlite="INTEGER", postgresql="bigint"):
        if request.param == "sqlite":
            tables.append(SqliteTable(tmp_path, sqlite))
        else:
            tables.append(PostgresTable(request.getfixturevalue("server"), postgresql))
        return tables[-1]

    yield make
    for table in tables:
        table.close()


def run(_module, request, _seconds):
    return worker.answer(wire.loads(wire.dumps(request), dict))


def take(store, table, rule=None, query=QUERY, **facts):
    source = Source(SourceKind.SQL, table.place, query, **{"watermark": "mark", **facts})
    password = PASSWORD if table.is_server else None
    monitor = Monitor("m", "orders", source, window=rule or WindowRule(50))
    return WindowCutter(store, doors(password=password), run).take(monitor, BEGIN + 100_000)


def ages(store):
    """Return how many rows there are in all windows, and the sum of their ages."""
    sketch = newest_rows(store, "m", 1 << 40).profile.columns[0].sketch
    return sketch.n_usable, sketch.least, sketch.most


@pytest.mark.slow
def test_rows_become_windows_once(made, store):
    table = made()
    table.add(*[(number, number % 71) for number in range(120)])
    first = take(store, table)
    assert ([head.n_rows for head in first.windows], first.pending_rows, first.n_rows) == ([50, 50], 20, 120)
    assert take(store, table).n_rows == 120
    table.add(*[(number, 5) for number in range(120, 160)])
    again = take(store, table)
    assert ([head.n_rows for head in again.windows], again.pending_rows, again.n_rows) == ([50], 10, 160)
    assert ages(store) == (160, 0, 70)
    assert again.n_late == 0


@pytest.mark.slow
def test_rows_that_share_a_watermark_and_even_all_values_are_told_apart(made, store, monkeypatch):
    monkeypatch.setattr(query_rows, "_AGAIN_ROWS", 3)
    table = made()
    table.add(*[(1, 1), (2, 2), (2, 2), (2, 3)])
    assert take(store, table).n_rows == 4
    table.add((2, 2), (2, 9))
    assert take(store, table).n_rows == 6
    table.add(*[(3, age) for age in range(20)])
    assert take(store, table).n_rows == 26
    assert take(store, table).n_rows == 26
    assert ages(store) == (26, 0, 19)


@pytest.mark.slow
def test_of_rows_that_are_alike_one_more_is_new_though_another_row_was_deleted(made, store):
    table = made()
    table.add(*[(1, 1), (2, 2), (2, 2), (2, 3)])
    assert take(store, table).n_rows == 4
    table.connection.execute("DELETE FROM t WHERE age = 3")
    table.add((2, 2))
    assert take(store, table).n_rows == 5


@pytest.mark.slow
def test_a_row_that_was_committed_after_later_ones_is_taken_while_it_is_near_and_told_when_it_is_not(
    made, store, monkeypatch
):
    monkeypatch.setattr(query_rows, "_AGAIN_ROWS", 10)
    table = made()
    table.add(*[(2 * number, 20) for number in range(100)])
    assert take(store, table).n_rows == 100
    table.add((195, 40))
    near = take(store, table)
    assert (near.n_rows, near.n_late) == (101, 0)
    table.add((101, 60), (3, 60), (400, 20))
    far = take(store, table)
    assert (far.n_rows, far.n_late) == (102, 2)
    assert take(store, table).n_late == 2
    assert ages(store)[2] == 40


@pytest.mark.slow
def test_more_than_one_batch_is_read_and_deleted_rows_are_no_trouble(made, store, monkeypatch):
    monkeypatch.setattr(worker, "BATCH_ROWS", 30)
    monkeypatch.setattr(query_rows, "_AGAIN_ROWS", 7)
    monkeypatch.setattr(query_rows, "_WATCHED_ROWS", 25)
    table = made()
    table.add(*[(number // 4, number % 71) for number in range(200)])
    assert take(store, table).n_rows == 200
    table.connection.execute("DELETE FROM t WHERE mark < 48")
    table.add(*[(50, 3) for _ in range(45)])
    again = take(store, table)
    assert (again.n_rows, again.n_late) == (245, 0)


START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kinds", "values"),
    [
        (("REAL", "double precision"), [0.1, 0.2, 1e-300, 1e300]),
        (("REAL", "real"), [0.1, 0.25, 7.3]),
        (("NUMERIC", "numeric"), ["0.10", "0.1", "2"]),
        (("TEXT", "text"), ["A", "a'b", "a\\b", "zoë", ""]),
        (("TEXT", "timestamptz"), [(START + timedelta(seconds=at)).isoformat() for at in range(3)]),
        (("TEXT", "date"), ["2026-03-01", "2026-03-02"]),
        (("TEXT", "uuid"), ["00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000002"]),
    ],
)
def test_whatever_grows_may_be_the_watermark(made, store, monkeypatch, kinds, values):
    monkeypatch.setattr(query_rows, "_AGAIN_ROWS", 1)
    table = made(*kinds)
    for count, value in enumerate(values, 1):
        table.add(*[(value, 10 * count + at) for at in range(3)])
        take(store, table)
    last = take(store, table)
    assert last.n_rows + last.n_late == 3 * len(values)
    assert last.n_rows >= 6


def test_moments_of_the_watermark_cut_windows_by_time_and_numbers_do_not(made, store):
    table = made("TEXT", "timestamptz")
    table.add(*[((START + timedelta(minutes=at)).isoformat(), 30) for at in range(150)])
    taken = take(store, table, WindowRule(None, 3600.0))
    assert [(head.start, head.n_rows) for head in taken.windows] == [(BEGIN, 60), (BEGIN + 3600, 60)]
    assert taken.pending_rows == 30


def test_another_column_may_tell_when_a_row_was_made(made, store):
    table = made()
    table.add(*[(BEGIN + 60 * at, 30) for at in range(150)])
    taken = take(store, table, WindowRule(None, 3600.0), time_column="mark", watermark=None)
    assert [head.start for head in taken.windows] == [BEGIN, BEGIN + 3600]
    with pytest.raises(Invalid, match="no column 'elsewhen'"):
        table.add((BEGIN + 99_999, 1))
        take(store, table, time_column="elsewhen")


@pytest.mark.slow
def test_rows_without_a_watermark_are_told_of(made, store):
    table = made()
    table.add((None, 1), (None, 2), (7, 3))
    first = take(store, table)
    assert (first.n_rows, first.n_rejected) == (1, 2)
    assert "2 rows have no value in mark" in first.notes[0]
    assert take(store, table).n_rejected == 2


@pytest.mark.slow
def test_what_can_be_no_watermark_is_said(made, store, monkeypatch):
    table = made("BLOB", "bytea")
    table.add(*[(b"x", 1)] * 5)
    monkeypatch.setattr(query_rows, "_AGAIN_ROWS", 2)
    monkeypatch.setattr(query_rows, "_MOST_AGAIN", 4)
    with pytest.raises(Invalid, match="More than 4 rows have one value of mark"):
        take(store, table)
    table.add((b"y", 2), (b"z", 2))
    monkeypatch.setattr(query_rows, "_MOST_AGAIN", 100)
    with pytest.raises(Invalid, match="kind bytes"):
        take(store, table)
    with pytest.raises(Invalid, match="nothing"):
        take(store, table, watermark="nothing")
    assert store.cursor("m") is None


@pytest.mark.slow
def test_a_database_that_does_not_answer_leaves_all_as_it_was(made, store, monkeypatch):
    table = made()
    table.add(*[(number, 20) for number in range(60)])
    take(store, table)
    before = store.cursor("m")
    table.add((100, 20))
    endless = "WITH RECURSIVE r(mark, age) AS (SELECT 1, 1 UNION ALL SELECT mark + 1, 1 FROM r) SELECT * FROM r"
    monkeypatch.setattr(query_rows, "QUERY_SECONDS", 0.5)
    with pytest.raises(TimedOut, match="not answered in time") as caught:
        take(store, table, query=endless)
    assert "index" in caught.value.hint
    monkeypatch.setattr(query_rows, "QUERY_SECONDS", 60.0)
    for query in ("DROP TABLE t", "SELECT mark, age FROM t) AS x; DROP TABLE t; --", "SELECT age FROM t"):
        with pytest.raises(Invalid):
            take(store, table, query=query)
    assert store.cursor("m") == before
    assert take(store, table).n_rows == 61


def test_a_server_that_is_gone_and_a_file_that_is_gone(server, store, tmp_path):
    away = Source(SourceKind.SQL, "postgresql://desk@127.0.0.1:1/d", QUERY, watermark="mark")
    cutter = WindowCutter(store, doors(password=PASSWORD), run)
    with pytest.raises(Unavailable) as caught:
        cutter.take(Monitor("m", "orders", away), BEGIN)
    assert PASSWORD not in f"{caught.value.message}{caught.value.hint}"
    lost = Source(SourceKind.SQL, f"sqlite:///{tmp_path}/none.db", QUERY, watermark="mark")
    with pytest.raises(NotFound, match="no file"):
        cutter.take(Monitor("m", "orders", lost), BEGIN)


def test_a_wrong_password_is_in_no_text_and_the_right_one_in_no_cursor(server, store):
    table = PostgresTable(server)
    table.add((1, 1))
    take(store, table)
    assert PASSWORD not in (store.cursor("m") or "")
    source = Source(SourceKind.SQL, table.place, QUERY, watermark="mark")
    with pytest.raises(Unavailable) as caught:
        WindowCutter(store, doors(password="hunter2"), run).take(Monitor("m", "orders", source), BEGIN)
    assert "hunter2" not in f"{caught.value.message}{caught.value.hint}"
    table.close()


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    with closing(connect(tmp_path_factory.mktemp("spill") / "spill")) as made:
        yield made


@pytest.mark.slow
@settings(max_examples=30)  # chosen: each asks a database some ten times
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=8), max_size=6),
    st.integers(1, 5),
    st.integers(1, 6),
)
@example([[(1, 0), (1, 0)], [(1, 0)], [(0, 0)]], 1, 1)
@example([[(5, 0)] * 6, [(0, 1)] * 8, [(5, 0)]], 2, 3)
def test_no_row_is_lost_or_taken_twice(tmp_path_factory, connection, parts, again, limit):
    """Every row is taken or told as late, whatever order they come in and however few are read at once."""
    folder = tmp_path_factory.mktemp("any")
    table = SqliteTable(folder)
    table.connection.execute("PRAGMA synchronous = OFF")
    place, cursor, n_written, n_told = QueryPlace(table.place, QUERY, "mark"), None, 0, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(query_rows, "_AGAIN_ROWS", again)
        for number, rows in enumerate(parts):
            table.add(*rows)
            n_written += len(rows)
            out = folder / str(number)
            out.mkdir()
            has_more = True
            while has_more:
                found = query_rows.read_query(connection, place, cursor, BEGIN, limit, out)
                cursor, has_more = wire.loads(wire.dumps(found.cursor), QueryCursor), found.has_more
                n_told += found.n_late + (0 if found.batch is None else found.batch.moments.size)
            assert n_told == n_written
    table.close()


def test_decimals_that_are_one_number_are_one_watermark():
    assert query_rows.is_one(Decimal("0.10"), Decimal("0.1"))
    assert query_rows.is_one(float("nan"), float("nan"))
    assert not query_rows.is_one(1, 2)


@pytest.mark.slow
def test_a_number_that_is_reckoned_is_one_to_sqlite_too(tmp_path, store, monkeypatch):
    monkeypatch.setattr(query_rows, "_AGAIN_ROWS", 2)
    table = SqliteTable(tmp_path)
    reckoned = "SELECT mark * 2 AS mark, age FROM t"
    for first in (0, 10, 20):
        table.add(*[(first + at, 20) for at in range(10)])
        taken = take(store, table, query=reckoned)
    assert (taken.n_rows, taken.n_late) == (30, 0)
    table.close()
