"""A mirror's process that is killed in the midst of a read: who asked is told the truth, and nothing of it is left."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.registry.mirror.process_handle import MirrorLink
from mlops_desk.registry.mirror.protocol import WindowAsked
from tests.mirror_world import World
from tests.registry_stores import runs_of_store_a, small_store

pytestmark = [pytest.mark.end2end]


@pytest.fixture
def asking() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def link_of(world: World) -> MirrorLink:
    ((_, link),) = world.mirrors._links.values()
    return link


def whole(world: World) -> int:
    return len(world.client.runs(WindowAsked(limit=50_000)))


def until_busy(link: MirrorLink) -> None:
    for _ in range(1000):
        if link.is_busy:
            return
        time.sleep(0.01)
    pytest.fail("nobody asked it")


def held() -> tuple[int, int]:
    """Count the descriptors and the children of this process; those that have ended and wait for us are some."""
    return len(list(Path("/proc/self/fd").iterdir())), len(psutil.Process().children())


def test_who_waits_for_the_answer_of_one_that_is_killed_is_told_and_the_next_question_is_answered(
    tmp_path: Path, asking: ThreadPoolExecutor
) -> None:
    world = World(small_store(tmp_path / "store.db", 300, 2))
    try:
        n_runs, before = whole(world), held()
        for _ in range(3):
            link = link_of(world)
            pid = link._process.pid
            os.kill(pid, signal.SIGSTOP)  # so that its answer can't be faster than what kills it
            waiting = asking.submit(whole, world)
            until_busy(link)
            behind = asking.submit(whole, world)
            time.sleep(0.2)  # for the second to wait for the first
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(Unavailable, match=r"The process that reads the registry ended .*SIGKILL") as told:
                waiting.result(60)
            assert "read anew at the next question" in str(told.value.hint)
            assert behind.result(60) == n_runs, "who had not begun to ask is asked of the next process"
            assert whole(world) == n_runs
            assert not Path(f"/proc/{pid}").exists(), "it was not collected"
        assert held() == before
    finally:
        world.stop()


def test_one_that_is_killed_while_it_reads_its_store_leaves_a_whole_answer_or_an_error(
    tmp_path: Path, asking: ThreadPoolExecutor
) -> None:
    path = tmp_path / "store.db"
    path.symlink_to(runs_of_store_a())
    world = World(path)
    try:
        n_runs, before = whole(world), held()
        told: list[int | str] = []
        for moment in (0.0, 0.1, 0.3, 0.6):
            os.kill(world.pid(), signal.SIGKILL)
            time.sleep(0.7)  # for the watch to see it
            waiting = asking.submit(whole, world)
            while not world.mirrors.is_read(world.source):
                time.sleep(0.01)
            time.sleep(moment)
            os.kill(world.pid(), signal.SIGKILL)
            try:
                told.append(waiting.result(90))
            except Unavailable as error:
                told.append(error.message)
            assert whole(world) == n_runs
        assert all(one == n_runs or "SIGKILL" in str(one) for one in told), told
        assert held() == before
    finally:
        world.stop()


def test_nothing_is_left_once_all_are_stopped(tmp_path: Path) -> None:
    before = held()
    world = World(small_store(tmp_path / "store.db", 30, 2))
    whole(world)
    os.kill(world.pid(), signal.SIGKILL)
    world.stop()
    assert held() == before
