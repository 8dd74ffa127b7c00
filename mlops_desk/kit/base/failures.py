"""What fails, and is tried again: how long until then, and what of it is logged.

How long to wait before the next try, when tries have failed. Pure: who waits keeps the count or the pause.

Logs what keeps something from being done again and again: when it begins or becomes another, and when it is over.

A log that says the same every ten seconds for weeks is one in which nobody finds anything.
"""

import logging
from collections.abc import Sequence


def pause_after(failures: int, pauses: Sequence[float]) -> float:
    """Return the pause after so many failures in a row (0: none yet); the last one holds for all that come after."""
    return pauses[min(max(failures, 0), len(pauses) - 1)]


def longer(pause: float, longest: float) -> float:
    """Return the pause that follows one that was in vain: twice as long, and never longer than ``longest``."""
    return min(2 * pause, longest)


_MOST = 200  # chosen: more things than one agent looks after fail one at a time


class TroubleLog:
    """``words`` say what could not be done, with one ``%s`` for the name of what. Used by one thread at a time."""

    def __init__(self, log: logging.Logger, words: str) -> None:
        self._log = log
        self._words = words
        self._last: dict[str, str] = {}

    def failed(self, name: str, why: str) -> None:
        """Log why it could not be done, unless that is what was logged last of this name."""
        if self._last.pop(name, None) != why:
            self._log.info(f"{self._words}: %s", name, why)
        self._last[name] = why
        while len(self._last) > _MOST:
            self._last.pop(next(iter(self._last)))

    def over(self, name: str) -> None:
        """Log that it can be done again, if it could not."""
        if self._last.pop(name, None) is not None:
            self._log.info(f"{self._words}, and is again now", name)
