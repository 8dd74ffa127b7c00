"""How a node and a line of the graph are painted: plain text, cut to the box; the chosen one's way stands out."""

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPainterPath, QPen, QPolygonF
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import tip_text
from mlops_desk.kit.window.parts.lineage.layout import PlacedNode
from mlops_desk.kit.window.words import marks, numbers
from mlops_desk.registry.records.lineage import LineageKind

BOX_WIDTH, BOX_HEIGHT = 152.0, 52.0  # pixels: a name of twenty letters, and a line below it
COLUMN_STEP, ROW_STEP = 180.0, 66.0  # pixels: room for a line to bend between two columns, and for air between rows
_LARGER = 1.6  # chosen: words of a small graph stay as large as they can be read, as long as two lines fit into a box
_ARROW = 6.0  # pixels

TITLES = {
    LineageKind.DATASET: "Data", LineageKind.JOB: "Job", LineageKind.RUN: "Run",
    LineageKind.LOGGED_MODEL: "Logged model", LineageKind.VERSION: "Version", LineageKind.ALIAS: "Alias",
    LineageKind.REVISION: "Revision", LineageKind.ENDPOINT: "Endpoint", LineageKind.DRIFT: "Drift",
    LineageKind.MONITOR: "Monitor", LineageKind.RULE: "Retraining",
}  # fmt: skip
_MARKS = {
    **{state.value: mark for state, mark in marks.MONITOR_MARKS.items()},
    **{state.value: mark for state, mark in marks.ENDPOINT_MARKS.items()},
    **{state.value: mark for state, mark in marks.JOB_MARKS.items()},
    **{state.value: mark for state, mark in marks.VERDICT_MARKS.items()},
}


def mark_of(state: str | None) -> numbers.Mark | None:
    """Return the mark of a node's state, None for one without; a state that is not known is told as it is."""
    if state is None:
        return None
    return _MARKS.get(state.lower(), numbers.Mark("muted", numbers.IDLE, plain(state.lower(), 20)))


def said(placed: PlacedNode) -> str:
    """Return a node in words, for an assistive tool."""
    node = placed.node
    mark = mark_of(node.state)
    parts = [f"{TITLES[node.kind]} {plain(node.title, 100)}", plain(node.text, 200), mark.word if mark else ""]
    return ", ".join(part for part in parts if part)


class NodeItem(QGraphicsItem):
    """A box with kind, title and a line; its shape tells nothing that its words don't."""

    def __init__(self, placed: PlacedNode) -> None:
        super().__init__()
        self.placed = placed
        self.is_chosen = False
        self.is_quiet = False
        self.has_focus_ring = False
        self.setPos(QPointF(placed.column * COLUMN_STEP, placed.row * ROW_STEP))
        node = placed.node
        self.setToolTip(tip_text("\n".join(filter(None, (f"{TITLES[node.kind]} {node.title}", node.text)))))
        self.setZValue(1)

    def boundingRect(self) -> QRectF:
        return QRectF(-2, -2, BOX_WIDTH + 4, BOX_HEIGHT + 4)

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        area = QRectF(0, 0, BOX_WIDTH, BOX_HEIGHT)
        larger = letters(painter.worldTransform().m11())
        edge = "accent" if self.is_chosen else "outline"
        painter.setPen(QPen(theme.colour(edge), theme.RING if self.is_chosen else theme.BORDER))
        painter.setBrush(theme.colour("selection" if self.is_chosen else "surface"))
        painter.drawRoundedRect(area, theme.RADIUS, theme.RADIUS)
        node = self.placed.node
        air = theme.SPACE_4 / larger
        inside = area.adjusted(theme.SPACE_8, air, -theme.SPACE_8, -air)
        mark = mark_of(node.state)
        painter.setFont(_font(theme.CAPTION_POINTS * larger))
        right = 0.0
        if mark is not None:
            painter.setPen(self._ink(mark.token))
            painter.drawText(inside, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop), mark.shape)
            right = painter.fontMetrics().horizontalAdvance(mark.shape) + theme.SPACE_4
        painter.setPen(self._ink("muted"))
        top = " · ".join(filter(None, (TITLES[node.kind], plain(node.text, 60))))
        _text(painter, inside.adjusted(0, 0, -right, 0), top, Qt.AlignmentFlag.AlignTop)
        painter.setFont(_font(max(theme.BODY_POINTS, theme.CAPTION_POINTS * larger), bold=self.is_chosen))
        painter.setPen(self._ink("text"))
        _text(painter, inside, plain(node.title, 100), Qt.AlignmentFlag.AlignBottom)

    def _ink(self, token: str) -> QColor:
        if self.is_quiet:
            return theme.colour("muted")  # without its own colour, and still to be read
        return theme.on_selection(theme.colour(token)) if self.is_chosen else theme.colour(token)


