"""A strip of short statements in one row: a caption and its value each, with a thin bar where it can be full."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import set_tip


@dataclass(frozen=True, slots=True)
class Statement:
    """What one part of the strip says; ``share`` (0-1) draws a bar."""

    caption: str
    value: str
    share: float | None = None
    tip: str = ""


class _Part(QWidget):
    """Paints one statement."""

    def __init__(self) -> None:
        super().__init__()
        self.said = Statement("", "")
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def say(self, said: Statement) -> None:
        if said == self.said:
            return
        wide = self.sizeHint().width()
        self.said = said
        self.setAccessibleName(f"{said.caption} {said.value}")
        set_tip(self, said.tip)
        if self.sizeHint().width() != wide:
            self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        wide = _wide(self.said.caption, theme.CAPTION_POINTS) + _wide(self.said.value, theme.BODY_POINTS, bold=True)
        bar = theme.STRIP_BAR_WIDTH + theme.SPACE_8 if self.said.share is not None else 0
        return QSize(wide + theme.SPACE_8 + bar, theme.STRIP_HEIGHT)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(self.rect())
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        painter.setPen(theme.colour("muted"))
        painter.drawText(area, int(_LEFT), self.said.caption)
        left = painter.fontMetrics().horizontalAdvance(self.said.caption) + theme.SPACE_8
        painter.setFont(theme.font(bold=True))
        painter.setPen(theme.colour("text"))
        painter.drawText(area.adjusted(left, 0, 0, 0), int(_LEFT), self.said.value)
        if self.said.share is not None:
            self._paint_bar(painter, area, min(max(self.said.share, 0.0), 1.0))

    def _paint_bar(self, painter: QPainter, area: QRectF, share: float) -> None:
        height = theme.METER_HEIGHT
        bar = QRectF(
            area.right() - theme.STRIP_BAR_WIDTH, area.center().y() - height / 2, theme.STRIP_BAR_WIDTH, height
        )
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.faded(theme.colour("text"), 0.12))
        painter.drawRoundedRect(bar, 2, 2)
        painter.setBrush(theme.colour("accent"))
        painter.drawRoundedRect(QRectF(bar.left(), bar.top(), max(bar.width() * share, 2.0), height), 2, 2)


class Strip(QWidget):
    """Statements at the left; widgets that are put behind them at the right."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._parts: list[_Part] = []
        self._added: list[QWidget] = []
        self._count = 0
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(theme.SPACE_24)
        self._row.addStretch(1)
        self.setAccessibleName(name)

    def minimumSizeHint(self) -> QSize:
        """Ask for the widgets only: statements that find no room are left out, the last first."""
        hint = super().minimumSizeHint()
        return QSize(min(hint.width(), theme.LIST_WIDTH), hint.height())

    def add(self, widget: QWidget) -> None:
        """Put a widget at the right end."""
        self._added.append(widget)
        self._row.addWidget(widget, 0, Qt.AlignmentFlag.AlignVCenter)

    def say(self, statements: Sequence[Statement]) -> None:
        """Show these statements."""
        while len(self._parts) < len(statements):
            part = _Part()
            self._row.insertWidget(len(self._parts), part, 0, Qt.AlignmentFlag.AlignVCenter)
            self._parts.append(part)
        self._count = len(statements)
        for part, said in zip(self._parts, statements, strict=False):
            part.say(said)
        self._fit()
        self.setAccessibleDescription("; ".join(f"{said.caption} {said.value}" for said in statements))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Show the statements that have room beside the widgets."""
        room = self.width() - sum(widget.sizeHint().width() + theme.SPACE_24 for widget in self._added)
        for number, part in enumerate(self._parts):
            room -= part.sizeHint().width() + theme.SPACE_24
            part.setVisible(number < self._count and (room >= 0 or number == 0))

    def said(self) -> list[str]:
        """Return what is shown, for tests and readers."""
        return [f"{part.said.caption} {part.said.value}" for part in self._parts if part.isVisibleTo(self)]


_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


def _wide(words: str, points: int, *, bold: bool = False) -> int:
    return QFontMetrics(theme.font(points, bold=bold)).horizontalAdvance(words)
