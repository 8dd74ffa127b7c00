"""Writing to a disk that may hang: in a thread of its own, for which nobody waits longer than a deadline.

A disk that is full says so. One that hangs (a controller that is reset, a share whose server is away) says nothing, and
whoever writes stays in the kernel; one thread then does, and what is written meanwhile is refused at once.
"""

import errno
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from mlops_desk.kit.base.errors import TimedOut
from mlops_desk.kit.base.loop import Loop

PATIENCE_SECONDS = 2.0  # chosen: a disk that is busy with checkpoints takes less, and others wait meanwhile
_WORDS = "The disk does not answer"

T = TypeVar("T")


class HungDisk(OSError):  # noqa: N818 - what it says of the disk
    """The disk has not said what became of a write: it may still happen."""

    def __init__(self) -> None:
        super().__init__(errno.ETIMEDOUT, _WORDS)


class PatientWriter:
    """Does one write at a time, each in a thread. Safe to use from several threads, which wait for one another."""

    def __init__(self, name: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._loop = Loop(name)
        self._patience_seconds = patience_seconds
        self._free = threading.Lock()
        self._is_hung = False

    @property
    def is_hung(self) -> bool:
        """Whether a write is under way that was given up."""
        return self._is_hung

    def do(self, write: Callable[[], T]) -> T:
        """Write, and return what ``write`` returns.

        Raises what it raises, and HungDisk when it has not ended in time: it goes on then, and until it ends nothing
        else is begun.
        """
        deadline = time.monotonic() + self._patience_seconds
        if not self._free.acquire(timeout=0.0 if self._is_hung else self._patience_seconds):
            raise HungDisk

        def work() -> T:
            try:
                return write()
            finally:
                self._is_hung = False
                self._free.release()

        try:
            return self._loop.call("write", work, max(0.0, deadline - time.monotonic()))
        except TimedOut as error:
            self._is_hung = self._free.locked()
            raise HungDisk from error
