"""A notice moves nothing, waits for whoever reads it, and leads to what it is about."""

import time

import pytest
from doubles import Double
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QEnterEvent, QScreen
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QAbstractScrollArea, QApplication, QLineEdit

from mlops_desk.automation.records.retraining_rule import RetrainState
from mlops_desk.desk.window.catalogue import place_of
from mlops_desk.desk.window.frame import notice
from mlops_desk.kit.base.errors import Hint, Unavailable
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.machine.records.event import Notice


def told(source, text, hint=None, about=None, level="warning"):
    return Notice(level, source, text, hint, time.time(), about=about)


@pytest.fixture
def program(start, double, qtbot):
    program = start(double)
    store = program.store
    qtbot.waitUntil(
        lambda: None not in {store.retrainings.value and 1, store.reports.value and 1, store.jobs.value and 1}
    )
    return program


LONG = "Something happened that takes some words to tell. " * 12


def under(window, area):
    """Return what one could operate, or has to read all the time, that lies under ``area`` of the window."""
    kept = [*window.findChildren(QAbstractButton), *window.findChildren(QAbstractScrollArea),
            *window.findChildren(QLineEdit), window.bottom._agent, window.bottom._simulated]  # fmt: skip
    bar = window.notices
    seen = [one for one in kept if one.isVisible() and one is not bar and not bar.isAncestorOf(one)]
    places = [(one, one.visibleRegion().boundingRect()) for one in seen]  # less what is scrolled out of sight
    return [one for one, place in places if place.translated(one.mapTo(window, QPoint())).intersects(area)]


@pytest.mark.parametrize("size", [(1280, 800), (760, 520)])
@pytest.mark.parametrize("page", ["overview", "jobs", "drift"])
def test_a_notice_covers_and_moves_nothing(start, double, qtbot, page, size):
    program = start(double, page, demo=True)
    program.window.resize(*size)
    shown = program.window.page()
    qtbot.wait(50)
    before = shown.mapToGlobal(shown.rect().topLeft()), shown.size()
    program.context.say("alert", LONG)
    qtbot.wait(50)
    bar = program.window.notices
    assert bar.isVisible()
    assert bar.width() >= 200
    assert bar._close.visibleRegion().boundingRect() == bar._close.rect()
    assert under(program.window, bar.geometry()) == []
    assert (shown.mapToGlobal(shown.rect().topLeft()), shown.size()) == before
    QTest.mouseClick(bar._close, Qt.MouseButton.LeftButton)
    qtbot.wait(50)
    assert not bar.isVisible()
    assert program.window.bottom._more.isVisible()


def test_a_notice_leaves_the_button_that_starts_the_agent_free(program, double, qtbot):
    program.bridge.client.break_off()
    double.failing["events"] = Unavailable("The agent can't be reached.", None)
    qtbot.waitUntil(program.window.bottom._start.isVisible, timeout=10_000)
    program.context.say("alert", LONG)
    qtbot.wait(50)
    assert under(program.window, program.window.notices.geometry()) == []


def test_a_long_notice_is_read_in_full_at_a_press_and_then_only(program, qtbot):
    bar = program.window.notices
    program.context.say("info", "Saved.")
    qtbot.wait(20)
    assert not bar.read.isVisible()
    program.context.say("alert", LONG)
    qtbot.wait(20)
    low = bar.height()
    assert (bar.read.isVisible(), bar.copy.isVisible(), bar._all.isVisible()) == (True, False, False)
    QTest.mouseClick(bar.read, Qt.MouseButton.LeftButton)
    qtbot.wait(20)
    assert bar._all.isVisible()
    assert bar.copy.isVisible()
    assert bar._all.height() >= bar._all.heightForWidth(bar._all.width())
    assert program.window.rect().contains(bar.geometry())
    QTest.mouseClick(bar.read, Qt.MouseButton.LeftButton)
    qtbot.wait(20)
    assert bar.height() == low


def test_a_notice_stays_in_the_bottom_line_of_a_window_that_changes(program, qtbot):
    program.context.say("alert", LONG)
    for size in ((800, 560), (1500, 900)):
        program.window.resize(*size)
        qtbot.wait(50)
        assert program.window.bottom.geometry().contains(program.window.notices.geometry())


def test_an_alert_goes_by_itself_once_it_could_be_read(program, qtbot, monkeypatch):
    monkeypatch.setitem(notice.READ_MILLISECONDS, "alert", 50)
    program.context.say("alert", "Something happened.")
    bar = program.window.notices
    assert bar.isVisible()
    qtbot.waitUntil(lambda: not bar.isVisible())


def test_a_notice_does_not_go_away_under_whoever_goes_through_its_buttons(program, qtbot, monkeypatch):
    monkeypatch.setitem(notice.READ_MILLISECONDS, "info", 50)
    bar = program.window.notices
    program.context.say("info", "Read me.")
    bar._close.setFocus()
    qtbot.wait(50)
    assert bar.isVisible()
    program.window.page().setFocus()
    qtbot.waitUntil(lambda: not bar.isVisible())


