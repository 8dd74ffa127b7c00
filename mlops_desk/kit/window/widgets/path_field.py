"""A field for a file or a folder that is there: chosen in the usual dialog, or typed."""

from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QWidget

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.field import Field


class PathField(QWidget):
    """The line and the button that chooses beside it. ``title`` is the choosing dialog's; ``files`` are its filters.

    Without ``files`` a folder is chosen.
    """

    def __init__(self, name: str, title: str, hint: str = "", *, files: str = "", text: str = "") -> None:
        super().__init__()
        self._title, self._files = title, files
        self.line = Field(name, hint, text=text)
        self.pick = Button("Choose …")
        self.pick.clicked.connect(lambda _on=False: self.choose())
        self.setFocusProxy(self.line)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.line, 1)
        row.addWidget(self.pick)

    def setAccessibleName(self, name: str) -> None:
        """Name the line: it has the focus."""
        self.line.setAccessibleName(name)
        self.pick.setAccessibleName(f"Choose: {name}")

    def text(self) -> str:
        return self.line.text().strip()

    def choose(self) -> QFileDialog:
        """Open the dialog to choose in, where the last choice was."""
        chooser = QFileDialog(self.window(), self._title, self.text() or str(Path.home()), self._files)
        chooser.setFileMode(QFileDialog.FileMode.ExistingFile if self._files else QFileDialog.FileMode.Directory)
        chooser.fileSelected.connect(self.line.setText)
        chooser.open()
        return chooser
