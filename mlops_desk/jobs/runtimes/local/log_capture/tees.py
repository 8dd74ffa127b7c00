"""Who listens to which container of ours, as a survey shows them."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mlops_desk.engines.engine import Engine, LogPiece
from mlops_desk.engines.log_lines import LineFolder, shown
from mlops_desk.jobs.records.job import Attempt
from mlops_desk.jobs.runtimes.local.log_capture.live_output.watch import SightWatch
from mlops_desk.jobs.runtimes.log_archive import reader
from mlops_desk.jobs.runtimes.log_archive.blocks import LogWriter
from mlops_desk.jobs.runtimes.log_archive.log_gaps import Comparison, compared_to, note_compared, told_lines
from mlops_desk.jobs.runtimes.runtime import Glance, SeenLine, SeenPiece
from mlops_desk.kit.base.errors import DeskError, NotFound
from mlops_desk.kit.base.loop import Loop

# What was heard last of a container, for whoever glances at it: neither engine nor disk is asked.
# Lines come from the log. What a line consists of so far is seen on the container itself, where somebody looks on: an
# engine's log has a line when it is over, and tells then all that it showed before. That was seen, and is left out.
# A later agent goes on with the end of what is kept, so that it knows at once how far a job is.
_LINES = 500  # chosen: who glances every few seconds misses no line of a job that logs a hundred a second
_PIECES_BYTES = 32 << 10
"""Chosen: twice what Docker hands on of a line that has no end; who looks each second reads no more of a flood."""
_RECALLED = 200  # chosen: the last epoch's line stands among so many, mostly


class Heard:
    """Bounded, and safe to use from several threads; the lock is held for no longer than a copy takes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[SeenLine] = deque(maxlen=_LINES)
        self._pieces: deque[SeenPiece] = deque()
        self._bytes = 0
        self._count = 0
        self._painted = b""
        self._at: float | None = None
        self._line_at = 0.0
        self._is_seen = False
        self.pieces = 0

    def recall(self, folder: Path, count: int) -> None:
        """Take up the end of the ``count`` lines that are kept. Raises OSError."""
        newest = list(reader.tail(folder, _RECALLED))
        with self._lock:
            self._count = count
            for number, line in enumerate(newest, count - len(newest)):
                at = reader.time_of(line.stamp)
                if at is not None:
                    self._lines.append(SeenLine(number, at, shown(line.text)))
                    self._keep(at, line.text + b"\n")
                    self._at = at

    def take(self, piece: LogPiece, lines: list[bytes], count: int, painted: bytes, *, again: bool) -> None:
        """Take what was written: the new ones among the lines that it ends (``count`` in all), and what is painted.

        ``again``: it was heard before, and is told once more as the engine was asked anew.
        """
        seen = [SeenLine(number, piece.at, shown(line)) for number, line in enumerate(lines, count - len(lines))]
        with self._lock:
            self._lines.extend(seen)
            self._count, self._at = count, piece.at
            if lines:
                self._line_at = piece.at
            if not self._is_seen:
                self._painted = painted
                if not again:
                    self._keep(piece.at, piece.data)
            elif lines:
                self._keep(piece.at, b"".join(line + b"\n" for line in lines))

    def see(self, at: float, painted: bytes) -> None:
        """Take what is painted at Unix time ``at``, b"" for nothing: from now on who looks on tells it, not the log."""
        with self._lock:
            self._is_seen = True
            if at < self._line_at:
                return  # what has ended since may be this
            self._painted = painted
            if painted:
                self._at = at
                self._keep(at, b"\r" + painted + b"\r")

    def see_no_more(self) -> None:
        """Nobody looks on: the log alone tells."""
        with self._lock:
            if self._is_seen:
                self._is_seen, self._painted = False, b""

    def _keep(self, at: float, data: bytes) -> None:
        self._pieces.append(SeenPiece(self.pieces, at, data[-_PIECES_BYTES:]))
        self.pieces += 1
        self._bytes += len(self._pieces[-1].data)
        while self._bytes > _PIECES_BYTES:
            self._bytes -= len(self._pieces.popleft().data)

    def glance(self) -> Glance:
        """Return what was heard last."""
        with self._lock:
            return Glance(self._count, tuple(self._lines), shown(self._painted), self._at, tuple(self._pieces))


# Listens to a container all the time and keeps what it writes, however soon the engine forgets it.
# One thread for each container, asleep in the stream while nothing is written. Who follows a log reads it from here
# and not from the engine a second time.
_log = logging.getLogger(__name__)

