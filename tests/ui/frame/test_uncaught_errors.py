"""An error of the window itself is no secret of its log: it is a notice, with details to copy, and one for repeats."""

import logging
import sys
import threading

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtGui import QGuiApplication

from mlops_desk.desk.window.frame import uncaught_errors
from mlops_desk.desk.window.frame.uncaught_errors import UncaughtErrors
from mlops_desk.kit.base import log
from mlops_desk.kit.window.widgets.button import Button, CopyButton


@pytest.fixture
def hooked(monkeypatch):
    """As the window is started: what nobody catches goes to its log."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    root = logging.getLogger()
    before, level = [*root.handlers], root.level
    log.start_early()
    yield
    root.setLevel(level)
    for handler in [one for one in root.handlers if one not in before]:
        root.removeHandler(handler)


def shown(program):
    return program.window.notices.accessibleName() if program.window.notices.isVisible() else ""


def fail():
    raise TypeError("one argument is missing\nand a \u202e line")


def test_an_error_in_a_slot_is_a_notice_with_its_details_to_copy(start, double, qtbot, hooked):
    program = start(double, "host")
    button = Button("Fail")
    qtbot.addWidget(button)
    button.clicked.connect(fail)
    button.click()
    qtbot.waitUntil(lambda: "TypeError: one argument is missing" in shown(program))
    copy = next(one for one in program.window.notices.findChildren(CopyButton) if one.isVisible())
    assert copy.text() == "Copy details"
    copy.click()
    details = QGuiApplication.clipboard().text()
    assert "Traceback (most recent call last)" in details
    assert "in fail" in details
    assert "\u202e" not in details


@pytest.mark.parametrize("where", ["timer", "thread", "loop", "answer"])
def test_wherever_an_error_comes_from_it_is_told(start, double, qtbot, hooked, where):
    program = start(double, "host")
    ways = {
        "timer": lambda: QTimer.singleShot(0, fail),
        "thread": lambda: threading.Thread(target=fail).start(),
        "loop": lambda: program.loop.start("work", fail),
        "answer": lambda: program.context.ask("question", lambda _desk: fail(), print),
    }
    ways[where]()
    qtbot.waitUntil(lambda: "TypeError: one argument is missing" in shown(program))


class Told:
    def __init__(self, qtbot, monkeypatch):
        monkeypatch.setattr(uncaught_errors, "SOON_MILLISECONDS", 0)
        self.qtbot, self.now, self.said = qtbot, 1000.0, []
        self.errors = UncaughtErrors(lambda text, details: self.said.append((text, details)), lambda: self.now)
        self.errors.start()

    def log(self, error, times=1):
        for _ in range(times):
            try:
                raise error
            except type(error):
                logging.getLogger("mlops_desk").exception("Uncaught")

    def after(self, seconds):
        self.now += seconds
        self.errors.tell()
        return [text for text, _ in self.said]


@pytest.fixture
def told(qtbot, monkeypatch):
    made = Told(qtbot, monkeypatch)
    yield made
    made.errors.stop()


def test_an_error_at_each_tick_is_one_notice_until_much_later(told, qtbot):
    told.log(ValueError("wrong"), times=50)
    qtbot.waitUntil(lambda: len(told.said) == 1)
    assert "(50 times): ValueError: wrong" in told.said[0][0]
    told.log(ValueError("wrong"), times=30)
    qtbot.wait(20)
    assert len(told.after(60.0)) == 1
    assert len(told.after(250.0)) == 2
    assert "(30 times)" in told.said[1][0]
    assert len(told.after(1000.0)) == 2


def test_another_error_waits_until_the_first_could_be_read(told, qtbot):
    told.log(ValueError("first"))
    qtbot.waitUntil(lambda: len(told.said) == 1)
    told.log(KeyError("second"))
    qtbot.wait(20)
    assert len(told.after(1.0)) == 1
    assert "KeyError" in told.after(10.0)[1]


def test_a_long_error_is_cut(told, qtbot):
    told.log(ValueError("x" * 100_000 + "\n" * 1000))
    qtbot.waitUntil(lambda: len(told.said) == 1)
    text, details = told.said[0]
    assert len(text) < 500
    assert len(details) < 10_000


def test_what_is_logged_without_an_error_is_not_told(told, qtbot):
    logging.getLogger("qt").error("QPainter::begin: Paint device returned engine == 0")
    qtbot.wait(20)
    assert told.said == []
