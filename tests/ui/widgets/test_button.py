"""Buttons by keys: the one that has the focus is pressed by Enter as by Space, on pages as in dialogs."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog, QLineEdit, QVBoxLayout, QWidget

from mlops_desk.desk.window.frame.sidebar import SidebarButton
from mlops_desk.kit.window.look import symbols
from mlops_desk.kit.window.widgets.button import Button, CopyButton
from mlops_desk.kit.window.widgets.card import CardButton
from mlops_desk.kit.window.widgets.tabs import Tabs

KEYS = [Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space]


class Card(CardButton):
    def paint(self, painter, area): ...


def shown(qtbot, window, *widgets):
    column = QVBoxLayout(window)
    for widget in widgets:
        column.addWidget(widget)
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(window.isActiveWindow)
    return window


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "made",
    [
        lambda: Button("Try"),
        lambda: CopyButton("Copy", lambda: "text"),
        lambda: SidebarButton("Jobs", next(iter(symbols.PATHS.values()))),
        Card,
    ],
    ids=["plain", "copying", "of the list of pages", "card"],
)
def test_on_a_page_the_button_with_the_focus_is_pressed_once(qtbot, key, made):
    button, beside = made(), Button("Beside")
    pressed = []
    button.clicked.connect(lambda: pressed.append("it"))
    beside.clicked.connect(lambda: pressed.append("beside"))
    page = shown(qtbot, QWidget(), beside, button)
    button.setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(button, key)
    assert pressed == ["it"]
    assert page.isVisible()
    button.setEnabled(False)
    QTest.keyClick(button, key)
    assert pressed == ["it"]


def test_a_view_that_is_seen_stays_so_when_it_is_pressed(qtbot):
    tabs = Tabs("Views", (("one", "One"), ("two", "Two")))
    tabs.choose("two")
    page = shown(qtbot, QWidget(), tabs)
    tabs._buttons["two"].setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(tabs._buttons["two"], Qt.Key.Key_Return)
    assert tabs.current() == "two"
    assert page.isVisible()


def test_enter_in_a_field_presses_no_button_of_a_page(qtbot):
    field, button = QLineEdit(), Button("Delete")
    pressed, sent = [], []
    button.clicked.connect(lambda: pressed.append(1))
    field.returnPressed.connect(lambda: sent.append(1))
    page = shown(qtbot, QWidget(), field, button)
    button.setFocus()
    field.setFocus()
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert (pressed, sent) == ([], [1])
    assert page.isVisible()


def test_in_a_dialog_enter_in_a_field_gives_the_answer_that_is_the_default_and_on_a_button_its_own(qtbot):
    dialog, field = QDialog(), QLineEdit()
    first, back, act = Button("Look"), Button("Cancel"), Button("Deploy", main=True)
    act.setDefault(True)
    pressed = []
    for button in (first, back, act):
        button.clicked.connect(lambda _on=False, button=button: pressed.append(button.text()))
    shown(qtbot, dialog, first, field, back, act)
    field.setFocus()
    QTest.keyClick(field, Qt.Key.Key_Return)
    back.setFocus()
    QTest.keyClick(back, Qt.Key.Key_Return)
    assert pressed == ["Deploy", "Cancel"]
