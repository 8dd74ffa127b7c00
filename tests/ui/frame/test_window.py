"""The frame: pages, keys, the bottom line, what happens when the agent goes away."""

import time
from typing import ClassVar

import pytest
from doubles import Double, job_record
from PySide6.QtCore import QEvent, QObject, QSettings, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QLineEdit, QPlainTextEdit, QTableView, QWidget

from mlops_desk.desk.window.catalogue import PAGES
from mlops_desk.jobs.records.job import JobState
from mlops_desk.kit.base.errors import Hint, Unavailable
from mlops_desk.kit.window.look import theme
from mlops_desk.machine.records import event as events


def test_while_nobody_sees_the_window_samples_are_heard_seldom(start, double, qtbot):
    program = start(double)
    assert double.paces == [0.0]
    program.window.hide()
    qtbot.waitUntil(lambda: double.paces[-1] > 1.0, timeout=10_000)
    program.window.show()
    qtbot.waitUntil(lambda: double.paces[-1] == 0.0, timeout=10_000)
    qtbot.waitUntil(lambda: program.store.connection.state == "live", timeout=10_000)
    assert not [call for call in double.calls if call == ("connect", "connect")][1:]


def test_the_window_is_there_before_the_agent_answers(start, double, qtbot):
    double.frozen.add("connect")
    program = start(double, wait=False)
    assert program.window.isVisible()
    qtbot.waitUntil(lambda: "starting" in program.window.bottom._agent.whole)
    assert "Starting the agent" in program.window.page()._state._title.whole
    double.thaw.set()
    qtbot.waitUntil(lambda: program.store.connection.state == "live")


@pytest.mark.slow
def test_every_page_opens_by_its_key(start, double, qtbot):
    program = start(double)
    qtbot.waitUntil(program.window.isActiveWindow)
    for number, spec in enumerate(PAGES, 1):
        if number > 10 and not spec.key:
            continue  # there are ten digits; the palette has it
        QTest.keySequence(program.window, QKeySequence(spec.key or f"Ctrl+{number % 10}"))
        assert program.window.title_row.title.whole == spec.title
        assert program.window.page().isVisible()


def test_the_bottom_line_says_that_it_is_simulated_all_the_time(start, double):
    program = start(double, demo=True)
    assert program.window.bottom._simulated.isVisible()
    assert "Simulated" in program.window.bottom._simulated.whole
    assert program.window.windowTitle().count("(simulated)") == 1
    assert program.window.windowTitle().endswith("– MLOps Desk")
    assert "simulated" not in program.window.sidebar.machine.accessibleName()


def test_a_real_machine_is_not_called_simulated(start):
    program = start(Double(beat_seconds=0.2, simulated=False))
    assert not program.window.bottom._simulated.isVisible()


@pytest.mark.slow
def test_silence_is_told_and_so_is_the_loss_and_the_return(start, double, qtbot):
    program = start(double)
    double.silent = True
    qtbot.waitUntil(lambda: "stale since" in program.window.bottom._agent.whole, timeout=8000)
    tile = next(iter(program.window.page()._gpus.values()))
    assert "stale since" in tile.view.mark.word
    double.silent = False
    qtbot.waitUntil(lambda: "agent 0.1.0" in program.window.bottom._agent.whole)
    double.failing["events"] = Unavailable("The agent can't be reached.", Hint("mlops-desk status"))
    double.break_off()
    qtbot.waitUntil(lambda: "not reachable since" in program.window.bottom._agent.whole)
    assert program.window.bottom._start.isVisible()
    calls = double.calls.count(("connect", "connect"))
    del double.failing["events"]
    qtbot.waitUntil(lambda: "agent 0.1.0" in program.window.bottom._agent.whole, timeout=15_000)
    # It came back by listening again; an agent that somebody stopped is not started behind their back.
    assert double.calls.count(("connect", "connect")) == calls


def test_start_the_agent_connects_anew(start, double, qtbot):
    program = start(double)
    double.failing["events"] = Unavailable("The agent can't be reached.", Hint("mlops-desk status"))
    double.break_off()
    qtbot.waitUntil(program.window.bottom._start.isVisible)
    calls = double.calls.count(("connect", "connect"))
    del double.failing["events"]
    qtbot.mouseClick(program.window.bottom._start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: double.calls.count(("connect", "connect")) == calls + 1)
    qtbot.waitUntil(lambda: program.store.connection.state == "live")


