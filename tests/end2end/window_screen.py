"""The words on a real window's screen, asked for from outside of its process."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tests.end2end.desk import Desk

_WORDS = Path(__file__).with_name("window_words.py")


class Window:
    """A window in a process of its own.

    ``worst`` is the longest pause of its event loop while it was looked at, in s, and ``turns`` how often that turned.
    """

    def __init__(self, questions: IO[str], answers: IO[str]) -> None:
        self._questions, self._answers = questions, answers
        self.worst, self.turns = 0.0, 0

    def look(self) -> dict[str, Any]:
        """Return what it shows now; the first answer comes when it has been built."""
        self._questions.write("?\n")
        self._questions.flush()
        line = self._answers.readline()
        assert line, "the window has ended"
        told: dict[str, Any] = json.loads(line)
        assert told["own_calls"] == [], "asked in the window's own thread, which a call that hangs would stop"
        self.worst = max(self.worst, told["pause"])
        self.turns += told["turns"]
        return told

    def until(self, what: Callable[[dict[str, Any]], object], seconds: float = 240) -> dict[str, Any]:
        """Look again and again until ``what`` of it is true; return what is shown then."""
        deadline = time.monotonic() + seconds
        while not what(told := self.look()):
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {told}"
            time.sleep(0.2)
        return told

    def calm(self) -> None:
        """Forget the pauses so far: building pages may take a while."""
        self.look()
        self.worst, self.turns = 0.0, 0


@contextmanager
def window(desk: Desk) -> Iterator[Window]:
    """Open a real window on a desk's agent until the end of the block."""
    environment = {**os.environ, **desk.environment, "QT_QPA_PLATFORM": "offscreen"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [*desk.prefix, sys.executable, str(_WORDS), str(desk.folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield Window(process.stdin, process.stdout)
            process.stdin.close()
            process.wait(240)
        finally:
            process.kill()
