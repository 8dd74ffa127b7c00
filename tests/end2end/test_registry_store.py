"""The desk's own store: made whole or not at all, upgraded with a backup, left alone when it is current."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

pytestmark = [pytest.mark.end2end]

PREPARE = """
import sys
from pathlib import Path
from mlops_desk.registry.server.store import prepare
prepare(Path(sys.argv[1]), "mlflow-artifacts:/")
"""

OLDER = """
import sys
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config, create_sqlalchemy_engine
from mlflow.store.tracking.dbmodels.initial_models import Base
uri = f"sqlite:///{sys.argv[1]}"
engine = create_sqlalchemy_engine(uri)
Base.metadata.create_all(engine)
config = _get_alembic_config(uri)
scripts = ScriptDirectory.from_config(config)
with engine.begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, scripts.get_revision(scripts.get_heads()[0]).down_revision)
"""


def run(program, store):
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    ran = subprocess.run([sys.executable, "-c", program, str(store)], env=environment, capture_output=True, text=True,
                         timeout=600, check=False)  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]


def schema(store):
    with closing(sqlite3.connect(store)) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def test_what_an_interrupted_start_left_is_made_anew(tmp_path):
    store = tmp_path / "mlflow.db"
    (tmp_path / "mlflow.db.unfinished").write_bytes(b"SQLite format 3\0 and then the power went")
    run(PREPARE, store)
    assert schema(store)
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_an_older_store_is_backed_up_and_upgraded_once(tmp_path):
    store = tmp_path / "mlflow.db"
    run(OLDER, store)
    older = schema(store)
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("INSERT INTO experiments (name, lifecycle_stage) VALUES ('digits', 'active')")
        connection.commit()
    run(PREPARE, store)
    backup = tmp_path / f"mlflow.db.schema-{older}.backup"
    assert schema(backup) == older != schema(store)
    with closing(sqlite3.connect(store)) as connection:
        assert ("digits",) in connection.execute("SELECT name FROM experiments").fetchall()
    backup.unlink()
    run(PREPARE, store)
    assert not backup.exists()


WATCHED = """
import os, sys
from pathlib import Path
from sqlalchemy import event, Engine
from mlflow.store.db.utils import create_sqlalchemy_engine
from mlops_desk.registry.server.store import prepare
store = Path(sys.argv[1])
seen, waits, sync, replace = [], [], os.fsync, Path.replace
def synced(descriptor):
    seen.append("synced " + Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
    sync(descriptor)
def replaced(path, target):
    seen.append(f"renamed {path.name}")
    return replace(path, target)
def asked(connection, *_):
    waits.append(connection.execute("PRAGMA synchronous").fetchone()[0])
os.fsync, Path.replace = synced, replaced
from sqlalchemy.pool import Pool
event.listen(Pool, "checkout", asked)
prepare(store, "mlflow-artifacts:/")
made, waits[:] = list(waits), []
create_sqlalchemy_engine(f"sqlite:///{store}").connect().close()
print(seen[:2], set(made), waits)
"""


def test_a_store_is_made_without_waiting_for_the_disk_and_synced_before_it_has_its_name(tmp_path):
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    ran = subprocess.run([sys.executable, "-c", WATCHED, str(tmp_path / "mlflow.db")], env=environment,
                         capture_output=True, text=True, timeout=600, check=True)  # fmt: skip
    told = ran.stdout.splitlines()[-1]
    assert told == "['synced mlflow.db.unfinished', 'renamed mlflow.db.unfinished'] {0} [2]"
