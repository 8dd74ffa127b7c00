"""A migration is carried out whole or not at all, at whatever statement the process is killed."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine

from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.base import wire
from mlops_desk.kit.storage import schema
from mlops_desk.kit.storage.history.blocks import Block
from mlops_desk.kit.storage.history.store import TelemetryStore
from mlops_desk.kit.storage.state import State


@pytest.fixture(autouse=True)
def schema_is_ready() -> None:
    """Not here: migrations themselves are what is tried."""


JOBS = [
    Job(f"j{number}", "train", JobState.SUCCEEDED, JobSpec("train", "i"), float(number), 0, "me")
    for number in range(40)
]


def state_of(revision: str, path: Path) -> None:
    """Make a state database as an older program left it, with jobs in it."""
    make(path, "state", revision)
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = [(job.id, job.state, "", job.submitted_at, json.dumps(wire.to_builtins(job))) for job in JOBS]
        connection.executemany("INSERT INTO jobs VALUES (?, ?, ?, ?, ?)", rows)


def telemetry_of(revision: str, path: Path) -> None:
    """Make a telemetry database as an older program left it, with a block in it."""
    make(path, "telemetry", revision)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO series VALUES (1, 'host', 'system.memory.usage', 'By')")
        connection.execute("INSERT INTO layouts VALUES (1, '1')")
        connection.execute("INSERT INTO blocks VALUES (1, 1, 100.0, 101.0, 2, x'01')")


def make(path: Path, branch: str, revision: str) -> None:
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", lambda connection, _record: connection.execute("PRAGMA journal_mode=WAL"))
    with engine.begin() as connection:
        schema.upgrade(connection, branch, revision)
    engine.dispose()


def last_write(path: Path, start: Callable[[Path], State | TelemetryStore]) -> int:
    """Return the number of the last statement that changes something where nobody kills a start, on a copy of the folder."""
    copy = Path(shutil.copytree(path.parent, path.parent.with_name(f"{path.parent.name}-copy")))
    statements = []

    def hear(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        opened = start(copy / path.name)
    finally:
        event.remove(Engine, "before_cursor_execute", hear)
    opened.close()
    shutil.rmtree(copy)
    return max(at for at, statement in enumerate(statements) if not statement.startswith(("SELECT", "PRAGMA")))


def open_killed_at(statement: int, start: Callable[[], object]) -> bool:
    """Open a database in a process that is killed before its Nth statement; tell whether it got that far."""
    child = os.fork()
    if child == 0:
        left = statement

        def count(*_: object) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(9)

        event.listen(Engine, "before_cursor_execute", count)
        start()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def kill_everywhere(path: Path, start: Callable[[Path], State | TelemetryStore]) -> int:
    """Kill a start at one statement after the other, on what the last one left; return the number of the last.

    Each of the first ten and of the last ten up to where all is committed, and every sixth of those between: each kill
    does all over again what came before it.
    """
    assert open_killed_at(last_write(path, start) // 2, lambda: start(path))
    last = last_write(path, start)  # there is a backup now, if one is made
    for statement in sorted({*range(10), *range(0, last, 6), *range(max(0, last - 9), last + 1)}):
        assert open_killed_at(statement, lambda: start(path)), f"there is no statement {statement} of {last}"
        with closing(sqlite3.connect(path)) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            assert not names or "alembic_version" in names, "tables without a schema"
    assert not open_killed_at(last + 100, lambda: start(path))
    return last


@pytest.mark.slow
def test_a_first_start_that_is_killed_at_any_statement_leaves_a_database_that_opens(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    assert kill_everywhere(path, State) > 20
    state = State(path)
    assert state.repair is None
    state.jobs.put(JOBS[0])
    assert state.jobs.list() == JOBS[:1]
    state.close()


@pytest.mark.slow
@pytest.mark.parametrize("revision", ["s0001", "s0002"])
def test_an_upgrade_that_is_killed_at_any_statement_loses_no_row(tmp_path: Path, revision: str) -> None:
    path = tmp_path / "state.db"
    state_of(revision, path)
    assert kill_everywhere(path, State) > 5
    state = State(path)
    assert state.repair is None
    assert state.jobs.list(newest_first=False) == JOBS
    assert {backup.why for backup in state.backups()} == {f"before-{revision}"}
    state.close()


@pytest.mark.slow
def test_an_upgrade_of_the_history_that_is_killed_at_any_statement_loses_no_row(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    telemetry_of("t0001", path)
    assert kill_everywhere(path, TelemetryStore) > 5
    store = TelemetryStore(path)
    assert store.repair is None
    assert store.size()[0] == 1
    store.close()


def test_a_migration_that_fails_halfway_is_taken_back_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.db"
    state_of("s0001", path)
    real = schema.upgrade

    def failing(connection: object, branch: str) -> None:
        real(connection, branch)
        raise MemoryError

    monkeypatch.setattr(schema, "upgrade", failing)
    with pytest.raises(MemoryError):
        State(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("s0001",)]
        assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'incidents'").fetchall() == []


def test_what_an_older_program_left_half_made_is_made_anew_and_its_rows_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    state_of("s0003", path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM alembic_version")
        connection.execute("DROP TABLE alerts")
    state = State(path)
    assert state.repair is not None
    assert state.repair.kept.exists()
    assert state.jobs.list(newest_first=False) == JOBS
    assert state.alerts.list() == []
    state.close()


def test_a_block_of_the_history_is_appended_after_an_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    telemetry_of("t0001", path)
    store = TelemetryStore(path)
    times = np.array([200.0, 201.0])
    block = Block(
        (("host", "system.memory.usage", "By"),), times, np.ones((2, 1), np.float32), np.ones((2, 1), np.uint8)
    )
    store.append(block)
    assert [list(found.times) for found in store.read(199, 202)] == [[200.0, 201.0]]
    store.close()
