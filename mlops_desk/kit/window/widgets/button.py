"""Buttons that say what they do: a quiet one, one for the main act, and one that copies a text.

Whichever has the focus is pressed by Enter as by Space; Qt has that for buttons of dialogs alone.
"""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QGuiApplication, QKeyEvent, QPainter, QPaintEvent, QPen, QShowEvent
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QPushButton, QSizePolicy, QWidget

from mlops_desk.kit.window.look import symbols, theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import give_back_tip, menu_text, set_tip

BARRED = "barred"
"""The property of a widget that says why nothing below it that asks the agent can be done; empty: it can."""
COPIED_MILLISECONDS = 1500  # chosen: long enough to be read


class PaintedButton(QAbstractButton):
    """What paints itself and is pressed by mouse, Space or Enter."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            self.click()
        else:
            super().keyPressEvent(event)


class Button(QPushButton):
    """A flat button with one border; ``main`` fills it with the accent, ``harmful`` words it in alert.

    One that ``asks`` needs the agent: what stands above it may bar it, whatever else says that it can be pressed.
    """

    accessible_role: Role | None = None  # Qt knows a button; it takes one that stays down for a check box

    def __init__(
        self, title: str, *, symbol: str | None = None, main: bool = False, harmful: bool = False, tip: str = "",
        asks: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(menu_text(title))
        self._asks = asks
        self._barred = ""
        self._can = True
        self._own_words = "", ""
        self._symbol = symbol
        self._main = main
        self._harmful = harmful
        self._tone: str | None = None
        self.setAutoDefault(True)  # it is pressed by Enter while it has the focus; in a dialog it is so anyway
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(title or tip)
        if tip:
            set_tip(self, tip)

    def setEnabled(self, enabled: bool, /) -> None:
        """Say whether it can be pressed by itself; while it is barred it can't."""
        self._can = enabled
        super().setEnabled(enabled and not self._barred)

    def showEvent(self, event: QShowEvent) -> None:
        self.look_up()
        super().showEvent(event)

    def look_up(self) -> None:
        """Be barred, or not any more, as what stands above says."""
        if not self._asks:
            return
        above: QWidget | None = self
        while above is not None and above.property(BARRED) is None:
            above = above.parentWidget()
        self._bar("" if above is None else str(above.property(BARRED)))

    def _bar(self, why: str) -> None:
        """Say why it can't be pressed now, in the place of what it says of itself."""
        if why == self._barred:
            return
        self._barred = why
        super().setEnabled(self._can and not why)
        if why:
            self._own_words = self.toolTip(), self.accessibleDescription()
            set_tip(self, f"Not now: {why}.")
            self.setAccessibleDescription(f"Not now: {why}.")
        else:
            tip, description = self._own_words
            give_back_tip(self, tip)
            self.setAccessibleDescription(description)

    def set_symbol(self, symbol: str) -> None:
        self._symbol = symbol
        self.update()

    def set_main(self, *, main: bool) -> None:
        """Say whether the button is for the main act."""
        self._main = main
        self.update()

    def set_tone(self, tone: str) -> None:
        """Word the button in a state's colour; its title says the state too."""
        self._tone = tone
        self.update()

    def show_title(self, title: str) -> None:
        self.setText(menu_text(title))
        self.setAccessibleName(title)

    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        words = metrics.horizontalAdvance(self.text().replace("&&", "&"))
        drawn = (theme.SYMBOL if self._symbol else 0) + (theme.SPACE_8 if self._symbol and words else 0)
        side = theme.SPACE_12 if words else theme.SPACE_8
        return QSize(words + drawn + 2 * side, metrics.height() + theme.SPACE_12)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def event(self, event: QEvent) -> bool:
        if event.type() in {QEvent.Type.HoverEnter, QEvent.Type.HoverLeave}:
            self.update()
        return super().event(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = self._paint_shape(painter)
        area = self.rect()
        words = self.text().replace("&&", "&")
        drawn = (theme.SYMBOL if self._symbol else 0) + (theme.SPACE_8 if self._symbol and words else 0)
        wide = painter.fontMetrics().horizontalAdvance(words)
        room = area.width() - drawn - 2 * theme.SPACE_8
        if wide > room:
            words = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, room)
            wide = painter.fontMetrics().horizontalAdvance(words)
        left = (area.width() - wide - drawn) // 2
        if self._symbol:
            picture = symbols.pixmap(symbols.PATHS[self._symbol], ink, theme.SYMBOL, self.devicePixelRatioF())
            painter.drawPixmap(left, (area.height() - theme.SYMBOL) // 2, picture)
        painter.setPen(ink)
        painter.drawText(area.adjusted(left + drawn, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, words)

    def _paint_shape(self, painter: QPainter) -> QColor:
        outline = theme.edge(self.rect())
        enabled = self.isEnabled()
        ink = theme.colour("alert" if self._harmful else self._tone or "text")
        fill, edge = theme.colour("raised"), theme.colour("outline" if enabled else "border")
        if self._main and enabled:
            fill = edge = theme.colour("alert" if self._harmful else "accent")
            ink = theme.colour("window" if theme.is_dark() else "surface")
        elif self.isChecked():
            fill, edge = theme.colour("selection"), theme.colour("accent")
        if not enabled:
            ink = theme.faded(theme.colour("muted"), 0.6)
        elif self.isDown() or self.underMouse():
            fill = theme.blended(fill, theme.colour("text"), 0.12 if self.isDown() else 0.06)
        painter.setPen(QPen(edge, theme.BORDER))
        painter.setBrush(fill)
        painter.drawRoundedRect(outline, theme.RADIUS, theme.RADIUS)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.colour("text" if self._main else "accent"), theme.RING))
            painter.drawRoundedRect(theme.edge(self.rect(), theme.RING), theme.RADIUS, theme.RADIUS)
        return ink


class CopyButton(Button):
    """Copies what ``text`` returns at that moment, and says for a moment that it did."""

    def __init__(self, title: str, text: Callable[[], str]) -> None:
        super().__init__(title, symbol="copy", tip="Copy to the clipboard")
        self._title = title
        self._text = text
        self.clicked.connect(self._copy)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._text())
        self.show_title("Copied")
        self.updateGeometry()
        QTimer.singleShot(COPIED_MILLISECONDS, self, self._restore)

    def _restore(self) -> None:
        self.show_title(self._title)
        self.updateGeometry()


def answers(*buttons: QWidget, aside: QWidget | None = None) -> QHBoxLayout:
    """Return the row at the foot of a dialog: what leads back, then what acts, at the right; ``aside`` at the left."""
    row = QHBoxLayout()
    row.setSpacing(theme.SPACE_8)
    if aside is not None:
        row.addWidget(aside)
    row.addStretch()
    for button in buttons:
        row.addWidget(button)
    return row
