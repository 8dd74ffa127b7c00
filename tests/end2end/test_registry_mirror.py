"""The process of a mirror: what it tells of a real store, and what becomes of one that is killed, hangs or grows."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, TimedOut, Unavailable
from mlops_desk.registry.mirror.protocol import WindowAsked
from tests.mirror_world import World
from tests.registry_stores import small_store

pytestmark = [pytest.mark.end2end]


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
