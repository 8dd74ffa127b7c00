"""The agent's first start by whoever needs it, its end, and a second one after kill -9 that finds everything."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.end2end.desk import Desk

pytestmark = [pytest.mark.end2end]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "data")
    yield desk
    desk.stop()


def test_a_verb_starts_the_agent_stop_ends_it_with_its_children_and_after_kill_9_all_is_as_it_was(desk: Desk) -> None:
    assert desk.json("agent", "status") == {
        "running": False,
        "data_dir": str(desk.folder),
        "address": str(desk.folder),
    }
    assert desk.json("jobs", "list") == []
    info = desk.json("agent", "status")
    assert info["running"] is True
    agent = psutil.Process(info["pid"])
    desk.json("status")
    children = agent.children(recursive=True)
    assert children
    desk.json("agent", "stop")
    assert not agent.is_running() or agent.status() == psutil.STATUS_ZOMBIE
    psutil.wait_procs(children, timeout=120)
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]

    desk.json("settings", "set", "drift.window_rows", "500")
    pid = desk.json("agent", "status")["pid"]
    os.kill(pid, signal.SIGKILL)
    values = {item["key"]: item["value"] for item in desk.json("settings", "list")}
    assert values["drift.window_rows"] == 500
    assert desk.json("agent", "status")["pid"] != pid
