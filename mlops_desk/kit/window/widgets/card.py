"""A surface with one border and round corners, and the button that looks like one."""

from PySide6.QtCore import QEvent, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.button import PaintedButton


def paint_card(painter: QPainter, area: QRectF, edge: QColor | None = None, *, hover: bool = False) -> None:
    """Paint the ground of a card."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    fill = theme.colour("surface")
    if hover:
        fill = theme.blended(fill, theme.colour("text"), 0.03)
    painter.setBrush(fill)
    painter.setPen(QPen(edge or theme.colour("border"), theme.LINE if edge else theme.BORDER))
    painter.drawRoundedRect(area.adjusted(0.5, 0.5, -0.5, -0.5), theme.RADIUS, theme.RADIUS)


class Card(QWidget):
    """A titled surface with a column of widgets."""

    def __init__(self, title: str = "") -> None:
        super().__init__()
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(theme.SPACE_12, theme.SPACE_8, theme.SPACE_12, theme.SPACE_12)
        self.column.setSpacing(theme.SPACE_8)
        self.heading = Label(title, points=theme.CAPTION_POINTS, bold=True, tone="muted")
        self.column.addWidget(self.heading)
        # Only now: shown before it has a parent, a widget is a window of its own for a moment.
        self.heading.setVisible(bool(title))
        if title:
            self.setAccessibleName(title)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        paint_card(painter, QRectF(self.rect()))


def framed(widget: QWidget) -> Card:
    """Return a card that holds nothing but ``widget``, up to its edge."""
    card = Card()
    card.column.setContentsMargins(*(theme.SPACE_4,) * 4)
    card.column.addWidget(widget)
    return card


class CardButton(PaintedButton):
    """A card that can be pressed, by mouse or key."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.painted = 0

    def event(self, event: QEvent) -> bool:
        if event.type() in {QEvent.Type.HoverEnter, QEvent.Type.HoverLeave}:
            self.update()
        return super().event(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        self.painted += 1
        painter = QPainter(self)
        edge = theme.colour("accent") if self.hasFocus() else None
        paint_card(painter, QRectF(self.rect()), edge, hover=self.underMouse())
        inside = QRectF(self.rect()).adjusted(theme.SPACE_12, theme.SPACE_8, -theme.SPACE_12, -theme.SPACE_8)
        self.paint(painter, inside)

    def paint(self, painter: QPainter, area: QRectF) -> None:
        """Paint what the card shows; subclasses do."""
        raise NotImplementedError
