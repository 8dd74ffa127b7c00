"""How much is asked for at a time, so that one read is short on any disk and any machine."""

import time
from collections.abc import Callable
from typing import TypeVar

from mlops_desk.registry.store.errors import TooLong

T = TypeVar("T")

_GOAL_SECONDS = 0.025  # half of what a read may last: the next one may find a colder disk
_TRIES = 8  # of the smallest part: a read that is given up leaves what it read in the system's memory


class ReadPace:
    """``size`` things at a time, more or fewer from one read to the next."""

    def __init__(self, size: int, most: int) -> None:
        self.size = size
        self._most = most
        self._tries = 0

    def read(self, ask: Callable[[int, bool], T]) -> T:
        """Return what ``ask`` (how many; may it be given up) returns; it is asked for fewer when that took too long."""
        while True:
            begin = time.monotonic()
            try:
                found = ask(self.size, self._tries < _TRIES)
            except TooLong:
                self._tries += self.size == 1
                self.size = max(1, self.size // 2)
                continue
            self._tries = 0
            self._adapt(time.monotonic() - begin)
            return found

    def _adapt(self, seconds: float) -> None:
        """Go halfway towards what would have taken as long as it should; at most twice as many, at least half."""
        wanted = self.size * min(2.0, max(0.5, _GOAL_SECONDS / max(seconds, 1e-4)))
        self.size = max(1, min(self._most, round((self.size + wanted) / 2) if wanted < self.size else round(wanted)))
