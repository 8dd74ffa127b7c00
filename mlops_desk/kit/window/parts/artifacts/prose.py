"""Markdown as it is read: our own letters, looks and tables. A link is opened only when one says so.

Nothing that somebody wrote is interpreted by Qt: letters are put in one by one with their looks, and nothing is loaded.
"""

from collections.abc import Iterator

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, QUrl
from PySide6.QtGui import (
    QDesktopServices,
    QFont,
    QMouseEvent,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextFrameFormat,
    QTextTableFormat,
)
from PySide6.QtWidgets import QFrame, QTextEdit

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.parts.artifacts.markdown import MarkedPiece, ProseBlock
from mlops_desk.kit.window.widgets.confirmation import ask
from mlops_desk.kit.window.widgets.scroll import thin

_OPENED = ("https", "http")  # what a browser shows; anything else could start a program
_AT_ONCE, _LETTERS_AT_ONCE = 150, 20_000  # pieces and letters: each some 10 ms (measured)
_STANDS = {
    "left": Qt.AlignmentFlag.AlignLeft, "right": Qt.AlignmentFlag.AlignRight, "middle": Qt.AlignmentFlag.AlignHCenter,
}  # fmt: skip
_POINTS = {1: theme.NUMBER_POINTS - 2, 2: theme.TITLE_POINTS, 3: theme.BODY_POINTS + 1}


class ProseView(QTextEdit):
    """Shows a text that somebody wrote in Markdown."""

    accessible_role = Role.Document

    def __init__(self, name: str) -> None:
        super().__init__()
        thin(self)
        self._blocks: list[ProseBlock] = []
        self._rest: Iterator[int] = iter(())
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._write_on)
        self.setReadOnly(True)
        self.setUndoRedoEnabled(False)
        self.setAccessibleName(name)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.viewport().installEventFilter(self)
        self.viewport().setMouseTracking(True)

    def loadResource(self, _kind: int, _name: QUrl | str) -> None:
        """Load nothing, whatever names it."""

    def show_blocks(self, told: list[ProseBlock]) -> None:
        """Show what was read of a text, which is best done in another thread."""
        self._blocks = told
        self._write()

    def _write(self) -> None:
        """Begin anew; what is long comes a part at a time, so that the window never stands still for it."""
        self.clear()
        self._rest = self._written()
        self._write_on()
        self.moveCursor(QTextCursor.MoveOperation.Start)

    def _write_on(self) -> None:
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        n_pieces = n_letters = 0
        for length in self._rest:
            n_pieces, n_letters = n_pieces + 1, n_letters + length
            if n_pieces >= _AT_ONCE or n_letters >= _LETTERS_AT_ONCE:
                self._soon.start()
                break
        cursor.endEditBlock()

    def _written(self) -> Iterator[int]:
        """Write block by block; yield after each piece how many letters it has."""
        cursor = QTextCursor(self.document())
        before = ""
        for block in self._blocks:
            if before:
                cursor.insertBlock(QTextBlockFormat(), QTextCharFormat())
                if not (before == block.kind and block.kind in {"bullet", "code", "quote"}):
                    cursor.insertBlock()
            if block.kind == "table":
                yield from _write_table(cursor, block)
            else:
                yield from _write_block(cursor, block)
            before = block.kind

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Ask before a link that is clicked is followed, and show where one is."""
        if isinstance(event, QMouseEvent):
            to = self.anchorAt(event.position().toPoint())
            if event.type() is QEvent.Type.MouseMove:
                self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if to else Qt.CursorShape.IBeamCursor)
            elif to and event.type() is QEvent.Type.MouseButtonRelease and not self.textCursor().hasSelection():
                self.follow(to)
        return super().eventFilter(watched, event)

    def follow(self, to: str) -> None:
        """Ask whether to open an address in the browser; any but a web address is only told."""
        url = QUrl(to, QUrl.ParsingMode.StrictMode)
        said = plain(to, 600)
        if not url.isValid() or url.scheme() not in _OPENED:
            text = f"{said}\n\nThis is not the address of a page in the web, so nothing is opened."
            dialog = ask(self.window(), "Where this link leads", text, "Close", lambda: None, harmful=False)
            dialog.back.hide()
            return
        text = f"{said}\n\nWhoever wrote this file chose the address. It opens in your browser."
        ask(self.window(), "Open this page?", text, "Open page", lambda: _open(url), harmful=False)

    def changeEvent(self, event: QEvent) -> None:
        """Write everything anew in the colours of the other look."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self._blocks:
            self._write()


def _open(url: QUrl) -> None:
    QDesktopServices.openUrl(url)


def _write_block(cursor: QTextCursor, block: ProseBlock) -> Iterator[int]:
    if block.kind == "rule":
        cursor.insertText("─" * 32, _dress(MarkedPiece(""), block))
    lead = {"bullet": "    " * block.level, "quote": "│ "}.get(block.kind, "")
    if lead:
        cursor.insertText(lead, _dress(MarkedPiece(""), block))
    for piece in block.pieces:
        cursor.insertText(piece.text, _dress(piece, block))
        yield len(piece.text)
    yield 0


def _write_table(cursor: QTextCursor, block: ProseBlock) -> Iterator[int]:
    made = cursor.insertTable(len(block.rows), len(block.stands), _table_format())
    for number, cells in enumerate(block.rows):
        for column, pieces in enumerate(cells):
            place = made.cellAt(number, column).firstCursorPosition()
            stands = QTextBlockFormat()
            stands.setAlignment(_STANDS[block.stands[column]])
            place.setBlockFormat(stands)
            for piece in pieces:
                look = _dress(piece, block)
                if number == 0:
                    look.setFontWeight(QFont.Weight.Bold)
                place.insertText(piece.text, look)
                yield len(piece.text)
    cursor.movePosition(QTextCursor.MoveOperation.End)


def _table_format() -> QTextTableFormat:
    """Return thin lines and room in the cells, by the theme."""
    form = QTextTableFormat()
    form.setBorder(theme.BORDER)
    form.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
    form.setBorderBrush(theme.colour("border"))
    form.setBorderCollapse(True)
    form.setCellPadding(theme.SPACE_4)
    form.setCellSpacing(0)
    form.setHeaderRowCount(1)
    return form


def _dress(piece: MarkedPiece, block: ProseBlock) -> QTextCharFormat:
    look = QTextCharFormat()
    if piece.look == "code" or block.kind == "code":
        look.setFont(theme.fixed_font())
    if block.kind == "heading":
        look.setFont(theme.font(_POINTS.get(block.level, theme.BODY_POINTS), bold=True))
    if piece.look == "bold":
        look.setFontWeight(QFont.Weight.Bold)
    look.setFontItalic(piece.look == "slanted")
    look.setFontStrikeOut(piece.look == "struck")
    look.setForeground(theme.colour("muted" if block.kind in {"quote", "rule"} else "text"))
    if piece.to is not None:
        look.setAnchor(True)
        look.setAnchorHref(piece.to)
        look.setForeground(theme.colour("accent"))
        look.setFontUnderline(True)
    return look
