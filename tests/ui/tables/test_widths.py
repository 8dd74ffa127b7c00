"""By which rows columns are measured, and how wide they may be."""

import pytest
from PySide6.QtCore import QStringListModel
from PySide6.QtWidgets import QTableView

from mlops_desk.kit.window.tables.widths import column_width, near_rows

ROWS = 100_000


@pytest.fixture
def table(qtbot):
    view = QTableView()
    qtbot.addWidget(view)
    view.setModel(QStringListModel([""] * ROWS))
    view.resize(300, 400)
    return view


def test_of_many_rows_few_are_measured_before_the_table_is_seen_and_near_those_that_are(table, qtbot):
    assert len(near_rows(table, ROWS)) <= 150
    table.show()
    qtbot.waitExposed(table)
    assert near_rows(table, ROWS) == range(50)
    table.scrollTo(table.model().index(60_000, 0), QTableView.ScrollHint.PositionAtTop)
    near = near_rows(table, ROWS)
    assert 60_000 in near
    assert len(near) == 50


def test_near_the_end_and_of_few_rows_none_is_measured_that_is_not_there(table, qtbot):
    table.show()
    qtbot.waitExposed(table)
    table.scrollToBottom()
    assert near_rows(table, ROWS) == range(ROWS - 50, ROWS)
    assert near_rows(table, 3) == range(3)
    assert list(near_rows(table, 0)) == []


def test_a_column_is_as_wide_as_its_texts_within_its_limits(table):
    asked = []

    def texts(rows):
        asked.append(rows)
        return ["a" * 40]

    wide = column_width(table, texts, limits=(10, 10_000))
    assert wide > table.fontMetrics().horizontalAdvance("a" * 40)
    assert column_width(table, texts, limits=(10, 90)) == 90
    assert column_width(table, lambda _rows: [], limits=(70, 90)) == 70
    assert all(len(rows) <= 150 for rows in asked)
    assert column_width(table, lambda _rows: ["a" * 4000]) < 300, "a share of the table"
