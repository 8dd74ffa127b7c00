"""A real window on a data folder's agent that tells how its event loop turned: run by test_window_gap.py.

It goes round all pages and asks each for everything anew, on and on. "ready" on stdout says that every page has
been built; when stdin closes it prints every pause over 50 ms as JSON: when it ended (Unix time) and how long it was.
"""

import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from PySide6.QtCore import QObject, QSocketNotifier, QTimer  # noqa: E402 - after the path
from PySide6.QtWidgets import QApplication  # noqa: E402

from mlops_desk.api.client import connect  # noqa: E402
from mlops_desk.base.paths import DataFolder  # noqa: E402
from mlops_desk.ui.app import Program  # noqa: E402
from mlops_desk.ui.catalogue import PAGES  # noqa: E402
from mlops_desk.ui.context import UiOptions  # noqa: E402

_TURN_MS = 10
_PAGE_MS = 400
_NOTABLE_SECONDS = 0.05
_ROUNDS_TO_BUILD = 2


class Pulse(QObject):
    """Turns pages, and notes how late a 10 ms timer is."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self._program = program
        self._last = time.perf_counter()
        self._pages = 0
        self.turns = 0
        self.pauses: list[tuple[float, float, str]] = []
        for milliseconds, act in ((_TURN_MS, self._beat), (_PAGE_MS, self._turn_page)):
            timer = QTimer(self)
            timer.timeout.connect(act)
            timer.start(milliseconds)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.turns += 1
        if now - self._last > _NOTABLE_SECONDS:
            self.pauses.append((time.time(), now - self._last, PAGES[self._pages % len(PAGES)].id))
        self._last = now

    def _turn_page(self) -> None:
        if self._program.store.status is None:
            return
        self._pages += 1
        self._program.window.sidebar.choose(PAGES[self._pages % len(PAGES)].id)
        self._program.window.reload()
        if self._pages == _ROUNDS_TO_BUILD * len(PAGES):
            print("ready", flush=True)


def main() -> None:
    folder = DataFolder(Path(sys.argv[1]))
    application = QApplication(["mlops-desk"])
    program = Program(application, lambda: connect(folder), UiOptions(str(folder.root)))
    program.start()
    pulse = Pulse(program)
    ending = QSocketNotifier(0, QSocketNotifier.Type.Read, application)
    ending.activated.connect(lambda: application.quit() if os.read(0, 1) == b"" else None)
    application.exec()
    print(json.dumps({"turns": pulse.turns, "pauses": pulse.pauses}), flush=True)
    program.stop()


if __name__ == "__main__":
    main()
