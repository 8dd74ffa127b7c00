"""Views to choose from: who turns to another one by a command goes on there by keys."""

import pytest
from PySide6.QtWidgets import QLineEdit, QPushButton, QVBoxLayout, QWidget

from mlops_desk.kit.window.widgets.tabs import Tabs


@pytest.fixture
def window(qtbot):
    """Return a window with an entry of a sidebar, and a page of two views."""
    made = QWidget()
    qtbot.addWidget(made)
    made.side, made.page = QPushButton("Overview"), QWidget()
    made.tabs, made.fields = Tabs("Views", (("one", "One"), ("two", "Two"))), {"one": QLineEdit(), "two": QLineEdit()}
    outer, inner = QVBoxLayout(made), QVBoxLayout(made.page)
    for widget in (made.side, made.page):
        outer.addWidget(widget)
    for widget in (made.tabs, *made.fields.values()):
        inner.addWidget(widget)

    def turn(key):
        for other, field in made.fields.items():
            field.setVisible(other == key)

    made.tabs.chosen.connect(turn)
    made.tabs.choose("one")
    made.show()
    return made


def test_keys_stay_in_the_page_whose_view_is_turned_from_elsewhere(window):
    window.fields["one"].setFocus()
    window.fields["two"].setEnabled(False)  # nothing else of the page may take them
    window.tabs.choose("two")
    assert window.focusWidget() is window.tabs._buttons["two"]


def test_keys_that_are_elsewhere_stay_there(window):
    window.side.setFocus()
    window.tabs.choose("two")
    assert window.focusWidget() is window.side


def test_what_a_view_gives_the_keys_to_keeps_them(window):
    window.tabs.chosen.connect(lambda key: window.fields[key].setFocus())
    window.fields["one"].setFocus()
    window.tabs.choose("two")
    assert window.focusWidget() is window.fields["two"]
