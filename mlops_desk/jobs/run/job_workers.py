"""Hands: one thread for each job that needs something, never two on the same job, with a pause after what failed."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.failures import pause_after

_log = logging.getLogger(__name__)

Hand = Callable[[str, Callable[[], None]], object]
Excuse = Callable[[str, Reason, bool], None]
"""Show why the work on a job (by its key) was put off; True: it is blocked until somebody mends something."""
Stand = Callable[[str], object]
"""How what a key names stands; the runner looks again at once where that changed."""

_PAUSES_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
"""Chosen: an engine that restarts is back within seconds, one that is down is asked once a minute."""
_RACE_SECONDS = 1.0  # another agent was faster: its lease is seen at the next look


class Postponed(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """The job stays in the queue for now; ``reason`` is shown there.

    ``keeps_place``: it goes on waiting for nothing but GPUs, and what is free is not given past it. ``blocked``: it
    waits for something that a person has to mend.
    """

    def __init__(self, reason: Reason, *, keeps_place: bool = False, blocked: bool = False) -> None:
        super().__init__(reason.text)
        self.reason = reason
        self.blocked = blocked
        self.keeps_place = keeps_place


@dataclass(frozen=True, slots=True)
class _Pause:
    tries: int
    until: float
    keeps_place: bool = False


class Hands:
    """``hand`` runs a piece of work, in a thread of its own or at once; ``wake`` has the runner look again."""

    def __init__(self, hand: Hand, excuse: Excuse, stand: Stand, wake: Callable[[], None]) -> None:
        self._hand = hand
        self._excuse = excuse
        self._stand = stand
        self._wake = wake
        self._lock = threading.Lock()
        self._busy: dict[str, str] = {}
        self._pauses: dict[str, _Pause] = {}

    def set_to_work(self, key: str, name: str, work: Callable[[str], None]) -> None:
        """Let a hand do ``work(key)``, unless one is at it already or the last one asked for a pause."""
        if self.is_paused(key):
            return
        with self._lock:
            if key in self._busy:
                return
            self._busy[key] = name
        before = self._stand(key)

        def do() -> None:
            failed = True
            keeps_place = False
            try:
                work(key)
                failed = False
            except Postponed as postponed:
                keeps_place = postponed.keeps_place
                self._excuse(key, postponed.reason, postponed.blocked)
            except DeskError as error:
                self._excuse(key, Reason("postponed", error.message, hint=error.hint), False)
            finally:
                self._put_down(key, failed=failed, keeps_place=keeps_place)
                if self._stand(key) is not before:
                    self._wake()

        self._hand(f"job-{key}-{name}", do)

    def is_busy(self, key: str) -> bool:
        with self._lock:
            return key in self._busy

    def busy_with(self, name: str) -> list[str]:
        """Return what hands are at with a kind of work."""
        with self._lock:
            return [key for key, work in self._busy.items() if work == name]

    def is_paused(self, key: str) -> bool:
        with self._lock:
            pause = self._pauses.get(key)
            return pause is not None and time.monotonic() < pause.until

    def held_back(self) -> set[str]:
        """Return what hands are at, and what is paused and has no place in the queue meanwhile."""
        now = time.monotonic()
        with self._lock:
            paused = {key for key, one in self._pauses.items() if now < one.until and not one.keeps_place}
            return paused | self._busy.keys()

    def tries(self, key: str) -> int:
        """Return how often in a row the work on something was put off."""
        with self._lock:
            pause = self._pauses.get(key)
            return 0 if pause is None else pause.tries

    def forget_pause(self, key: str | None = None) -> None:
        """Let the work on something, or on all, go on at once."""
        with self._lock:
            if key is None:
                self._pauses.clear()
            else:
                self._pauses.pop(key, None)

    def _put_down(self, key: str, *, failed: bool, keeps_place: bool) -> None:
        with self._lock:
            self._busy.pop(key, None)
            before = self._pauses.pop(key, None)
            if not failed:
                return
            tries = 0 if before is None else before.tries
            seconds = _RACE_SECONDS if keeps_place else pause_after(tries, _PAUSES_SECONDS)
            self._pauses[key] = _Pause(tries + 1, time.monotonic() + seconds, keeps_place)
