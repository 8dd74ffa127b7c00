"""Where in a filter something is wrong: the piece of it, a caret below the place, and what is wrong."""

from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.roles import announce
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.words import numbers

_AROUND = 48  # letters before the place that are shown: enough to find it again
_LONGEST = 110  # letters of a line


def excerpt(text: str, column: int | None) -> tuple[str, int]:
    """Return the piece of a text around a place (counted from 1; None: its end), and where in the piece it is.

    Each letter stays one, so that the caret stands below the right one.
    """
    place = len(text) if column is None else min(max(column - 1, 0), len(text))
    start = max(place - _AROUND, 0)
    piece = text[start : start + _LONGEST]
    shown = "".join(one if one.isprintable() else "·" for one in piece)
    return ("…" if start else "") + shown, place - start + bool(start)


class CaretLine(QWidget):
    """Hidden while nothing is wrong."""

    def __init__(self) -> None:
        super().__init__()
        self._where = _Where()
        self._says = Label(points=theme.CAPTION_POINTS, bold=True, tone="alert", wrap=True)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.SPACE_8, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._where)
        column.addWidget(self._says)
        self.hide()

    def show_error(self, error: DeskError, text: str) -> None:
        """Show what is wrong with ``text``; the place, where it is told."""
        place = error.place
        self._where.setVisible(place is not None and bool(text))
        if place is not None:
            self._where.show_place(*excerpt(text, place.column))
        self._says.show_text(f"{numbers.ALERT} {error.message} {error.hint or ''}".rstrip())
        self.setAccessibleName(plain(f"{error.message} {error.hint or ''}", 400))
        if self.isHidden():
            self.show()
            announce(self, self._says.whole)

    def said(self) -> str:
        """Return what is said, nothing while nothing is wrong."""
        return "" if self.isHidden() else self._says.whole

    def place(self) -> tuple[str, int]:
        """Return the piece that is shown, and where the caret is."""
        return self._where.piece, self._where.at


class _Where(QWidget):
    """Paints the piece and the caret in the fixed font."""

    def __init__(self) -> None:
        super().__init__()
        self.piece, self.at = "", 0
        self.setFont(theme.fixed_font())
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_place(self, piece: str, at: int) -> None:
        self.piece, self.at = piece, at
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(theme.READING_WIDTH, round(self.fontMetrics().height() * 1.6))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        metrics = QFontMetricsF(self.font())
        painter.setPen(theme.colour("muted"))
        painter.drawText(QPointF(0, metrics.ascent()), self.piece)
        painter.setPen(theme.colour("alert"))
        x = metrics.horizontalAdvance(self.piece[: self.at])
        area = self.rect().adjusted(round(x), round(metrics.height() * 0.75), 0, 0)
        painter.drawText(area, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop), "^")
