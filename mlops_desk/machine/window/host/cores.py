"""Every processor as a narrow bar: what works, what waits for a disk, what another machine took. One is read closer.

The bars are as wide as the place allows and break into rows where there are hundreds. Arrow keys or the
pointer choose the one that is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role

BUSY_SLOT, IOWAIT_SLOT, STEAL_SLOT = 0, 1, 3  # of theme.series, as the curves of the same have them
WIDEST = 64  # pixels; chosen: of a machine with few cores no bar is a wall


@dataclass(frozen=True, slots=True)
class CoreView:
    """One processor: shares of its time (0-1, None where not known), and all of it in words."""

    name: str
    busy: float | None
    iowait: float | None
    steal: float | None
    words: str


class CoreBars(QWidget):
    """Paints the bars in one go; ``read`` carries the words of the chosen one, or nothing."""

    accessible_role = Role.Chart

    read = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._cores: Sequence[CoreView] = ()
        self._chosen: int | None = None
        self.painted = 0
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Processors")

    def show_cores(self, cores: Sequence[CoreView], told: str) -> None:
        """Show these processors; ``told`` says the same to a screen reader."""
        came_or_went = len(cores) != len(self._cores)
        self._cores = cores
        self.setAccessibleDescription(told)
        if came_or_went:
            self._choose(None)
            self._fit()
        elif self._chosen is not None:
            self.read.emit(cores[self._chosen].words)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(theme.READING_WIDTH, self._rows() * self._row_height())

    # Choosing one.

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        per_row, width = self._columns()
        column = int(event.position().x() // width)
        number = int(event.position().y() // self._row_height()) * per_row + column
        self._choose(number if column < per_row and 0 <= number < len(self._cores) else None)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._choose(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {
            Qt.Key.Key_Right: 1, Qt.Key.Key_Left: -1, Qt.Key.Key_Down: self._columns()[0],
            Qt.Key.Key_Up: -self._columns()[0], Qt.Key.Key_Home: -len(self._cores), Qt.Key.Key_End: len(self._cores),
        }  # fmt: skip
        step = steps.get(Qt.Key(event.key()))
        if step is None or not self._cores:
            super().keyPressEvent(event)
            return
        start = -1 if self._chosen is None and step > 0 else self._chosen or 0
        self._choose(min(max(start + step, 0), len(self._cores) - 1))

    def _choose(self, number: int | None) -> None:
        if number != self._chosen:
            self._chosen = number
            self.read.emit("" if number is None else self._cores[number].words)
            self.update()

    # Where the bars are.

    def _columns(self) -> tuple[int, float]:
        """Return how many bars stand in a row and how wide each is with its gap."""
        count = max(len(self._cores), 1)
        least = theme.CORE_WIDTH + theme.CORE_GAP - 2
        fit = max(1, self.width() // least)
        rows = -(-count // fit)
        per_row = -(-count // rows)
        return per_row, min(self.width() / per_row, WIDEST)

    def _rows(self) -> int:
        return -(-max(len(self._cores), 1) // self._columns()[0])

    @staticmethod
    def _row_height() -> int:
        return theme.CORE_HEIGHT + QFontMetrics(theme.font(theme.CAPTION_POINTS)).height() + theme.SPACE_4

    def _fit(self) -> None:
        height = self._rows() * self._row_height()
        if height != self.height() or self.minimumHeight() != height:
            self.setFixedHeight(height)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    # Painting.

    def paintEvent(self, _event: QPaintEvent) -> None:
        self.painted += 1
        painter = QPainter(self)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        per_row, width = self._columns()
        tints = [(slot, theme.series(slot)) for slot in (BUSY_SLOT, IOWAIT_SLOT, STEAL_SLOT)]
        every = self._label_every(painter, width)
        for number, core in enumerate(self._cores):
            row, column = divmod(number, per_row)
            bar = QRectF(
                column * width, row * self._row_height(), max(width - theme.CORE_GAP, 2.0), float(theme.CORE_HEIGHT)
            )
            self._paint_bar(painter, bar, core, tints)
            if number == self._chosen:
                painter.setPen(QPen(theme.colour("text"), theme.BORDER))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRect(bar.adjusted(-1, 0, 0, 0))
            if column % every == 0:
                painter.setPen(theme.colour("muted"))
                # Under its bar; where not every bar has one, from the bar's left edge on.
                place = QRectF(
                    bar.left(), bar.bottom() + 2, bar.width() if every == 1 else width * every, theme.SPACE_16
                )
                side = Qt.AlignmentFlag.AlignHCenter if every == 1 else Qt.AlignmentFlag.AlignLeft
                painter.drawText(place, int(side | Qt.AlignmentFlag.AlignTop), str(number))
        if self.hasFocus():
            painter.setPen(QPen(theme.colour("accent"), theme.LINE))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    @staticmethod
    def _label_every(painter: QPainter, width: float) -> int:
        room = painter.fontMetrics().horizontalAdvance("000") + theme.SPACE_4
        return next((step for step in (1, 2, 4, 8, 16, 32) if step * width >= room), 64)

    @staticmethod
    def _paint_bar(painter: QPainter, bar: QRectF, core: CoreView, tints: list[tuple[int, QColor]]) -> None:
        painter.fillRect(bar, theme.faded(theme.colour("text"), 0.08))
        if core.busy is None:
            painter.setPen(theme.colour("muted"))
            painter.drawText(bar, int(Qt.AlignmentFlag.AlignCenter), "–")
            return
        bottom = bar.bottom()
        for share, (_, tint) in zip((core.busy, core.iowait, core.steal), tints, strict=True):
            height = min((share or 0.0) * bar.height(), bottom - bar.top())
            if height > 0:
                painter.fillRect(QRectF(bar.left(), bottom - height, bar.width(), height), tint)
                bottom -= height
