"""The schema's version is read without Alembic, and agrees with it; newer, older and damaged files keep their data."""

import json
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from mlops_desk.automation.records.retraining_rule import Rule
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.storage import schema
from mlops_desk.kit.storage.state import State
from tests import ready_schema


@pytest.fixture(autouse=True)
def schema_is_ready() -> None:
    """Not here: migrations themselves are what is tried."""


RULE = Rule("nightly", "churn", "champion", "auc", data={})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state database with one rule in it."""
    made = tmp_path / "state.db"
    state = State(made)
    state.rules.put(RULE)
    state.close()
    return made


def test_databases_that_are_made_at_once_get_each_its_own_tables(tmp_path: Path) -> None:
    def make(branch: str) -> set[str]:
        engine = create_engine(f"sqlite:///{tmp_path / branch}.db")
        with engine.begin() as connection:
            schema.upgrade(connection, branch)
        found = schema.tables(engine)
        engine.dispose()
        return found

    with ThreadPoolExecutor(3) as pool:
        state, telemetry, windows = pool.map(make, ["state", "telemetry", "windows"])
    assert ("jobs" in state, "blocks" in telemetry, "window_profiles" in windows) == (True, True, True)
    assert state & telemetry & windows == {"alembic_version"}


@pytest.mark.parametrize("branch", ["state", "telemetry", "windows"])
def test_the_databases_of_other_tests_are_what_migrations_make(branch: str, tmp_path: Path) -> None:
    def made(name: str) -> list[str]:
        engine = create_engine(f"sqlite:///{tmp_path / name}.db")
        with engine.begin() as connection:
            schema.upgrade(connection, branch)
        engine.dispose()
        with closing(sqlite3.connect(tmp_path / f"{name}.db")) as connection:
            return list(connection.iterdump())

    by_migrations = made("migrated")
    with pytest.MonkeyPatch.context() as patch:
        ready_schema.use(patch)
        assert made("kept") == by_migrations
        with pytest.MonkeyPatch.context() as without:
            without.setattr("alembic.command.upgrade", lambda *_: pytest.fail("migrated once more"))
            assert made("ready") == by_migrations


@pytest.mark.parametrize("branch", ["state", "telemetry", "windows"])
def test_the_newest_revision_is_alembics_head(branch: str) -> None:
    config = Config()
    config.set_main_option("script_location", f"mlops_desk.kit.storage:migrations/{branch}")
    assert schema.newest(branch) == ScriptDirectory.from_config(config).get_current_head()


@pytest.mark.slow
def test_a_database_of_the_newest_schema_is_opened_without_alembic(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from mlops_desk.kit.storage.state import State;"
        "State(Path(sys.argv[1])).close(); sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, timeout=60)


@pytest.mark.slow
def test_a_database_of_a_newer_program_is_refused_and_left_as_it_is(path: Path) -> None:
    _execute(path, "UPDATE alembic_version SET version_num = 's9999'")
    with pytest.raises(Refused, match="written by a newer MLOps Desk"):
        State(path)
    _execute(path, f"UPDATE alembic_version SET version_num = '{schema.newest('state')}'")
    state = State(path)
    assert state.rules.list() == [RULE]
    state.close()


def test_jobs_of_an_older_program_are_found_by_their_run(tmp_path: Path) -> None:
    old = tmp_path / "state.db"
    config = Config()
    config.set_main_option("script_location", "mlops_desk.kit.storage:migrations/state")
    engine = create_engine(f"sqlite:///{old}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "s0002")
        job = Job("j1", "train", JobState.SUCCEEDED, JobSpec("train", "i"), 1.0, 0, "me", mlflow_run_id="run-1")
        values = {"document": json.dumps(wire.to_builtins(job))}
        connection.execute(text("INSERT INTO jobs VALUES ('j1', 'succeeded', '', 1.0, :document)"), values)
    engine.dispose()
    state = State(old)
    assert state.jobs.newest_with("mlflow_run_id", "run-1") == job
    (backup,) = state.backups()
    assert (backup.database, backup.why) == ("state", "before-s0002")
    state.close()


def test_a_damaged_file_is_kept_and_the_newest_backup_takes_its_place(path: Path) -> None:
    backup = path.with_name("state.db.backup-s0001")
    backup.write_bytes(path.read_bytes())
    path.write_bytes(b"SQLite format 3\0" + b"damage" * 500)
    state = State(path)
    assert state.repair is not None
    assert state.repair.backup == "state.db.backup-s0001"
    assert b"damage" in state.repair.kept.read_bytes()
    assert state.rules.list() == [RULE]
    state.close()


@pytest.mark.parametrize("damage", ["DROP TABLE incidents", "UPDATE alembic_version SET version_num = 'x'"])
def test_a_schema_that_there_is_not_is_damage_and_costs_no_record(path: Path, damage: str) -> None:
    _execute(path, damage)
    state = State(path)
    assert state.repair is not None
    assert state.repair.kept.exists()
    assert state.incidents.list() == []
    assert state.rules.list() == [RULE]
    state.close()


_OPEN_WITHOUT_SPACE = """
import resource, sys
from pathlib import Path
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.storage.state import State
from tests import ready_schema
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
try:
    State(Path(sys.argv[1]))
except Unavailable as error:
    print(error.message, error.hint)
"""


@pytest.mark.slow
def test_a_sound_file_stays_where_it_is_when_nothing_can_be_written(path: Path) -> None:
    command = [sys.executable, "-c", _OPEN_WITHOUT_SPACE, str(path)]
    told = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True).stdout
    assert str(path) in told
    assert "Free some space" in told
    assert not list(path.parent.glob("*damaged*"))
    state = State(path)
    assert state.rules.list() == [RULE]
    state.close()


def _execute(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()
