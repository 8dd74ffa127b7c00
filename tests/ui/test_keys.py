"""Keys mean what is seen: Enter presses what has the focus, the pause key works everywhere, pages take the focus."""

import pytest
from doubles import job_record
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from mlops_desk.desk.window.catalogue import PAGES
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.window.form.submit_form import SubmitDialog
from mlops_desk.kit.window.widgets.confirmation import Confirm
from mlops_desk.registry.window.models.alias.dialog import AliasDialog

CONTROL = Qt.KeyboardModifier.ControlModifier


def press(key, modifier=Qt.KeyboardModifier.NoModifier):
    """Press a key where the focus is, as the window system would."""
    focus = QApplication.focusWidget()
    assert focus is not None
    QTest.keyClick(focus, key, modifier)


@pytest.fixture
def window(start, double, qtbot):
    program = start(double)
    qtbot.waitUntil(program.window.isActiveWindow)
    return program.window


@pytest.mark.parametrize("number", [1, 2, 3, 4, 7])
def test_the_pause_key_works_wherever_the_focus_is_on_a_page_that_can_stand_still(window, qtbot, number):
    QTest.keyClick(window, str(number % 10).encode()[0], CONTROL)
    store = window._context.store
    stops = 0
    for _ in range(8):
        press(Qt.Key.Key_P, CONTROL)
        assert store.paused
        press(Qt.Key.Key_P, CONTROL)
        assert not store.paused
        press(Qt.Key.Key_Tab)
        stops += 1
    assert stops == 8


@pytest.mark.slow
def test_space_on_a_page_pauses_and_never_goes_to_another_page(window, qtbot):
    for spec in PAGES:
        window.sidebar.choose(spec.id)
        press(Qt.Key.Key_Space)
        assert window.page() is window._pages[spec.id]
        field = window.page().filter_field()
        assert field is None or field.text() == ""


def test_the_help_names_the_key_that_works_everywhere(window):
    named = {action.id: action.shortcut for action in window._actions.placed("menu")}
    assert named["pause"] == "Ctrl+P"
    assert "Ctrl+P" in window.title_row.time.mode.toolTip()


def test_a_page_that_is_gone_to_has_the_focus(window):
    for number, spec in enumerate(PAGES, 1):
        window.sidebar._buttons["models"].setFocus(Qt.FocusReason.TabFocusReason)
        press(str(number % 10).encode()[0], CONTROL)
        page = window.page()
        focus = QApplication.focusWidget()
        assert focus is page or page.isAncestorOf(focus), spec.id


def test_a_click_in_the_list_of_pages_leaves_the_focus_to_the_page(window):
    button = window.sidebar._buttons["host"]
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    focus = QApplication.focusWidget()
    assert focus is window.page() or window.page().isAncestorOf(focus)


def test_whoever_walks_through_the_list_of_pages_by_keys_stays_in_it(window):
    window.sidebar._buttons["overview"].setFocus(Qt.FocusReason.TabFocusReason)
    press(Qt.Key.Key_Down)
    assert window.title_row.title.whole == PAGES[1].title
    assert window.sidebar.isAncestorOf(QApplication.focusWidget())


def test_enter_presses_the_button_that_has_the_focus_in_a_question(window, double, qtbot):
    window.sidebar.choose("jobs")
    page = window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == len(double.jobs_by_id))
    page.table.select("7c1d2e3f4a5b")
    for tabs, stopped in ((0, False), (1, True)):
        QTest.mouseClick(page.acts.stop, Qt.MouseButton.LeftButton)
        question = next(one for one in page.findChildren(Confirm) if one.isVisible())
        qtbot.waitUntil(lambda question=question: QApplication.focusWidget() is question.back)
        for _ in range(tabs):
            press(Qt.Key.Key_Tab)
        press(Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: not any(one.isVisible() for one in page.findChildren(Confirm)))
        if not stopped:
            assert ("jobs", "cancel") not in double.calls
    qtbot.waitUntil(lambda: double.jobs_by_id["7c1d2e3f4a5b"].state is JobState.CANCELLED)


def test_enter_on_cancel_cancels_a_form(window, double, qtbot):
    window.sidebar.choose("models")
    page = window.page()
    qtbot.waitUntil(lambda: page._version() is not None)
    page.acts.set_alias()
    dialog = next(one for one in page.findChildren(AliasDialog) if one.isVisible())
    qtbot.waitUntil(dialog.isActiveWindow)
    dialog.cancel.setFocus()
    press(Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not dialog.isVisible())
    assert ("models", "promote") not in double.calls


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space])
def test_a_tile_is_pressed_by_every_key_that_presses(window, qtbot, key):
    tile = next(iter(window.page()._gpus.values()))
    tile.setFocus()
    press(key)
    assert window.title_row.title.whole == "GPUs"


def test_after_an_error_one_types_on_where_one_typed(window, double, qtbot):
    window.sidebar.choose("jobs")
    page = window.page()
    page.submit()
    dialog = next(one for one in page.findChildren(SubmitDialog) if one.isVisible())
    dialog.set_text("name: x\n")
    QTest.mouseClick(dialog.act, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "'image' is missing" in dialog.error_text())
    assert QApplication.focusWidget() is dialog._text


def test_a_job_that_came_keeps_the_focus_where_it_is(window, double, qtbot):
    window.sidebar.choose("jobs")
    page = window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == len(double.jobs_by_id))
    focus = QApplication.focusWidget()
    double.put_job(job_record("new1", "fresh", JobState.QUEUED))
    qtbot.waitUntil(lambda: page.table.records.record("new1") is not None)
    assert QApplication.focusWidget() is focus
