"""Asking a filesystem for its space in a child process that is thrown away: a dead mount may hang whoever asks.

The child is the smallest there is, stat(1). One that does not answer within the deadline is killed; one that can't
be killed is left behind, and remembered as long as it hangs.
"""

import os
import select
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from mlops_desk.base.process import start_child

COMMAND = ("stat", "--file-system", "--format=%b %f %a %S %c %d %n", "--")
_NUMBERS = 6  # as its format asks stat(1) for
_ANSWER_BYTES = 1 << 16  # chosen: some hundred mounts; a path is at most 4096 bytes


@dataclass(frozen=True, slots=True)
class Space:
    """What a filesystem said, in bytes and counts. Some count no inodes: 0 of 0 then."""

    total: int
    free: int
    available: int
    inodes: int
    inodes_free: int


class Probe:
    """A question under way to one or more mounts; ``denied`` ones may not be asked by this user."""

    def __init__(self, points: Sequence[str], command: Sequence[str] = COMMAND) -> None:
        self.points = tuple(points)
        self.started = time.monotonic()
        self.started_at = time.time()
        self.seconds: float | None = None
        self.found: dict[str, Space] = {}
        self.denied: frozenset[str] = frozenset()
        self._output, self._errors = bytearray(), bytearray()
        self._process = start_child([*command, *points], environment={"LC_ALL": "C"})

    @property
    def answered(self) -> bool:
        """Say whether the child has ended by itself."""
        return self.seconds is not None

    @property
    def hangs(self) -> bool:
        """Say whether the child is still there."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Give the child up: end it, without waiting for it to go."""
        self._process.kill()
        for stream, _ in self._streams():
            stream.close()

    def take(self) -> None:
        """Read what the child has said; at its end, understand it. Never waits."""
        said = [(stream, text) for stream, text in self._streams() if not stream.closed]
        ready, _, _ = select.select([stream for stream, _ in said], [], [], 0) if said else ([], [], [])
        for stream, text in said:
            if stream in ready:
                part = os.read(stream.fileno(), _ANSWER_BYTES)
                text.extend(part[: max(0, _ANSWER_BYTES - len(text))])
                if not part:
                    stream.close()
        if self.seconds is None and all(stream.closed for stream, _ in self._streams()) and not self.hangs:
            self.seconds = time.monotonic() - self.started
            self.found = spaces(self._output.decode("utf-8", "surrogateescape"))
            errors = self._errors.decode("utf-8", "surrogateescape")
            self.denied = frozenset(point for point in self.points if _is_denied(point, errors))

    def _streams(self) -> list[tuple[IO[bytes], bytearray]]:
        pairs = ((self._process.stdout, self._output), (self._process.stderr, self._errors))
        return [(stream, text) for stream, text in pairs if stream is not None]

    def descriptors(self) -> list[int]:
        """Return what can be waited on for an answer."""
        return [stream.fileno() for stream, _ in self._streams() if not stream.closed]


def wait(probes: Sequence[Probe], timeout_seconds: float) -> None:
    """Wait until all probes have answered, at most for ``timeout_seconds``."""
    deadline = time.monotonic() + timeout_seconds
    waiting = list(probes)
    while waiting and (left := deadline - time.monotonic()) > 0:
        descriptors = [number for probe in waiting for number in probe.descriptors()]
        if descriptors:
            select.select(descriptors, [], [], left)
        else:
            time.sleep(min(left, 0.002))  # it has said all and is about to end
        for probe in waiting:
            probe.take()
        waiting = [probe for probe in waiting if not probe.answered]


def spaces(output: str) -> dict[str, Space]:
    """Return each mount's answer from what stat(1) wrote; what makes no sense is no answer."""
    found = {}
    for line in output.split("\n"):
        words = line.split(" ", _NUMBERS)
        if len(words) <= _NUMBERS or not all(word.isascii() and word.isdecimal() for word in words[:_NUMBERS]):
            continue
        blocks, free, available, size, inodes, inodes_free = map(int, words[:_NUMBERS])
        found[words[_NUMBERS]] = Space(
            blocks * size, min(free, blocks) * size, min(available, blocks) * size, inodes, min(inodes_free, inodes)
        )
    return found


def _is_denied(point: str, errors: str) -> bool:
    return any(f"'{point}'" in line and "Permission denied" in line for line in errors.split("\n"))
