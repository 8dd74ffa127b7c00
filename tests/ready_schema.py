"""New databases of tests get their schema as SQL that migrations made once in the process, not by 18 migrations each.

A new database took a tenth of the core's time. What migrations do to databases that hold something, and to one that is
brought to an older revision, is done by them.

Statements are made into SQL once in the process, too: an engine of its own, as each database has, would do so for each
of the twenty tables that are looked at when it is opened.
"""

from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

from mlops_desk.kit.storage import database, schema

_OBJECTS = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%' ORDER BY rowid"
_by_branch: dict[str, list[str]] = {}
_COMPILED: LRUCache[Any, Any] = LRUCache(2000)
# What is compiled is kept by the statement and the dialect, of which each engine has one: they are all the same.
SQLiteDialect_pysqlite.__eq__ = lambda self, other: type(self) is type(other)
SQLiteDialect_pysqlite.__hash__ = lambda self: hash(type(self))


def use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have ``schema.upgrade`` do so in this process until the monkeypatch is undone, and databases share what is compiled."""
    monkeypatch.setattr(schema, "upgrade", _upgrade)
    monkeypatch.setattr(database, "create_engine", _create_engine)


def _create_engine(*arguments: Any, **named: Any) -> Engine:
    engine = create_engine(*arguments, **named)
    engine.update_execution_options(compiled_cache=_COMPILED)
    return engine


def _upgrade(connection: Connection, branch: str, revision: str = "head", *, migrate=schema.upgrade) -> None:
    if revision != "head" or connection.execute(text(_OBJECTS)).first() is not None:
        migrate(connection, branch, revision)
        return
    if branch not in _by_branch:
        migrate(connection, branch)
        _by_branch[branch] = _written(connection)
        return
    for statement in _by_branch[branch]:
        connection.exec_driver_sql(statement)


def _written(connection: Connection) -> list[str]:
    """The statements that make this database anew: its objects, and the revision that it says it has."""
    objects = list(connection.execute(text(_OBJECTS)).scalars())
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    return [*objects, f"INSERT INTO alembic_version VALUES ('{revision}')"]
