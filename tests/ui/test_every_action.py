"""Every action, button and row menu of every page is pressed once: none may end in an error that only the log knows."""

import ast
import inspect
import logging
from importlib import import_module
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QPoint
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QAbstractButton, QApplication, QDialog, QMenu
from shiboken6 import isValid

import mlops_desk
from mlops_desk.desk.window import catalogue
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.tabs import Tabs

PAGES = [spec.id for spec in catalogue.PAGES]


class Presser:
    """Presses what is there, lets the answers come, and closes what opened."""

    def __init__(self, program, page, qtbot, caplog):
        self.program, self.page, self.qtbot, self.caplog = program, page, qtbot, caplog
        self.pressed = []

    def press(self, name, act):
        act()
        self.settle()
        self.pressed.append(name)
        self.look(name)
        self.close()

    def look(self, name):
        wrong = [record for record in self.caplog.records if record.levelno >= logging.ERROR]
        assert not wrong, f"{self.page}: {name}: {wrong[0].getMessage()} {wrong[0].exc_text or wrong[0].exc_info}"

    def settle(self):
        """Let the double answer; an error that comes later is found at the next press, or at the end."""
        self.qtbot.wait(20)

    def close(self):
        for _ in range(5):
            popup = QApplication.activePopupWidget()
            if popup is not None:
                popup.close()
        for dialog in [one for one in QApplication.topLevelWidgets() if isinstance(one, QDialog) and one.isVisible()]:
            dialog.reject()
        QCoreApplication.processEvents()
        self.program.window.go_to(self.page)  # wherever it has led

    def walk(self):
        """Press the page's acts, and on each of its tabs what is to be seen."""
        page = self.program.window.page()
        for identifier in [action.id for action in page.actions_here()]:
            action = next((one for one in page.actions_here() if one.id == identifier), None)
            if action is not None and action.when():
                self.press(identifier, action.run)
        self.rows_and_buttons(page)
        for tab in [tab for row in page.findChildren(Tabs) for tab in row.findChildren(QAbstractButton)]:
            if isValid(tab) and tab.isVisible():
                self.press(f"tab {tab.text()}", tab.click)
                self.rows_and_buttons(page)

    def rows_and_buttons(self, page):
        for table in page.findChildren(RecordTable):
            if isValid(table) and table.isVisible() and table.shown_rows():
                self.rows(table)
        done = set()
        while True:
            name, button = next(self.buttons(page, done), (None, None))
            if button is None:
                return
            done.add(name)
            if f"button {name}" not in self.pressed:
                self.press(f"button {name}", button.click)

    def buttons(self, page, done):
        for button in page.findChildren(QAbstractButton):
            words = button.accessibleName() or button.text()
            name = f"{type(button.parentWidget()).__name__} {words.partition(':')[0]}"
            if name not in done and button.isVisible() and button.isEnabled():
                yield name, button

    def rows(self, table):
        """Choose a table's first row and press every line of its menu."""
        if table.key() is None:
            table.select_first()
            self.settle()
        for number in range(40):
            if not isValid(table) or not table.isVisible():
                return
            table.customContextMenuRequested.emit(QPoint(5, 5))
            menu = next((one for one in table.findChildren(QMenu) if one.isVisible()), None)
            lines = [one for one in menu.actions() if one.isEnabled() and not one.isSeparator()] if menu else []
            if number >= len(lines):
                self.close()
                return
            line = lines[number]
            menu.close()
            name = f"row of {table.accessibleName()}: {line.text()}"
            if name in self.pressed:
                continue
            self.press(name, line.trigger)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_nothing_that_can_be_pressed_ends_in_an_error_of_the_log(start, double, qtbot, caplog, monkeypatch, page):
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda _url: True)
    caplog.set_level(logging.ERROR)
    program = start(double, page)
    program.window.resize(1280, 800)
    program.window.complete()
    presser = Presser(program, page, qtbot, caplog)
    presser.settle()
    presser.walk()
    presser.look("the end")
    assert len(presser.pressed) >= 10, presser.pressed


def _asked_acts():
    """Yield each act that one feature asks of another by a name, with its arguments, from the source."""
    folder = Path(mlops_desk.__file__).parent
    for path in sorted(path for path in folder.rglob("*.py") if "window" in path.parts):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "act"
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and "." in str(node.args[0].value)
            ):
                yield str(path.relative_to(folder)), node.args[0].value, node.args[1:]


@pytest.mark.slow
def test_what_features_ask_of_one_another_by_a_name_takes_what_it_is_given():
    asked = list(_asked_acts())
    assert len(asked) >= 5
    for path, name, arguments in asked:
        act = catalogue.feature(name.partition(".")[0]).acts[name]
        stands_for = inspect.getclosurevars(act).nonlocals  # a form or page is loaded when it is first asked for
        loaded = getattr(import_module(stands_for["module"]), stands_for["name"]) if "module" in stands_for else act
        assert arguments, f"{path}: {name}"
        assert ast.unparse(arguments[0]).endswith("context"), f"{path}: {name} lacks the context"
        if not any(isinstance(one, ast.Starred) for one in arguments):
            inspect.signature(loaded).bind(*arguments)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_tab_stays_where_it_is_when_it_is_clicked(start, double, qtbot, page):
    program = start(double, page)
    window = program.window
    window.resize(1280, 800)
    window.complete()

    def tabs():
        rows = [row for row in window.page().findChildren(Tabs) if row.isVisible()]
        return [tab for row in rows for tab in row.findChildren(QAbstractButton) if tab.isVisible()]

    places, looks = None, 0
    while looks < 8 and (not places or places != [tab.mapTo(window, QPoint()) for tab in tabs()]):
        places, looks = [tab.mapTo(window, QPoint()) for tab in tabs()], looks + 1
        qtbot.wait(50)  # until what it shows has come; pages without tabs show none by then either
    moved = []
    for tab in tabs():
        before = tab.mapTo(window, QPoint())
        tab.click()
        qtbot.wait(50)
        after = tab.mapTo(window, QPoint())
        if tab.isVisible() and after != before:
            moved.append((tab.text(), before.toTuple(), after.toTuple()))
        assert [one.text() for one in tabs() if one.visibleRegion().boundingRect() != one.rect()] == [], "cut"
    assert not moved
