"""Which stores are read, and what is said of those that are missing, locked, damaged, half made, or not known."""

import importlib.util
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import DeskError, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import TrackerKind
from mlops_desk.registry.store.errors import UnknownSchema
from mlops_desk.registry.store.reader import SqlReader
from mlops_desk.registry.store.schema import REVISIONS
from mlops_desk.registry.store.sqlite import connection as sqlite
from tests.postgres_server import PASSWORD
from tests.registry_reading import postgres_source, sqlite_source
from tests.registry_stores import empty_store


@pytest.fixture
def path(filled_file, tmp_path):
    copy = tmp_path / "mlflow.db"
    shutil.copyfile(filled_file, copy)
    return copy


def change(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def refusal(path, kind):
    with pytest.raises(kind) as caught:
        SqlReader(sqlite_source(path))
    assert caught.value.hint
    return caught.value.message


def test_all_schemas_that_are_known_are_the_chain_of_mlflows_own_migrations():
    folder = Path(importlib.util.find_spec("mlflow").submodule_search_locations[0], "store/db_migrations/versions")
    after = {}
    for file in folder.glob("*.py"):
        text = file.read_text()
        found = re.search(r'^revision = "(\w+)"', text, re.MULTILINE)
        if found:
            before = re.search(r"^down_revision = (.*)$", text, re.MULTILINE)[1].strip("\"'")
            after[before] = found[1]
    chain = [REVISIONS[0]]
    while chain[-1] in after:
        chain.append(after[chain[-1]])
    assert list(REVISIONS) == chain


@pytest.mark.slow
@pytest.mark.parametrize("revision", ["7f2a7d5fae7d", "acf3f17fdcc7", "0584bdc529eb", "bf29a5ff90ea", "1b5f0d9ad7c1"])
def test_stores_of_older_mlflows_are_read(tmp_path, revision):
    path = empty_store(tmp_path / "mlflow.db", revision)
    change(path,
           "INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (7, 'old', 'active')",
           "INSERT INTO runs (run_uuid, name, status, lifecycle_stage, experiment_id, source_type, user_id) VALUES ('r', 'n', 'RUNNING', 'active', 7, 'LOCAL', 'u')",
           *(f"INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES ('m', {n}, {n}, {n % 5}, 0, 'r')" for n in range(30)),
           "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES ('m', 1, 1, 1, 0, 'r')",
           "INSERT INTO registered_models (name) VALUES ('model')",
           "INSERT INTO model_versions (name, version, current_stage, status) VALUES ('model', 3, 'None', 'READY')",
           "INSERT INTO registered_model_aliases (name, alias, version) VALUES ('model', 'champion', 3)")  # fmt: skip
    reader = SqlReader(sqlite_source(path))
    assert reader.schema == revision
    mark = reader.mark()
    assert [batch.run_ids for batch in reader.batches()] == [("r",)]
    assert reader.changes(mark).batches == ()
    curve = reader.curves(["r"], "m", 100)[0]
    assert curve.steps == tuple(sorted(n % 5 for n in range(30)))
    values = [reader.metric_values(["r"], "m", *which) for which in (("min",), ("max",), ("first",), ("step", 3))]
    assert values == [{"r": 0.0}, {"r": 29.0}, {"r": 0.0}, {"r": 28.0}]
    assert [(row.version.version, row.version.aliases) for row in reader.versions()] == [("3", ("champion",))]
    assert [one.name for one in reader.experiments()] == ["old"]
    reader.close()


def test_other_workspaces_stay_apart(path):
    change(path,
           "INSERT INTO experiments (experiment_id, name, lifecycle_stage, workspace) VALUES (70, 'theirs', 'active', 'team')",
           "INSERT INTO runs (run_uuid, name, status, lifecycle_stage, experiment_id, source_type, user_id) VALUES ('theirs', 'n', 'RUNNING', 'active', 70, 'LOCAL', 'u')",
           "INSERT INTO registered_models (name, workspace) VALUES ('plain', 'team')",
           "INSERT INTO model_versions (name, version, workspace, current_stage, status) VALUES ('plain', 999, 'team', 'None', 'READY')",
           "INSERT INTO registered_model_aliases (name, alias, version, workspace) VALUES ('plain', 'champion', 999, 'team')")  # fmt: skip
    reader = SqlReader(sqlite_source(path))
    assert "theirs" not in {one.name for one in reader.experiments()}
    assert not any("theirs" in batch.run_ids for batch in reader.batches())
    assert "999" not in {row.version.version for row in reader.versions()}
    plain = next(model for model in reader.models() if model.name == "plain")
    assert (plain.latest_version, plain.aliases["champion"]) == ("2", "1")
    with pytest.raises(NotFound):
        reader.run("theirs")
    reader.close()


def test_what_is_missing_or_none_is_said(tmp_path):
    assert "no SQLite store" in refusal(tmp_path / "none.db", NotFound)
    other = tmp_path / "other.db"
    change(other, "CREATE TABLE runs (a)", "CREATE TABLE experiments (a)")
    assert "not a store of MLflow" in refusal(other, Refused)
    empty = tmp_path / "empty.db"
    empty.touch()
    assert "not a store of MLflow" in refusal(empty, Refused)
    (tmp_path / "text.db").write_text("this is no database at all, but a text of some length\n" * 40)
    assert "damaged" in refusal(tmp_path / "text.db", Unavailable)
    assert "is no file" in refusal(tmp_path, Unavailable)


def test_a_newer_and_an_older_store_are_left_to_others_and_nothing_is_upgraded(path):
    for revision in ("ffffffffffff", "bd07f7e963c5"):
        change(path, f"UPDATE alembic_version SET version_num = '{revision}'")
        before = path.read_bytes()
        assert revision in refusal(path, UnknownSchema)
        assert path.read_bytes() == before


@pytest.mark.parametrize(("statements", "words"), [
    (["DELETE FROM alembic_version"], "names 0 revisions"),
    (["INSERT INTO alembic_version VALUES ('7f2a7d5fae7d')"], "names 2 revisions"),
    (["CREATE TABLE _alembic_tmp_runs (a)"], "_alembic_tmp_runs"),
    (["UPDATE alembic_version SET version_num = '7f2a7d5fae7d'"], "not those of its revision"),
    (["DROP TABLE registered_model_aliases"], "table registered_model_aliases"),
    (["ALTER TABLE runs DROP COLUMN end_time"], "column runs.end_time"),
])  # fmt: skip
def test_half_a_migration_is_said(path, statements, words):
    change(path, *statements)
    message = refusal(path, Unavailable)
    assert "half migrated" in message
    assert words in message


def test_without_its_index_a_store_is_read_the_slow_way(path):
    change(path, "DROP INDEX index_latest_metrics_run_uuid")
    assert "index_latest_metrics_run_uuid" in refusal(path, UnknownSchema)


@pytest.mark.slow
def test_a_locked_store_says_so_and_goes_on_afterwards(path, monkeypatch):
    monkeypatch.setattr(sqlite, "_WAIT_SECONDS", 0.1)
    reader = SqlReader(sqlite_source(path))
    mark = reader.mark()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "locked" in refusal(path, TimedOut)
        for ask in (lambda: list(reader.batches()), lambda: reader.changes(mark), reader.models):
            with pytest.raises(TimedOut):
                ask()
        other.execute("ROLLBACK")
    assert sum(len(batch.run_ids) for batch in reader.batches()) == 120
    reader.close()


def test_who_was_kept_waiting_by_a_lock_waits_shorter_until_it_could_read_again(path):
    reader = SqlReader(sqlite_source(path))
    connection = reader._store.database
    waits = lambda: connection._connection.execute("PRAGMA busy_timeout").fetchone()[0]  # noqa: E731 - read thrice
    assert waits() == 3000
    connection._connection.execute("PRAGMA busy_timeout = 10")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(2):
            with pytest.raises(TimedOut):
                reader.models()
            assert waits() == 200
        other.execute("ROLLBACK")
    reader.models()
    assert waits() == 3000
    reader.close()


def test_a_damaged_page_is_an_error_of_what_lies_in_it(path):
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'tags'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    reader = SqlReader(sqlite_source(path))
    with pytest.raises(Unavailable, match="damaged"):
        list(reader.batches())
    assert reader.models(), "the rest goes on"
    reader.close()


HALF_WRITTEN = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE metrics SET value = value + 1")
os._exit(0)
"""


def test_a_writer_that_died_in_the_middle_is_told_of(path):
    subprocess.run([sys.executable, "-c", HALF_WRITTEN, str(path)], check=True, timeout=60)
    assert path.with_name(f"{path.name}-journal").stat().st_size
    message = refusal(path, Unavailable)
    assert "died while it wrote" in message or "can't be opened" in message
    change(path, "DELETE FROM metrics WHERE 0")
    SqlReader(sqlite_source(path)).close()


def test_a_file_that_is_replaced_is_read_anew_and_one_that_is_gone_is_missed(path, filled_file):
    reader = SqlReader(sqlite_source(path))
    mark = reader.mark()
    list(reader.batches())
    fresh = path.with_name("fresh.db")
    shutil.copyfile(filled_file, fresh)
    change(fresh, "DELETE FROM tags", "DELETE FROM params")
    fresh.replace(path)
    changes = reader.changes(mark)
    assert changes.everything
    assert not any(batch.params for batch in reader.batches())
    path.unlink()
    with pytest.raises(NotFound):
        reader.changes(changes.mark)
    reader.close()


@pytest.mark.parametrize("act", ["VACUUM", "CREATE INDEX other ON params (value)"])
def test_what_may_number_rows_anew_means_everything(path, act):
    reader = SqlReader(sqlite_source(path))
    mark = reader.mark()
    list(reader.batches())
    change(path, act)
    assert reader.changes(mark).everything
    reader.close()


def test_a_text_that_is_no_text_keeps_nothing_else_from_being_read(path):
    run_id = next(SqlReader(sqlite_source(path)).batches()).run_ids[0]
    change(path, f"UPDATE runs SET name = CAST(x'ff61' AS TEXT) WHERE run_uuid = '{run_id}'")
    reader = SqlReader(sqlite_source(path))
    assert reader.run(run_id).name == "\ufffda"
    assert reader.experiments()[0].name
    reader.close()


def test_nothing_can_be_written_through_a_reader(path):
    reader = SqlReader(sqlite_source(path))
    with pytest.raises(DeskError):
        reader._store.database.rows("DELETE FROM tags")
    reader.close()


def test_a_database_that_refuses_a_login_or_is_not_there_is_said_without_the_password(postgres):
    for uri, kind in ((postgres.uri(postgres.filled, password="Wrong:P/a@ss"), Refused),
                      (postgres.uri("nothing"), Unavailable),
                      (postgres.uri(postgres.filled).replace(str(postgres.port), "1"), Unavailable),
                      (f"postgresql://desk:{PASSWORD}@[broken", Unavailable)):  # fmt: skip
        with pytest.raises(kind) as caught:
            SqlReader(postgres_source(uri))
        told = f"{caught.value.message} {caught.value.hint}"
        assert PASSWORD not in told
        assert "P/a@ss" not in told
        assert "%25" not in told


def test_a_database_without_mlflows_tables_is_none_and_one_of_another_kind_is_left_to_others(postgres):
    with pytest.raises(Refused, match="not a store of MLflow"):
        SqlReader(postgres_source(postgres.uri(postgres.new_database())))
    with pytest.raises(UnknownSchema):
        SqlReader(RegistrySource(TrackerKind.DATABASE, "mysql://u:p@h/d", "mysql://h/d"))


def test_a_database_is_read_as_one_who_may_not_write(postgres):
    uri = postgres.uri(postgres.new_database(template=postgres.filled), scheme="postgresql+psycopg2")
    reader = SqlReader(postgres_source(uri))
    with pytest.raises(Unavailable, match="read-only"):
        reader._store.database.rows("DELETE FROM tags")
    reader._store.database._connection.close()
    assert reader.models(), "a lost connection is made anew"
    reader.close()


def test_a_question_that_takes_too_long_is_given_up(postgres, monkeypatch):
    from mlops_desk.registry.store.postgres import connection as module

    monkeypatch.setattr(module, "_SETTINGS", ("SET statement_timeout = '50ms'",))
    reader = SqlReader(postgres_source(postgres.uri(postgres.new_database(template=postgres.filled))))
    with pytest.raises(TimedOut):
        reader._store.database.rows("SELECT pg_sleep(5)")
    reader.close()
