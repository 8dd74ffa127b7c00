"""Markdown as it is read: our own letters and looks in a box of plain text. A link is opened only when one says so."""

from PySide6.QtCore import QEvent, QObject, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QFont, QMouseEvent, QTextBlockFormat, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QFrame, QPlainTextEdit

from mlops_desk.base.text import plain
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.roles import Role
from mlops_desk.ui.parts.artifacts.markdown import MarkedPiece, ProseBlock, blocks
from mlops_desk.ui.widgets.confirmation import ask
from mlops_desk.ui.widgets.scroll import thin

_OPENED = ("https", "http")  # what a browser shows; anything else could start a program
_POINTS = {1: theme.NUMBER_POINTS - 2, 2: theme.TITLE_POINTS, 3: theme.BODY_POINTS + 1}


class ProseView(QPlainTextEdit):
    """Shows a text that somebody wrote in Markdown."""

    accessible_role = Role.Document

    def __init__(self, name: str) -> None:
        super().__init__()
        thin(self)
        self._blocks: list[ProseBlock] = []
        self.setReadOnly(True)
        self.setUndoRedoEnabled(False)
        self.setAccessibleName(name)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.viewport().installEventFilter(self)
        self.viewport().setMouseTracking(True)

    def show_text(self, text: str) -> None:
        self._blocks = blocks(text)
        self._write()

    def _write(self) -> None:
        self.clear()
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        before = ""
        for block in self._blocks:
            if before:
                cursor.insertBlock(QTextBlockFormat(), QTextCharFormat())
                if not (before == block.kind and block.kind in {"bullet", "code", "quote"}):
                    cursor.insertBlock()
            self._write_block(cursor, block)
            before = block.kind
        cursor.endEditBlock()
        self.moveCursor(QTextCursor.MoveOperation.Start)

    def _write_block(self, cursor: QTextCursor, block: ProseBlock) -> None:
        if block.kind == "rule":
            cursor.insertText("─" * 32, _dress(MarkedPiece(""), block))
        lead = {"bullet": "    " * block.level, "quote": "│ "}.get(block.kind, "")
        if lead:
            cursor.insertText(lead, _dress(MarkedPiece(""), block))
        for piece in block.pieces:
            cursor.insertText(piece.text, _dress(piece, block))

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


def _dress(piece: MarkedPiece, block: ProseBlock) -> QTextCharFormat:
    look = QTextCharFormat()
    if piece.look == "code" or block.kind == "code":
        look.setFont(theme.fixed_font())
    if block.kind == "heading":
        look.setFont(theme.font(_POINTS.get(block.level, theme.BODY_POINTS), bold=True))
    if piece.look == "bold":
        look.setFontWeight(QFont.Weight.Bold)
    look.setFontItalic(piece.look == "slanted")
    look.setForeground(theme.colour("muted" if block.kind in {"quote", "rule"} else "text"))
    if piece.to is not None:
        look.setAnchor(True)
        look.setAnchorHref(piece.to)
        look.setForeground(theme.colour("accent"))
        look.setFontUnderline(True)
    return look
