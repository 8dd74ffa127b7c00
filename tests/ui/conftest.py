"""Qt tests run without a screen, with a configuration of their own, and leave no thread behind."""

import gc
import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QSettings

sys.path.insert(0, str(Path(__file__).parent))

from doubles import Double

from mlops_desk.desk.window.app import GuiCollector, Program
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.window.live.context import UiOptions

gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # The offscreen platform says this for every window; it is about the platform, not about the program.
        item.add_marker(pytest.mark.qt_log_ignore("This plugin does not support"))


@pytest.fixture(autouse=True, scope="module")
def what_was_there_before_is_not_walked() -> None:
    """Each test here ends with a collection: what other files have loaded and kept is out of its way from now on.

    In a process that had run tests of models before, each took 0.5 s, and 572 small tests took five minutes.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def own_widgets_end(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test made is gone after it, here in the GUI thread: Qt deletes later, and no loop runs between tests."""
    yield
    if "qapp" not in request.fixturenames:  # it made no widget, and what else it left the next one that does collects
        return
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()


@pytest.fixture(autouse=True)
def windows_that_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window of a test does not live as long as the program: what exists when it has opened is garbage soon.

    And its end must not have the collector walk again what pytest holds, a third of a second for each test.
    """
    monkeypatch.setattr(GuiCollector, "settle", lambda _self: None)


@pytest.fixture(autouse=True)
def own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)


Start = Callable[..., Program]


@pytest.fixture
def start(qapp, qtbot, tmp_path: Path) -> Iterator[Start]:
    """Start the whole window on a double; it is stopped at the end."""
    started: list[Program] = []

    def begin(double: Double, page: str | None = None, *, wait: bool = True, **options: bool) -> Program:
        if page is not None:  # as after a session that ended there: else each test makes the overview too
            memory = QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "mlops-desk", "window")
            memory.setValue("window/page", page)
            memory.sync()
        program = Program(qapp, double.connect, UiOptions(AgentAddress.of_folder(tmp_path), **options))
        started.append(program)
        program.start()
        if wait:
            qtbot.waitUntil(
                lambda: program.store.status is not None and program.store.settings.value is not None, timeout=10_000
            )
        if page is not None:
            program.window.sidebar.choose(page)
        return program

    yield begin
    for program in started:
        program.stop()
        gc.disable()
        program.window.close()
        program.window.deleteLater()
    while started:
        started.pop()
    # What is left is destroyed by ``own_widgets_end``, in the GUI thread, never by a worker thread of the next test.
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    qapp.processEvents()


@pytest.fixture
def double() -> Double:
    return Double(beat_seconds=0.2)
