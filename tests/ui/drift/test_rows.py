"""The rows of a window of a file: read again from where they came, with the column that is looked at in front."""

from dataclasses import replace

import pytest
from drift_doubles import put_standing
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.drift.window.column.column_loader import _order
from mlops_desk.kit.base.errors import Invalid


@pytest.fixture
def page(start, double, qtbot):
    standing = double.monitors_by_id["m1"]
    files = replace(standing.monitor, source=Source(SourceKind.FILE, "/data/in"), renamed={"px01": "pixel_0_1"})
    put_standing(double, standing, monitor=files)
    shown = start(double, "drift").window.page()
    qtbot.waitUntil(lambda: bool(shown.monitors.pane.sheet.windows))
    return shown


def look_into(page, qtbot, column):
    pane = page.monitors.pane
    pane.open_column(column)
    QTest.mouseClick(pane.looking.pane.rows, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: pane.looking.rows._task is None)
    return pane.looking.rows


def test_rows_of_a_file_stand_with_the_column_in_front_by_the_name_it_arrives(page, double, qtbot):
    rows = look_into(page, qtbot, "pixel_0_1")
    assert rows.isVisible()
    assert double.asked_rows == [("m1", "m1-159", 500)]
    assert [column.title for column in rows.table.records.columns] == ["Time", "px01", "pixel_0_0", "source"]
    assert rows.table.shown_rows() == 40
    assert "The first 40 of 1,200 rows." in rows.says.whole
    assert "1,000 were judged" in rows.says.whole
    cells = rows.table.records._row("7")
    assert [cell.text for cell in cells][1:] == ["7.5", "7", "–"]
    assert cells[3].tip == "missing"


def test_from_rows_one_comes_back_to_the_column(page, qtbot):
    rows = look_into(page, qtbot, "pixel_0_0")
    page.escape()
    pane = page.monitors.pane
    assert pane.looking.pane.isVisible()
    assert pane.looking.pane.rows.hasFocus()
    page.escape()
    assert pane.heat.isVisible()
    look_into(page, qtbot, "pixel_0_0")
    QTest.mouseClick(rows.back, Qt.MouseButton.LeftButton)
    assert pane.looking.pane.isVisible()


def test_rows_that_cant_be_read_say_why_and_can_be_asked_for_again(page, double, qtbot):
    double.failing["monitors.rows"] = Invalid("There is no /data/in any more.", "What was judged of it is kept.")
    rows = look_into(page, qtbot, "pixel_0_0")
    assert "There is no /data/in any more." in rows.state.details()
    double.failing.clear()
    rows.state._do()
    qtbot.waitUntil(lambda: rows.table.shown_rows() == 40)


def test_reading_can_be_cancelled(page, double, qtbot):
    pane = page.monitors.pane
    pane.open_column("pixel_0_0")
    double.frozen.add("monitors")
    QTest.mouseClick(pane.looking.pane.rows, Qt.MouseButton.LeftButton)
    assert "Reading the rows" in pane.looking.rows.state.details()
    pane.looking.rows.state._do()
    assert "Reading was cancelled" in pane.looking.rows.state.details()
    double.frozen.clear()
    double.thaw.set()


def test_values_are_ordered_as_numbers_before_texts():
    assert sorted(["b", "10", "9", "nan", "-1e3", ""], key=_order) == ["-1e3", "9", "10", "", "b", "nan"]
