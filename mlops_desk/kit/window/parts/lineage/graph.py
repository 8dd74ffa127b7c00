"""The graph to look at: drag to move it, Ctrl and the wheel to zoom; arrows go from node to node, Enter opens one."""

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QImage, QKeyEvent, QMouseEvent, QPainter, QPen, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QGraphicsScene, QGraphicsView

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role, announce
from mlops_desk.kit.window.parts.lineage.items import BOX_HEIGHT, BOX_WIDTH, LinkItem, NodeItem, said
from mlops_desk.kit.window.parts.lineage.layout import Arrangement, PlacedNode, along, arranged, step
from mlops_desk.kit.window.widgets.scroll import thin
from mlops_desk.registry.records.lineage import Lineage, LineageNode

# Where a line passes the columns between its ends: between the nodes that stand there, and under none. No Qt.
# It stays in its row as long as nothing stands there, and turns aside by half a row where something does: nodes are
# whole rows apart, so half a row beside one there is none.
_ASIDE = 0.5  # rows: the middle between two nodes
_CLEAR = 0.45  # rows; chosen: more than half a box (0.39), and less than the middle between two


def taken_rows(picture: Arrangement) -> dict[int, tuple[float, ...]]:
    """Return the rows in which nodes stand, by their column."""
    found: dict[int, list[float]] = {}
    for placed in picture.placed.values():
        found.setdefault(placed.column, []).append(placed.row)
    return {column: tuple(sorted(rows)) for column, rows in found.items()}


def passed(source: PlacedNode, target: PlacedNode, taken: Mapping[int, Sequence[float]]) -> tuple[float, ...]:
    """Return the row at which a line passes each column between its ends, from the left; none where it leads back."""
    row, ways = source.row, []
    for column in range(source.column + 1, target.column):
        row = _beside(row, target.row, taken.get(column, ()))
        ways.append(row)
    return tuple(ways)


def _beside(row: float, wanted: float, taken: Sequence[float]) -> float:
    """Return the row nearest to ``row`` in which nothing stands; of two as near the one nearer to ``wanted``."""

    def is_clear(one: float) -> bool:
        return all(abs(one - other) >= _CLEAR for other in taken)

    if is_clear(row):
        return row
    free = [one for other in taken for one in (other - _ASIDE, other + _ASIDE) if is_clear(one)]
    return min(free, key=lambda one: (abs(one - row), abs(one - wanted)), default=row)


_WAYS = {Qt.Key.Key_Left: "left", Qt.Key.Key_Right: "right", Qt.Key.Key_Up: "up", Qt.Key.Key_Down: "down"}
STEP = 1.25  # chosen: of the zoom, one turn of the wheel
_LEAST, _MOST = 0.25, 2.0  # chosen: letters of three pixels, and boxes as wide as the pane
_READABLE = 0.62  # chosen: nine columns beside the pages' names in the smallest window; letters are drawn larger then
_AIR = 12.0  # pixels around the whole
_EDGE = 2.0  # pixels: a box is in sight whose outermost line is not
_MOST_PIXELS = 8192.0  # chosen: a side of a picture that every program opens; 256 MB at most


