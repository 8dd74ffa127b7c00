"""The output of a job or an endpoint: capped lines, follows the end, can be searched, never wraps or guesses.

Colours are shown in ours, progress bars as they were drawn last, and a link to a run leads there (``run_chosen``).
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QFont, QMouseEvent, QTextCharFormat, QTextCursor, QTextDocument
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from mlops_desk.kit.base.text import LINE_LIMIT, plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.choice import CheckBox
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.scroll import thin

# A line that was written for a terminal, as pieces to show: colours kept, everything else that steers one dropped.
# A progress bar that is drawn again and again is shown as it was drawn last. Nothing that comes from a program
# reaches the screen but letters and one of our own colours. No Qt here.
# CSI, an escape with a text (OSC and its like, up to BEL, ST or the end), or any other; unfinished ones are dropped too
_ESCAPE = re.compile(r"\x1b\[([0-9;:?<=>]*)[ -/]*([@-~])?|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?")
_RUN = re.compile(
    r"https?://[^\s\x1b]{1,200}/#/experiments/\d{1,20}/runs/([0-9a-f]{32})\b|mlops-desk://runs?/([0-9a-f]{32})\b"
)
_COLOURS = {0: "muted", 1: "alert", 2: "ok", 3: "warning", 4: "info", 5: "paused", 6: "accent", 7: "text"}
"""The eight colours of a terminal, as those of ours that are read on our ground."""
_NORMAL, _BOLD, _NOT_BOLD, _DEFAULT, _EXTENDED = 0, 1, 22, 39, frozenset({38, 48, 58})
_RAW_LIMIT = 4 * LINE_LIMIT  # characters, with what steers the terminal between them


@dataclass(frozen=True, slots=True)
class Piece:
    """Some letters: their colour's token (None: as text is), and the run that they lead to."""

    text: str
    token: str | None = None
    bold: bool = False
    run: str | None = None


def is_redrawn(line: str) -> bool:
    """Tell whether a line takes the place of the one before it."""
    return line.startswith("\r") and not line.startswith("\r\n")


def pieces(line: str) -> list[Piece]:
    """Return what is shown of a line."""
    shown = _last_drawn(line.rstrip("\r\n")[-_RAW_LIMIT:])
    if "\x1b" not in shown and "://" not in shown:
        return [Piece(plain(shown, LINE_LIMIT))]
    return [part for piece in _coloured(shown) for part in _linked(piece) if part.text]


def _last_drawn(line: str) -> str:
    """Return a line as it stands after its carriage returns: what was drawn last."""
    if "\r" not in line:
        return line
    return next((part for part in reversed(line.split("\r")) if _ESCAPE.sub("", part).strip()), "")


def _coloured(line: str) -> Iterator[Piece]:
    look = Piece("")
    at, left = 0, LINE_LIMIT
    for found in _ESCAPE.finditer(line):
        text = line[at : found.start()]
        if text and left > 0:
            yield replace(look, text=plain(text, left))
            left -= len(text)
        at = found.end()
        if found[2] == "m":
            look = _dressed(look, found[1])
    if at < len(line) and left > 0:
        yield replace(look, text=plain(line[at:], left))


def _dressed(look: Piece, numbers: str) -> Piece:
    """Return how letters look after a command that colours them."""
    codes = [int(code) if code.isdecimal() and len(code) < 4 else _NORMAL for code in re.split("[;:]", numbers)]
    if _EXTENDED & set(codes):
        return look  # one of thousands of colours, which may not be read on our ground
    for code in codes:
        if code == _NORMAL:
            look = Piece("")
        elif code == _BOLD:
            look = replace(look, bold=True)
        elif code == _NOT_BOLD:
            look = replace(look, bold=False)
        elif code == _DEFAULT:
            look = replace(look, token=None)
        elif code // 10 in {3, 9} and code % 10 in _COLOURS:
            look = replace(look, token=_COLOURS[code % 10])
    return look


def _linked(piece: Piece) -> Iterator[Piece]:
    at = 0
    for found in _RUN.finditer(piece.text):
        yield replace(piece, text=piece.text[at : found.start()])
        yield replace(piece, text=found[0], token="accent", run=found[1] or found[2])  # noqa: S106 - a colour's token
        at = found.end()
    yield replace(piece, text=piece.text[at:])


LINES_KEPT = 5000  # chosen: some ten screens to scroll; the file has all


