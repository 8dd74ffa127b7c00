"""The first paint: the frame with what is awaited, before anything is loaded that it can do without."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.desk.window.catalogue import PAGES
from mlops_desk.desk.window.frame.window import MainWindow
from mlops_desk.desk.window.overview.page import Grid
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.widgets.states import StateView

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import json, sys
from mlops_desk.desk.cli.main import main
from mlops_desk.desk.window import app
class Watched(app.Program):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.opened.connect(lambda: (print(json.dumps(sorted(sys.modules))), self.end()))
app.Program = Watched
sys.exit(main(["--data-dir", sys.argv[1]]))
"""


@pytest.mark.slow
def test_the_frame_is_painted_before_records_pages_and_the_client_are_loaded(tmp_path):
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    environment.pop("DBUS_SESSION_BUS_ADDRESS", None)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "data")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    _end_agents_of(command[-1])
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout.splitlines()[0]))
    late = (
        "mlops_desk.kit.api",
        *(f"{spec.package}." for spec in PAGES if spec.id != "overview"),
        "mlops_desk.desk.window.overview.page",
        "mlops_desk.kit.window.parts.",
        "mlops_desk.kit.window.tables.",
    )
    language = {name for name in loaded if {"records", "verbs"} & set(name.split(".")[2:3])}
    assert {name for name in language if name.count(".") > 2} == {"mlops_desk.machine.records.metric"}
    assert not sorted(name for name in loaded if name.startswith(late))
    assert not loaded & {
        "mlops_desk.desk.window.frame.tray",
        "PySide6.QtNetwork",
        "msgspec",
        "httpx",
        "asyncio",
        "numpy",
    }


def _end_agents_of(folder):
    """End what the window started, which may still be coming up."""
    agents = [each for each in psutil.process_iter(["cmdline"]) if folder in (each.info["cmdline"] or ())]
    for agent in agents:
        agent.terminate()
    psutil.wait_procs(agents, timeout=10)


@pytest.mark.parametrize("spec", PAGES, ids=lambda spec: spec.id)
def test_what_is_painted_first_says_what_the_page_goes_on_saying(start, double, spec):
    double.frozen.add("connect")
    program = start(double, wait=False)
    memory = program.context.memory
    memory.setValue("window/page", spec.id)
    program.stop()
    memory.sync()
    again = start(double, wait=False)
    window = again.window
    first = _states(window)
    assert window.title_row.title.whole == spec.title
    window.complete()
    assert window.page().isVisible()
    assert len(first) == 1
    assert _states(window) == first
    double.thaw.set()


def test_a_window_that_is_not_painted_connects_all_the_same(start, double, monkeypatch):
    monkeypatch.setattr(MainWindow, "paintEvent", lambda _self, _event: None)  # as on another desktop, or minimised
    program = start(double)
    assert program.window.page() is not None


def test_the_first_paint_is_dark_where_the_last_was(start, double, qtbot):
    double.settings.set("ui.theme", "dark")
    program = start(double)
    qtbot.waitUntil(theme.is_dark)
    program.stop()
    theme.apply(program._application, dark=False)
    double.frozen.add("connect")
    start(double, wait=False)
    assert theme.is_dark()
    double.thaw.set()
    theme.apply(program._application, dark=False)


def _states(window: QWidget) -> list[str]:
    return [state.details() for state in window.findChildren(StateView) if state.isVisible()]


def test_what_stands_below_tiles_never_lies_over_them(qtbot):
    ground, grid, below = QWidget(), Grid(100, 4, 200), QWidget()
    qtbot.addWidget(ground)
    column = QVBoxLayout(ground)
    column.addWidget(grid)
    column.addWidget(below, 1)
    ground.resize(900, 800)
    ground.show()
    for width in (900, 300, 1400):
        tiles = [QWidget() for _ in range(8)]
        grid.set_tiles(tiles)
        ground.resize(width, 2000)
        column.activate()  # no event is handled in between: a paint would see it as it is now
        assert below.y() >= grid.y() + max(tile.geometry().bottom() for tile in tiles)
        assert grid.height() == grid.heightForWidth(grid.width())