def letters(zoom: float) -> float:
    """Return how much larger the letters of a box are drawn that is shown ``zoom`` times its size, to be read still."""
    return min(max(1.0 / zoom, 1.0), _LARGER) if zoom > 0 else 1.0


def _font(points: float, *, bold: bool = False) -> QFont:
    font = theme.font(bold=bold)
    font.setPointSizeF(points)
    return font


def _onward(source: PlacedNode, target: PlacedNode, passed: Sequence[float]) -> tuple[QPainterPath, QPolygonF]:
    """Return a line from the right of a node to the left of one in a later column, and its arrow.

    ``passed`` are the rows at which it goes through the columns between: it bends where no boxes are.
    """
    path = QPainterPath(_right_of(source.column, source.row))
    for column, row in enumerate(passed, source.column + 1):
        _bend(path, _left_of(column, row))
        path.lineTo(_right_of(column, row))
    end = _left_of(target.column, target.row)
    _bend(path, end - QPointF(_ARROW, 0))
    return path, QPolygonF([end, end + QPointF(-_ARROW, -_ARROW / 2), end + QPointF(-_ARROW, _ARROW / 2)])


def _left_of(column: int, row: float) -> QPointF:
    return QPointF(column * COLUMN_STEP, row * ROW_STEP + BOX_HEIGHT / 2)


def _right_of(column: int, row: float) -> QPointF:
    return _left_of(column, row) + QPointF(BOX_WIDTH, 0)


def _bend(path: QPainterPath, end: QPointF) -> None:
    """Lead a line on to a place at its right, which it leaves and comes to level."""
    start = path.currentPosition()
    bend = QPointF((end.x() - start.x()) / 2, 0)
    path.cubicTo(start + bend, end - bend, end)


def _back(source: PlacedNode, target: PlacedNode) -> tuple[QPainterPath, QPolygonF]:
    """Return a line that leads back, as a retraining does to its job: over the nodes between, from top to top."""
    start = QPointF(source.column * COLUMN_STEP + BOX_WIDTH / 2, source.row * ROW_STEP)
    end = QPointF(target.column * COLUMN_STEP + BOX_WIDTH / 2, target.row * ROW_STEP)
    above = min(start.y(), end.y()) - ROW_STEP
    path = QPainterPath(start)
    path.cubicTo(QPointF(start.x(), above), QPointF(end.x(), above), end - QPointF(0, _ARROW))
    return path, QPolygonF([end, end + QPointF(-_ARROW / 2, -_ARROW), end + QPointF(_ARROW / 2, -_ARROW)])


def _text(painter: QPainter, area: QRectF, text: str, side: Qt.AlignmentFlag) -> None:
    shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(area.width()))
    painter.drawText(area, int(Qt.AlignmentFlag.AlignLeft | side), shown)


class LinkItem(QGraphicsItem):
    """A line with an arrow from what a node comes from to what was made of it."""

    def __init__(self, source: PlacedNode, target: PlacedNode, text: str, passed: Sequence[float] = ()) -> None:
        super().__init__()
        self.ends = source.node.node_id, target.node.node_id
        self.is_lit = False
        self.is_quiet = False
        is_onward = target.column > source.column
        self._path, self._head = _onward(source, target, passed) if is_onward else _back(source, target)
        self._area = self._path.boundingRect().united(self._head.boundingRect()).adjusted(-2, -2, 2, 2)
        if text:
            self.setToolTip(tip_text(text))

    def boundingRect(self) -> QRectF:
        return self._area

    def shape(self) -> QPainterPath:
        return self._path

    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        tint = theme.colour("accent" if self.is_lit else "outline")
        line = Qt.PenStyle.DotLine if self.is_quiet else Qt.PenStyle.SolidLine
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(tint, theme.RING if self.is_lit else theme.BORDER, line))
        painter.drawPath(self._path)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(tint)
        painter.drawPolygon(self._head)
