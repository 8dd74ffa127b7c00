"""``status --watch`` as other programs use it: one document a line, 130 on Ctrl+C, an error when the agent goes."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end2end.desk import Desk

pytestmark = [pytest.mark.end2end]
PATIENCE_SECONDS = 120.0


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "data")
    desk.json("status")
    yield desk
    desk.stop()


def start(desk: Desk, *words: str, output: int = subprocess.PIPE) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mlops_desk", *words]
    environment = {**os.environ, "MLOPS_DESK_DATA_DIR": str(desk.folder), "COLUMNS": "60", "LINES": "10"}
    return subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> str:
    if process.poll() is None:
        process.kill()
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    return errors


def test_each_line_is_a_document_and_ctrl_c_ends_with_130(desk: Desk) -> None:
    process = start(desk, "status", "--watch", "--json")
    try:
        documents = [json.loads(process.stdout.readline()) for _ in range(3)]
        times = [document["sampled_at"] for document in documents]
        assert times == sorted(set(times))
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 130
    finally:
        assert "Traceback" not in end(process)


def test_it_ends_with_an_error_when_the_agent_goes(desk: Desk) -> None:
    process = start(desk, "status", "--watch", "--json")
    try:
        process.stdout.readline()
        desk.run("agent", "stop")
        assert process.wait(PATIENCE_SECONDS) == 1
    finally:
        assert set(json.loads(end(process))) == {"error", "hint", "command"}


def test_on_a_terminal_it_paints_in_place_and_never_scrolls(desk: Desk) -> None:
    ours, theirs = pty.openpty()
    process = start(desk, "status", "--watch", output=theirs)
    os.close(theirs)
    try:
        shown, deadline = b"", time.monotonic() + PATIENCE_SECONDS
        while shown.count(b"\x1b[H") < 3 and time.monotonic() < deadline:
            shown += os.read(ours, 65536)
        screens = shown.split(b"\x1b[H")[1:-1]
        assert shown.startswith(b"\x1b[2J")
        assert screens
        for screen in screens:
            lines = screen.split(b"\r\n")
            assert len(lines) <= 10
            assert all(len(line.replace(b"\x1b[K", b"").decode()) <= 60 for line in lines[:-1])
    finally:
        end(process)
        os.close(ours)
