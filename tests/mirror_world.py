"""The process that keeps a registry in memory, for tests: as the agent holds it, with a watch of its own."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from mlops_desk.registry.mirror.client import ChildMirror
from mlops_desk.registry.mirror.mirrors import Mirrors
from mlops_desk.registry.mirror.plain import PlainMirror
from tests.registry_reading import sqlite_source


def nobody() -> PlainMirror:
    raise AssertionError("MLflow's client is not asked")


class World:
    """One mirror's process of an SQLite store, and somebody who writes to it."""

    def __init__(
        self, path: Path, limit_bytes: int = 1536 << 20, otherwise: Callable[[], PlainMirror] = nobody
    ) -> None:
        self.path = path
        self.changed = threading.Event()
        self.ending = threading.Event()
        self.mirrors = Mirrors(lambda _source: self.changed.set(), limit_bytes)
        self.source = sqlite_source(path)
        self.client = ChildMirror(self.mirrors, self.source, otherwise)
        self._watch = threading.Thread(target=self.mirrors.watch, args=(self.ending,))
        self._watch.start()

    def pid(self) -> int:
        ((_, link),) = self.mirrors._links.values()
        return link._process.pid

    def write(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path, timeout=20)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def stop(self) -> None:
        self.ending.set()
        self._watch.join(5)
        self.mirrors.stop()
