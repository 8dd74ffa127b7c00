"""The desk's own MLflow store: made whole or not at all, and brought up to date with a backup beside it.

MLflow makes its tables by dozens of migrations and says itself that they are not transactional, so a
store is made under another name and renamed when it is ready. Runs in the tracking server's process.
"""

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import mlflow.store.db.utils
import mlflow.store.tracking.sqlalchemy_store
from sqlalchemy import Engine, event

from mlops_desk.kit.base.disk.files import replace_durably

_log = logging.getLogger(__name__)

_ANALYSIS_ROWS = 1000  # what SQLite's manual recommends for large databases is 100 to 1000

_schema: Any = mlflow.store.db.utils  # untyped there
_open: Any = mlflow.store.tracking.sqlalchemy_store.SqlAlchemyStore


def prepare(store: Path, artifact_root: str) -> None:
    """Make the store, or upgrade one that an older MLflow made. Raises what MLflow and SQLite raise."""
    if store.exists():
        _upgrade(store)
    else:
        _make(store, artifact_root)
    _analyse(store)


def _make(store: Path, artifact_root: str) -> None:
    unfinished = store.with_name(f"{store.name}.unfinished")
    for left_over in (unfinished, unfinished.with_name(f"{unfinished.name}-journal")):
        left_over.unlink(missing_ok=True)
    with _unsynced():
        made = _open(f"sqlite:///{unfinished}", artifact_root)
        made.engine.dispose()
    with unfinished.open("rb") as whole:
        os.fsync(whole.fileno())
    replace_durably(unfinished, store)


@contextmanager
def _unsynced() -> Iterator[None]:
    """Let SQLite wait for no disk: what the power cuts short here is thrown away, and the whole is synced at its end.

    On a busy disk the hundreds of waits of the migrations took 8 s beside 1 s of computing, measured.
    """
    event.listen(Engine, "connect", _without_waiting)
    try:
        yield
    finally:
        event.remove(Engine, "connect", _without_waiting)


def _without_waiting(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")


def _upgrade(store: Path) -> None:
    engine = _schema.create_sqlalchemy_engine(f"sqlite:///{store}")
    try:
        found, wanted = _schema._get_schema_version(engine), _schema._get_latest_schema_revision()  # noqa: SLF001 - no public way
        if found == wanted:
            return
        backup = _backed_up(store, str(found))
        _log.warning("The store is upgraded from schema %s to %s; the old one is kept as %s", found, wanted, backup)
        _schema._upgrade_db(engine)  # noqa: SLF001 - what `mlflow db upgrade` calls, without its prompt
    finally:
        engine.dispose()


def _backed_up(store: Path, schema: str) -> Path:
    """Copy the store by SQLite's own means: a plain copy could miss what is not yet written back."""
    backup = store.with_name(f"{store.name}.schema-{schema}.backup")
    unfinished = backup.with_name(f"{backup.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with closing(sqlite3.connect(store, timeout=20.0)) as source, closing(sqlite3.connect(unfinished)) as target:
        source.backup(target)
    unfinished.replace(backup)
    return backup


def _analyse(store: Path) -> None:
    """Let SQLite count its rows: without, sorting 15,000 runs by a metric takes 14 s instead of 0.3."""
    with closing(sqlite3.connect(store, timeout=20.0)) as connection:
        connection.execute(f"PRAGMA analysis_limit = {_ANALYSIS_ROWS}")
        connection.execute("ANALYZE")
        connection.commit()
