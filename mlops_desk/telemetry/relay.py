"""Who reads the GPUs: one thread at a time, and another in its place when a call to one GPU does not return.

A thread can't be taken out of a foreign call. It is left there, its GPU is left alone, and the next thread reads the
others, so that they miss nothing. When the call returns after all, its thread finds that it was relieved and ends.
"""

import threading
import time

from mlops_desk.base.loop import Finished


class Relay:
    """The thread that reads, and the GPUs (by index) in which it or threads before it are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reader: int | None = None
        self._inside: dict[int, tuple[int, float]] = {}

    def begin(self) -> None:
        """Begin a pass; where nobody reads, the calling thread does from now on. Raises Finished in any other."""
        with self._lock:
            if self._reader is None:
                self._reader = threading.get_ident()
        self.check()

    def check(self) -> None:
        """Raise Finished in a thread that was relieved."""
        if self._reader != threading.get_ident():
            raise Finished

    def relieve(self, after_seconds: float) -> bool:
        """Let the next thread that begins read, if the one that does has been in one GPU for so long; say so."""
        with self._lock:
            began = [since for thread, since in self._inside.values() if thread == self._reader]
            late = bool(began) and time.monotonic() - began[0] >= after_seconds
            if late:
                self._reader = None
            return late

    def stuck_seconds(self, index: int) -> float | None:
        """Return for how long a thread has been in this GPU; None when none is."""
        inside = self._inside.get(index)
        return time.monotonic() - inside[1] if inside is not None else None

    @property
    def leaves_alone(self) -> bool:
        """Say whether there is a GPU in which a thread is that was relieved."""
        with self._lock:
            for thread, _ in self._inside.values():
                if thread != self._reader:
                    return True
        return False

    def inside(self, index: int) -> "_Stay":
        """Be in one GPU. Raises Finished at the end when the thread was relieved, whatever came of its call."""
        return _Stay(self, index)

    def enter(self, index: int) -> None:
        """Be in one GPU until ``leave``."""
        with self._lock:
            self._inside[index] = threading.get_ident(), time.monotonic()

    def leave(self, index: int) -> None:
        """Be in it no longer. Raises Finished in a thread that was relieved."""
        with self._lock:
            del self._inside[index]
        self.check()


class _Stay:
    """A stay in one GPU, each second of each: written out, for a generator's costs twice as much."""

    __slots__ = ("_index", "_relay")

    def __init__(self, relay: Relay, index: int) -> None:
        self._relay = relay
        self._index = index

    def __enter__(self) -> None:
        self._relay.enter(self._index)

    def __exit__(self, *_raised: object) -> None:
        self._relay.leave(self._index)
