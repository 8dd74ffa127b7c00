"""pyqtgraph, loaded in a worker thread when something that it draws is first shown; nobody is blocked meanwhile.

It draws the bars of drift and nothing else: what moves every second is painted by hand (``plotting`` says why), but a
chart that changes only when it is asked for is worth no painting of its own where a well-kept library does it.
"""

import importlib
from collections.abc import Callable
from typing import Any
from weakref import ref

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget
from shiboken6 import isValid

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.window.live.tasks import Tasks


class Library:
    """The library once it is there, and who waits for it."""

    module: Any = None
    _waiting: list[tuple[QWidget, Callable[[], None]]] = []  # noqa: RUF012 - one process has one library, and one list that waits for it
    _asked: ref[Tasks] | None = None

    @classmethod
    def want(cls, tasks: Tasks, owner: QWidget, then: Callable[[], None]) -> None:
        """Call ``then`` when the library is there, at once if it is already, unless ``owner`` is gone by then."""
        if cls.module is not None:
            then()
            return
        cls._waiting.append((owner, then))
        # Who was asked may have ended before it answered: then the next one is.
        if cls._asked is None or cls._asked() is not tasks:
            cls._asked = ref(tasks)
            tasks.run("chart library", _load, cls._loaded, cls._missing)

    @classmethod
    def _loaded(cls, module: Any) -> None:
        module.setConfigOptions(antialias=True)
        cls.module, cls._asked = module, None
        waiting, cls._waiting = cls._waiting, []
        for number, (owner, then) in enumerate(waiting):
            # One plot a turn of the event loop: building eight in one go would be felt.
            if isValid(owner):
                QTimer.singleShot(number, owner, then)

    @classmethod
    def _missing(cls, _error: DeskError) -> None:
        cls._asked = None


def _load() -> Any:
    return importlib.import_module("pyqtgraph")
