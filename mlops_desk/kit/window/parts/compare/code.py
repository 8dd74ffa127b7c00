"""How the code of two runs differs: a unified diff, what came and what went in their colours, as plain text."""

from PySide6.QtCore import QEvent
from PySide6.QtGui import QSyntaxHighlighter, QTextCharFormat, QTextDocument
from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.button import CopyButton
from mlops_desk.kit.window.widgets.textbox import TextBox
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.comparison import CodeDifference

_MOST_LINES = 5000  # chosen: nobody reads more, and the box lays out so many without a pause
_LINE_LIMIT = 500  # chosen: a longer line of code is data
_TOKENS = {"+": "ok", "-": "alert", "@": "info"}


class CodeView(QWidget):
    """Shows a ``CodeDifference``, or says why it can't be told."""

    def __init__(self) -> None:
        super().__init__()
        self.says = Label(tone="muted", wrap=True)
        self.box = TextBox("Difference of the code")
        self.box.setReadOnly(True)
        self.copy = CopyButton("Copy diff", lambda: self._diff)
        self._diff = ""
        self._ink = _Ink(self.box.document())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self.says)
        column.addWidget(self.box, 1)
        column.addWidget(self.copy)
        column.addStretch()
        self._show("", "")

    def show_difference(self, difference: CodeDifference, a: str, b: str) -> None:
        """Show how the code of ``b`` differs from that of ``a``, which are what people call the two."""
        if difference.problem is not None:
            self._show(f"{numbers.UNKNOWN} From {plain(a)} to {plain(b)}: {difference.problem}", "")
        elif not difference.diff:
            self._show(f"{numbers.OK} {plain(a)} and {plain(b)} ran the same code.", "")
        else:
            lines = difference.diff.splitlines()
            cut = difference.is_cut or len(lines) > _MOST_LINES
            more = " It goes on; only its beginning is here." if cut else ""
            self._show(f"From {plain(a)} to {plain(b)}.{more}", "\n".join(lines[:_MOST_LINES]))

    def show_loading(self) -> None:
        self._show("Comparing the code …", "")

    def show_text(self, text: str) -> None:
        """Say why there is nothing to compare."""
        self._show(text, "")

    def show_error(self, error: DeskError) -> None:
        self._show(f"{numbers.WARNING} {error.message} {error.hint or ''}".rstrip(), "")

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._ink.rehighlight()

    def _show(self, says: str, diff: str) -> None:
        self._diff = diff
        self.says.show_text(says)
        self.says.setVisible(bool(says))
        self.box.setPlainText("\n".join(plain(line.expandtabs(4), _LINE_LIMIT) for line in diff.splitlines()))
        self.box.setVisible(bool(diff))
        self.copy.setVisible(bool(diff))


class _Ink(QSyntaxHighlighter):
    """Colours lines by what they begin with."""

    def __init__(self, document: QTextDocument) -> None:
        super().__init__(document)

    def highlightBlock(self, text: str) -> None:
        token = _TOKENS.get(text[:1])
        if token is not None:
            ink = QTextCharFormat()
            ink.setForeground(theme.colour(token))
            self.setFormat(0, len(text), ink)
