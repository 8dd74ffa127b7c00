"""The document of a job or a rule: changed in one place at a time, so that undoing, cursor and what is seen stay."""

from PySide6.QtGui import QColor, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QTextEdit

from mlops_desk.kit.base.errors import Place
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.widgets.textbox import TextBox

_WRONG_SHARE = 0.18  # chosen: a ground on which the text is read as before


class YamlEditor(TextBox):
    """Holds the text; ``written`` tells whether the newest change came from the form."""

    def __init__(self, text: str, name: str = "Job description") -> None:
        super().__init__(name, text)
        self.written = False
        self._wrong: Place | None = None

    def write(self, text: str) -> None:
        """Change the text where it differs, as somebody would who typed that."""
        before = self.toPlainText()
        if text == before:
            return
        start = 0
        most = min(len(before), len(text))
        while start < most and before[start] == text[start]:
            start += 1
        end = 0
        while end < most - start and before[-1 - end] == text[-1 - end]:
            end += 1
        cursor = QTextCursor(self.document())
        cursor.setPosition(_units(before[:start]))
        cursor.setPosition(_units(before[: len(before) - end]), QTextCursor.MoveMode.KeepAnchor)
        self.written = True
        cursor.insertText(text[start : len(text) - end])
        self.written = False

    def mark(self, place: Place | None) -> None:
        """Mark the line that is wrong; None: none is."""
        self._wrong = place
        if place is None:
            self.setExtraSelections([])
            return
        selection = QTextEdit.ExtraSelection()
        look = QTextCharFormat()
        look.setBackground(QColor(theme.blended(theme.colour("surface"), theme.colour("alert"), _WRONG_SHARE)))
        look.setProperty(QTextCharFormat.Property.FullWidthSelection, True)
        selection.format = look
        cursor = cursor_at(self, place)
        cursor.clearSelection()
        selection.cursor = cursor
        self.setExtraSelections([selection])

    def wrong_line(self) -> int | None:
        """Return the line that is marked."""
        return None if self._wrong is None else self._wrong.line

    def go_to(self, place: Place) -> None:
        """Put the cursor to a place, and type there."""
        self.setTextCursor(cursor_at(self, place))
        self.setFocus()


def cursor_at(text: QPlainTextEdit, place: Place) -> QTextCursor:
    """Return a cursor at a place; where the column is not known, at the end of its line."""
    block = text.document().findBlockByNumber(place.line - 1)
    line = block.text()
    before = line if place.column is None else line[: place.column - 1]
    cursor = text.textCursor()
    cursor.setPosition(block.position() + _units(before))
    return cursor


def _units(text: str) -> int:
    """Return how many places Qt counts in a text: it counts in UTF-16."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
