"""How full several things are, one below the other: name, bar, and the value in words. Painted in one go."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QHelpEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import set_tip

_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True, slots=True)
class Meter:
    """One row: ``share`` (0-1) is None where it is not known or means nothing; ``tone`` colours the bar."""

    name: str
    share: float | None
    text: str
    tone: str = "accent"
    tip: str = ""


class Meters(QWidget):
    """Shows rows; paints nothing when they are the same."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._rows: tuple[Meter, ...] = ()
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    @property
    def shown(self) -> tuple[Meter, ...]:
        return self._rows

    def show_meters(self, rows: Sequence[Meter]) -> None:
        if tuple(rows) == self._rows:
            return
        grew = len(rows) != len(self._rows)
        self._rows = tuple(rows)
        self.setAccessibleDescription("; ".join(f"{row.name} {row.text}" for row in rows))
        if grew:
            self.setFixedHeight(self.sizeHint().height())
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(theme.TILE_MINIMUM_WIDTH, len(self._rows) * theme.METER_ROW_HEIGHT)

    def event(self, event: object) -> bool:
        if isinstance(event, QHelpEvent):
            number = event.pos().y() // theme.METER_ROW_HEIGHT
            set_tip(self, self._rows[number].tip if number < len(self._rows) else "")
        return super().event(event)  # type: ignore[arg-type]  # whatever Qt sends, as object: PySide may hand on what is no QEvent

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        small = QFontMetrics(theme.font(theme.CAPTION_POINTS))
        names = max((small.horizontalAdvance(row.name) for row in self._rows), default=0) + theme.SPACE_12
        large = QFontMetrics(theme.font())
        values = max((large.horizontalAdvance(row.text) for row in self._rows), default=0) + theme.SPACE_12
        bar = max(min(self.width() - names - values, self.width() / 2), theme.SPACE_24)
        for number, row in enumerate(self._rows):
            line = QRectF(0, number * theme.METER_ROW_HEIGHT, self.width(), theme.METER_ROW_HEIGHT)
            self._paint_row(painter, line, row, names, bar)

    @staticmethod
    def _paint_row(painter: QPainter, line: QRectF, row: Meter, names: float, bar: float) -> None:
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        painter.setPen(theme.colour("muted"))
        painter.drawText(line, int(_LEFT), row.name)
        place = QRectF(names, line.center().y() - theme.METER_HEIGHT / 2, bar, theme.METER_HEIGHT)
        painter.setPen(Qt.PenStyle.NoPen)
        if row.share is not None:
            painter.setBrush(theme.faded(theme.colour("text"), 0.10))
            painter.drawRoundedRect(place, 2, 2)
            share = min(max(row.share, 0.0), 1.0)
            if share > 0:
                painter.setBrush(theme.colour(row.tone))
                painter.drawRoundedRect(QRectF(place.left(), place.top(), max(bar * share, 2.0), place.height()), 2, 2)
        painter.setFont(theme.font())
        painter.setPen(theme.colour("text" if row.share is not None else "muted"))
        room = line.adjusted(names + (bar + theme.SPACE_8 if row.share is not None else 0), 0, 0, 0)
        text = painter.fontMetrics().elidedText(row.text, Qt.TextElideMode.ElideRight, int(room.width()))
        painter.drawText(room, int(_RIGHT), text)
