"""What one operates, what has the focus and what is chosen can be told from its ground: at least 3 to 1, by pixels."""

from dataclasses import dataclass

import pytest
from contrast import best, column, contrast, differing
from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QRectF, QSettings, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QRegion, QStandardItemModel
from PySide6.QtWidgets import QApplication, QStyle, QStyleOptionGraphicsItem, QStyleOptionViewItem, QVBoxLayout, QWidget

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.parts.lineage.items import BOX_HEIGHT, BOX_WIDTH, LinkItem, NodeItem
from mlops_desk.kit.window.parts.lineage.layout import PlacedNode
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.choice import CheckBox, ChoiceBox
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.lines import Line, LinesCard
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.registry.records.lineage import LineageKind, LineageNode
from mlops_desk.registry.records.run_window import RunRow
from mlops_desk.registry.window.runs.model import ROW_ROLE
from mlops_desk.registry.window.runs.table import NameDelegate, box_of

LEAST = 3.0
# Window, surface and raised of the two looks: what a control may stand on.
GROUNDS = {False: ("#F5F6F8", "#FFFFFF"), True: ("#14171B", "#1B1F24", "#22272E")}


@dataclass(frozen=True)
class Thing:
    name: str


COLUMNS = (
    Column("name", "Name", lambda thing: Cell(thing.name), stretch=True),
    Column("size", "Size", lambda thing: Cell("1"), right=True),
)


@pytest.fixture(params=[False, True], ids=["light", "dark"])
def dark(request, qapp):
    theme.prepare(qapp)
    theme.apply(qapp, dark=request.param)
    yield request.param
    theme.apply(qapp, dark=False)


def picture(widget: QWidget) -> QImage:
    return widget.grab().toImage()


@pytest.fixture
def page(qtbot):
    """A page that takes the focus itself; ``put`` puts a widget on it."""
    made = QWidget()
    qtbot.addWidget(made)
    QVBoxLayout(made)
    made.resize(500, 300)
    made.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    made.show()
    made.setFocus()
    qtbot.waitExposed(made)
    return made


def put(page: QWidget, widget: QWidget) -> None:
    page.layout().addWidget(widget)
    QApplication.processEvents()


CONTROLS = {
    "field": lambda: Field("Name"),
    "choice": lambda: ChoiceBox("Range"),
    "button": lambda: Button("Search"),
    "more": lambda: Button("", symbol="more", tip="More"),
}