def test_an_agent_that_can_not_be_started_is_an_error_with_what_to_do(start, double, qtbot):
    double.failing["connect"] = Unavailable("The agent did not answer within 30 s.", "See /somewhere/agent.log")
    program = start(double, wait=False)
    qtbot.waitUntil(lambda: program.store.connection.state == "lost")
    details = program.window.page()._state.details()
    assert "did not answer within 30 s" in details
    assert "See /somewhere/agent.log" in details


def test_a_hidden_page_draws_nothing_and_catches_up_when_shown(start, double, qtbot):
    program = start(double)
    overview = program.window.page()
    tile = next(iter(overview._gpus.values()))
    program.window.sidebar.choose("settings")
    qtbot.waitUntil(lambda: not overview.isVisible())
    painted, refreshed = tile.painted, overview.refreshes
    seen = program.store.status.sampled_at
    qtbot.waitUntil(lambda: program.store.status.sampled_at > seen + 0.5)
    assert (tile.painted, overview.refreshes) == (painted, refreshed)
    program.window.sidebar.choose("overview")
    assert overview.refreshes == refreshed + 1
    qtbot.waitUntil(lambda: tile.painted > painted)


def test_what_another_client_does_is_seen(start, double, qtbot):
    program = start(double, "jobs")
    page = program.window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == len(double.jobs_by_id))
    double.put_job(job_record("new1", "from-the-command-line", JobState.QUEUED))
    qtbot.waitUntil(lambda: page.table.records.record("new1") is not None)


def test_space_pauses_charts_but_is_a_click_on_a_button(start, double, qtbot):
    program = start(double)
    program.window.setFocus()
    qtbot.keyClick(program.window, Qt.Key.Key_Space)
    assert program.store.paused
    qtbot.keyClick(program.window, Qt.Key.Key_Space)
    assert not program.store.paused
    button = program.window.title_row.search
    qtbot.keyClick(button, Qt.Key.Key_Space)
    assert not program.store.paused
    assert program.window._palette.isVisible()
    program.window._palette.hide()


def test_the_palette_goes_to_a_job(start, double, qtbot):
    program = start(double)
    qtbot.waitUntil(lambda: program.store.jobs.value is not None)
    program.window.open_palette()
    palette = program.window._palette
    qtbot.keyClicks(palette._field, "vit large".replace(" ", "-"))
    qtbot.keyClick(palette._field, Qt.Key.Key_Return)
    assert program.window.title_row.title.whole == "Jobs"
    page = program.window.page()
    qtbot.waitUntil(lambda: page.table.key() == "3f9a0c1e2b4d")


def test_slash_goes_to_the_filter_and_escape_clears_it(start, double, qtbot):
    program = start(double, "jobs")
    qtbot.waitUntil(program.window.isActiveWindow)
    page = program.window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() > 3)
    qtbot.keyClick(program.window, Qt.Key.Key_Slash)
    qtbot.waitUntil(lambda: QApplication.focusWidget() is page.filter_field())
    qtbot.keyClicks(page.filter_field(), "sweep")
    assert page.table.shown_rows() == 2
    qtbot.keyClick(page.filter_field(), Qt.Key.Key_Escape)
    assert page.table.shown_rows() == len(double.jobs_by_id)


@pytest.mark.slow
def test_size_and_page_are_remembered_and_a_place_off_every_screen_is_not(start, double, qtbot):
    program = start(double, "models")
    program.window.resize(790, 590)
    program.window.remember()
    second = start(Double(beat_seconds=0.2))
    assert (second.window.width(), second.window.height()) == (790, 590)
    assert second.window.title_row.title.whole == "Models"
    second.window.move(90_000, 90_000)
    second.window.remember()
    third = start(Double(beat_seconds=0.2))
    screens = QApplication.screens()
    assert any(screen.availableGeometry().intersects(third.window.frameGeometry()) for screen in screens)


def test_the_sidebar_is_narrow_in_a_narrow_window(start, double):
    program = start(double)
    program.window.resize(1280, 800)
    assert program.window.sidebar.width() == theme.SIDEBAR_WIDTH
    program.window.resize(900, 800)
    assert program.window.sidebar.width() == theme.SIDEBAR_NARROW_WIDTH


@pytest.mark.parametrize("page", [spec.id for spec in PAGES])
def test_every_control_has_an_accessible_name(start, double, qtbot, page):
    program = start(double, page)
    qtbot.wait(50)
    kinds = (QAbstractButton, QLineEdit, QComboBox, QTableView, QPlainTextEdit)
    nameless = [
        widget
        for kind in kinds
        for widget in program.window.findChildren(kind)
        if widget.isVisible() and not widget.accessibleName() and not (isinstance(widget, QAbstractButton) and widget.text())
        and type(widget).__name__ not in {"QTableCornerButton", "QToolButton", "QLineEditIconButton"}
    ]  # fmt: skip
    assert not nameless


