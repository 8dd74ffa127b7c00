"""A list to choose from and a switch, painted like the rest: round corners, one border, a visible focus."""

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QCheckBox, QComboBox

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import symbols, theme
from mlops_desk.kit.window.look.checkbox import paint_box
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import menu_text


class ChoiceBox(QComboBox):
    """A closed list that shows the chosen one."""

    accessible_role = Role.ComboBox

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setMinimumHeight(theme.FIELD_HEIGHT)

    def sizeHint(self) -> QSize:
        """Ask for the room that its own margins and arrow take, which are wider than Qt's."""
        hint = super().sizeHint()
        return QSize(hint.width() + theme.SYMBOL, hint.height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        focused = self.hasFocus()
        fill = theme.colour("raised")
        if self.underMouse():
            fill = theme.blended(fill, theme.colour("text"), 0.06)
        painter.setBrush(fill)
        line = theme.RING if focused else theme.BORDER
        painter.setPen(QPen(theme.colour("accent" if focused else "outline"), line))
        outline = theme.edge(self.rect(), line)
        painter.drawRoundedRect(outline, theme.RADIUS, theme.RADIUS)
        arrow = symbols.pixmap(symbols.PATHS["menu"], theme.colour("muted"), theme.SYMBOL, self.devicePixelRatioF())
        left = self.width() - theme.SYMBOL - theme.SPACE_8
        painter.drawPixmap(left, (self.height() - theme.SYMBOL) // 2, arrow)
        painter.setPen(theme.colour("text" if self.isEnabled() else "muted"))
        area = outline.adjusted(theme.SPACE_8, 0, -(theme.SYMBOL + theme.SPACE_12), 0)
        text = painter.fontMetrics().elidedText(
            plain(self.currentText()), Qt.TextElideMode.ElideRight, int(area.width())
        )
        painter.drawText(area, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), text)


class CheckBox(QCheckBox):
    """A switch with a word."""

    def __init__(self, title: str) -> None:
        super().__init__(menu_text(title))
        self.setAccessibleName(title)

    def sizeHint(self) -> QSize:
        words = self.fontMetrics().horizontalAdvance(self.text())
        return QSize(words + theme.SYMBOL + theme.SPACE_12, max(theme.SYMBOL + 4, self.fontMetrics().height() + 4))

    def hitButton(self, place: QPoint) -> bool:
        return self.rect().contains(place)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = theme.edge(QRect(1, (self.height() - theme.SYMBOL) // 2 + 1, theme.SYMBOL - 2, theme.SYMBOL - 2))
        on = self.isChecked()
        edge = theme.colour("accent" if self.hasFocus() else "muted")
        paint_box(painter, box, theme.colour("accent") if on else None, edge)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.colour("text"), theme.LINE))
            painter.drawRoundedRect(box.adjusted(-1, -1, 1, 1), theme.SPACE_4, theme.SPACE_4)
        painter.setPen(theme.colour("text" if self.isEnabled() else "muted"))
        area = self.rect().adjusted(theme.SYMBOL + theme.SPACE_8, 0, 0, 0)
        painter.drawText(area, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), self.text())
