"""The process of a mirror: what it tells of a real store, and what becomes of one that is killed, hangs or grows."""

import contextlib
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mlops_desk.base.errors import DeskError, Invalid, NotFound, TimedOut, Unavailable
from mlops_desk.records.registry.tracker import TrackerKind
from mlops_desk.registry.mirror.client import ChildMirror
from mlops_desk.registry.mirror.mirrors import Mirrors
from mlops_desk.registry.mirror.protocol import WindowAsked
from mlops_desk.registry.reading.source import RegistrySource
from tests.registry_stores import small_store

pytestmark = [pytest.mark.end2end, pytest.mark.timeout(240)]


def nobody() -> None:
    raise AssertionError("MLflow's client is not asked")


class World:
    def __init__(self, path: Path, limit_bytes: int = 1536 << 20) -> None:
        self.path = path
        self.changed = threading.Event()
        self.ending = threading.Event()
        self.mirrors = Mirrors(lambda _source: self.changed.set(), limit_bytes)
        self.source = RegistrySource(TrackerKind.SQLITE, f"sqlite:///{path}", str(path), path)
        self.client = ChildMirror(self.mirrors, self.source, nobody)  # type: ignore[arg-type]  # never called
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


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(small_store(tmp_path / "store.db", 300, 2))
    yield made
    made.stop()


def whole(world: World) -> int:
    return len(world.client.runs(WindowAsked(limit=10_000)))


def test_a_window_is_told_before_all_was_read_and_a_list_only_then(world: World) -> None:
    shown = world.client.window(WindowAsked(columns=("metrics.auc",), limit=5))
    assert len(shown.rows) == 5
    n_runs = whole(world)
    after = world.client.window(WindowAsked(limit=5))
    assert (after.n_matching, after.n_runs, after.is_loading) == (n_runs, n_runs, False)
    with pytest.raises(NotFound, match="no experiment"):
        world.client.window(WindowAsked(("nobody",)))
    with pytest.raises(Invalid) as refused:
        world.client.window(WindowAsked(filter="acu > 1"))
    assert refused.value.place is not None
    assert refused.value.place.column == 1


def test_what_others_write_is_seen_and_told(world: World) -> None:
    whole(world)
    run_id = world.client.window(WindowAsked(limit=1)).rows[0].run_id
    time.sleep(0.6)
    world.changed.clear()
    world.write(f"UPDATE runs SET name = 'renamed' WHERE run_uuid = '{run_id}'")
    assert world.changed.wait(10)
    assert world.client.window(WindowAsked(limit=1)).rows[0].name == "renamed"


def test_one_that_was_killed_is_replaced(world: World) -> None:
    n_runs, pid = whole(world), world.pid()
    os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(Unavailable):  # who asks at that very moment is told
        whole(world)
    assert (whole(world), world.pid() != pid) == (n_runs, True)


def test_one_that_hangs_is_given_up_in_time_and_replaced(world: World) -> None:
    n_runs, pid = whole(world), world.pid()
    os.kill(pid, signal.SIGSTOP)
    with world.mirrors._lock:
        for _, link in world.mirrors._links.values():
            link._deadline_of_start = 0.0
    with pytest.raises(TimedOut, match="not read in time"):
        world.mirrors.ask(world.source, "experiments", [], 0.5)
    assert not Path(f"/proc/{pid}").exists()
    assert whole(world) == n_runs


def test_one_that_nobody_asks_is_ended_and_its_memory_given_back(world: World) -> None:
    whole(world)
    pid = world.pid()
    world.mirrors.sweep()
    assert world.mirrors.is_read(world.source)
    with world.mirrors._lock:
        for _, link in world.mirrors._links.values():
            link.used_at -= 121
    world.mirrors.sweep()
    assert not world.mirrors.is_read(world.source)
    assert not Path(f"/proc/{pid}").exists()


def test_a_store_that_makes_it_grow_is_told_and_costs_nothing_but_that_process(tmp_path: Path) -> None:
    path = small_store(tmp_path / "store.db", 300, 2)
    world = World(path, limit_bytes=420 << 20)
    try:
        ids = [row.run_id for row in world.client.window(WindowAsked(limit=200)).rows]
        whole(world)
        world.write(*(f"INSERT INTO tags (run_uuid, key, value) VALUES ('{one}', 'flood', printf('%.*c', 4000000, 'x') || '{one}')" for one in ids))  # fmt: skip
        with pytest.raises(DeskError) as told:
            for _ in range(20):
                world.client.window(WindowAsked(limit=200))
                time.sleep(0.3)
        assert "MiB" in told.value.message or "memory" in told.value.message
    finally:
        world.stop()


def test_a_store_that_is_none_says_so_each_time(tmp_path: Path) -> None:
    world = World(tmp_path / "missing.db")
    try:
        for _ in range(2):
            with pytest.raises(NotFound, match="no SQLite store"):
                world.client.window(WindowAsked())
    finally:
        world.stop()