@pytest.mark.parametrize("kind", CONTROLS)
def test_the_edge_of_a_control_is_seen_on_every_ground(page, dark, kind):
    control = CONTROLS[kind]()
    put(page, control)
    image = picture(control)
    edge = column(image, image.width() // 4 if kind != "more" else image.width() // 2, range(3))
    assert min(best(edge, ground) for ground in GROUNDS[dark]) >= LEAST


def test_the_box_of_a_switch_is_seen_on_every_ground(page, dark):
    check = CheckBox("Follow")
    put(page, check)
    image = picture(check)
    edge = [image.pixelColor(x, image.height() // 2) for x in range(4)]
    assert min(best(edge, ground) for ground in GROUNDS[dark]) >= 4.5


def test_the_dots_of_the_button_for_more_are_seen(page, dark):
    button = Button("", symbol="more", tip="More")
    put(page, button)
    image = picture(button)
    inside = [image.pixelColor(x, image.height() // 2) for x in range(6, image.width() - 6)]
    seen = [pixel for pixel in inside if contrast(pixel, QColor(GROUNDS[dark][-1])) >= 4.5]
    assert len(seen) >= 3


@pytest.mark.parametrize("kind", CONTROLS)
def test_a_control_with_the_focus_is_told_from_one_without(page, dark, kind):
    control = CONTROLS[kind]()
    put(page, control)
    before = picture(control)
    control.setFocus()
    QApplication.processEvents()
    after = picture(control)
    edge = column(after, after.width() // 4 if kind != "more" else after.width() // 2, range(3))
    assert differing(before, after) > 2 * (after.width() + after.height())
    assert min(best(edge, ground) for ground in GROUNDS[dark]) >= 4.5


@pytest.fixture
def table(page, tmp_path, dark):
    made = RecordTable("Things", COLUMNS, QSettings(str(tmp_path / "t.ini"), QSettings.Format.IniFormat))
    put(page, made)
    made.show_records({str(number): Thing(f"thing {number}") for number in range(100)})
    QApplication.processEvents()
    page.setFocus()
    QApplication.processEvents()
    return made


def test_a_table_with_the_focus_has_a_ring_all_around(table, dark):
    before = picture(table)
    table.setFocus()
    QApplication.processEvents()
    after = picture(table)
    width, height = after.width(), after.height()
    edges = [(width // 2, 0), (width // 2, height - 1), (0, height // 2), (width - 1, height // 2)]
    assert all(contrast(after.pixelColor(*place), before.pixelColor(*place)) >= LEAST for place in edges)
    table.clearFocus()
    QApplication.processEvents()
    assert differing(picture(table), before) == 0


def test_the_cell_that_keys_mean_is_framed_only_while_they_mean_it(table, dark):
    table.select("2")
    QApplication.processEvents()
    index = table.records.index(2, 1)
    table.setCurrentIndex(index)
    place = table.visualRect(index).translated(table.viewport().pos())
    without = picture(table).copy(place)
    table.setFocus()
    QApplication.processEvents()
    cell = picture(table).copy(place)
    other = table.visualRect(table.records.index(2, 0)).translated(table.viewport().pos())
    assert contrast(cell.pixelColor(place.width() // 2, 0), without.pixelColor(place.width() // 2, 0)) >= LEAST
    neighbour = picture(table).pixelColor(other.center().x(), other.top())
    assert contrast(neighbour, without.pixelColor(place.width() // 2, 0)) < 1.1


class Painted(QObject):
    """Notes which part of a widget is painted from now on."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self.region = QRegion()
        widget.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QPaintEvent):
            self.region = self.region.united(event.region())
        return False


def test_the_chosen_row_has_an_edge_that_stays_when_the_table_is_scrolled_sideways(table, dark):
    table.setColumnWidth(1, 900)
    table.select("3")
    QApplication.processEvents()
    ground = theme.colour("surface").name()

    def edge() -> list[QColor]:
        row = table.visualRect(table.records.index(3, 1)).translated(table.viewport().pos())
        image = picture(table)
        return [image.pixelColor(table.viewport().x() + x, row.center().y()) for x in range(3)]

    assert min(best([pixel], ground) for pixel in edge()) >= LEAST
    painted = Painted(table.viewport())
    table.horizontalScrollBar().setValue(40)
    QApplication.processEvents()
    chosen = table.visualRect(table.records.index(3, 1))
    assert painted.region.contains(QPoint(1, chosen.center().y())), "else the edge is moved away with what is scrolled"
    assert min(best([pixel], ground) for pixel in edge()) >= LEAST
    row = table.visualRect(table.records.index(4, 1)).translated(table.viewport().pos())
    beside = picture(table).pixelColor(table.viewport().x() + 1, row.center().y())
    assert contrast(beside, QColor(ground)) < 1.1


def test_the_line_of_a_card_that_has_the_focus_is_framed(page, dark):
    card = LinesCard("Queue", "Nothing")
    put(page, card)
    card.show_lines("Queue", [Line(Mark("ok", "●", "fine"), "a job", "now", str(n)) for n in range(3)])
    card._list.setCurrentRow(1)
    card._list.setFocus()
    QApplication.processEvents()
    row = card._list.visualItemRect(card._list.item(1))
    image = picture(card._list.viewport())
    edge = column(image, row.center().x(), range(row.top(), row.top() + 3))
    assert min(best(edge, ground) for ground in GROUNDS[dark]) >= LEAST


def painted(item, width: int, height: int, ground: str) -> QImage:
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(QColor(ground))
    painter = QPainter(image)
    item.paint(painter, QStyleOptionGraphicsItem(), None)
    painter.end()
    return image


def test_what_is_faded_in_the_lineage_can_still_be_read(page, dark):
    surface = GROUNDS[dark][1]
    node = NodeItem(PlacedNode(LineageNode("a", LineageKind.JOB, "MMMMMM", "WWWWWW", state="failed"), 0, 0))
    node.is_quiet = True
    image = painted(node, int(BOX_WIDTH), int(BOX_HEIGHT), surface)
    for rows in (range(4, 24), range(28, 48)):  # the line above and the name below it
        inside = [image.pixelColor(x, y) for y in rows for x in range(8, int(BOX_WIDTH) - 8)]
        assert best(inside, surface) >= 4.5
    placed = [PlacedNode(LineageNode(name, LineageKind.JOB, name), column, 0) for column, name in enumerate("ab")]
    link = LinkItem(*placed, "")
    link.is_quiet = True
    line = painted(link, 200, int(BOX_HEIGHT), surface)
    assert best((line.pixelColor(x, 26) for x in range(153, 178)), surface) >= LEAST


@pytest.mark.parametrize("state", [QStyle.StateFlag.State_None, QStyle.StateFlag.State_Selected], ids=["", "chosen"])
@pytest.mark.parametrize("slot", [None, *range(8)])
def test_the_box_of_a_run_is_seen_on_its_ground(page, dark, state, slot):
    ground = theme.colour("selection") if state is QStyle.StateFlag.State_Selected else QColor(GROUNDS[dark][1])
    model = QStandardItemModel(1, 1)
    model.setData(model.index(0, 0), RunRow("r1", "run", "FINISHED", 1, "0"), ROW_ROLE)
    option = QStyleOptionViewItem()
    option.rect, option.state, option.font = QRect(0, 0, 200, 28), state, theme.font()
    image = QImage(200, 28, QImage.Format.Format_RGB32)
    image.fill(ground)
    painter = QPainter(image)
    NameDelegate(lambda _run: slot, lambda _row: 0).paint(painter, option, model.index(0, 0))
    painter.end()
    box = box_of(QRectF(option.rect), 0)
    for x in (int(box.left()), int(box.right()) - 1):  # both edges, each a sharp line
        assert best((image.pixelColor(x + step, 14) for step in (-1, 0, 1)), ground.name()) >= LEAST
