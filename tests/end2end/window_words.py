"""A real window on a data folder's agent that tells what it says: run by the tests of faults.

    python tests/end2end/window_words.py FOLDER

For each line on stdin it prints, as JSON, every word that the overview and the bottom line show, what each GPU's
tile says, how often the event loop turned since the last line, its longest pause, and what it asked of the agent in
its own thread. It ends when stdin does.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from PySide6.QtCore import QObject, QSocketNotifier, QTimer
from PySide6.QtWidgets import QApplication, QListWidget, QWidget

from mlops_desk.desk.window.app import Program
from mlops_desk.kit.api.client import connect
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.window.live.context import UiOptions
from mlops_desk.kit.window.look.text import Label
from tests.end2end.window_calls import counted

_TURN_MS = 10


class Teller(QObject):
    """Notes how the event loop turns, and answers each line."""

    def __init__(self, application: QApplication, program: Program) -> None:
        super().__init__()
        self._application = application
        self._program = program
        self._own_calls = counted()
        self._last = time.perf_counter()
        self._turns, self._pause = 0, 0.0
        self._beat = QTimer(self)
        self._beat.timeout.connect(self._turn)
        self._beat.start(_TURN_MS)
        self._asked = QSocketNotifier(0, QSocketNotifier.Type.Read, self)
        self._asked.activated.connect(self._answer)

    def _turn(self) -> None:
        now = time.perf_counter()
        self._turns += 1
        self._pause = max(self._pause, now - self._last)
        self._last = now

    def _answer(self) -> None:
        asked = os.read(0, 4096)
        if not asked:
            self._application.quit()
            return
        page = self._program.window.page()
        told = {
            "bottom": " | ".join(shown_in(self._program.window.bottom)),
            "page": "\n".join(shown_in(page)),
            "tiles": {tile.view.lead: said(tile.view) for tile in getattr(page, "_gpus", {}).values()},
            "turns": self._turns,
            "pause": self._pause,
            "own_calls": self._own_calls,
        }
        self._turns, self._pause = 0, 0.0
        print(json.dumps(told), flush=True)


def shown_in(widget: QWidget) -> list[str]:
    """Return the words of every label and list that can be seen."""
    labels = [label.whole for label in widget.findChildren(Label) if label.isVisible() and label.whole]
    lists = [found for found in widget.findChildren(QListWidget) if found.isVisible()]
    return [*labels, *(found.item(row).text() for found in lists for row in range(found.count()))]


def said(view: Any) -> dict[str, Any]:
    """Return what a tile says."""
    mark = view.mark.word if view.mark else ""
    points = view.curves[0].points if view.curves else ()
    return {
        "mark": mark, "number": view.number, "unit": view.unit, "lines": view.lines, "foot": view.foot,
        "newest": points[-1][0] if points else None,
    }  # fmt: skip


def main() -> None:
    address = AgentAddress.of_folder(Path(sys.argv[1]))
    application = QApplication(["mlops-desk"])
    program = Program(application, lambda given_up: connect(address, given_up=given_up), UiOptions(address))
    teller = Teller(application, program)
    program.start()
    application.exec()
    del teller
    program.stop()


if __name__ == "__main__":
    main()
