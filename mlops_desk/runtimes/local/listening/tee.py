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
from mlops_desk.runtimes.archive.writer import LogWriter
from mlops_desk.runtimes.local.listening.heard import Heard
from mlops_desk.runtimes.runtime import Glance

_log = logging.getLogger(__name__)

_WRITTEN_AFTER_SECONDS = 30.0
"""Chosen: small blocks compress badly, and what a killed agent has not written the engine still has."""
_LONGEST_END_SECONDS = 60.0  # chosen: 50 MB, as much as an engine keeps, are read in less
_WAKE_SECONDS = 1.0  # chosen: how late a follower notices that the agent is about to end


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
        """Write what has waited long. Raises OSError."""
        due = self._waiting_since
        if due is not None and time.monotonic() - due >= _WRITTEN_AFTER_SECONDS:
            self.flush()

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
        at: int | None = None
        while True:
            with self._changed:
                writer = self._writer
                if writer is None:
                    if self.over:
                        return
                    self._changed.wait(_WAKE_SECONDS)
                    continue
                if at is None:
                    at = 0 if tail is None else max(0, writer.count - tail)
                written, waiting = writer.written, [line.text for line in writer.waiting[max(0, at - writer.written) :]]
            if at < written:
                for line in reader.lines(self._folder, first=at, end=written):
                    yield shown(line.text)
                at = written
            for text in waiting:
                yield shown(text)
            at += len(waiting)
            with self._changed:
                if writer.count > at:
                    continue
                if self.over:
                    return
                self._changed.wait(_WAKE_SECONDS)
