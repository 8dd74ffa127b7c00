"""Files that somebody asked for: where to is asked in the window, written away from its thread, whole or not at all."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget

from mlops_desk.base.disk.files import write_atomically
from mlops_desk.base.errors import Unavailable


def ask_where(parent: QWidget, title: str, name: str, filters: str, then: Callable[[str], None]) -> QFileDialog:
    """Ask where a file is to go; ``then`` is given the path. What is there already is replaced only when confirmed."""
    chooser = QFileDialog(parent, title, str(Path.home() / name), filters)
    chooser.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    chooser.selectFile(name)
    chooser.fileSelected.connect(then)
    chooser.open()
    return chooser


def written(path: str, data: bytes) -> str:
    """Write a file for its owner alone, and return its path. Raises Unavailable; what was there stays then."""
    try:
        write_atomically(Path(path), data, 0o600)
    except OSError as error:
        text = f"It can't be written to {path}: {error.strerror}."
        raise Unavailable(text, "Choose a folder of your own with room.") from error
    return path