class LogView(QWidget):
    """Shows lines as they come. ``run_chosen`` carries the id of a run whose link was followed.

    ``leads_to_runs``: somebody hears of that, so that the newest run has a button too.
    """

    run_chosen = Signal(str)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.leads_to_runs = False
        self._raw: deque[str] = deque(maxlen=LINES_KEPT)
        self._run = ""
        self._ends_in_bar = False
        self._text = QPlainTextEdit()
        thin(self._text)
        self._text.setReadOnly(True)
        self._text.setUndoRedoEnabled(False)
        self._text.setMaximumBlockCount(LINES_KEPT)
        self._text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._text.setFont(theme.fixed_font())
        self._text.setAccessibleName(name)
        self._text.setFrameShape(QPlainTextEdit.Shape.NoFrame)
        self._text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._text.verticalScrollBar().rangeChanged.connect(self._keep_end)
        self._text.viewport().installEventFilter(self)
        self._text.viewport().setMouseTracking(True)
        self._says = Label(points=theme.CAPTION_POINTS, tone="muted")
        self._follow = CheckBox("Follow")
        self._follow.setChecked(True)
        self._search = Field("Search the output")
        self._search.setMaximumWidth(theme.LIST_WIDTH)
        self._search.returnPressed.connect(self.find_next)
        self._open_run = Button("Open run", tip="Show the run that the output names last")
        self._open_run.hide()
        self._open_run.clicked.connect(lambda: self.run_chosen.emit(self._run))
        find = Button("Find next")
        find.clicked.connect(self.find_next)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self._says, 1)
        for widget in (self._open_run, self._search, find, self._follow):
            row.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addLayout(row)
        column.addWidget(self._text, 1)

    def clear(self, says: str = "") -> None:
        """Forget all lines and say what is awaited."""
        self._raw.clear()
        self._run, self._ends_in_bar = "", False
        self._open_run.hide()
        self._text.clear()
        self._says.show_text(says)

    def say(self, text: str) -> None:
        """Say beside the lines how they are: loading, ended, or why there are none."""
        self._says.show_text(text)

    def append(self, lines: list[str]) -> None:
        """Add lines at the end; one that is drawn again takes the place of the last."""
        new = lines[-LINES_KEPT:]
        self._raw.extend(new)
        bar = self._text.verticalScrollBar()
        place = bar.value()
        self._write(new)
        bar.setValue(bar.maximum() if self._follow.isChecked() else place)

    def _keep_end(self, _low: int, high: int) -> None:
        """Stay at the end where lines came before there was a size to show them in."""
        if self._follow.isChecked():
            self._text.verticalScrollBar().setValue(high)

    def _write(self, lines: Iterable[str]) -> None:
        cursor = QTextCursor(self._text.document())
        cursor.beginEditBlock()
        cursor.movePosition(QTextCursor.MoveOperation.End)
        # Most lines have no colour: those that follow one another are put in at once.
        for fancy, group in groupby(((line, pieces(line)) for line in lines), lambda one: _is_fancy(*one)):
            if fancy:
                for line, parts in group:
                    self._write_fancy(cursor, line, parts)
            else:
                text = "\n".join("".join(piece.text for piece in parts) for _, parts in group)
                cursor.insertText(self._break(cursor) + text, QTextCharFormat())
                self._ends_in_bar = False
        cursor.endEditBlock()

    def _write_fancy(self, cursor: QTextCursor, line: str, parts: list[Piece]) -> None:
        if is_redrawn(line) and self._ends_in_bar:
            cursor.select(QTextCursor.SelectionType.BlockUnderCursor)
            cursor.removeSelectedText()
            cursor.movePosition(QTextCursor.MoveOperation.End)
        self._ends_in_bar = is_redrawn(line)
        start = self._break(cursor)
        for piece in parts or [Piece("")]:
            cursor.insertText(start + piece.text, _dress(piece))
            start = ""
            if piece.run is not None and self.leads_to_runs:
                self._run = piece.run
                self._open_run.show()

    def _break(self, cursor: QTextCursor) -> str:
        return "" if cursor.document().isEmpty() else "\n"

    def text(self) -> str:
        return self._text.toPlainText()

    def line_count(self) -> int:
        return self._text.blockCount() if self._text.toPlainText() else 0

    def find_next(self) -> None:
        """Select the next place of the searched text, from the top again after the end."""
        wanted = self._search.text()
        if not wanted:
            return
        if not self._text.find(wanted):
            self._text.moveCursor(QTextCursor.MoveOperation.Start)
            found = self._text.find(wanted, QTextDocument.FindFlag(0))
            self._says.show_text("" if found else "Not found")
        self._follow.setChecked(False)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow a link that is clicked, and show where one is."""
        if isinstance(event, QMouseEvent):
            run = self._text.anchorAt(event.position().toPoint())
            if event.type() is QEvent.Type.MouseMove:
                shape = Qt.CursorShape.PointingHandCursor if run else Qt.CursorShape.IBeamCursor
                self._text.viewport().setCursor(shape)
            elif run and event.type() is QEvent.Type.MouseButtonRelease and not self._text.textCursor().hasSelection():
                self.run_chosen.emit(run)
        return super().eventFilter(watched, event)

    def changeEvent(self, event: QEvent) -> None:
        """Write everything anew in the colours of the other look."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self._raw:
            self._text.clear()
            self._ends_in_bar = False
            self._write(self._raw)


def _is_fancy(line: str, parts: list[Piece]) -> bool:
    return is_redrawn(line) or len(parts) != 1 or parts[0] != Piece(parts[0].text)


def _dress(piece: Piece) -> QTextCharFormat:
    look = QTextCharFormat()
    if piece.token is not None:
        look.setForeground(theme.colour(piece.token))
    if piece.bold:
        look.setFontWeight(QFont.Weight.Bold)
    if piece.run is not None:
        look.setAnchor(True)
        look.setAnchorHref(piece.run)
        look.setFontUnderline(True)
    return look
