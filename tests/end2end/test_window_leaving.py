"""A window that is quit waits for nobody: its threads are gone at once, and the agent goes on with what they asked."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end2end.desk import Desk

pytestmark = [pytest.mark.end2end]
TICKETS = ("leaving-replay", "leaving-comparison", "leaving-export")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "data")
    try:
        made.run("--demo", "status")
        made.folder = tmp_path / "data" / "demo"
        yield made
    finally:
        made.stop()


def test_a_window_that_is_quit_leaves_no_thread_behind_and_the_agent_its_work(desk: Desk, tmp_path: Path) -> None:
    out = tmp_path / "exported"
    command = [sys.executable, str(Path(__file__).with_name("window_leaving.py")), str(desk.folder), str(out), *TICKETS]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, env=desk.whole_environment(), check=False
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told == [{"waited": [f"window-long {number}" for number in range(3)]}, {"left": []}], done.stderr
    assert done.returncode == 0
    assert "did not end" not in (desk.folder / "log" / "window.log").read_text()
    desk.wait(lambda: desk.json("endpoints", "progress", TICKETS[0]), lambda now: now["done"] is not None)
    desk.wait(out.exists, bool)
    assert desk.run("endpoints", "cancel", TICKETS[0]).returncode == 0
    log = (desk.folder / "log" / "agent.log").read_text()
    assert "Traceback" not in log, log[-3000:]
