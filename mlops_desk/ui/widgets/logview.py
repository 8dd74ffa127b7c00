"""The output of a job or an endpoint: capped lines, follows the end, can be searched, never wraps or guesses."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QTextCursor, QTextDocument
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from mlops_desk.base.text import LINE_LIMIT, plain
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.choice import CheckBox
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.scroll import thin

LINES_KEPT = 5000  # chosen: some ten screens to scroll; the file has all


class LogView(QWidget):
    """Shows lines as they come."""

    def __init__(self, name: str) -> None:
        super().__init__()
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
        self._says = Label(points=theme.CAPTION_POINTS, tone="muted")
        self._follow = CheckBox("Follow")
        self._follow.setChecked(True)
        self._search = Field("Search the output")
        self._search.setMaximumWidth(theme.LIST_WIDTH)
        self._search.returnPressed.connect(self.find_next)
        find = Button("Find next")
        find.clicked.connect(self.find_next)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self._says, 1)
        row.addWidget(self._search)
        row.addWidget(find)
        row.addWidget(self._follow)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addLayout(row)
        column.addWidget(self._text, 1)

    def clear(self, says: str = "") -> None:
        """Forget all lines and say what is awaited."""
        self._text.clear()
        self._says.show_text(says)

    def say(self, text: str) -> None:
        """Say beside the lines how they are: loading, ended, or why there are none."""
        self._says.show_text(text)

    def append(self, lines: list[str]) -> None:
        """Add lines at the end."""
        bar = self._text.verticalScrollBar()
        place = bar.value()
        shown = "\n".join(plain(line.rstrip("\n"), LINE_LIMIT) for line in lines[-LINES_KEPT:])
        self._text.appendPlainText(shown)
        bar.setValue(bar.maximum() if self._follow.isChecked() else place)

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