@pytest.mark.parametrize("service", ["jobs", "models", "endpoints", "drift", "settings"])
def test_a_refused_question_is_an_error_on_its_page_and_nowhere_else(start, double, qtbot, service):
    double.failing[service] = Unavailable("The engine is not there.", Hint("sudo systemctl start docker"))
    page = service if service in {"jobs", "models", "endpoints", "drift", "settings"} else "overview"
    program = start(double, page, wait=False)
    qtbot.waitUntil(lambda: program.store.status is not None)
    shown = program.window.page()
    if page == "drift":
        shown.tabs.choose("reports")
        shown = shown.reports
        qtbot.waitUntil(lambda: "The engine is not there." in shown._banner._text.whole)
    else:
        qtbot.waitUntil(lambda: "The engine is not there." in shown._state.details())
    program.window.sidebar.choose("overview")
    assert len(program.window.page()._gpus) == 8


def test_a_page_that_loads_says_so_and_can_be_cancelled(start, double, qtbot):
    double.frozen.add("jobs")
    program = start(double, "jobs")
    state = program.window.page()._state
    qtbot.waitUntil(lambda: "Loading" in state._title.whole)
    assert state._act.text() == "Cancel"
    qtbot.mouseClick(state._act, Qt.MouseButton.LeftButton)
    assert "cancelled" in state._text.whole
    double.thaw.set()


def test_a_machine_without_gpus_says_why_and_what_to_paste(start, qtbot):
    program = start(Double(gpus=0, beat_seconds=0.2))
    page = program.window.page()
    qtbot.waitUntil(page._none.isVisible)
    assert "libnvidia-ml.so.1" in page._none._why.whole
    assert page._none._command.command() == "sudo apt-get install nvidia-driver"


def test_eight_gpus_fit_at_1280_by_800_without_scrolling(start, double, qtbot):
    program = start(double)
    program.window.resize(1280, 800)
    qtbot.wait(50)
    page = program.window.page()
    for tile in (*page._gpus.values(), *page._hosts.values()):
        corner = tile.mapTo(page, tile.rect().bottomRight())
        assert page.rect().contains(corner)


def test_a_notice_of_the_agent_is_shown(start, double, qtbot):
    program = start(double)
    double.announce(
        events.Notice(
            "alert", "telemetry", "GPU 6 is lost.", Hint("sudo nvidia-smi -r -i 6", before="Reset it: "), time.time()
        )
    )
    qtbot.waitUntil(lambda: "GPU 6 is lost." in program.window.notices._text.whole)
    assert any(line.text == "GPU 6 is lost." for line in program.window.page()._notices._lines)


def test_close_without_a_tray_ends_the_program(start, double, qtbot, monkeypatch):
    program = start(double)
    ended = []
    monkeypatch.setattr(program._application, "quit", lambda: ended.append(True), raising=False)
    monkeypatch.setattr(program, "end", lambda: ended.append(True))
    monkeypatch.setattr(type(program.tray), "is_there", property(lambda _self: False))
    program.window.close()
    assert ended


def test_the_memory_lies_in_the_configuration_folder(start, double, tmp_path):
    program = start(double)
    program.window.remember()
    assert program.context.memory.status() is QSettings.Status.NoError
    assert program.context.memory.fileName().startswith(str(tmp_path))


def test_a_setting_changes_the_look_at_once(start, double, qtbot):
    program = start(double)
    qtbot.waitUntil(lambda: program.store.settings.value is not None)
    for wish, dark in (("dark", True), ("light", False)):
        double.settings.set("ui.theme", wish)
        qtbot.waitUntil(lambda dark=dark: theme.is_dark() is dark)
        wanted = (theme.DARK if dark else theme.LIGHT).window
        qtbot.waitUntil(lambda wanted=wanted: program.window.palette().window().color().name().upper() == wanted)


@pytest.mark.slow
def test_no_page_flashes_windows_of_its_own_while_it_is_made(start, double, qtbot, qapp):
    class Watch(QObject):
        seen: ClassVar[list[str]] = []

        def eventFilter(self, watched, event):
            if event.type() is QEvent.Type.Show and isinstance(watched, QWidget) and watched.isWindow():
                self.seen.append(f"{type(watched).__name__} {watched.accessibleName()}")
            return False

    watch = Watch()
    qapp.installEventFilter(watch)
    program = start(double)
    for spec in PAGES:
        program.window.sidebar.choose(spec.id)
        qtbot.wait(30)
    qapp.removeEventFilter(watch)
    assert [seen.split()[0] for seen in watch.seen] == ["MainWindow"]
