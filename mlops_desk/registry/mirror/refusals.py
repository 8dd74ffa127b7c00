"""Registries that let nobody in as we are: the agent by itself asks them less and less, a person whenever they ask.

Asking again changes nothing until somebody acts: another login makes another source, and with it nothing is remembered.
"""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from mlops_desk.base.errors import Refused
from mlops_desk.base.failures.pauses import longer

FIRST_SECONDS, LONGEST_SECONDS = 60.0, 600.0  # chosen: what an administrator mends at the server is seen in ten minutes
_MOST = 100  # chosen: as many registries as a list keeps


@dataclass(frozen=True, slots=True)
class _Refusal:
    error: Refused
    pause_seconds: float
    until: float


class Refusals:
    """Remembers by any key. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[Hashable, _Refusal] = {}

    def check(self, key: Hashable) -> None:
        """Raise what was refused last, while it is too soon to ask again."""
        with self._lock:
            known = self._known.get(key)
        if known is not None and self._clock() < known.until:
            raise Refused(known.error.message, known.error.hint)

    def note(self, key: Hashable, error: Refused) -> None:
        """Note that somebody was refused; the pause grows only with what was asked after it."""
        now = self._clock()
        with self._lock:
            known = self._known.pop(key, None)
            if known is None:
                found = _Refusal(error, FIRST_SECONDS, now + FIRST_SECONDS)
            elif now < known.until:
                found = _Refusal(error, known.pause_seconds, known.until)
            else:
                pause = longer(known.pause_seconds, LONGEST_SECONDS)
                found = _Refusal(error, pause, now + pause)
            self._known[key] = found
            while len(self._known) > _MOST:
                self._known.pop(next(iter(self._known)))

    def forget(self, key: Hashable) -> None:
        """Note that a question was answered."""
        with self._lock:
            self._known.pop(key, None)