class LineageGraph(QGraphicsView):
    """``chosen`` carries the node that is chosen, ``opened`` the one that Enter or a double click opens.

    ``moved``: others are in sight, or out of it.
    """

    accessible_role = Role.Chart
    chosen = Signal(object)
    opened = Signal(object)
    moved = Signal()

    def __init__(self) -> None:
        super().__init__()
        thin(self)
        self._picture = Arrangement()
        self._nodes: dict[str, NodeItem] = {}
        self._links: list[LinkItem] = []
        self._key: str | None = None
        self._fitted = True
        self.setScene(QGraphicsScene(self))
        self.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setDragMode(QGraphicsView.DragMode.ScrollHandDrag)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.AnchorUnderMouse)
        self.viewport().setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys are the graph's, which has the name
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # last: the viewport hands its own policy on to it
        self.setBackgroundBrush(Qt.BrushStyle.NoBrush)
        self.viewport().setAutoFillBackground(False)
        self.viewport().setCursor(Qt.CursorShape.ArrowCursor)
        self.setAccessibleName("Chart: lineage")

    def show_lineage(self, lineage: Lineage, wanted: str | None = None) -> None:
        """Show a graph, and choose the node whose thing is ``wanted``."""
        before = self._key
        self._picture = arranged(lineage)
        self.scene().clear()
        placed, taken = self._picture.placed, taken_rows(self._picture)
        self._links = [
            LinkItem(placed[source], placed[target], text, passed(placed[source], placed[target], taken))
            for source, target, text in self._picture.links
        ]
        self._nodes = {key: NodeItem(one) for key, one in placed.items()}
        for item in (*self._links, *self._nodes.values()):
            self.scene().addItem(item)
        area = self.scene().itemsBoundingRect().adjusted(-_AIR, -_AIR, _AIR, _AIR)
        self.scene().setSceneRect(area)
        self._key = None
        found = next((key for key, item in self._nodes.items() if item.placed.node.thing == wanted), None)
        first = found or (before if before in self._nodes else next(iter(self._nodes), None))
        self.fit()
        self.choose(first)

    def node(self) -> LineageNode | None:
        item = self._nodes.get(self._key or "")
        return None if item is None else item.placed.node

    def choose(self, key: str | None) -> None:
        """Choose a node, and light what it comes from and what stands on it."""
        self._key = key
        way = along(self._picture, key) if key in self._nodes and key is not None else set(self._nodes)
        for other, item in self._nodes.items():
            item.is_chosen, item.is_quiet = other == key, other not in way
            item.update()
        for link in self._links:
            link.is_lit = key in link.ends
            link.is_quiet = not (link.ends[0] in way and link.ends[1] in way)
            link.setZValue(0.5 if link.is_lit else 0)
            link.update()
        self._tell()
        self.chosen.emit(self.node())

    def _tell(self) -> None:
        """Say which node is chosen to an assistive tool."""
        item = self._nodes.get(self._key or "")
        number = f"{len(self._nodes)} nodes. Arrows go from one to the next, Enter opens it."
        self.setAccessibleDescription(number if item is None else f"{said(item.placed)}. {number}")
        if item is not None and self.hasFocus():
            announce(self, said(item.placed))

    # Keys, mouse and zoom.

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key in _WAYS and self._key is not None:
            self.choose(step(self._picture, self._key, _WAYS[key]))
            self._nodes[self._key].ensureVisible(QRectF(0, 0, BOX_WIDTH, BOX_HEIGHT))
        elif key in {Qt.Key.Key_Return, Qt.Key.Key_Enter} and self._key is not None:
            self.opened.emit(self.node())
        elif key in {Qt.Key.Key_Plus, Qt.Key.Key_Equal}:
            self.zoom(STEP)
        elif key == Qt.Key.Key_Minus:
            self.zoom(1 / STEP)
        elif key == Qt.Key.Key_0:
            self.fit()
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        item = self._node_at(event)
        if item is not None:
            self.choose(item.placed.node.node_id)
        super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        item = self._node_at(event)
        if item is not None:
            self.opened.emit(item.placed.node)

    def _node_at(self, event: QMouseEvent) -> NodeItem | None:
        found = self.items(event.position().toPoint())
        return next((item for item in found if isinstance(item, NodeItem)), None)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom(STEP if event.angleDelta().y() > 0 else 1 / STEP)
        else:
            super().wheelEvent(event)

    def zoom(self, factor: float) -> None:
        """Make everything larger or smaller, within what can be read."""
        now = self.transform().m11()
        wanted = min(max(now * factor, _LEAST), _MOST)
        self.scale(wanted / now, wanted / now)
        self._fitted = False
        self.moved.emit()

    def out_of_sight(self) -> int:
        """Return how many nodes are not in sight as a whole."""
        seen = self.mapToScene(self.viewport().rect()).boundingRect()
        boxes = (item.sceneBoundingRect() for item in self._nodes.values())
        return sum(not seen.contains(box.adjusted(_EDGE, _EDGE, -_EDGE, -_EDGE)) for box in boxes)

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        super().scrollContentsBy(dx, dy)
        self.moved.emit()

    def fit(self) -> None:
        """Show the whole where that can be read; else its left end, or what is chosen, as large as letters are."""
        self.resetTransform()
        area, room = self.sceneRect(), self.viewport().rect()
        if area.isEmpty() or not room.width() or not room.height():
            return
        share = min(room.width() / area.width(), room.height() / area.height(), 1.0)
        self.scale(max(share, _READABLE), max(share, _READABLE))
        item = self._nodes.get(self._key or "")
        if share >= _READABLE or item is None:
            self.centerOn(area.center())
        else:
            self.centerOn(item)
        self._fitted = True
        self.moved.emit()

    def picture(self) -> QImage:
        """Return the whole graph as a picture, at twice the size at which it is read; one that is huge is smaller."""
        area = self.sceneRect()
        scale = min(2.0, _MOST_PIXELS / max(area.width(), area.height(), 1.0))
        image = QImage((area.size() * scale).toSize().expandedTo(QSize(1, 1)), QImage.Format.Format_RGB32)
        image.fill(theme.colour("window"))
        painter = QPainter(image)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.TextAntialiasing)
        self.scene().render(painter, QRectF(image.rect()), area)
        painter.end()
        return image

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._fitted:
            self.fit()
        else:
            self.moved.emit()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._tell()
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.viewport().update()

    def drawForeground(self, painter: QPainter, _area: QRectF | object) -> None:
        """Paint the ring that tells that keys mean this graph."""
        if not self.hasFocus():
            return
        painter.save()
        painter.resetTransform()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(theme.colour("accent"), theme.RING))
        painter.drawRect(theme.edge(self.viewport().rect(), theme.RING))
        painter.restore()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.viewport().update()
