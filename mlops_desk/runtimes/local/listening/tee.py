"""Listens to a container all the time and keeps what it writes, however soon the engine forgets it.

One thread for each container, asleep in the stream while nothing is written. Who follows a log reads it from here and
not from the engine a second time.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mlops_desk.base.errors import DeskError, NotFound
from mlops_desk.engines.engine import Engine, LogPiece
from mlops_desk.engines.log_lines import LineFolder, shown
from mlops_desk.runtimes.archive import reader
from mlops_desk.runtimes.archive.holes import Comparison, compared_to, note_compared, told_lines
from mlops_desk.runtimes.archive.writer import LogWriter
from mlops_desk.runtimes.local.listening.heard import Heard
from mlops_desk.runtimes.runtime import Glance

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