def test_good_news_are_told_as_such_and_the_gravest_of_several_first(program, double, qtbot):
    bar = program.window.notices
    double.announce(told("telemetry", "GPU 1 (NVIDIA H100) is back.", level="info"))
    qtbot.waitUntil(bar.isVisible)
    assert bar.accessibleName() == "info: GPU 1 (NVIDIA H100) is back."
    store = program.store
    store.notices.appendleft(told("telemetry", "GPU 2 is lost.", level="alert"))
    store.notices.appendleft(told("telemetry", "GPU 3 is back.", level="info"))
    program.window._changed(frozenset({Topic.NOTICES}))
    assert bar.accessibleName() == "alert: GPU 2 is lost."


@pytest.mark.parametrize("came", [True, False], ids=["came later", "was there"])
def test_a_notice_does_not_go_away_under_the_pointer(program, qtbot, monkeypatch, came):
    monkeypatch.setitem(notice.READ_MILLISECONDS, "info", 50)
    bar = program.window.notices
    monkeypatch.setattr(bar, "underMouse", lambda: True)
    program.context.say("info", "Read me.")
    if came:
        place = QPointF(1, 1)
        QApplication.sendEvent(bar, QEnterEvent(place, place, place))
    qtbot.wait(50)
    assert bar.isVisible()
    monkeypatch.setattr(bar, "underMouse", lambda: False)
    QApplication.sendEvent(bar, QEvent(QEvent.Type.Leave))
    qtbot.waitUntil(lambda: not bar.isVisible())


def test_a_retraining_that_waits_is_opened_with_its_buttons_and_not_typed(program, double, qtbot):
    waiting = next(
        one for one in program.store.retrainings.value.values() if one.state is RetrainState.WAITING_FOR_APPROVAL
    )
    hint = Hint(f"mlops-desk rules approve {waiting.id}")
    text = f"The retraining of the rule {waiting.rule} waits for approval."
    double.announce(told("rules", text, hint, ("retraining", waiting.id)))
    bar = program.window.notices
    qtbot.waitUntil(bar.isVisible)
    assert "mlops-desk" not in bar._text.whole
    assert hint in bar._details
    QTest.mouseClick(bar.act, Qt.MouseButton.LeftButton)
    assert program.window.title_row.title.whole == "Drift"
    rules = program.window.page().rules
    qtbot.waitUntil(lambda: rules.retrainings.key() == waiting.id)
    assert rules._approve.isVisible()
    assert not bar.isVisible()


def test_what_leads_nowhere_offers_no_button(program):
    program.context.say("info", "Saved.")
    assert program.window.notices.isVisible()
    assert not program.window.notices.act.isVisible()


def test_notices_lead_to_what_they_are_about(program):
    store = program.store
    gpu = store.status.gpus[1]
    job = next(iter(store.jobs.value.values()))
    endpoint = next(iter(store.endpoints.value))
    report = next(one for one in store.reports.value.values() if one.id)
    expected = [
        (told("telemetry", "It is lost.", about=("gpu", gpu.uuid)), ("gpus", gpu.uuid)),
        (told("telemetry", "It is lost.", about=("gpu", "GPU-that-is-gone")), ("gpus", None)),
        (told("telemetry", "It was replaced.", about=("process", "collector")), ("gpus", None)),
        (told("jobs", "It has failed.", about=("job", job.id)), ("jobs", job.id)),
        (told("endpoints", "Its gateway ended.", about=("endpoint", endpoint)), ("endpoints", endpoint)),
        (told("models", "It is new.", about=("model", "m")), ("models", "m")),
        (told("alerts", "Too hot.", about=("alert", "a1")), ("events", "alert:a1")),
        (told("metrics", "The port is taken.", about=("setting", "metrics.port")), ("settings", "metrics.port")),
        (told("drift", "It has drifted.", about=("report", report.id)), ("drift", report.endpoint)),
        (told("drift", "It can't be checked.", about=("endpoint", endpoint)), ("drift", endpoint)),
        (told("rules", "It waits.", about=("retraining", "r1")), ("drift", "retraining:r1")),
        (told("rules", "It fires.", about=("rule", "nightly")), ("automations", "rule:nightly")),
        (told("nobody", "Whatever.", about=("job", job.id)), ("jobs", job.id)),
        (told("nobody", "Whatever."), None),
    ]
    assert [place_of(store, one) for one, _ in expected] == [place for _, place in expected]


def test_words_of_a_notice_lead_nowhere(program):
    said = told("jobs", f"GPU 1 and {next(iter(program.store.jobs.value))} and port 9464.")
    assert place_of(program.store, said) == ("jobs", None)


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
