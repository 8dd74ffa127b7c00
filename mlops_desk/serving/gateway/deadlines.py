"""Until when calls may take: one timer for all that have equally long, instead of one for each.

Those that have equally long are late in the order in which they began. So a request costs an entry in a dict and its
removal, and the event loop's own timers, which are kept in order, are asked once in as long as a request may take.
"""

import asyncio
import time
from collections.abc import Hashable
from typing import Protocol

_LEAST_SECONDS = 1e-3  # the event loop's own timers know no less


class Timed(Hashable, Protocol):
    """What has a deadline."""

    def late(self) -> None:
        """End: it was not over in time."""


class Deadlines:
    """For one event loop. What is ``late`` has no deadline any more."""

    def __init__(self) -> None:
        self._lines: dict[float, DeadlineLine] = {}

    def begin(self, timed: Timed, seconds: float) -> "DeadlineLine":
        """Give ``timed`` so long from now on; return where to ``end`` it, or have it begin ``again``."""
        line = self._lines.get(seconds)
        if line is None:
            line = self._lines[seconds] = DeadlineLine(seconds, self._lines)
        line.again(timed)
        return line


class DeadlineLine:
    """Those that have equally long, who began first first. One that is empty is forgotten at its next look."""

    def __init__(self, seconds: float, lines: "dict[float, DeadlineLine]") -> None:
        self._seconds = seconds
        self._lines = lines
        self._due: dict[Timed, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def again(self, timed: Timed) -> None:
        """Give it as long again from now on."""
        self._due.pop(timed, None)
        self._due[timed] = time.monotonic() + self._seconds
        if self._timer is None:
            self._arm(self._seconds)

    def end(self, timed: Timed) -> None:
        """Forget it; no error when it is not there."""
        self._due.pop(timed, None)

    def _arm(self, seconds: float) -> None:
        self._lines[self._seconds] = self  # one that was forgotten is asked for again by who has kept it
        self._timer = asyncio.get_running_loop().call_later(max(_LEAST_SECONDS, seconds), self._look)

    def _look(self) -> None:
        """Tell those who are late, each once whatever another one does, and wait for the next."""
        now = time.monotonic()
        try:
            while self._due:
                timed, at = next(iter(self._due.items()))
                if at > now:
                    break
                del self._due[timed]
                timed.late()
        finally:
            self._timer = None  # only now: who begins meanwhile is not the first to be late
            if self._due:
                self._arm(next(iter(self._due.values())) - now)
            elif self._lines.get(self._seconds) is self:
                del self._lines[self._seconds]
