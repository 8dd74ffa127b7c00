"""Files that somebody asked for: where to is asked in the window, written away from its thread, whole or not at all."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TextIO, TypeVar

from PySide6.QtWidgets import QFileDialog, QWidget

from mlops_desk.kit.base.disk.files import replace_durably, write_atomically
from mlops_desk.kit.base.errors import Unavailable

T = TypeVar("T")
_ENDING = re.compile(r"\(\*(\.\w+)\)")


def ask_where(parent: QWidget, title: str, name: str, filters: str, then: Callable[[str], None]) -> QFileDialog:
    """Ask where a file is to go; ``then`` is given the path, with the ending of the chosen kind where none was typed.

    What is there already is replaced only when confirmed.
    """
    chooser = QFileDialog(parent, title, str(Path.home() / name), filters)
    chooser.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    endings = {one: match[1] for one in filters.split(";;") if (match := _ENDING.search(one)) is not None}
    chooser.setDefaultSuffix(Path(name).suffix)
    chooser.filterSelected.connect(lambda chosen: chooser.setDefaultSuffix(endings.get(chosen, Path(name).suffix)))
    chooser.selectFile(name)
    chooser.fileSelected.connect(then)
    chooser.open()
    return chooser


def written_by(path: str, write: Callable[[TextIO], T]) -> T:
    """Let ``write`` fill a file for its owner alone, line by line, and return what it returns.

    Raises Unavailable, and what ``write`` raises; what was there stays then, and nothing half written is left.
    """
    target = Path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                told = write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            replace_durably(beside, target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _unwritten(path, error) from error
    return told


def written(path: str, data: bytes) -> str:
    """Write a file for its owner alone, and return its path. Raises Unavailable; what was there stays then."""
    try:
        write_atomically(Path(path), data, 0o600)
    except OSError as error:
        raise _unwritten(path, error) from error
    return path


def _unwritten(path: str, error: OSError) -> Unavailable:
    return Unavailable(f"It can't be written to {path}: {error.strerror}.", "Choose a folder of your own with room.")
