"""The line of titles above a table: it reaches as far as the table does."""

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QApplication, QTableView

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.tables.paint import PlainHeader


@pytest.mark.parametrize("dark", [True, False])
def test_right_of_the_last_title_there_is_the_same_ground_and_line(qapp, qtbot, dark):
    theme.apply(qapp, dark=dark)
    table = QTableView()
    qtbot.addWidget(table)
    model = QStandardItemModel(3, 1, table)
    model.setHeaderData(
        0, Qt.Orientation.Horizontal, int(Qt.AlignmentFlag.AlignRight), Qt.ItemDataRole.TextAlignmentRole
    )
    table.setModel(model)
    header = PlainHeader()
    table.setHorizontalHeader(header)
    header.resizeSection(0, 80)
    table.resize(400, 200)
    table.show()
    QApplication.processEvents()
    seen = header.viewport().grab().toImage()
    right = seen.width() - 10
    for depth in range(seen.height()):
        assert seen.pixelColor(right, depth) == seen.pixelColor(4, depth)
    assert seen.pixelColor(right, 3) == theme.colour("surface")


def test_the_height_of_a_row_measures_no_title(qapp, qtbot):
    table = QTableView()
    qtbot.addWidget(table)
    table.setModel(QStandardItemModel(3, 100, table))
    header = PlainHeader()
    table.setHorizontalHeader(header)
    measured = []
    header.sectionSizeFromContents = lambda section: measured.append(section) or QSize(1, 1)
    assert header.sizeHint().height() == theme.ROW_HEIGHT
    assert measured == []
