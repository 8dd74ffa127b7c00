"""How far a worker is, said on stderr: a line a second at most, which whoever watches may show."""

import sys
import time

from mlops_desk.kit.base.text import plain

_TELL_SECONDS = 1.0  # chosen: one sees that it goes on, and can read it
_NAME = 60  # chosen: names of columns come from files


class WorkerProgress:
    """Says how far it is, unless it did within the last second."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, n_done: int, n_columns: int, name: str) -> None:
        """Say how many columns are done, of how many, and which one is read."""
        self.say(f"{n_done} of {n_columns} columns: {plain(name, _NAME)}")

    def say(self, text: str) -> None:
        """Say what is done; ``text`` is plain."""
        now = time.monotonic()
        if now - self._last >= _TELL_SECONDS:
            self._last = now
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()
