"""Tables: ten thousand rows by the work that is done, rows that keep their place, sorting and filtering."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QSettings, Qt

from mlops_desk.kit.window.tables.model import MOST_MOVES, RecordModel
from mlops_desk.kit.window.tables.order import Cell, Column, Order
from mlops_desk.kit.window.tables.view import RecordTable

ROWS = 10_000


@dataclass(frozen=True)
class Thing:
    name: str
    size: int


COLUMNS = (
    Column("name", "Name", lambda thing: Cell(thing.name), stretch=True),
    Column("size", "Size", lambda thing: Cell(str(thing.size), thing.size), right=True),
)


def things(count: int) -> dict[str, Thing]:
    return {str(number): Thing(f"thing {number}", number * 7919 % 10_007) for number in range(count)}


def names(table) -> list[str]:
    return [table.records.index(row, 0).data() for row in range(table.shown_rows())]


@pytest.fixture
def table(qtbot, tmp_path):
    made = RecordTable("Things", COLUMNS, QSettings(str(tmp_path / "t.ini"), QSettings.Format.IniFormat))
    qtbot.addWidget(made)
    made.resize(600, 500)
    made.show()
    return made


def test_ten_thousand_rows_are_prepared_only_where_they_are_seen(table, qtbot):
    table.show_records(things(ROWS))
    table.sort_by(1, Qt.SortOrder.DescendingOrder)
    qtbot.wait(50)
    table.grab()
    assert table.records.prepared < 300


def test_a_column_is_as_wide_as_the_rows_near_those_that_are_seen(table, qtbot):
    found = things(ROWS)
    found["9000"] = replace(found["9000"], size=10**30)
    table.show_records(found)
    qtbot.wait(20)
    narrow = table.sizeHintForColumn(1)
    assert narrow < table.fontMetrics().horizontalAdvance("0" * 12)
    table.scrollTo(table.records.index(9000, 0))
    assert table.sizeHintForColumn(1) > narrow
    assert table.records.prepared < 300


def test_a_tick_over_ten_thousand_rows_announces_spans_and_prepares_what_is_seen(table, qtbot):
    records = things(ROWS)
    table.show_records(records)
    qtbot.wait(20)
    spans, resets = [], []
    table.records.dataChanged.connect(lambda first, last: spans.append((first.row(), last.row())))
    table.records.modelReset.connect(lambda: resets.append(True))
    table.show_records({key: replace(thing) for key, thing in records.items()})
    assert spans == []  # other objects that say the same
    before = table.records.prepared
    table.show_records({key: replace(thing, size=thing.size + 1) for key, thing in records.items()})
    qtbot.wait(20)
    table.grab()
    assert len(spans) == 1
    assert table.records.prepared - before < 300
    spans.clear()
    few = {**records, "3": replace(records["3"], size=0), "4": replace(records["4"], size=0), "900": Thing("x", 0)}
    table.show_records({**{key: replace(thing, size=thing.size + 1) for key, thing in records.items()}, **few})
    assert len(spans) <= MOST_MOVES
    assert not resets


def test_a_row_that_comes_or_goes_moves_no_other(table, qtbot):
    records = things(500)
    table.show_records(records)
    table.sort_by(1, Qt.SortOrder.AscendingOrder)
    table.select("250")
    moved = []
    table.records.layoutChanged.connect(lambda: moved.append(True))
    table.records.modelReset.connect(lambda: moved.append(True))
    before = names(table)
    del records["7"]
    records["new"] = Thing("new", records["250"].size)
    table.show_records(records)
    after = names(table)
    assert [name for name in after if name != "new"] == [name for name in before if name != "thing 7"]
    assert after.index("new") == after.index("thing 250") + 1
    assert table.key() == "250"
    assert not moved


def test_a_changed_value_does_not_move_its_row_until_somebody_sorts(table):
    records = things(50)
    table.show_records(records)
    table.sort_by(1, Qt.SortOrder.AscendingOrder)
    before = names(table)
    records["3"] = Thing("thing 3", -5)
    table.show_records(records)
    assert names(table) == before
    table.sort_by(1, Qt.SortOrder.AscendingOrder)
    assert names(table)[0] == "thing 3"


def test_unsorted_a_new_record_stands_where_the_records_have_it(table):
    records = things(3)
    table.show_records(records)
    table.show_records({"top": Thing("top", 1), **records, "end": Thing("end", 1)})
    assert names(table) == ["top", "thing 0", "thing 1", "thing 2", "end"]


def test_the_chosen_row_survives_sorting_and_filtering_while_it_is_shown(table):
    heard = []
    table.show_records(things(100))
    table.select("42")
    table.chosen.connect(heard.append)
    table.sort_by(0, Qt.SortOrder.DescendingOrder)
    table.narrow("thing 4")
    assert (table.key(), heard) == ("42", [])
    table.narrow("thing 9")
    assert (table.key(), heard) == (None, [None])
    table.narrow("")
    assert table.shown_rows() == 100


records_of = st.dictionaries(
    st.text("abc", min_size=1, max_size=3), st.builds(Thing, st.text("xyz", max_size=3), st.integers(0, 9)), max_size=20
)


@given(steps=st.lists(records_of, min_size=1, max_size=6), sort=st.none() | st.tuples(st.integers(0, 1), st.booleans()),
       words=st.sampled_from(["", "x", "y z"]))  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_whatever_comes_and_goes_every_row_that_fits_is_shown_once_with_its_newest_words(steps, sort, words):
    model = RecordModel(COLUMNS)
    if sort is not None:
        model.sort_by(sort[0], descending=sort[1])
    model.narrow(words)
    for records in steps:
        model.show_records(records)
        shown = [model.order.keys[row] for row in range(model.rowCount())]
        assert len(set(shown)) == len(shown)
        assert set(shown) <= set(records)
        assert [model.row_of(key) for key in shown] == list(range(len(shown)))
        for row, key in enumerate(shown):
            assert model.index(row, 0).data() == records[key].name
        if not words:
            assert set(shown) == set(records)


def test_a_column_of_texts_and_numbers_can_be_sorted():
    order = Order((Column("key", "Key", lambda value: Cell(str(value), value)),))
    records = {"a": 3, "b": "many", "c": 20}
    order.sort = (0, False)
    order.arrange(records, str)
    assert order.keys == ["c", "a", "b"]
    assert order.place_of("d", {**records, "d": "few"}, records, str) == 2


def test_every_word_of_a_filter_has_to_be_in_a_row():
    order = Order(COLUMNS)
    order.words = ["two", "gpus"]
    order.arrange(dict.fromkeys(["two gpus", "two", "gpus"], Thing("x", 0)), str)
    assert order.keys == ["two gpus"]


def test_a_chosen_row_that_was_seen_goes_on_being_seen_where_there_is_less_room(table, qtbot):
    table.show_records(things(20))
    table.select("8")
    table.resize(600, 120)
    qtbot.wait(20)
    row = table.visualRect(table.currentIndex())
    assert 0 <= row.top() <= row.bottom() <= table.viewport().height()
    table.select("0")
    table.verticalScrollBar().setValue(table.verticalScrollBar().maximum())
    before = table.verticalScrollBar().value()
    table.resize(600, 110)
    qtbot.wait(20)
    assert table.verticalScrollBar().value() >= before, "what somebody has scrolled away stays away"


def test_a_new_row_stands_at_the_same_end_of_its_equals_whichever_way_they_are_sorted():
    records = {key: Thing(key, size) for key, size in (("a", 1), ("b", 2), ("c", 2), ("d", 3))}
    for descending, expected in ((False, 3), (True, 1)):
        order = Order(COLUMNS)
        order.sort = (1, descending)
        order.arrange(records, str)
        known = {**records, "new": Thing("new", 2)}
        assert order.place_of("new", known, known, str) == expected
