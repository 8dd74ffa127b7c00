"""A field for one line of text, with round corners and room inside, and one for a number; a page's filter is one."""

from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QLineEdit, QSpinBox

from mlops_desk.kit.window.look import theme


class Field(QLineEdit):
    """A line edit that is painted like the rest."""

    def __init__(self, name: str, hint: str = "", *, text: str = "") -> None:
        super().__init__(text)
        self.setAccessibleName(name)
        self.setPlaceholderText(hint or name)
        self.setClearButtonEnabled(True)
        self.setFrame(False)
        # Qt adds two pixels of its own; so the words stand where those of a choice do.
        self.setTextMargins(theme.SPACE_8 - 1, 0, theme.SPACE_4, 0)
        self.setMinimumHeight(theme.FIELD_HEIGHT)
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.Base, QColor(0, 0, 0, 0))
        self.setPalette(palette)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(theme.colour("surface"))
        focused = self.hasFocus()
        # What is only there to be copied is quiet; where one types or chooses, the edge tells that one can.
        edge = theme.colour("accent" if focused else "border" if self.isReadOnly() else "outline")
        line = theme.RING if focused else theme.BORDER
        painter.setPen(QPen(edge, line))
        painter.drawRoundedRect(theme.edge(self.rect(), line), theme.RADIUS, theme.RADIUS)
        painter.end()
        super().paintEvent(event)


class NumberField(QSpinBox):
    """A whole number between two. The style's own edge is hardly seen in the dark, so another is drawn over it."""

    def __init__(self, name: str, least: int, most: int) -> None:
        super().__init__()
        self.setRange(least, most)
        self.setAccessibleName(name)
        self.setMinimumHeight(theme.FIELD_HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line = theme.RING if self.hasFocus() else theme.BORDER
        painter.setPen(QPen(theme.colour("accent" if self.hasFocus() else "outline"), line))
        painter.drawRoundedRect(theme.edge(self.rect(), line), theme.RADIUS, theme.RADIUS)


def filter_field(name: str) -> Field:
    """Return the field that ``/`` goes to."""
    field = Field(name, f"{name}  ( / )")
    field.setMaximumWidth(theme.LIST_WIDTH)
    return field