_WRITTEN_AFTER_SECONDS = 30.0
"""Chosen: small blocks compress badly, and what a killed agent has not written the engine still has."""
_LONGEST_END_SECONDS = 60.0  # chosen: 50 MB, as much as an engine keeps, are read in less
_WAKE_SECONDS = 1.0  # chosen: how late a follower notices that the agent is about to end
_COMPARED_BYTES = 12 << 20
"""Chosen: more than a file of the engine's log, of which it has five: what the stream has skipped is there still."""
_SKIPPED = "--- The engine has skipped lines. Those from the first missing one on follow, once more. ---"


class Tee:
    """Keeps the log of one container in ``folder``; ``run`` in a thread of its own."""

    def __init__(self, engine: Engine, container: str, folder: Path, most_bytes: int) -> None:
        self._engine = engine
        self._container = container
        self._folder = folder
        self._most_bytes = most_bytes
        self._changed = threading.Condition()
        self._writer: LogWriter | None = None
        self._folded = LineFolder()
        self._heard = Heard()
        self._unlike = 0
        self._rewound = (0, 0)
        self._closed = False
        self._interrupted = False
        self.over = False
        self.ended_at = 0.0
        self._waiting_since: float | None = None
        self._end_reading: Callable[[], None] = lambda: None

    def run(self) -> None:
        """Listen until the container ends, the engine goes away, or the disk takes no more."""
        try:
            self._listen()
        except NotFound:
            pass  # the container is gone, and what it wrote until then is kept
        except DeskError as error:
            if not self._interrupted:
                _log.info("The log of %s is not heard for now: %s", self._container, error.message)
        except OSError as error:
            _log.warning("The log of %s can't be kept for now: %s", self._container, error.strerror)
        finally:
            self._write_rest()
            with self._changed:
                self.over, self.ended_at = True, time.monotonic()
                self._changed.notify_all()

    def _listen(self) -> None:
        with self._changed:
            self._writer = LogWriter(self._folder, self._most_bytes)
            since = self._writer.last_at
            self._heard.recall(self._folder, self._writer.count)
            self._changed.notify_all()
        for piece in self._engine.log_pieces(self._container, since=since, follow=True, hand=self._hold):
            if not self._take(piece):
                return
            self._unlike += len(piece.data)
            if self._unlike >= _COMPARED_BYTES:
                self._unlike = 0
                self._compare()

    def _compare(self) -> None:
        """Hold what was heard against the engine's own log; who follows goes back to where it was mended."""
        with self._changed:
            if self._closed or self._writer is None:
                return
            writer, since = self._writer, compared_to(self._folder)
            writer.flush()
            newest = next(iter(reader.tail(self._folder, 1)), None)
            if newest is None:
                return
            comparison = Comparison(writer, self._folder, since)
            comparison.mend(
                told_lines(self._engine.log_pieces(self._container, since=since), to_the_end=False), newest.stamp
            )
            writer.flush()
            note_compared(self._folder, writer.last_at)
            if comparison.cut_at is not None:
                self._rewound = (self._rewound[0] + 1, comparison.cut_at)
                self._changed.notify_all()

    def _hold(self, end_reading: Callable[[], None]) -> None:
        self._end_reading = end_reading
        if self._interrupted:
            end_reading()

    def interrupt(self) -> None:
        """Stop to listen at once; what was heard is written still."""
        self._interrupted = True
        self._end_reading()

    def _write_rest(self) -> None:
        try:
            self.flush()
        except OSError as error:  # the engine has it still, and is asked when the job is over
            _log.info("The end of the log of %s can't be kept for now: %s", self._container, error.strerror)

    def _take(self, piece: LogPiece) -> bool:
        with self._changed:
            if self._closed or self._writer is None:
                return False
            ended = self._folded.feed(piece.data)
            lines = [line for line in ended if self._writer.add(piece.at, piece.stamp, line)]
            again = bool(ended) and not lines
            self._heard.take(piece, lines, self._writer.count, self._folded.painted, again=again)
            if self._writer.waiting and self._waiting_since is None:
                self._waiting_since = time.monotonic()
            self._changed.notify_all()
        return True

    def flush_if_due(self) -> None:
        """Write what has waited long; not while it is held against the engine's, which takes longer. Raises OSError."""
        due = self._waiting_since
        if due is None or time.monotonic() - due < _WRITTEN_AFTER_SECONDS or not self._changed.acquire(blocking=False):
            return
        try:
            self.flush()
        finally:
            self._changed.release()

    def flush(self) -> None:
        """Write what waits. Raises OSError."""
        with self._changed:
            if self._writer is not None and not self._closed:
                self._writer.flush()
                self._waiting_since = None

    def close(self, timeout_seconds: float) -> None:
        """Wait for the end as long as more is heard, and write nothing from then on: somebody else goes on."""
        before, deadline = -1, time.monotonic() + _LONGEST_END_SECONDS
        with self._changed:
            while self._heard.pieces != before and not self.over and time.monotonic() < deadline:
                before = self._heard.pieces
                self._changed.wait_for(lambda: self.over, timeout_seconds)
            self._closed = True

    def see(self, at: float, painted: bytes) -> None:
        """Take what the container paints, as who looks on tells."""
        self._heard.see(at, painted)

    def see_no_more(self) -> None:
        """Nobody looks on any more."""
        self._heard.see_no_more()

    def glance(self) -> Glance:
        """Return what was heard last; never waits for the disk."""
        return self._heard.glance()

    def follow(self, tail: int | None) -> Iterator[str]:
        """Yield what is kept and what comes, until the listening ends. Raises OSError."""
        place = _Place(tail)
        while True:
            with self._changed:
                writer = self._writer
                if writer is None:
                    if self.over:
                        return
                    self._changed.wait(_WAKE_SECONDS)
                    continue
                went_back, at = place.renew(writer.count, self._rewound), place.at
                written, waiting = writer.written, [line.text for line in writer.waiting[max(0, at - writer.written) :]]
            if went_back:
                yield _SKIPPED
            for line in reader.lines(self._folder, first=at, end=written) if at < written else ():
                yield shown(line.text)
            for text in waiting:
                yield shown(text)
            place.at = max(at, written) + len(waiting)
            with self._changed:
                if place.is_behind(writer.count, self._rewound):
                    continue
                if self.over:
                    return
                self._changed.wait(_WAKE_SECONDS)


