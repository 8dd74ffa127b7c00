"""New rows of a table, by the greatest value of a column: SQLite and PostgreSQL, and what is greater than what."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from mlops_desk.automation.rules.live.rows_worker import _told, answer, has_grown
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, Unavailable
from tests.postgres_server import postgres_server


@pytest.fixture
def orders(tmp_path: Path) -> Iterator[tuple[str, sqlite3.Connection]]:
    path = tmp_path / "rows.db"
    with sqlite3.connect(path) as rows:
        rows.execute('CREATE TABLE orders (id INTEGER, made TEXT, note, "odd "" name" INTEGER)')
        yield f"sqlite:///{path}", rows


def asked(
    place: str, column: str = "id", table: str = "orders", password: str | None = None, query: str | None = None
) -> str:
    return answer({"database": place, "table": table, "column": column, "password": password, "query": query})


def test_a_row_that_is_greater_is_new_and_one_that_was_removed_is_not(orders) -> None:
    place, rows = orders
    empty = asked(place)
    assert empty == ""
    rows.execute("INSERT INTO orders (id, made) VALUES (9, '2026-11-29'), (10, '2026-11-30')")
    rows.commit()
    ten = asked(place)
    assert has_grown(empty, ten)
    assert not has_grown(ten, asked(place)), "nobody wrote"
    rows.execute("DELETE FROM orders WHERE id = 10")
    rows.commit()
    nine = asked(place)
    assert not has_grown(ten, nine)
    assert not has_grown(ten, ""), "emptied"
    assert has_grown(nine, ten), "9 is less than 10, though not as a text"
    assert has_grown(asked(place, "made"), '["text", "2026-11-30"]')


@pytest.mark.parametrize(
    "end", ["", ";", " ;\n", "; -- paid alone", "; /* paid */ ;", " -- paid alone", " -- paid; alone\n"]
)
def test_rows_of_a_query_are_new_where_its_column_has_grown(orders, end) -> None:
    place, rows = orders
    query = f"WITH late AS (SELECT id AS number, made FROM orders) SELECT * FROM late WHERE made > '2026-01'{end}"
    rows.execute("INSERT INTO orders (id, made) VALUES (9, '2026-11-29'), (10, '2025-11-30')")
    rows.commit()
    nine = asked(place, "number", query=query)
    assert nine == '["number", "9"]'
    rows.execute("INSERT INTO orders (id, made) VALUES (11, '2025-12-01')")
    rows.commit()
    assert not has_grown(nine, asked(place, "number", query=query)), "a row that the query leaves out"
    rows.execute("INSERT INTO orders (id, made) VALUES (12, '2026-12-01')")
    rows.commit()
    assert has_grown(nine, asked(place, "number", query=query))


def test_a_query_that_writes_or_is_two_changes_nothing(orders) -> None:
    place, rows = orders
    rows.execute("INSERT INTO orders (id) VALUES (1)")
    rows.commit()
    for query in ("DELETE FROM orders RETURNING id", "SELECT id FROM orders) AS x; DELETE FROM orders; --", "SELECT"):
        with pytest.raises((Invalid, Unavailable)):
            asked(place, query=query)
    assert rows.execute("SELECT count(*) FROM orders").fetchone() == (1,)


def test_a_column_that_is_not_there_is_told_and_never_a_text(orders) -> None:
    place, rows = orders
    rows.execute("INSERT INTO orders (id) VALUES (1)")
    rows.commit()
    for column, table in (("gone", "orders"), ("id", "gone"), ('id" FROM orders --', "orders")):
        with pytest.raises(Invalid, match="did not answer the query"):
            asked(place, column, table)
    assert asked(place, 'odd " name') == "", "nothing but missing values"


def test_a_column_that_tells_nothing_is_told(orders) -> None:
    place, rows = orders
    rows.execute("INSERT INTO orders (id, note) VALUES (1, x'00ff')")
    rows.commit()
    with pytest.raises(Invalid, match="can't tell which rows are new: a value of it is of the kind bytes"):
        asked(place, "note")


def test_a_database_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no file"):
        asked(f"sqlite:///{tmp_path}/none.db")
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(Unavailable, match="did not answer"):
        asked("postgresql://me@127.0.0.1:9/rows")


@given(st.lists(st.integers() | st.decimals(allow_nan=False, allow_infinity=False), min_size=2, max_size=2))
def test_numbers_grow_as_numbers(pair) -> None:
    before, after = pair
    texts = [json.dumps(_told(one, "id")) for one in pair]
    assert has_grown(*texts) is (after > before)


@given(
    st.datetimes(timezones=st.sampled_from([UTC])),
    st.integers(-86_400, 86_400),
    st.sampled_from([-8, 0, 2]),
)  # fmt: skip
def test_moments_grow_as_moments_whatever_zone_the_session_has(at, seconds, hours) -> None:
    import json

    try:
        later = (at + timedelta(seconds=seconds)).astimezone(timezone(timedelta(hours=hours)))
    except OverflowError:
        return
    told = [json.dumps(_told(one, "made")) for one in (at, later)]
    assert has_grown(*told) is (later > at)


@pytest.mark.slow
def test_a_server_is_asked_with_the_password_of_the_secret() -> None:
    with postgres_server() as server:
        uri = server.uri(server.new_database(), scheme="postgresql+psycopg")
        engine = create_engine(uri)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE SCHEMA sales")
            connection.exec_driver_sql('CREATE TABLE sales.orders ("Made" timestamptz, id uuid)')
            connection.exec_driver_sql("INSERT INTO sales.orders VALUES ('2026-11-30 12:00+02', gen_random_uuid())")
        plain = uri.replace("postgresql+psycopg", "postgresql")
        first = asked(plain, "Made", "sales.orders")
        assert first == '["text", "2026-11-30T10:00:00+00:00"]'
        assert "text" in asked(plain, "id", "sales.orders"), "a column of a kind that has no greatest value"
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO sales.orders VALUES (%s, NULL), (NULL, NULL)", (datetime(2026, 12, 1, tzinfo=UTC),)
            )
        assert has_grown(first, asked(plain, "Made", "sales.orders"))
        engine.dispose()


@pytest.mark.slow
def test_a_query_of_a_server_tells_new_rows_and_names_what_it_does_not_know() -> None:
    with postgres_server() as server:
        uri = server.uri(server.new_database(), scheme="postgresql+psycopg")
        engine = create_engine(uri)

        def write(statement: str) -> None:
            with engine.begin() as connection:
                connection.exec_driver_sql(statement)

        write("CREATE TABLE orders (id bigint, paid boolean, at timestamptz)")
        write("INSERT INTO orders VALUES (9, true, '2026-11-30 12:00+02'), (10, false, '2026-12-01 12:00+02')")
        plain = uri.replace("postgresql+psycopg", "postgresql")
        query = "WITH paid AS (SELECT id AS number, at FROM orders WHERE paid) SELECT * FROM paid ; -- paid alone"
        nine, moment = (asked(plain, column, query=query) for column in ("number", "at"))
        assert (nine, moment) == ('["number", "9"]', '["text", "2026-11-30T10:00:00+00:00"]')
        write("INSERT INTO orders VALUES (11, false, '2026-12-02')")
        assert not has_grown(nine, asked(plain, "number", query=query)), "no row of the query"
        write("UPDATE orders SET paid = true WHERE id = 10")
        assert has_grown(nine, asked(plain, "number", query=query)), "9 is less than 10, though not as a text"
        assert has_grown(moment, asked(plain, "at", query=query))
        write("DELETE FROM orders")
        assert asked(plain, "number", query=query) == "", "empty, not unknown"
        for column, wrong in (("none", query), ("number", "SELECT * FROM nowhere"), ("number", "SELECT FROM WHERE")):
            with pytest.raises((Invalid, NotFound)):
                asked(plain, column, query=wrong)
        with pytest.raises((Invalid, Refused, Unavailable)):
            asked(plain, "id", query="INSERT INTO orders VALUES (12) RETURNING id")
        assert asked(plain, "number", query="SELECT count(*) AS number FROM orders") == '["number", "0"]'
        engine.dispose()
