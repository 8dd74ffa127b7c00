"""The one way from a text to the screen: plain, one format, capped. Text from outside is hostile.

Qt guesses rich text in labels, tool tips and message boxes: a 241-byte string of nested tables froze a
label for 16 s, an <img> opens local files. So nothing else in the window makes a bare label, sets a
tool tip or opens a message box; a test looks for it.
"""

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from mlops_desk.kit.base.text import LINE_LIMIT, NAME_LIMIT, plain
from mlops_desk.kit.window.look import theme

PARAGRAPH_LIMIT = 2000  # chosen: a screen of text
LABEL_LIMIT = 400  # chosen: a line on the widest screen


def paragraph(text: str, limit: int = PARAGRAPH_LIMIT) -> str:
    """Return ``text`` with its line breaks, every line made plain, at most ``limit`` characters in all."""
    lines = [plain(line, LINE_LIMIT) for line in text[: limit + 1].splitlines()[:100]]
    whole = "\n".join(lines)
    return whole[:limit] + "…" if len(whole) > limit or len(text) > limit else whole


def tip_text(text: str) -> str:
    """Return ``text`` so that a tool tip shows it as it is, whatever it holds."""
    shown = paragraph(text, 600)
    if "<" not in shown:
        return shown
    escaped = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<p>{escaped}</p>".replace("\n", "<br>")


def set_tip(widget: QWidget, text: str) -> None:
    """Give ``widget`` a tool tip that shows ``text`` as it is."""
    widget.setToolTip(tip_text(text))


def give_back_tip(widget: QWidget, shown: str) -> None:
    """Give ``widget`` the tool tip that it had before, as ``toolTip`` returned it: it is escaped already."""
    widget.setToolTip(shown)


def notification_text(text: str) -> str:
    """Return ``text`` for a desktop notification: servers may read markup, so nothing in it looks like markup."""
    return paragraph(text, 300).replace("<", "\u2039").replace(">", "\u203a").replace("&", "+")


def menu_text(text: str) -> str:
    """Return ``text`` for a menu entry or a button: no accidental mnemonic."""
    return plain(text, NAME_LIMIT).replace("&", "&&")


class Label(QLabel):
    """A label of plain text. One line that is too long is elided, with the whole text in its tool tip."""

    def __init__(
        self,
        text: str = "",
        *,
        points: int = theme.BODY_POINTS,
        bold: bool = False,
        tone: str = "text",
        wrap: bool = False,
        fixed: bool = False,
    ) -> None:
        super().__init__()
        self._tone = tone
        self._whole = ""
        self._tinted: QColor | None = None
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setFont(theme.fixed_font() if fixed else theme.font(points, bold=bold))
        self.setWordWrap(wrap)
        self._tint()
        if wrap:
            self.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
            self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        else:
            self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.show_text(text)

    def show_text(self, text: str) -> None:
        """Show ``text``; does nothing when it is shown already."""
        shown = paragraph(text) if self.wordWrap() else plain(text, LABEL_LIMIT)
        if shown != self._whole:
            self._whole = shown
            self.setText(shown)
            if not self.wordWrap():
                self.setToolTip(tip_text(shown) if self._is_cut() else "")

    def tint(self, tone: str) -> None:
        """Give the text another token's colour."""
        if tone != self._tone:
            self._tone = tone
            self._tint()

    @property
    def whole(self) -> str:
        """The text that is shown, before eliding."""
        return self._whole

    def minimumSizeHint(self) -> QSize:
        hint = super().minimumSizeHint()
        return hint if self.wordWrap() else QSize(min(hint.width(), theme.SPACE_24 * 2), hint.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.wordWrap():
            super().paintEvent(event)
            return
        area = self.contentsRect()
        shown = self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, area.width())
        painter = QPainter(self)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        painter.drawText(area, int(self.alignment()), shown)
        if self.hasFocus():
            from PySide6.QtWidgets import QStyle, QStyleOption  # noqa: PLC0415 - 5 ms that few labels ever need

            option = QStyleOption()
            option.initFrom(self)
            self.style().drawPrimitive(QStyle.PrimitiveElement.PE_FrameFocusRect, option, painter, self)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._tint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if not self.wordWrap():
            self.setToolTip(tip_text(self._whole) if self._is_cut() else "")

    def _is_cut(self) -> bool:
        return self.fontMetrics().horizontalAdvance(self._whole) > self.contentsRect().width()

    def _tint(self) -> None:
        wanted = self._colour()
        if self._tinted is wanted:
            return
        self._tinted = wanted
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.WindowText, wanted)
        self.setPalette(palette)

    def _colour(self) -> QColor:
        return theme.colour(self._tone)