class _Place:
    """How far somebody who follows has come: the number of the next line."""

    def __init__(self, tail: int | None) -> None:
        self._tail = tail
        self._mends: int | None = None
        self.at = 0

    def renew(self, count: int, rewound: tuple[int, int]) -> bool:
        """Go back to where the log was mended meanwhile (how often, and the first line of the last time); tell so."""
        if self._mends is None:
            self.at = 0 if self._tail is None else max(0, count - self._tail)
        back = self._mends is not None and self._mends != rewound[0] and rewound[1] < self.at
        self._mends = rewound[0]
        if back:
            self.at = rewound[1]
        return back

    def is_behind(self, count: int, rewound: tuple[int, int]) -> bool:
        return count > self.at or rewound[0] != self._mends


_AGAIN_SECONDS = 10.0  # chosen: an engine that restarts, or a disk that is full, is tried again then
_END_SECONDS = 5.0  # chosen: a stream ends with its container; one that does not is left alone


class Tees:
    """``loop`` has the threads of listeners; None: nobody listens, and a log is kept at its end only."""

    def __init__(self, engine: Engine, loop: Loop | None, most_bytes: Callable[[], int]) -> None:
        self._engine = engine
        self._loop = loop
        self._sight = None if loop is None else SightWatch(loop, self._see, self._see_no_more)
        if loop is not None:
            loop.at_end(self.stop)
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._tees: dict[str, Tee] = {}

    def listen(self, running: Iterable[tuple[str, Path]]) -> None:
        """Listen to each container that runs, by name and the folder of its log; write what has waited long."""
        if self._loop is None or self._loop.ending.is_set():
            return
        for container, folder in running:
            tee = self.of(container)
            if tee is None or (tee.over and time.monotonic() - tee.ended_at >= _AGAIN_SECONDS):
                made = Tee(self._engine, container, folder, self._most_bytes())
                with self._lock:
                    self._tees[container] = made
                self._loop.start(f"log-of-{container}", made.run)
        with self._lock:
            tees = list(self._tees.values())
            heard = {name for name, tee in self._tees.items() if not tee.over}
        self._look_at(heard)
        for tee in tees:
            try:
                tee.flush_if_due()
            except OSError as error:
                _log.warning("A log can't be written for now: %s", error.strerror)

    def _look_at(self, containers: set[str]) -> None:
        if self._sight is None:
            return
        try:
            socket = self._engine.sight_socket() if containers else None
        except DeskError as error:
            _log.debug("What containers paint is not seen for now: %s", error.message)
            return
        self._sight.look_at(dict.fromkeys(containers, socket) if socket is not None else {})

    def _see(self, container: str, at: float, painted: bytes) -> None:
        tee = self.of(container)
        if tee is not None:
            tee.see(at, painted)

    def _see_no_more(self) -> None:
        with self._lock:
            tees = list(self._tees.values())
        for tee in tees:
            tee.see_no_more()

    def stop(self) -> None:
        """Stop to listen: the agent is about to end, and the next one goes on."""
        if self._sight is not None:
            self._sight.stop()
        with self._lock:
            tees = list(self._tees.values())
        for tee in tees:
            tee.interrupt()

    def of(self, container: str) -> Tee | None:
        with self._lock:
            return self._tees.get(container)

    def end(self, attempt: Attempt) -> None:
        """Stop to listen to an attempt that is over; from then on its log is somebody else's to write."""
        with self._lock:
            tee = self._tees.pop(attempt.container, None)
        if tee is not None:
            tee.close(_END_SECONDS)
