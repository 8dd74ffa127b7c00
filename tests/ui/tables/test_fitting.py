"""Columns that can be spared go where there is no room for them, the last first; who chooses one has it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication

from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable, WantedColumn, left_out

COLUMNS = tuple(
    Column(key, key.title(), Cell, spare=key not in {"name", "size"}, hidden=key == "shy")
    for key in ("name", "size", "owner", "made", "shy")
)
columns = st.lists(
    st.builds(WantedColumn, st.uuids().map(str), st.integers(0, 500), st.booleans()), max_size=8
)  # fmt: skip


@given(columns, st.integers(0, 2000))
@example([WantedColumn("a", 100, False), WantedColumn("b", 50, True), WantedColumn("c", 50, True)], 150)
@example([WantedColumn("a", 100, False), WantedColumn("b", 50, True)], 100)
@example([WantedColumn("a", 100, False), WantedColumn("b", 50, True)], 149)
def test_as_few_as_it_takes_are_left_out_from_the_end(wanted, room):
    gone = left_out(wanted, room)
    spare = [one for one in wanted if one.is_spare]
    assert gone == {one.key for one in spare[len(spare) - len(gone) :]}, "the last ones"
    width = sum(one.width for one in wanted if one.key not in gone)
    assert width <= room or len(gone) == len(spare)
    if gone:
        first = next(one for one in wanted if one.key in gone)
        assert width + first.width > room, "not one more than it takes"


@pytest.fixture
def memory(tmp_path):
    return QSettings(str(tmp_path / "t.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def made(qtbot, memory):
    kept = []  # a menu that is about to go must not lose its table first

    def make(width):
        table = RecordTable("Things", COLUMNS, memory)
        kept.append(table)
        qtbot.addWidget(table)
        table.resize(width, 300)
        table.show()
        table.show_records({"1": "somewhat long a text"})
        return table

    yield make
    qtbot.wait(1)


def shown(table):
    return [one.key for number, one in enumerate(table.records.columns) if not table.isColumnHidden(number)]


def scrolls(table):
    return table.horizontalScrollBar().maximum() > 0


def test_a_narrow_table_goes_without_what_it_can_spare_and_a_wide_one_has_everything_again(made, qtbot):
    table = made(1200)
    assert shown(table) == ["name", "size", "owner", "made"]
    each = table.columnWidth(1)
    table.resize(3 * each + 40, 300)
    qtbot.waitUntil(lambda: shown(table) == ["name", "size", "owner"])
    qtbot.waitUntil(lambda: not scrolls(table))
    table.resize(each, 300)
    qtbot.waitUntil(lambda: shown(table) == ["name", "size"])
    table.resize(1200, 300)
    qtbot.waitUntil(lambda: shown(table) == ["name", "size", "owner", "made"])


def choose(table, title, on):
    """Tick a column, or take its tick away, as one does who has no mouse: by the menu of a row."""
    table.customContextMenuRequested.emit(table.rect().center())
    menu = QApplication.activePopupWidget()
    (columns,) = [one for one in menu.actions() if one.text() == "Columns …"]
    menu.close()
    columns.trigger()
    menu = QApplication.activePopupWidget()
    (column,) = [one for one in menu.actions() if one.text() == title]
    column.setChecked(on)
    menu.close()


def test_who_chooses_a_column_has_it_though_it_does_not_fit_and_the_others_come_back_with_the_room(made, qtbot):
    table = made(2 * 150)
    before = shown(table)
    assert "made" not in before
    choose(table, "Made", True)
    assert "made" in shown(table)
    again = made(300)
    assert "made" in shown(again), "it is remembered"
    again.resize(1200, 300)
    qtbot.waitUntil(lambda: shown(again) == ["name", "size", "owner", "made"])


def test_what_somebody_took_away_stays_away_and_what_is_hidden_at_first_can_be_had(made, qtbot):
    table = made(1200)
    choose(table, "Owner", False)
    choose(table, "Shy", True)
    assert shown(table) == ["name", "size", "made", "shy"]
    assert shown(made(1200)) == ["name", "size", "made", "shy"]


def test_what_is_to_be_read_whole_has_its_room_before_what_can_be_spared(memory, qtbot):
    wide = Column("what", "What", Cell, stretch=True, whole=True)
    table = RecordTable("Findings", (COLUMNS[0], wide, COLUMNS[2]), memory)
    qtbot.addWidget(table)
    table.resize(560, 300)
    table.show()
    table.show_records({"1": "a reader can hold up a writer for long"})
    assert shown(table) == ["name", "what"]
    table.show_records({"1": "short"})
    assert shown(table) == ["name", "what", "owner"]
    table.show_records({"1": "a reader can hold up a writer for long"})
    assert shown(table) == ["name", "what"], "as soon as it has grown"
