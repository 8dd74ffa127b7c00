"""What has the keys shows it: an area that scrolls, at which Tab stops where there is something to scroll, and a slider."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from mlops_desk.kit.window.look.slider import Slider
from mlops_desk.kit.window.widgets.scroll import scrolled


@pytest.fixture
def shown(qtbot):
    inner = QWidget()
    inner.setMinimumHeight(2000)
    whole = QWidget()
    qtbot.addWidget(whole)
    column = QVBoxLayout(whole)
    whole.field = QLineEdit()
    whole.area = scrolled(inner, "Facts")
    column.addWidget(whole.field)
    column.addWidget(whole.area)
    whole.resize(200, 200)
    whole.show()
    qtbot.waitExposed(whole)
    qtbot.waitUntil(lambda: whole.area.focusPolicy() is Qt.FocusPolicy.StrongFocus)
    return whole


def test_the_bar_shows_that_the_keys_scroll_by_it(shown, qtbot):
    bar = shown.area.verticalScrollBar()
    shown.field.setFocus()
    before = bar.grab().toImage()
    shown.area.setFocus()
    qtbot.waitUntil(lambda: bar.grab().toImage() != before)
    qtbot.keyClick(shown.area, Qt.Key.Key_PageDown)
    assert bar.value() > 0
    bar.setValue(0)
    shown.field.setFocus()
    qtbot.waitUntil(lambda: bar.grab().toImage() == before)


def test_tab_passes_by_where_there_is_nothing_to_scroll_and_nobody_loses_the_focus(shown, qtbot):
    shown.area.setFocus()
    shown.area.widget().setMinimumHeight(0)
    qtbot.waitUntil(lambda: shown.area.verticalScrollBar().maximum() == 0)
    qtbot.wait(20)
    assert shown.area.hasFocus()
    shown.field.setFocus()
    shown.area.widget().setMinimumHeight(2000)
    qtbot.waitUntil(lambda: shown.area.verticalScrollBar().maximum() > 0)
    shown.area.widget().setMinimumHeight(0)
    qtbot.waitUntil(lambda: shown.area.focusPolicy() is Qt.FocusPolicy.NoFocus)


def test_a_slider_shows_that_it_has_the_keys(qtbot):
    whole = QWidget()
    qtbot.addWidget(whole)
    column, slider, field = QVBoxLayout(whole), Slider("Share"), QLineEdit()
    column.addWidget(slider)
    column.addWidget(field)
    whole.show()
    qtbot.waitExposed(whole)
    whole.activateWindow()
    field.setFocus()
    qtbot.waitUntil(field.hasFocus)
    before = slider.grab().toImage()
    slider.setFocus()
    qtbot.waitUntil(lambda: slider.grab().toImage() != before)
    assert slider.accessibleName() == "Share"
