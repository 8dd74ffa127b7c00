"""What an assistive tool finds on each page: fitting roles, names for everything operated, nothing of what is hidden."""

import pytest
from accessible import walk
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QCheckBox

from mlops_desk.desk.window.catalogue import PAGES
from mlops_desk.desk.window.frame.sidebar import SidebarButton
from mlops_desk.kit.window.charts.bars import BarChart
from mlops_desk.kit.window.charts.chart import Chart

Role = QAccessible.Role
OPERATED = {Role.Button, Role.ButtonMenu, Role.PageTab, Role.CheckBox, Role.ComboBox, Role.EditableText, Role.Table,
            Role.Cell, Role.List, Role.ListItem, Role.Slider, Role.Chart, Role.Pane, Role.Grouping}  # fmt: skip
IDS = [spec.id for spec in PAGES]


@pytest.fixture(params=IDS)
def shown(request, start, double, qtbot):
    """The window with a page that was gone to over another one, which is hidden now."""
    window = start(double).window
    window.go_to(IDS[(IDS.index(request.param) + 3) % len(IDS)])
    qtbot.wait(50)
    window.go_to(request.param)
    qtbot.wait(50)
    return window


@pytest.mark.slow
def test_a_page_tells_what_it_is_and_nothing_that_is_hidden(shown):
    found = walk(shown)
    text = "\n".join(map(str, found))
    focusable = [one for one in found if one.focusable]
    assert len(focusable) > len(IDS), text
    assert [str(one) for one in focusable if one.role not in OPERATED] == []
    assert [str(one) for one in focusable if not one.name and one.role is not Role.Cell] == []
    assert [str(one) for one in found if one.hidden and (one.focusable or one.focused)] == []
    ticked = [one for one in found if one.role is Role.CheckBox]
    assert all(isinstance(one.widget, QCheckBox) for one in ticked)
    pages = [one for one in found if isinstance(one.widget, SidebarButton) and one.role is Role.PageTab]
    assert (len(pages), sum(one.chosen for one in pages)) == (len(IDS), 1)
    lists = [one for one in found if one.role is Role.PageTabList]
    assert next(one.name for one in lists) == "Pages"
    assert all(one.name for one in lists)
    charts = [one for one in shown.page().findChildren(Chart) if one.isVisible()]
    charts += [one for one in shown.page().findChildren(BarChart) if one.isVisible()]
    told = [one for one in found if one.role is Role.Chart]
    assert {one.widget for one in told} >= set(charts)
    assert all(one.name for one in told)


def test_the_range_of_time_is_called_what_it_is_and_tells_what_is_chosen(start, double, qtbot):
    window = start(double, "gpus").window
    qtbot.wait(50)
    box = QAccessible.queryAccessibleInterface(window.title_row.time.range)
    assert (box.role(), box.text(QAccessible.Text.Name)) == (Role.ComboBox, "Time range")
    assert box.text(QAccessible.Text.Value) == "5 min"


def test_a_tab_is_pressed_and_tells_that_it_is_chosen(start, double, qtbot):
    window = start(double, "gpus").window
    tabs = window.page().tabs
    before = tabs.current()
    other = next(key for key in tabs._buttons if key != before)
    tab = QAccessible.queryAccessibleInterface(tabs._buttons[other])
    assert (tab.role(), bool(tab.state().selected)) == (Role.PageTab, False)
    assert "Press" in tab.actionNames()
    tab.doAction("Press")
    assert tabs.current() == other
    assert tab.state().selected


def test_pause_is_a_button_that_stays_down(start, double):
    window = start(double, "gpus").window
    pause = QAccessible.queryAccessibleInterface(window.title_row.time.mode)
    assert pause.role() is Role.Button
    window._context.axis.toggle()
    assert pause.state().checked


def test_a_row_of_a_table_is_called_by_its_first_cell(start, double, qtbot):
    page = start(double, "gpus").window.page()
    qtbot.waitUntil(lambda: page.list.shown_rows() > 0)
    heads = [one for one in walk(page.list) if one.role is Role.RowHeader]
    assert len(heads) == page.list.shown_rows()
    assert [one.name for one in heads] == [page.list.records.index(row, 0).data() for row in range(len(heads))]
