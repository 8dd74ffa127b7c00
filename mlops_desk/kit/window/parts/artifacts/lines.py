"""Lines of a file with their numbers, in the fixed font, not wrapped; nothing in it is interpreted."""

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QWidget

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.widgets.scroll import thin

LINES_SHOWN = 5000  # chosen: as many as a log keeps; the file has all
LINE_SHOWN = 2000  # chosen: characters; the layout of one line of megabytes would take seconds


def shown(text: str) -> tuple[list[str], bool]:
    """Return a text's lines as they are shown, and whether any of it is left out."""
    lines = text.split("\n", LINES_SHOWN + 1)
    kept = [plain(line.expandtabs(4)[: LINE_SHOWN + 1], LINE_SHOWN) for line in lines[:LINES_SHOWN]]
    return kept, len(lines) > LINES_SHOWN or any(len(line) > LINE_SHOWN for line in lines[:LINES_SHOWN])


class NumberedText(QPlainTextEdit):
    """Read only. ``numbered`` says whether lines have numbers: those of a file do, a list has none."""

    def __init__(self, name: str) -> None:
        super().__init__()
        thin(self)
        self._numbered = True
        self.setReadOnly(True)
        self.setUndoRedoEnabled(False)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setFont(theme.fixed_font())
        self.setAccessibleName(name)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._gutter = _Gutter(self)
        self.updateRequest.connect(self._scroll)

    def show_lines(self, lines: list[str], *, numbered: bool = True) -> None:
        self._numbered = numbered
        self.setPlainText("\n".join(lines))
        self.setViewportMargins(self.gutter_width(), 0, 0, 0)
        self._gutter.setVisible(numbered)
        self._gutter.update()

    def gutter_width(self) -> int:
        if not self._numbered:
            return theme.SPACE_4
        digits = max(2, len(str(self.blockCount())))
        return self.fontMetrics().horizontalAdvance("9") * digits + theme.SPACE_16

    def paint_numbers(self, painter: QPainter, area: QRect) -> None:
        """Write the numbers of the lines that are seen."""
        painter.setFont(self.font())
        painter.setPen(theme.colour("muted"))
        block = self.firstVisibleBlock()
        place = self.blockBoundingGeometry(block).translated(self.contentOffset())
        width = self._gutter.width() - theme.SPACE_8
        while block.isValid() and place.top() <= area.bottom():
            painter.drawText(
                QRectF(0, place.top(), width, place.height()),
                int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop),
                str(block.blockNumber() + 1),
            )
            block = block.next()
            place = self.blockBoundingGeometry(block).translated(self.contentOffset())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        inside = self.contentsRect()
        self._gutter.setGeometry(QRect(inside.left(), inside.top(), self.gutter_width(), inside.height()))

    def _scroll(self, area: QRect, moved: int) -> None:
        if moved:
            self._gutter.scroll(0, moved)
        else:
            self._gutter.update(0, area.y(), self._gutter.width(), area.height())


class _Gutter(QWidget):
    """The strip with the numbers, at the left of the lines."""

    def __init__(self, text: NumberedText) -> None:
        super().__init__(text)
        self._text = text

    def sizeHint(self) -> QSize:
        return QSize(self._text.gutter_width(), 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        self._text.paint_numbers(QPainter(self), event.rect())
