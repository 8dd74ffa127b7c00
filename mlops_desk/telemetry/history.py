"""Carries the ring's rows to the telemetry database every 10 s, and reads them back.

A full or broken disk pauses the history, never the sampling: it is said once, tried on, and said again
when it goes on. What the ring lost meanwhile is a gap.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from mlops_desk.base.errors import DeskError
from mlops_desk.base.loop import Loop
from mlops_desk.records.event import Notice
from mlops_desk.storage.blocks import Block
from mlops_desk.storage.telemetry import TelemetryStore
from mlops_desk.telemetry.notices import SOURCE
from mlops_desk.telemetry.ring import Ring, quantised

_log = logging.getLogger(__name__)

FLUSH_SECONDS = 10.0
_KEEP_BLOCKS = int(30 * 86_400 / FLUSH_SECONDS)
_STOP_SECONDS = 1.0
_FORGET_EVERY_SECONDS = 3600.0


class History:
    """Owns the telemetry database. ``open_store`` is called when it is first needed, off the caller's way."""

    def __init__(
        self,
        path: Path,
        ring: Ring,
        notify: Callable[[Notice], None],
        open_store: Callable[[Path], TelemetryStore] = TelemetryStore,
    ) -> None:
        self._path = path
        self._ring = ring
        self._notify = notify
        self._open_store = open_store
        self._lock = Lock()
        self._store: TelemetryStore | None = None
        self._next_row = 0
        self._forget_at = 0.0
        self._paused: str | None = None

    @property
    def paused(self) -> str | None:
        """Say why nothing is written at the moment, or None."""
        return self._paused

    def start(self, loop: Loop) -> None:
        """Begin to write; the database is opened in the background."""
        loop.repeat("history", FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write the rows that are not written yet."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        try:
            store = self._opened()
            block, next_row = self._ring.since(self._next_row)
            store.append(quantised(block))
            self._next_row = next_row
            self._forget(store)
        except DeskError as error:
            self._pause(error)
        else:
            self._resume()

    def read(self, start: float, end: float) -> list[Block]:
        """Return stored blocks that touch a span of time; nothing while there is no database. Raises Unavailable."""
        store = self._store
        return store.read(start, end) if store is not None else []

    def stop(self) -> None:
        """Write what is left and close; a disk that does not answer is not waited for."""
        if not self._lock.acquire(timeout=_STOP_SECONDS):
            _log.warning("The disk of %s does not answer; its last seconds are lost", self._path)
            return
        try:
            if self._store is not None:
                self._write()
                self._store.close()
                self._store = None
        finally:
            self._lock.release()

    def _opened(self) -> TelemetryStore:
        if self._store is None:
            self._store = self._open_store(self._path)
            if self._store.set_aside is not None:
                text = f"The telemetry history was damaged. It is kept as {self._store.set_aside}; a new one begins."
                self._notify(Notice("warning", SOURCE, text, None, time.time()))
        return self._store

    def _forget(self, store: TelemetryStore) -> None:
        now = time.monotonic()
        if now >= self._forget_at:
            self._forget_at = now + _FORGET_EVERY_SECONDS
            store.forget(_KEEP_BLOCKS)

    def _pause(self, error: DeskError) -> None:
        if self._paused is None:
            text = f"The history of the numbers is not written at the moment. {error.message}"
            self._notify(Notice("alert", SOURCE, text, error.hint, time.time()))
        self._paused = error.message

    def _resume(self) -> None:
        if self._paused is not None:
            self._paused = None
            self._notify(Notice("info", SOURCE, "The history of the numbers is written again.", None, time.time()))
