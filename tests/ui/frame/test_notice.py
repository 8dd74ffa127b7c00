"""A notice moves nothing, waits for whoever reads it, and leads to what it is about."""

import time

import pytest
from doubles import Double
from PySide6.QtCore import QEvent, QPointF, QRect, Qt
from PySide6.QtGui import QEnterEvent, QScreen
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from mlops_desk.records.event import Notice
from mlops_desk.records.rule import RetrainState
from mlops_desk.ui import places
from mlops_desk.ui.frame import notice
from mlops_desk.ui.look import theme


def told(source, text, hint=None, level="warning"):
    return Notice(level, source, text, hint, time.time())


@pytest.fixture
def program(start, double, qtbot):
    program = start(double)
    store = program.store
    qtbot.waitUntil(
        lambda: None not in {store.retrainings.value and 1, store.reports.value and 1, store.jobs.value and 1}
    )
    return program


def test_a_notice_moves_nothing_on_the_page(program, qtbot):
    page = program.window.page()
    place, size = page.mapToGlobal(page.rect().topLeft()), page.size()
    program.context.say("alert", "Something happened. " * 20)
    qtbot.wait(50)
    bar = program.window.notices
    assert bar.isVisible()
    assert (page.mapToGlobal(page.rect().topLeft()), page.size()) == (place, size)
    assert program.window._stack.geometry().contains(bar.geometry())
    QTest.mouseClick(bar._close, Qt.MouseButton.LeftButton)
    qtbot.wait(50)
    assert not bar.isVisible()
    assert (page.mapToGlobal(page.rect().topLeft()), page.size()) == (place, size)


def test_a_notice_stays_at_the_foot_of_a_window_that_changes(program, qtbot):
    program.context.say("alert", "Something happened. " * 20)
    for size in ((800, 560), (1500, 900)):
        program.window.resize(*size)
        qtbot.wait(50)
        assert program.window._stack.geometry().contains(program.window.notices.geometry())


@pytest.mark.parametrize("came", [True, False], ids=["came later", "was there"])
def test_a_notice_does_not_go_away_under_the_pointer(program, qtbot, monkeypatch, came):
    monkeypatch.setitem(notice.READ_MILLISECONDS, "info", 50)
    bar = program.window.notices
    monkeypatch.setattr(bar, "underMouse", lambda: True)
    program.context.say("info", "Read me.")
    if came:
        place = QPointF(1, 1)
        QApplication.sendEvent(bar, QEnterEvent(place, place, place))
    qtbot.wait(150)
    assert bar.isVisible()
    monkeypatch.setattr(bar, "underMouse", lambda: False)
    QApplication.sendEvent(bar, QEvent(QEvent.Type.Leave))
    qtbot.waitUntil(lambda: not bar.isVisible())


def test_a_retraining_that_waits_is_opened_with_its_buttons_and_not_typed(program, double, qtbot):
    waiting = next(
        one for one in program.store.retrainings.value.values() if one.state is RetrainState.WAITING_FOR_APPROVAL
    )
    hint = f"mlops-desk rules approve {waiting.id}"
    double.announce(told("rules", f"The retraining of the rule {waiting.rule} waits for approval.", hint))
    bar = program.window.notices
    qtbot.waitUntil(bar.isVisible)
    assert "mlops-desk" not in bar._text.whole
    assert hint in bar._details
    QTest.mouseClick(bar.act, Qt.MouseButton.LeftButton)
    assert program.window.title_row.title.whole == "Drift"
    rules = program.window.page()._rules
    qtbot.waitUntil(lambda: rules.retrainings.key() == waiting.id)
    assert rules._approve.isVisible()
    assert not bar.isVisible()


def test_what_leads_nowhere_offers_no_button(program):
    program.context.say("info", "Saved.")
    assert program.window.notices.isVisible()
    assert not program.window.notices.act.isVisible()


def test_notices_lead_to_what_they_name(program):
    store = program.store
    gpu = store.status.gpus[1]
    job = next(iter(store.jobs.value.values()))
    endpoint = next(iter(store.endpoints.value))
    report = next(one for one in store.reports.value.values() if one.id)
    expected = [
        (told("telemetry", "GPU 1 (NVIDIA H100) is lost."), ("gpus", gpu.uuid)),
        (told("telemetry", "The process that reads GPUs and host was replaced."), ("gpus", None)),
        (told("jobs", f"{job.name} has failed."), ("jobs", job.id)),
        (told("endpoints", f"The gateway of {endpoint} ended."), ("endpoints", endpoint)),
        (told("drift", "It has drifted.", f"mlops-desk drift show {report.id}"), ("drift", report.endpoint)),
        (told("nobody", "Whatever."), None),
    ]
    assert [places.place_of(store, one) for one, _ in expected] == [place for _, place in expected]


def test_the_first_window_fits_a_small_screen_frame_and_all(start, monkeypatch):
    monkeypatch.setattr(QScreen, "availableGeometry", lambda _self: QRect(0, 27, 1280, 773), raising=False)
    program = start(Double(beat_seconds=0.2))
    assert program.window.width() + theme.FRAME_WIDTH <= 1280
    assert program.window.height() + theme.FRAME_HEIGHT <= 773


def test_without_a_tray_the_window_comes_and_says_so(start, double):
    program = start(double, tray=True)
    assert program.window.isVisible()
    assert not program.window.isMinimized()
    assert "no tray" in program.window.notices._text.whole
