"""Carries the ring's rows to the telemetry database every 10 s, has them packed there, and reads them back.

A full or broken disk pauses the history, never the sampling: it is said once, tried on, and said again
when it goes on. What the ring lost meanwhile is a gap.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from threading import Event, Lock

from mlops_desk.kit.base.disk import free_space
from mlops_desk.kit.base.errors import DeskError, TimedOut
from mlops_desk.kit.base.failures import longer
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.storage.database import Damaged
from mlops_desk.kit.storage.history import backfill, compaction, curve_reader
from mlops_desk.kit.storage.history.backfill import Gap, MadeHistory
from mlops_desk.kit.storage.history.curve_reader import CurvesRequest
from mlops_desk.kit.storage.history.holders import MemoryHolding
from mlops_desk.kit.storage.history.points.store import PointStore
from mlops_desk.kit.storage.history.rollup import Rolled
from mlops_desk.kit.storage.history.store import TelemetryStore
from mlops_desk.machine.records.event import Notice
from mlops_desk.machine.telemetry.history.feature_series import Recorded
from mlops_desk.machine.telemetry.history.memory import Ring
from mlops_desk.machine.telemetry.history.precision import scale_of
from mlops_desk.machine.telemetry.notices import SOURCE

# When a write that failed is worth another try. Pure: the clock, and whether there seems to be room, are handed in.
# Packing what waits for a disk that is still full is work for nothing. So the filesystem is asked first, which costs
# nothing; as it may be wrong (a quota, a broken disk), what it says only makes the tries rarer.
SOON_SECONDS = 3.0  # chosen: a writer that holds the database is mostly done by then
LONGEST_SECONDS = 30.0  # chosen: room on a disk that somebody has just made is used so soon


class Retrying:
    """Remembers the last failure and how many came although there was room."""

    def __init__(self) -> None:
        self._failed_at: float | None = None
        self._pause = SOON_SECONDS

    def failed(self, now: float, *, room: bool) -> None:
        """Note a failure; one with room on the disk says that more room will not help, so the pauses grow."""
        if self._failed_at is not None and room:
            self._pause = longer(self._pause, LONGEST_SECONDS)
        elif not room:
            self._pause = SOON_SECONDS
        self._failed_at = now

    def done(self) -> None:
        """Note that writing works."""
        self._failed_at, self._pause = None, SOON_SECONDS

    def is_due(self, now: float, *, room: bool) -> bool:
        """Tell whether to try: soon while there is room, else seldom."""
        if self._failed_at is None:
            return True
        return now - self._failed_at >= (self._pause if room else LONGEST_SECONDS)


_log = logging.getLogger(__name__)

FLUSH_SECONDS = 10.0  # chosen: so much of the past a crash may cost
RETRY_SECONDS, _RETRIES = 3.0, 3  # chosen: a writer that holds the database is mostly done by then
_SPARE_BYTES, _BYTES_A_VALUE, _MOST_BYTES = 256 << 10, 1, 16 << 20
"""What a write is taken to need: rather too much, for what is asked for in vain is asked for again."""

_ABOUT = ("file", "history")
_PACK_SECONDS = 7.0  # below the pause between two flushes, so that none is late
_REST_SECONDS = 0.02  # chosen: packing lets readers through between two steps
_STOP_SECONDS = 1.0  # chosen: below the agent's own hard end
_TRIES = 3  # chosen: each is lost to a change of the database meanwhile


def open_store(path: Path) -> TelemetryStore:
    """Open the database. Raises Unavailable, Refused."""
    return TelemetryStore(path, scale_of)


@dataclass(frozen=True, slots=True)
class Kept:
    """What the disk has of a curve, in the order it was written; ``unit`` is None where it knows no such curve."""

    pieces: list[Rolled]
    unit: str | None


class DiskHistory:
    """Owns the telemetry database. ``open_store`` is called when it is first needed, off the caller's way.

    ``holdings`` tells who holds GPU memory at the moment of a flush; ``recorded`` holds what features record.
    """

    def __init__(
        self,
        path: Path,
        ring: Ring,
        notify: Callable[[Notice], None],
        open_store: Callable[[Path], TelemetryStore] = open_store,
        holdings: Callable[[], Sequence[MemoryHolding]] = tuple,
        recorded: Recorded | None = None,
    ) -> None:
        self._path = path
        self._ring = ring
        self._recorded = recorded or Recorded(())
        self._notify = notify
        self._open_store = open_store
        self._holdings = holdings
        self._lock = Lock()
        self._stopping = Event()
        self._store: TelemetryStore | None = None
        self._points: PointStore | None = None
        self._work: Iterator[None] | None = None
        self._next_row = 0
        self._paused: str | None = None
        self._pack_failed = False
        self._retrying = Retrying()
        self._at_turn: list[Callable[[], None]] = []

    @property
    def paused(self) -> str | None:
        """Say why nothing is written at the moment, or None."""
        return self._paused

    @property
    def store(self) -> TelemetryStore | None:
        """The database, once it is open."""
        return self._store

    @property
    def points(self) -> PointStore | None:
        """What features recorded, once the database is open."""
        return self._points

    def start(self, loop: Loop) -> None:
        """Begin to write; the database is opened in the background."""
        loop.repeat("history", FLUSH_SECONDS, self._turn)

    def at_turn(self, work: Callable[[], None]) -> None:
        """Have ``work`` done after each flush, in the history's own thread. Before ``start``."""
        self._at_turn.append(work)

    def flush(self) -> None:
        """Write the rows that are not written yet; nothing any more after the end, which has closed the database."""
        with self._lock:
            if not self._stopping.is_set():
                self._write()

    def pack(self, seconds: float = _PACK_SECONDS) -> None:
        """Do the packing that is due, in small steps with rests between, for at most about ``seconds``."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self._lock:
                if self._store is None or self._points is None or not self._step(self._store, self._points):
                    return
            if self._stopping.wait(_REST_SECONDS):
                return

    def gaps(self, start: float, end: float, shortest: float) -> list[Gap]:
        """Return the stretches of which the disk has nothing; none while there is no database. Raises Unavailable."""
        store = self._store
        return backfill.gaps(store, start, end, shortest) if store is not None else []

    def put_in(self, made: MadeHistory) -> None:
        """Keep what somebody made for such a stretch; nothing any more after the end. Raises Unavailable."""
        with self._lock:
            if self._store is not None and not self._stopping.is_set():
                backfill.put_in(self._store, made)

    def devices(self) -> list[str]:
        """Return every device of which something was kept; none while there is no database. Raises Unavailable."""
        store = self._store
        return curve_reader.devices(store) if store is not None else []

    def find(
        self, names: Sequence[tuple[str, str]], request: CurvesRequest, ring_from: int | None
    ) -> tuple[list[Kept], int]:
        """Return what the disk has of each curve (device, metric), and the coarsest tier of it.

        The request's series are filled in here; the rows that the ring has from ``ring_from`` on are left out.
        There is nothing while there is no database. Raises Unavailable, TimedOut.
        """
        for _ in range(_TRIES):
            store, next_row, generation = self._state(request)
            if store is None:
                return [Kept([], None) for _ in names], 0
            left_out = 0 if ring_from is None else max(0, next_row - ring_from)
            numbers = curve_reader.find_series(store, names)
            series = tuple(dict.fromkeys(number[0] for number in numbers if number is not None))
            found = curve_reader.read(store, replace(request, series=series, newest_left_out=left_out))
            if store.generation == generation:
                break
        kept = [Kept(found.pieces[number[0]], number[1]) if number else Kept([], None) for number in numbers]
        return kept, found.tier

    def _state(self, request: CurvesRequest) -> tuple[TelemetryStore | None, int, int]:
        if (store := self._store) is None:  # it is being opened and checked; memory answers meanwhile
            return None, 0, 0
        if not self._lock.acquire(timeout=max(0.0, request.deadline - time.monotonic())):
            raise TimedOut("The disk with the history does not answer.", "Look again in a moment.")
        try:
            return store, self._next_row, store.generation
        finally:
            self._lock.release()

    def stop(self) -> None:
        """Write what is left and close; a disk that does not answer is not waited for."""
        self._stopping.set()
        if not self._lock.acquire(timeout=_STOP_SECONDS):
            _log.warning("The disk of %s does not answer; its last seconds are lost", self._path)
            return
        try:
            if self._store is not None:
                self._write()
                self._store.close()
                self._store, self._points = None, None
        finally:
            self._lock.release()

    def _turn(self) -> None:
        self._try()
        for _ in range(_RETRIES):  # a disk that has room again is noticed before the next turn
            if self._paused is None or self._stopping.wait(RETRY_SECONDS):
                break
            self._try()
        for work in self._at_turn:
            work()
        if self._paused is None:
            self.pack()

    def _try(self) -> None:
        """Write, and begin a packing that failed anew, unless the disk is still as full as it was."""
        if self._paused is not None:
            if not self._retrying.is_due(time.monotonic(), room=self._has_room()):
                return
            if self._pack_failed:
                self.pack()
        self.flush()

    def _has_room(self) -> bool:
        """Tell whether what waits should find room on the disk, as far as the filesystem tells."""
        free = free_space.free_bytes(self._path.parent)
        nothing, count = self._ring.since(sys.maxsize)
        waiting = (count - self._next_row) * len(nothing.keys) * _BYTES_A_VALUE
        return free is None or free >= _SPARE_BYTES + min(waiting, _MOST_BYTES)

    def _write(self) -> None:
        try:
            store = self._opened()
            block, next_row = self._ring.since(self._next_row)
            store.append(block, self._holdings())
            self._next_row = next_row
            if self._points is not None:
                self._recorded.flush(self._points)
        except DeskError as error:
            self._failed(error)
        else:
            if not self._pack_failed:
                self._resume()

    def _step(self, store: TelemetryStore, points: PointStore) -> bool:
        """Do one step of the packing; tell whether there is more. What fails is begun anew at the next turn."""
        if self._work is None:
            self._work = chain(compaction.work(store), points.work())
        try:
            next(self._work)
        except StopIteration:
            self._work, self._pack_failed = None, False
            return False
        except DeskError as error:
            self._work, self._pack_failed = None, True
            store.layouts.forget()
            points.forget()
            self._failed(error)
            return False
        return True

    def _opened(self) -> TelemetryStore:
        if self._store is None:
            self._store = self._open_store(self._path)
            self._points = PointStore(self._store.database)
            self._work = None
            if self._store.repair is not None:
                text = self._store.repair.told("The telemetry history")
                self._notify(Notice("warning", SOURCE, text, None, time.time(), about=_ABOUT))
        return self._store

    def _failed(self, error: DeskError) -> None:
        """Pause; a database that is damaged is opened anew, which sets it aside, and what comes next is kept again."""
        self._pause(error)
        self._retrying.failed(time.monotonic(), room=self._has_room())
        if isinstance(error, Damaged) and self._store is not None:
            self._store.close()
            self._store, self._points, self._work = None, None, None

    def _pause(self, error: DeskError) -> None:
        if self._paused is None:
            text = f"The history of the numbers is not written at the moment. {error.message}"
            self._notify(Notice("alert", SOURCE, text, error.hint, time.time(), about=_ABOUT))
        self._paused = error.message

    def _resume(self) -> None:
        if self._paused is not None:
            self._paused = None
            self._retrying.done()
            self._notify(
                Notice("info", SOURCE, "The history of the numbers is written again.", None, time.time(), about=_ABOUT)
            )
