"""One mirror's process as the agent holds it: started ahead, told its source, asked one question at a time."""

import contextlib
import os
import select
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, TimedOut, Unavailable, heard
from mlops_desk.kit.base.process import end_group, ended_by, python_command, start_child
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.mirror.wire_format import (
    BAD,
    LENGTH,
    NO_MEMORY,
    QUESTIONS,
    UNKNOWN_SCHEMA,
    framed,
    packed,
    source_written,
)
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.store.errors import UnknownSchema

_MODULE = "mlops_desk.registry.mirror.process"
_START_SECONDS = 15.0  # chosen: numpy is loaded from a busy disk
_ANSWER_LIMIT_BYTES = 256 << 20  # chosen: 50,000 runs of 5 KB
_TAIL_CHARACTERS = 600  # chosen: the last lines of a traceback, which name the error
_CHUNK_BYTES = 1 << 20  # the most that a pipe holds by default (pipe(7))
_NEWS_BYTES = 4096  # more news than that is one piece of news
LIMIT_BYTES = 1536 << 20  # chosen: address space, of which a store of 100,000 runs takes a third
_ENVIRONMENT = {
    # Address space is capped: no arena and no pool of threads for each of 128 cores.
    "MALLOC_ARENA_MAX": "2",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


class Broken(Exception):  # noqa: N818 - no error of its own: it carries one
    """The process has to be ended, and whoever asked is told ``error``."""

    def __init__(self, error: DeskError) -> None:
        super().__init__(error.message)
        self.error = error


class HasEnded(Exception):  # noqa: N818 - no error: the process had ended before it was asked
    """The process is gone, and did not take the question."""


class MirrorLink:
    """One process. Any thread may ask; each waits for those before it, within its own deadline."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.opened_at = self.used_at = time.monotonic()
        self._asking = threading.Lock()
        self._closing = threading.Lock()
        self._is_closed = False
        self._refusal: tuple[float, bytes] | None = None
        self.is_silent = False
        """Nothing more is told without being asked: the process has ended."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end()
        self.news, news_end = os.pipe()
        os.set_blocking(self.news, False)
        try:
            self._process = start_child(
                python_command(_MODULE, str(news_end), str(limit_bytes)),
                stdin=subprocess.PIPE,
                stderr=self._errors,
                environment=_ENVIRONMENT,
                folder=Path("/"),
                buffer_bytes=0,
                keep=[news_end],
            )
        finally:
            os.close(news_end)
        self._deadline_of_start = time.monotonic() + _START_SECONDS

    @property
    def is_busy(self) -> bool:
        return self._asking.locked()

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def resident_bytes(self) -> int:
        """How much memory the process holds; 0 where it has ended."""
        try:
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1])
        except (OSError, IndexError, ValueError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def take_news(self) -> bool:
        """Read what the process has told without being asked; tell whether it was anything. Raises HasEnded."""
        with self._closing:  # the number of a pipe that is closed may be somebody else's by now
            if self._is_closed:
                return False
            try:
                told = os.read(self.news, _NEWS_BYTES)
            except BlockingIOError:  # another thread was faster
                return False
        self.is_silent = not told
        if self.is_silent:
            raise HasEnded
        return True

    def open(self, source: RegistrySource) -> None:
        """Tell the process what to read. Raises HasEnded."""
        self._write(framed(source_written(source)))

    def ask(self, verb: str, arguments: Sequence[Any], timeout_seconds: float) -> Any:
        """Return the answer to a question. Raises the DeskError that it is, Broken and HasEnded."""
        deadline = time.monotonic() + timeout_seconds
        if not self._asking.acquire(timeout=timeout_seconds):
            raise TimedOut("Earlier questions to this registry have not ended yet.", "Try again in a moment.")
        try:
            self.used_at = time.monotonic()
            self._write(framed(packed([verb, list(arguments)])))
            # A process that has just been started has yet to load what it needs.
            content = self._frame(max(deadline, self._deadline_of_start))
        finally:
            self._asking.release()
        if content[:1] in {BAD, UNKNOWN_SCHEMA}:
            self._refusal = time.monotonic(), content
            raise _error_in(content)
        return wire.unpacker(QUESTIONS[verb][1]).decode(content[1:])

    def refused_since(self, moment: float) -> DeskError | None:
        """Return why the process ended as it was meant to, if it told so after ``moment`` (monotonic); else None."""
        told = self._refusal
        if told is None or told[0] < moment or self._process.poll() != 0:
            return None
        return _error_in(told[1])

    def _write(self, data: bytes) -> None:
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            raise HasEnded
        try:
            stdin.write(data)
        except OSError as error:
            raise HasEnded from error

    def _frame(self, deadline: float) -> bytes:
        (length,) = LENGTH.unpack(self._read(LENGTH.size, deadline))
        if length > _ANSWER_LIMIT_BYTES:
            raise Broken(Unavailable("The registry's answer was too large to be taken in.", "Ask for fewer: --limit."))
        return self._read(length, deadline)

    def _read(self, n_bytes: int, deadline: float) -> bytes:
        stdout = self._process.stdout
        if stdout is None or stdout.closed:
            raise HasEnded
        received = bytearray()
        while len(received) < n_bytes:
            try:
                descriptor = stdout.fileno()
            except ValueError as error:  # another thread has ended it meanwhile
                raise HasEnded from error
            if not _is_readable(descriptor, deadline):
                text = "The registry was not read in time, and the question was given up."
                hint = "Is its disk or its server very slow? It is read anew at the next question."
                raise Broken(TimedOut(text, hint))
            chunk = os.read(descriptor, min(_CHUNK_BYTES, n_bytes - len(received)))
            if not chunk:
                raise self._ending()
            received += chunk
        return bytes(received)

    def _ending(self) -> Exception:
        with contextlib.suppress(subprocess.TimeoutExpired):  # it has closed its output, so it is about to end
            self._process.wait(2.0)
        if self._process.returncode in {0, NO_MEMORY}:  # it has told why before
            return HasEnded()
        how = "is stuck" if self._process.returncode is None else f"ended {ended_by(self._process.returncode)}"
        text = f"The process that reads the registry {how}. It last wrote: {self._last_words() or 'nothing'}"
        hint = "It is read anew at the next question; if it ends each time, this is a fault."
        return Broken(Unavailable(text, hint))

    def _last_words(self) -> str:
        with self._closing:
            if self._is_closed:
                return ""
            self._errors.seek(0, os.SEEK_END)
            self._errors.seek(max(0, self._errors.tell() - _TAIL_CHARACTERS))
            written = self._errors.read()
        return plain(written.decode("utf-8", "replace").strip(), _TAIL_CHARACTERS)

    def end(self) -> None:
        """End the process, whatever it does; whoever waits for its answer is told."""
        end_group(self._process)
        with self._closing:  # once: the number of a pipe that is closed is soon somebody else's
            was_closed, self._is_closed = self._is_closed, True
        if not was_closed:
            os.close(self.news)
            self._errors.close()


def _error_in(content: bytes) -> DeskError:
    error = heard(wire.unpacker(dict[str, Any]).decode(content[1:]))
    return error if content[:1] == BAD else UnknownSchema(error.message, error.hint)


def _is_readable(descriptor: int, deadline: float) -> bool:
    """Wait until a pipe holds something or has ended; select() would take no number above 1023."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(max(0.0, deadline - time.monotonic()) * 1000))
