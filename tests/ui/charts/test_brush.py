"""A span that is marked by dragging with Shift: told in times, shown by all charts, and no mark for a mere click."""

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest


@pytest.fixture
def stack(start, double, qtbot):
    page = start(double, "endpoints").window.page()
    qtbot.waitUntil(lambda: page.table.shown_rows() == 3)
    page.reveal("digits")
    stack = page.pane.view("curves").stack
    qtbot.waitUntil(stack.isVisible)
    return stack


def drag(stack, first, last, modifier=Qt.KeyboardModifier.ShiftModifier):
    y = stack.height() // 2
    QTest.mousePress(stack, Qt.MouseButton.LeftButton, modifier, QPoint(first, y))
    QTest.mouseMove(stack, QPoint((first + last) // 2, y))
    QTest.mouseMove(stack, QPoint(last, y))
    drawn = stack._brush.isVisible()
    QTest.mouseRelease(stack, Qt.MouseButton.LeftButton, modifier, QPoint(last, y))
    return drawn


def across(stack):
    lowest = stack.charts[-1]
    left, plot = lowest.mapTo(stack, QPoint()).x(), lowest.plot_area()
    return left + plot.left(), left + plot.right()


@pytest.mark.parametrize("backwards", [False, True])
def test_the_two_times_are_those_below_the_pixels_in_either_direction(stack, backwards):
    marked = []
    stack.brushed.connect(lambda begin, end: marked.append((begin, end)))
    stack._axis.pause()
    span = stack._axis.span()
    left, right = across(stack)
    ends = [round(left + 0.25 * (right - left)), round(left + 0.75 * (right - left))]
    assert drag(stack, *(reversed(ends) if backwards else ends))
    begin, end = marked[0]
    a_pixel = span.seconds / (right - left)
    assert abs(begin - (span.start + 0.25 * span.seconds)) <= 2 * a_pixel
    assert abs(end - (span.start + 0.75 * span.seconds)) <= 2 * a_pixel
    shown = stack._axis.span()
    assert shown.start <= begin
    assert shown.end >= end
    assert not stack._brush.isVisible()


def test_beyond_the_charts_it_ends_where_they_do(stack):
    marked = []
    stack.brushed.connect(lambda begin, end: marked.append((begin, end)))
    stack._axis.pause()
    span = stack._axis.span()
    left, right = across(stack)
    drag(stack, round((left + right) / 2), stack.width() - 1)
    assert abs(marked[0][1] - span.end) < 2 * span.seconds / (right - left)


def test_a_click_with_shift_marks_nothing_and_a_drag_without_it_moves(stack):
    marked = []
    stack.brushed.connect(lambda begin, end: marked.append((begin, end)))
    left, right = across(stack)
    middle = round((left + right) / 2)
    drag(stack, middle, middle + 2)
    drag(stack, middle, middle + 60, Qt.KeyboardModifier.NoModifier)
    assert marked == []


def test_marked_requests_are_listed_by_their_times_and_follow_the_charts(stack, double, qtbot):
    page = stack.window().page()
    stack._axis.pause()
    left, right = across(stack)
    marked = []
    stack.brushed.connect(lambda begin, end: marked.append((begin, end)))
    drag(stack, round(left + 0.4 * (right - left)), round(left + 0.6 * (right - left)))
    qtbot.waitUntil(lambda: bool(double.asked_requests))
    assert page.pane.tabs.current() == "requests"
    view = page.pane.view("requests")
    qtbot.waitUntil(lambda: double.asked_requests[-1][1]["until"] is not None)
    asked = double.asked_requests[-1][1]
    assert (asked["since"], asked["until"]) == marked[0], "those that were marked, not the room around them"
    view.status.setCurrentIndex(3)
    qtbot.waitUntil(lambda: double.asked_requests[-1][1]["status"] == "5xx")
    assert double.asked_requests[-1][1]["since"] == marked[0][0], "by code, of the same span"
    stack._axis.move(-10_000.0)
    span = stack._axis.span()
    qtbot.waitUntil(lambda: double.asked_requests[-1][1]["since"] == span.start)
    assert double.asked_requests[-1][1]["until"] == span.end
    view.since.setCurrentIndex(0)
    qtbot.waitUntil(lambda: double.asked_requests[-1][1]["until"] is None)


def test_the_requests_of_what_the_charts_show_are_one_button_away(stack, double, qtbot):
    page = stack.window().page()
    stack.window().resize(1600, 900)
    qtbot.waitUntil(page.pane.requests_of.isVisible)
    span = stack._axis.span()
    qtbot.mouseClick(page.pane.requests_of, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(double.asked_requests) and double.asked_requests[-1][1]["since"] is not None)
    assert not page.pane.requests_of.isVisible()
    assert abs(double.asked_requests[-1][1]["since"] - span.start) < 60.0
