"""Requests that want a label, one after the other, by keys; what could not be said comes back."""

from datetime import UTC, datetime

import pytest
from automation_doubles import label_task
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from mlops_desk.automation.window.labels import LabelTray, answers, column_of, row_of, said, shown
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.serving.records.label import LabelTask


@pytest.fixture
def page(start, double, qtbot):
    shown_page = start(double, "automations").window.page()
    shown_page.tabs.choose("labels")
    qtbot.waitUntil(lambda: shown_page.labels.sheet.tray.task() is not None)
    return shown_page


def test_before_anything_is_known_of_labels_it_says_that_they_are_asked_for(start, double, qtbot):
    double.frozen.add("labels")
    page = start(double, "automations").window.page()
    page.tabs.choose("labels")
    qtbot.waitUntil(lambda: "Loading labels" in page.labels.state.details() and page.labels.state.isVisible())
    page.labels.refresh(page.context.store, frozenset({Topic.ENDPOINTS}))
    assert not page.labels.list.isVisible(), "also when something else is heard meanwhile"
    double.frozen.clear()
    double.thaw.set()
    qtbot.waitUntil(lambda: page.labels.list.shown_rows() == 3 and page.labels.list.isVisible())


def test_digits_say_what_was_right_and_go_on(page, double, qtbot):
    sheet = page.labels.sheet
    assert sheet.offered() == ["false", "true"]
    assert sheet.named.text() == "churned"
    assert sheet.says.whole.startswith("1 of 6, 6 left")
    sheet.setFocus()
    qtbot.keyClick(sheet, "2")
    qtbot.keyClick(sheet, "1")
    qtbot.waitUntil(lambda: len(double.labelled) == 2)
    assert double.labelled == [("digits", "r0", {"churned": "true"}, 0), ("digits", "r1", {"churned": "false"}, 0)]
    assert sheet.says.whole.startswith("3 of 6, 4 left")
    qtbot.keyClick(sheet, "p")
    assert "you said false" in sheet.says.whole
    qtbot.keyClick(sheet, "n")
    assert sheet.says.whole.startswith("3 of 6")
    qtbot.keyClick(sheet, "9")  # no such answer
    assert len(double.labelled) == 2


def test_digits_and_letters_count_on_the_list_too(page, double, qtbot):
    page.labels.list.setFocus()
    qtbot.keyClick(page.labels.list, "2")
    qtbot.waitUntil(lambda: double.labelled == [("digits", "r0", {"churned": "true"}, 0)])
    qtbot.keyClick(page.labels.list, "n")
    assert page.labels.sheet.says.whole.startswith("3 of 6")


def test_answers_are_reached_by_tab_before_the_field_below_them_and_keys_stay_on_the_sheet(page, double, qtbot):
    sheet = page.labels.sheet
    page.window().activateWindow()
    sheet.named.setFocus()
    qtbot.waitUntil(sheet.named.hasFocus)
    reached = []
    for _ in range(3):
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        reached.append(QApplication.focusWidget())
    assert [one.accessibleName() for one in reached] == ["1  false", "2  true", "Another answer"]
    reached[1].setFocus()
    qtbot.keyClick(reached[1], Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: len(double.labelled) == 1)
    assert sheet.hasFocus()
    assert sheet.accessibleName()
    qtbot.keyClick(QApplication.focusWidget(), "1")
    qtbot.waitUntil(lambda: len(double.labelled) == 2)


def test_it_is_seen_whether_the_keys_of_the_sheet_count(page, qtbot):
    sheet = page.labels.sheet
    page.window().activateWindow()
    sheet.other.setFocus()
    before = sheet.grab().toImage().pixelColor(sheet.width() // 2, 0)
    sheet.setFocus()
    qtbot.waitUntil(sheet.hasFocus)
    ratio = sheet.devicePixelRatioF()
    assert sheet.grab().toImage().pixelColor(int(sheet.width() * ratio) // 2, 0) != before


def test_another_answer_is_typed(page, double, qtbot):
    sheet = page.labels.sheet
    qtbot.keyClicks(sheet.other, "maybe")
    qtbot.keyClick(sheet.other, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: double.labelled == [("digits", "r0", {"churned": "maybe"}, 0)])
    assert sheet.offered() == ["false", "maybe", "true"]


def test_a_label_that_was_not_taken_is_before_the_person_again(page, double, qtbot):
    said_to = []
    page.context.said.connect(lambda *one: said_to.append(one))
    double.failing["labels.set"] = Unavailable("The log's disk is full.", "Make room.")
    sheet = page.labels.sheet
    sheet.say("true")
    qtbot.waitUntil(lambda: any("disk is full" in text for _level, text in said_to))
    assert sheet.tray.left() == 6


def test_after_the_last_one_more_are_asked_for(page, double, qtbot):
    sheet = page.labels.sheet
    asked = len(double.asked_labels)
    for _ in range(6):
        sheet.say("true")
    qtbot.waitUntil(lambda: len(double.asked_labels) > asked and "Nothing wants a label" in sheet.says.whole)
    assert len(double.labelled) == 6


def test_an_endpoint_without_a_log_says_so_and_hides_no_other(page, qtbot):
    rows = {key: page.labels.list.records.record(key) for key in ("digits", "router")}
    assert rows["digits"].queue is not None
    assert rows["router"].queue is None
    page.labels.list.select("router")
    qtbot.waitUntil(lambda: "Turn its log on." in page.labels.sheet.says.whole)
    assert not page.labels.sheet.other.isEnabled()


def task(outputs, number=0):
    return LabelTask(f"r{number}", 0, 0.0, 1, {}, outputs)


def test_answers_are_classes_and_no_measurements():
    assert answers([task({"p": 0.25}), task({"p": True}), task({"p": 3}), task({"p": 2.0}), task({"p": "x" * 61})]) == [
        "2", "3", "true",
    ]  # fmt: skip
    assert answers([task({"p": [1, 2]}), task({"p": None}), task({"p": "\x1b"})]) == []
    assert answers([task({"p": str(number)}, number) for number in range(20)]) == [str(number) for number in range(9)]
    assert answers([], ["b", "a"]) == ["a", "b"]
    assert said(False) == "false"
    assert column_of(()) == "label"


def test_a_request_is_shown_as_text_and_cut():
    told = shown({"a\nb": "<b>" + "x" * 1000, "n": None, "f": 0.1 + 0.2, "d": datetime(2026, 1, 1, tzinfo=UTC)}, 3)
    assert len(told) == 3
    assert told[0][0] == "a b" or "\n" not in told[0][0]
    assert len(told[0][1]) <= 201
    assert told[1] == ("n", "–")
    assert told[2] == ("f", "0.3")


@given(st.lists(st.sampled_from(["say", "next", "before"]), max_size=40), st.integers(1, 8))
def test_a_person_never_loses_their_place(acts, count):
    tray = LabelTray()
    tray.fill([label_task(number) for number in range(count)])
    for act in acts:
        before = tray.task()
        if act == "say":
            more = tray.say(row_of(before), "true")
            assert more == (tray.left() > 0)
            assert not more or row_of(tray.task()) not in tray.said
        else:
            tray.move(1 if act == "next" else -1)
        assert tray.task() in tray.tasks
    assert tray.left() == count - len(tray.said)
