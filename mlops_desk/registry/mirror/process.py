"""The process of one mirror: it reads a source, keeps it in memory, and answers what the agent asks on its pipes.

It begins when it is told which source; until then it waits with everything loaded that it will need. What it says
without being asked is one byte on a pipe of its own: something has changed. It ends with its stdin.
"""

import os
import select
import sys
import time
from typing import Any

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, Invalid, Unavailable
from mlops_desk.kit.base.process import limit_memory
from mlops_desk.registry.mirror.mirror import Mirror
from mlops_desk.registry.mirror.wire_format import (
    BAD,
    GOOD,
    LENGTH,
    NO_MEMORY,
    QUESTIONS,
    UNKNOWN_SCHEMA,
    framed,
    packed,
    source_read,
    write_all,
)
from mlops_desk.registry.readers.reader_factory import open_reader
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import TrackerKind
from mlops_desk.registry.store.errors import UnknownSchema

_NEWS_SECONDS = 0.25  # the contract: what running jobs log is seen within so long
_QUIET_SECONDS = 60.0  # chosen: who has asked nothing for a minute looks at something else
_SLOW_LOOK_SECONDS = 1.0  # chosen: a page that shows what stands still hears of a change a second late
_LOOK_SECONDS = {TrackerKind.OWN: 0.25, TrackerKind.SQLITE: 0.25, TrackerKind.DATABASE: 0.5, TrackerKind.HTTP: 2.0}
_OTHERS_LOOK_SECONDS = 1.0  # chosen: a look at files goes through folders


class Server:
    """Answers questions, and works in between."""

    def __init__(self, mirror: Mirror, answers: int, news: int, look_seconds: float) -> None:
        self._mirror = mirror
        self._answers, self._news = answers, news
        self._look_seconds = look_seconds
        self._told = mirror.revision
        self._told_at = self._asked_at = time.monotonic()

    def run(self) -> None:
        while True:
            if select.select([0], [], [], self._pause())[0]:
                content = read_frame(0)
                if content is None:
                    return
                self._asked_at = time.monotonic()
                write_all(self._answers, framed(answered(self._mirror, content)))
            else:
                self._mirror.work()
            self._tell()

    def _pause(self) -> float:
        if self._mirror.has_work:
            return 0.0
        is_quiet = time.monotonic() - self._asked_at > _QUIET_SECONDS
        return max(self._look_seconds, _SLOW_LOOK_SECONDS) if is_quiet else self._look_seconds

    def _tell(self) -> None:
        now = time.monotonic()
        if self._mirror.revision == self._told or now - self._told_at < _NEWS_SECONDS:
            return
        self._told, self._told_at = self._mirror.revision, now
        try:
            os.write(self._news, b".")
        except BlockingIOError:
            return  # the agent has enough of them to see that something has changed


def answered(mirror: Mirror, content: bytes) -> bytes:
    """Return the content of the answer to a question."""
    try:
        verb, given = wire.unpacker(tuple[str, list[Any]]).decode(content)
        if verb not in QUESTIONS:
            raise Invalid(f"{verb!r} is no question.")
        arguments = wire.convert(given, QUESTIONS[verb][0])
        return GOOD + packed(getattr(mirror, verb)(*arguments))
    except DeskError as error:
        return told_of(error)


def told_of(error: DeskError) -> bytes:
    """Return the content of an answer that is an error."""
    return (UNKNOWN_SCHEMA if isinstance(error, UnknownSchema) else BAD) + packed(error.told())


def read_frame(descriptor: int) -> bytes | None:
    """Read one frame from a pipe; None at its end."""
    head = _read(descriptor, LENGTH.size)
    return None if head is None else _read(descriptor, LENGTH.unpack(head)[0])


def _read(descriptor: int, n_bytes: int) -> bytes | None:
    received = bytearray()
    while len(received) < n_bytes:
        chunk = os.read(descriptor, n_bytes - len(received))
        if not chunk:
            return None
        received += chunk
    return bytes(received)


def main() -> int:
    """Wait for the source, then serve it. The arguments are the pipe for news, and how much memory may be had."""
    news, limit_bytes = int(sys.argv[1]), int(sys.argv[2])
    # What anything prints goes to stderr, never among the answers.
    answers = os.dup(1)
    os.dup2(2, 1)
    os.set_blocking(news, False)
    limit_memory(limit_bytes)
    told = read_frame(0)
    if told is None:
        return 0
    source: RegistrySource = source_read(told)
    try:
        return _served(source, answers, news)
    except MemoryError:
        error = Unavailable(
            f"{source.shown} needs more than {limit_bytes >> 20} MiB to be looked at, and was given up.",
            "Does it hold enormous texts? Ask for one experiment's runs with another program.",
        )
        write_all(answers, framed(told_of(error)))
        return NO_MEMORY


def _served(source: RegistrySource, answers: int, news: int) -> int:
    look_seconds = _LOOK_SECONDS.get(source.kind, _OTHERS_LOOK_SECONDS)
    try:
        mirror = Mirror(open_reader(source), look_seconds)
    except DeskError as error:
        read_frame(0)  # whoever asks first is told, and the next one meets a process that tries again
        write_all(answers, framed(told_of(error)))
        return 0
    try:
        Server(mirror, answers, news, look_seconds).run()
    finally:
        mirror.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
