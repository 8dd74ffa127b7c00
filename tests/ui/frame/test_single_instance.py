"""One window for each user and data folder; the second start raises the first and leaves with 0."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import sys
sys.path.insert(0, "tests/ui")
from doubles import Double
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.desk.window import app
class Told(app.Program):
    def start(self):
        super().start()
        print("started", flush=True)
    def come_up(self, token):
        super().come_up(token)
        print("came up", token, self.window.isVisible(), flush=True)
    def go_to(self, destination):
        print("went to", destination, flush=True)
app.Program = Told
sys.exit(app.run(Double(beat_seconds=0.2).connect, app.UiOptions(AgentAddress.parse(sys.argv[1]), destination=sys.argv[2])))
"""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder with a short name: a socket's path has room for 107 characters, and pytest's folders may be longer."""
    folder = Path(tempfile.mkdtemp(prefix="desk-"))
    yield folder
    shutil.rmtree(folder)


def begin(tmp_path: Path, folder: str, destination: str = "", **more: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "c"),
        **more,
    }
    environment.pop("DBUS_SESSION_BUS_ADDRESS", None)
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path / folder), destination],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> int:
    process.terminate()
    status = process.wait(10)
    process.stdout.close()
    return status


@pytest.mark.slow
def test_the_second_start_raises_the_first_and_leaves(tmp_path):
    first = begin(tmp_path, "data")
    assert first.stdout.readline() == "started\n"
    second = begin(tmp_path, "data", XDG_ACTIVATION_TOKEN="token-7")
    assert second.wait(20) == 0
    assert second.stdout.read() == ""
    second.stdout.close()
    assert first.stdout.readline() == "came up token-7 True\n"
    # SIGTERM ends it cleanly.
    assert end(first) == 0


@pytest.mark.slow
def test_a_second_start_says_where_to_go(tmp_path):
    first = begin(tmp_path, "data")
    assert first.stdout.readline() == "started\n"
    second = begin(tmp_path, "data", "mlops-desk://job/ab12")
    assert second.wait(20) == 0
    second.stdout.close()
    assert first.stdout.readline().startswith("came up")
    assert first.stdout.readline() == "went to mlops-desk://job/ab12\n"
    assert end(first) == 0


@pytest.mark.slow
def test_another_data_folder_is_another_window(tmp_path):
    first, second = begin(tmp_path, "one"), begin(tmp_path, "two")
    assert first.stdout.readline() == second.stdout.readline() == "started\n"
    assert end(first) == end(second) == 0


@pytest.mark.slow
def test_after_a_crash_the_next_start_is_the_first(tmp_path):
    first = begin(tmp_path, "data")
    assert first.stdout.readline() == "started\n"
    first.kill()
    first.wait()
    first.stdout.close()
    second = begin(tmp_path, "data")
    assert second.stdout.readline() == "started\n"
    assert end(second) == 0


@pytest.mark.slow
def test_five_at_once_give_one_window(tmp_path):
    many = [begin(tmp_path, "data") for _ in range(5)]
    try:
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline and sum(process.poll() is None for process in many) > 1:
            time.sleep(0.1)
        alive = [process for process in many if process.poll() is None]
        assert len(alive) == 1
        assert [process.returncode for process in many if process not in alive] == [0] * 4
    finally:
        for process in many:
            end(process)


@pytest.mark.slow
def test_an_error_in_a_slot_is_in_the_log_and_the_window_goes_on(tmp_path):
    script = SCRIPT.replace(
        'print("started", flush=True)',
        "from PySide6.QtCore import QTimer; QTimer.singleShot(0, self, lambda: 1 / 0); QTimer.singleShot(800, self, self.end)",
    )
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "c")}  # fmt: skip
    environment.pop("DBUS_SESSION_BUS_ADDRESS", None)
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "data"), ""], cwd=ROOT, env=environment, timeout=40, check=False)  # fmt: skip
    assert done.returncode == 0
    assert "ZeroDivisionError" in (tmp_path / "data" / "log" / "window.log").read_text()
