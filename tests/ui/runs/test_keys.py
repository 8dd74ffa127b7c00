"""The page on runs by keys alone: Tab reaches everything in the order in which it is seen."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from run_doubles import some_runs


@pytest.fixture
def page(start, double, qtbot):
    double.run_registry = some_runs()
    page = start(double, "runs").window.page()
    qtbot.waitUntil(lambda: page.right is not None and page.right.detail.story is not None)
    qtbot.waitUntil(lambda: "metrics.auc" in page.loader.question.columns and not page.loader.is_waiting)
    page.window().activateWindow()
    qtbot.waitUntil(lambda: QApplication.focusWidget() is not None)
    return page


def stops(page, first, count):
    """Return what Tab comes to, by the names that are read aloud."""
    first.setFocus(Qt.FocusReason.TabFocusReason)
    found = []
    for _ in range(count):
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        widget = QApplication.focusWidget()
        found.append(widget.accessibleName() or widget.text())
    return found


def test_tab_goes_from_the_filter_by_the_chips_to_experiments_table_and_run(page):
    page.bar.filter.show_filter("auc > 0.5")
    page.bar.views.save("good")
    page.bar.filter.show_filter("auc > 0.6")
    page.bar.views.save("better")
    page.bar.filter.show_filter("auc > 0.7")
    assert stops(page, page.bar.filter, 10) == [
        "Nested", "Group the runs by", "Columns …", "Registry", "good", "better", "Save view …", "Experiments", "Runs", "Run",
    ]  # fmt: skip


def test_tab_stops_at_the_view_that_is_seen_however_it_was_turned_to(page):
    tabs = page.right.tabs
    assert stops(page, page.table, 1) == ["Run"]
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Right)
    assert tabs.current() == "files"
    page.table.setFocus()
    page.table.tick(0)
    page.table.tick(1)
    tabs.choose("scatter")
    assert stops(page, page.table, 1) == ["Scatter"]


def test_in_the_comparison_tab_goes_through_what_is_set_as_it_stands(page, qtbot):
    page.table.tick(3)
    page.table.tick(4)
    curves = page.right.comparison.curves
    qtbot.waitUntil(lambda: page.right.comparison.by.isVisible() and len(curves.canvas.lines()) > 0)
    assert stops(page, page.right.comparison.pane.table, 4)[:4] == [
        "Metric", "What the curves run over", "Group the curves by", "Smoothing",
    ]  # fmt: skip


@pytest.mark.parametrize(("tab", "expected"), [
    ("scatter", ["X axis", "Y axis", "Colour", "Log x", "Log y", "Front", "Better x", "Better y", "Chart: 68 runs"]),
    ("parallel", ["Chart: 68 runs"]),
])  # fmt: skip
def test_what_is_set_of_a_chart_comes_before_it(page, qtbot, tab, expected):
    page.right.tabs.choose(tab)
    qtbot.waitUntil(lambda: getattr(page.right, tab).told is not None)
    found = stops(page, page.right.tabs._buttons[tab], len(expected))
    assert [name[: len(wanted)] for name, wanted in zip(found, expected, strict=True)] == expected
