"""What is said of times goes on being true while nothing happens: "12 s ago" does not stay."""

import time

import pytest
from PySide6.QtWidgets import QTableView

from mlops_desk.desk.window.catalogue import PAGES
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.words import numbers

HOUR = 3600.0


@pytest.fixture
def later(monkeypatch):
    """Let words be said as of ``later`` seconds from now."""
    ahead = [0.0]

    def ago(moment, now=None):
        return said(moment, (time.time() if now is None else now) + ahead[0])

    said = numbers.ago
    monkeypatch.setattr(numbers, "ago", ago)
    return ahead


def ages(page):
    """Return every text of the page that tells how long ago something was."""
    labels = [label.whole for label in page.findChildren(Label) if label.isVisible()]
    cells = [
        str(table.model().index(row, column).data())
        for table in page.findChildren(QTableView)
        if table.isVisible()
        for row in range(table.model().rowCount())
        for column in range(table.model().columnCount())
    ]
    return [text for text in (*labels, *cells) if " ago" in text or "just now" in text]


@pytest.mark.parametrize("page", ["jobs", "endpoints", "models", "drift"])
def test_ages_are_worded_anew_while_a_page_is_seen(start, double, qtbot, later, page):
    shown = start(double, page).window.page()
    if page == "endpoints":
        shown.pane.tabs.choose("facts")
    if page == "drift":
        shown.monitors.pane.tabs.choose("facts")
    qtbot.waitUntil(lambda: len(ages(shown)) > 1)
    qtbot.wait(50)
    before = ages(shown)
    later[0] = 400 * 24 * HOUR
    shown.clock.setInterval(10)
    qtbot.waitUntil(lambda: not set(ages(shown)) & set(before))
    assert len(ages(shown)) == len(before)


def test_the_lines_of_the_overview_are_worded_anew_and_stay(start, double, qtbot, later):
    shown = start(double).window.page()
    qtbot.waitUntil(lambda: any(" ago" in line.aside for line in shown._notices._lines))
    shown._notices._list.setCurrentRow(2)
    before = [line.aside for line in shown._notices._lines if " ago" in line.aside]
    later[0] = 400 * 24 * HOUR
    shown.clock.setInterval(10)
    qtbot.waitUntil(lambda: not set(before) & {line.aside for line in shown._notices._lines})
    assert shown._notices._list.currentRow() == 2


@pytest.mark.slow
def test_the_clock_of_a_page_that_is_not_seen_stands(start, double):
    program = start(double)
    for spec in PAGES:
        program.window.sidebar.choose(spec.id)
    running = [name for name, page in program.window._pages.items() if page.clock.isActive()]
    assert running == [PAGES[-1].id]
