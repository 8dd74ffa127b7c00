"""A real window on a data folder's agent that tells how its event loop turned: run by test_window_gap.py.

It goes round all pages and asks each for everything anew, on and on, and prints a line when it has been round. When
stdin closes it prints as JSON what it asked of the agent in its own thread, and its longest pause.
"""

import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from PySide6.QtCore import QObject, QSocketNotifier, QTimer
from PySide6.QtWidgets import QApplication

from mlops_desk.desk.window.app import Program
from mlops_desk.desk.window.catalogue import PAGES
from mlops_desk.kit.api.client import connect
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.window.live.context import UiOptions
from tests.end2end.window_calls import counted

_TURN_MS = 10
_PAGE_MS = 200


class Pulse(QObject):
    """Turns pages, and notes how late a 10 ms timer is."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self._program = program
        self._last = time.perf_counter()
        self._pages = 0
        self.pause = 0.0
        for milliseconds, act in ((_TURN_MS, self._beat), (_PAGE_MS, self._turn_page)):
            timer = QTimer(self)
            timer.timeout.connect(act)
            timer.start(milliseconds)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.pause = max(self.pause, now - self._last)
        self._last = now

    def _turn_page(self) -> None:
        if self._program.store.status is None:
            return
        self._pages += 1
        self._program.window.sidebar.choose(PAGES[self._pages % len(PAGES)].id)
        self._program.window.reload()
        if self._pages % len(PAGES) == 0:
            print("round", flush=True)


def main() -> None:
    address = AgentAddress.of_folder(Path(sys.argv[1]))
    application = QApplication(["mlops-desk"])
    program = Program(application, lambda given_up: connect(address, given_up=given_up), UiOptions(address))
    own_calls = counted()
    program.start()
    pulse = Pulse(program)
    ending = QSocketNotifier(0, QSocketNotifier.Type.Read, application)
    ending.activated.connect(lambda: application.quit() if os.read(0, 1) == b"" else None)
    application.exec()
    print(json.dumps({"own_calls": own_calls, "pause": pulse.pause}), flush=True)
    program.stop()


if __name__ == "__main__":
    main()
