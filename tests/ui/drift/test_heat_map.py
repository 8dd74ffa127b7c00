"""The heat map as people use it: keys, pointer, zoom, brush; only what is seen is painted."""

from collections.abc import Iterator

import pytest
from drift_doubles import HOUR, some_windows
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from mlops_desk.drift.records.monitors import ColumnScore, JudgedWindow
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.window.heatmap.heatmap_data import HeatSheet, sheet_of
from mlops_desk.drift.window.heatmap.map import HEAD, ROW, HeatMap


@pytest.fixture
def heat(qtbot) -> Iterator[HeatMap]:
    made = HeatMap()
    qtbot.addWidget(made)
    made.resize(900, 300)
    made.show_sheet(sheet_of(some_windows("m", 60, 30, drifting=2), {"pixel_0_0": 1.0, "pixel_0_1": 2.0}, {}))
    made.show()
    qtbot.waitExposed(made)
    return made


def meant(heat):
    return heat.column(), heat.window_place


def test_the_worst_column_and_the_newest_window_are_meant_first(heat):
    assert meant(heat) == ("pixel_0_0", 59)
    assert heat.accessibleDescription() == heat.told()
    assert "drift" in heat.told()


@pytest.mark.parametrize(
    ("keys", "row", "window"),
    [
        ([Qt.Key.Key_Left], 0, 58),
        ([Qt.Key.Key_Right], 0, 59),
        ([Qt.Key.Key_Up], 0, 59),
        ([Qt.Key.Key_Down, Qt.Key.Key_Down], 2, 59),
        ([Qt.Key.Key_Home], 0, 0),
        ([Qt.Key.Key_Home, Qt.Key.Key_Left], 0, 0),
        ([Qt.Key.Key_Home, Qt.Key.Key_End], 0, 59),
        ([Qt.Key.Key_PageDown] * 9, 29, 59),
        ([Qt.Key.Key_PageDown] * 9 + [Qt.Key.Key_PageUp] * 9, 0, 59),
    ],
)
def test_keys_go_from_cell_to_cell_and_bring_it_into_sight(heat, keys, row, window):
    for key in keys:
        QTest.keyClick(heat, key)
    assert (heat.row, heat.window_place) == (row, window)
    assert heat.row in heat.rows_seen()
    assert window in heat.places().seen()
    top = HEAD + row * ROW - heat.verticalScrollBar().value()
    assert top >= HEAD
    assert top + ROW <= heat.viewport().height()


def test_enter_opens_the_column_that_is_meant(heat, qtbot):
    QTest.keyClick(heat, Qt.Key.Key_Down)
    with qtbot.waitSignal(heat.opened) as opened:
        QTest.keyClick(heat, Qt.Key.Key_Return)
    assert opened.args == ["pixel_0_1"]


def cell_at(heat, row, window):
    places = heat.places()
    return QPoint(round(places.middle(window)), HEAD + row * ROW + ROW // 2 - heat.verticalScrollBar().value())


def test_a_click_means_the_cell_and_a_double_click_opens_it(heat, qtbot):
    place = cell_at(heat, 3, 40)
    QTest.mouseClick(heat.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert (heat.row, heat.window_place) == (3, 40)
    with qtbot.waitSignal(heat.opened) as opened:
        QTest.mouseDClick(heat.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert opened.args == [heat.column()]
    assert heat._tip(3, 40) == heat.told()


def test_dragging_with_shift_marks_the_time_of_the_windows(heat, qtbot):
    first, last = cell_at(heat, 1, 20), cell_at(heat, 1, 29)
    windows = heat.sheet.windows
    shift, left = Qt.KeyboardModifier.ShiftModifier, Qt.MouseButton.LeftButton
    QTest.mousePress(heat.viewport(), left, shift, first)
    QTest.mouseMove(heat.viewport(), last)
    with qtbot.waitSignal(heat.brushed) as brushed:
        QTest.mouseRelease(heat.viewport(), left, shift, last)
    assert brushed.args == pytest.approx([windows[20].window_start, windows[29].window_end])
    assert meant(heat) == ("pixel_0_0", 59), "to brush is not to choose"


def test_newer_windows_keep_the_column_and_follow_the_newest(heat):
    QTest.keyClick(heat, Qt.Key.Key_Down)
    more = some_windows("m", 61, 30, drifting=2)
    heat.show_sheet(sheet_of(more, {"pixel_0_0": 1.0, "pixel_0_1": 2.0}, {}))
    assert meant(heat) == ("pixel_0_1", 60)


def test_a_window_that_is_looked_at_stays_meant_when_newer_ones_come(heat):
    QTest.keyClick(heat, Qt.Key.Key_Left)
    kept = heat.sheet.windows[heat.window_place].id
    windows = [*heat.sheet.windows]
    fresh = some_windows("m", 62, 30, drifting=2)[-1:]
    heat.show_sheet(sheet_of([*windows[1:], *fresh], {}, {}))
    assert heat.sheet.windows[heat.window_place].id == kept


def test_zooming_makes_cells_wider_and_back_again_to_where_all_have_room(heat):
    before = heat.places().cell
    QTest.keyClick(heat, Qt.Key.Key_Plus)
    assert heat.places().cell > before
    for _ in range(20):
        QTest.keyClick(heat, Qt.Key.Key_Plus)
    assert heat.places().cell <= 40
    for _ in range(30):
        QTest.keyClick(heat, Qt.Key.Key_Minus)
    assert heat.places().cell == before


def test_a_thousand_columns_and_five_hundred_windows_are_painted_as_far_as_they_are_seen(qtbot):
    heat = HeatMap()
    qtbot.addWidget(heat)
    heat.resize(900, 300)
    score = ColumnScore(Verdict.OK, 0.05, "ks", 0.1)
    columns = {f"column {number:04d}": score for number in range(1000)}
    windows = [
        JudgedWindow(str(place), "m", place * HOUR, (place + 1) * HOUR, 1000, Verdict.OK, False, columns)
        for place in range(500)
    ]
    heat.show_sheet(sheet_of(windows, {}, {}))
    heat.show()
    assert len(heat.rows_seen()) <= 300 // ROW + 1
    assert len(heat.places().seen()) < 200
    for _ in range(100):
        QTest.keyClick(heat, Qt.Key.Key_PageDown)
    assert heat.row == 999
    assert heat.row in heat.rows_seen()


def test_a_map_of_nothing_takes_keys_and_clicks(qtbot):
    heat = HeatMap()
    qtbot.addWidget(heat)
    heat.show_sheet(HeatSheet())
    heat.show()
    for key in (Qt.Key.Key_Left, Qt.Key.Key_End, Qt.Key.Key_Return, Qt.Key.Key_Plus):
        QTest.keyClick(heat, key)
    QTest.mouseClick(heat.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(50, 50))
    assert heat.told() == ""
    assert heat.column() is None


def test_a_drifted_cell_differs_from_a_fine_one_without_its_colour(heat):
    """The mark is there: in shades of gray a cell that has drifted is not of one shade."""
    picture = heat.viewport().grab().toImage()
    fine = next(row for row in range(2, 8) if heat.sheet.rows[row].scores[50].verdict is Verdict.OK)

    def shades(row):
        middle = cell_at(heat, row, 50)
        reach = range(-3, 4)
        return {picture.pixelColor(middle.x() + x, middle.y() + y).lightness() for x in reach for y in reach}

    assert heat.sheet.rows[0].scores[50].verdict is Verdict.DRIFT
    assert len(shades(0)) > 1
    assert len(shades(fine)) == 1
