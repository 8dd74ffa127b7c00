"""The tray: close-to-tray only where there is one, drawn load, a real tray under a real X server."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtWidgets import QSystemTrayIcon

from mlops_desk.desk.window.frame import tray

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import sys
sys.path.insert(0, "tests/ui")
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QSystemTrayIcon
from doubles import Double
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.desk.window import app
class Told(app.Program):
    def start(self):
        super().start()
        self.steps = iter(sys.argv[2:])
        self.clock = QTimer(self)
        self.clock.timeout.connect(self.step)
        self.clock.start(2500)
        QTimer.singleShot(40_000, self, self.hang)
    def hang(self):
        print("did not end", flush=True)
        self._application.exit(3)
    def step(self):
        what = next(self.steps, "end")
        print(what, "tray" if self.tray.is_there else "no tray", "window" if self.window.isVisible() else "hidden", flush=True)
        if what == "close":
            self.window.close()
        elif what == "click":
            self.tray._icon.activated.emit(QSystemTrayIcon.ActivationReason.Trigger)
        elif what == "end":
            self.clock.stop()
            self.end()
app.Program = Told
sys.exit(app.run(Double(beat_seconds=0.2).connect, app.UiOptions(AgentAddress.parse(sys.argv[1]), tray="--tray" in sys.argv)))
"""


@pytest.fixture
def display(tmp_path):
    reader, writer = os.pipe()
    xvfb = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1400x900x24", "-nolisten", "tcp"],
        pass_fds=[writer],
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    with os.fdopen(reader) as answer:
        yield f":{answer.readline().strip()}"
    xvfb.terminate()
    xvfb.wait()


def run(tmp_path: Path, display: str, *steps: str, wait: bool = True) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "XDG_RUNTIME_DIR": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "c"),
    }
    environment.pop("DBUS_SESSION_BUS_ADDRESS", None)
    environment.pop("WAYLAND_DISPLAY", None)
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "data"), *steps],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def start_tray(display: str) -> subprocess.Popen[bytes]:
    there = shutil.which("stalonetray")
    command = [there, "--kludges=force_icons_size"] if there else ["trayer"]  # Debian 12 has only the second
    return subprocess.Popen(
        command,
        env={**os.environ, "DISPLAY": display},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def answer(process: subprocess.Popen[str]) -> tuple[list[str], int]:
    output, _ = process.communicate(timeout=60)
    return output.splitlines(), process.returncode


@pytest.mark.slow
def test_without_a_tray_closing_ends_the_program(tmp_path, display):
    lines, status = answer(run(tmp_path, display, "look", "close", "never"))
    assert lines == ["look no tray window", "close no tray window"]
    assert status == 0


@pytest.mark.slow
def test_with_a_tray_closing_hides_the_window_and_a_click_brings_it_back(tmp_path, display):
    icons = start_tray(display)
    try:
        lines, status = answer(run(tmp_path, display, "close", "look", "click", "look"))
    finally:
        icons.terminate()
        icons.wait()
    assert lines == [
        "close tray window",
        "look tray hidden",
        "click tray hidden",
        "look tray window",
        "end tray window",
    ]
    assert status == 0


@pytest.mark.slow
def test_a_tray_that_appears_later_is_noticed_and_one_that_goes_gives_the_window_back(tmp_path, display):
    process = run(tmp_path, display, "look", "look", "close", "look", "look", "look")
    assert process.stdout.readline() == "look no tray window\n"
    icons = start_tray(display)
    try:
        lines = []
        while not lines or not lines[-1].startswith("close"):
            lines.append(process.stdout.readline().strip())
        assert lines[-1] == "close tray window"
        assert process.stdout.readline() == "look tray hidden\n"
    finally:
        icons.terminate()
        icons.wait()
    rest, status = answer(process)
    assert rest[-1] == "end no tray window"
    assert status == 0


@pytest.mark.slow
def test_started_for_the_tray_without_a_tray_there_is_a_window_to_reach(tmp_path, display):
    lines, _ = answer(run(tmp_path, display, "--tray", "look"))
    assert lines[-1] == "end no tray window"


def test_the_icon_is_drawn_in_every_size_and_tells_loads_apart(qapp):
    pictures = {load: tray.load_icon(load).pixmap(22, 22).toImage() for load in (None, 0, 50, 100)}
    assert {size.width() for size in tray.load_icon(50).availableSizes()} == set(tray.SIZES)
    different = list(pictures.values())
    assert all(one != two for place, one in enumerate(different) for two in different[place + 1 :])


def test_the_icon_changes_only_when_what_it_shows_does(start, double, qtbot):
    program = start(double)
    qtbot.waitUntil(lambda: program.tray.redraws >= 1)
    program.tray._redraw()
    drawn = program.tray.redraws
    program.tray._redraw()
    program.tray._redraw()
    assert program.tray.redraws == drawn
    lines = [action.text() for action in program.tray._lines if action.isVisible()]
    assert len(lines) == 9
    assert "alert: see Events" in lines[0]
    assert "lost" in lines[7]


def test_the_tip_has_a_line_for_each_gpu(start, double, qtbot):
    program = start(double, "host")
    icon = program.tray.findChild(QSystemTrayIcon)
    qtbot.waitUntil(lambda: "H100" in icon.toolTip())
    lines = icon.toolTip().splitlines()
    assert len(lines) == 4
    assert "\\n" not in icon.toolTip()
