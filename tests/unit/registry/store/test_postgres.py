"""What a reader is to a PostgreSQL server: one short question after another, for reading alone, in nobody's way."""

import psycopg
import pytest

from mlops_desk.kit.base.errors import TimedOut, Unavailable
from mlops_desk.registry.store.errors import UnknownSchema
from mlops_desk.registry.store.postgres import connection as module
from mlops_desk.registry.store.reader import SqlReader
from tests.registry_reading import postgres_source
from tests.registry_stores import make_tables

NAME = "mlops-desk"


@pytest.fixture
def uri(postgres):
    return postgres.uri(postgres.new_database(template=postgres.filled))


@pytest.fixture
def reader(uri):
    reader = SqlReader(postgres_source(uri))
    yield reader
    reader.close()


@pytest.fixture
def other(uri):
    """Somebody else's connection: a training's, or an administrator's."""
    with psycopg.connect(uri, autocommit=True) as connection:
        yield connection


def standing(other):
    """Return what the server says of our connections to this database: their states, and the locks they hold."""
    return other.execute(
        "SELECT a.state, a.backend_xmin IS NULL, (SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid AND l.relation > 16384) "
        "FROM pg_stat_activity a WHERE a.application_name = %s AND a.datname = current_database()", (NAME,)
    ).fetchall()  # fmt: skip


def test_between_two_questions_nothing_is_open(reader, other):
    mark = reader.mark()
    batches = reader.batches()
    assert len(next(batches).run_ids) == 100
    assert standing(other) == [("idle", True, 0)], (
        "no transaction, no cursor, no lock while the rest is still to be read"
    )
    other.execute("SET lock_timeout = '2s'")
    other.execute("ALTER TABLE runs ADD COLUMN later integer")
    assert sum(len(batch.run_ids) for batch in batches) == 20
    reader.changes(mark)
    reader.curves(next(reader.batches()).run_ids, "loss", 100)
    reader.metric_values(next(reader.batches()).run_ids, "loss", "max")
    reader.versions()
    assert standing(other) == [("idle", True, 0)]
    assert reader._store.database.rows("SELECT name FROM pg_cursors WHERE name <> ''") == []


SETTINGS = {"default_transaction_read_only": "on", "statement_timeout": "20s", "lock_timeout": "5s"}


def test_each_session_reads_alone_and_gives_up_in_time_also_the_one_after_a_lost_one(reader, other):
    for _ in range(2):
        assert {name: reader._store.database.value(f"SHOW {name}") for name in SETTINGS} == SETTINGS
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", (NAME,))
        with pytest.raises(Unavailable):
            reader.models()
    assert reader.models()


def test_who_holds_a_table_for_a_migration_is_not_waited_for_long(uri, other, monkeypatch):
    monkeypatch.setattr(module, "_SETTINGS", ("SET lock_timeout = '100ms'",))
    reader = SqlReader(postgres_source(uri))
    mark = reader.mark()
    with other.transaction():
        other.execute("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TimedOut):
            next(reader.batches())
        assert reader.models(), "the rest goes on"
    assert next(reader.batches()).run_ids
    assert not reader.changes(mark).everything
    reader.close()


def test_a_store_that_is_migrated_while_one_looks_is_not_guessed_at(reader, other):
    mark = reader.mark()
    (was,) = other.execute("SELECT version_num FROM alembic_version").fetchone()
    other.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    for _ in range(2):
        with pytest.raises(UnknownSchema, match="ffffffffffff"):
            reader.changes(mark)
    with pytest.raises(UnknownSchema):
        reader.mark()
    other.execute("DROP TABLE alembic_version")
    with pytest.raises(Exception, match="not a store of MLflow"):
        reader.changes(mark)
    other.execute("CREATE TABLE alembic_version (version_num varchar(32))")
    other.execute("INSERT INTO alembic_version VALUES ('dc11669786a5')")
    assert was == "dc11669786a5"
    assert not reader.changes(mark).everything, "it is what it was"
    older = "75868b020152"
    other.execute(f"UPDATE alembic_version SET version_num = '{older}'")
    assert reader.changes(mark).everything
    assert reader.schema == older


@pytest.mark.slow
def test_texts_are_sorted_as_the_database_does(postgres, reader):
    words = ["b", "B", "a", "A", "_x", "é", "e", "f", " y", "10", "9", ""]
    assert list(reader.text_order(words)) == sorted(words), "this one has code points"
    uri = postgres.uri(postgres.new_database(language="en-US"))
    make_tables(uri.replace("postgresql://", "postgresql+psycopg://", 1))
    other = SqlReader(postgres_source(uri))
    assert list(other.text_order(words)) == ["", " y", "_x", "10", "9", "a", "A", "b", "B", "e", "é", "f"]
    other.close()


def test_last_values_are_asked_for_of_the_runs_that_are_read_alone(reader, monkeypatch):
    """By an index: a join, or no condition, would have the server read the whole table for each part of the runs."""
    asked = []
    real = reader._store.database.rows

    def rows(sql, parameters=()):
        found = real(sql, parameters)
        if "FROM latest_metrics" in sql:
            asked.append((parameters, found))
        return found

    monkeypatch.setattr(reader._store.database, "rows", rows)
    assert sum(len(batch.run_ids) for batch in reader.batches()) == 120
    assert [len(listed) for ((listed,), _) in asked] == [100, 20]
    for (listed,), found in asked:
        assert {row[0] for row in found} <= set(listed)
