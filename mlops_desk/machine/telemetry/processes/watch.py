"""Asks for the processes of the machine, by a child that is started at the first look and ends by itself.

A child that does not answer within its deadline is ended; the next look starts another.
"""

import contextlib
import json
import os
import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, Invalid, TimedOut, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import end_group, python_command, start_child
from mlops_desk.machine.records.gpu import Gpu
from mlops_desk.machine.records.host import HostProcess, HostProcesses

MOST = 500  # chosen: a page of a table that a person looks through
_MODULE = "mlops_desk.machine.telemetry.processes.child"
_DEADLINE_SECONDS = 5.0  # below the six seconds after which a client takes the agent for lost
_ANSWER_BYTES = 8 << 20  # many times a thousand processes with long command lines
_STARTS = 2  # a child that had just ended for want of looks, and the one that takes its place

Names = Callable[[str], tuple[str, str | None]]
"""Names a container by the engine's id, and the job in it."""


class ProcessChild:
    """A running child. Not for several threads at once."""

    def __init__(self, arguments: Sequence[str], loop: Loop) -> None:
        self._process = start_child(python_command(_MODULE, *arguments), stdin=subprocess.PIPE, stderr=None)
        self.pid = self._process.pid
        loop.start("processes-end", self._take_note)

    def ask(self, request: Mapping[str, object], deadline: float) -> bytes | None:
        """Return its answer; None when it has ended. Raises TimedOut past the monotonic ``deadline``."""
        asked, answers = self._process.stdin, self._process.stdout
        if asked is None or answers is None:
            return None
        try:
            asked.write(json.dumps(request).encode() + b"\n")
            asked.flush()
        except BrokenPipeError:
            return None
        told = bytearray()
        while not told.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or len(told) > _ANSWER_BYTES:
                raise TimedOut("The processes of this machine could not be read in time.", "Look again in a moment.")
            if select.select([answers], [], [], left)[0]:
                part = os.read(answers.fileno(), 1 << 16)
                if not part:
                    return None
                told += part
        return bytes(told)

    def _take_note(self) -> None:
        """Wait for its end, so that it is no zombie until somebody looks again."""
        self._process.wait()

    def end(self) -> None:
        """End it at once, unless it has ended: its pid may be somebody else's by now."""
        if self._process.poll() is None:
            with contextlib.suppress(BrokenPipeError):  # closing a pipe writes what is left in it
                end_group(self._process)
        self.close()

    def close(self) -> None:
        """Close its pipes, which ends it if it is still there."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # likewise
                    stream.close()


class ProcessWatch:
    """One child for all that look. ``gpus`` are those of the newest sample."""

    def __init__(self, loop: Loop, arguments: Sequence[str], gpus: Callable[[], Iterable[Gpu]], names: Names) -> None:
        self._loop = loop
        self._arguments = arguments
        self._gpus = gpus
        self._names = names
        self._lock = threading.Lock()
        self._child: ProcessChild | None = None

    def look(self, most: int) -> HostProcesses:
        """Return the processes that take most. Raises Invalid, TimedOut, Unavailable."""
        if not 1 <= most <= MOST:
            raise Invalid(f"{most} is not between 1 and {MOST}.")
        on_gpus: dict[int, list[str]] = {}
        for gpu in self._gpus():
            for process in gpu.processes:
                on_gpus.setdefault(process.pid, []).append(gpu.uuid)
        found = self._ask({"most": most, "also": sorted(on_gpus)})
        named = tuple(self._named(process, on_gpus.get(process.pid, ())) for process in found.processes)
        return replace(found, processes=named)

    def stop(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def _ask(self, request: Mapping[str, object]) -> HostProcesses:
        deadline = time.monotonic() + _DEADLINE_SECONDS
        if not self._lock.acquire(timeout=_DEADLINE_SECONDS):
            raise TimedOut("The processes are being read for somebody else.", "Look again in a moment.")
        try:
            for _ in range(_STARTS):
                if self._child is None:
                    self._child = ProcessChild(self._arguments, self._loop)
                answer = self._child.ask(request, deadline)
                if answer is not None:
                    return wire.loads(answer, HostProcesses)
                self._child.close()
                self._child = None
        except DeskError:
            self.stop()
            raise
        finally:
            self._lock.release()
        raise Unavailable("What reads the processes of this machine has ended.", "The agent's log says more.")

    def _named(self, process: HostProcess, gpus: Sequence[str]) -> HostProcess:
        if process.container is None:
            return replace(process, gpus=tuple(gpus)) if gpus else process
        container, job = self._names(process.container)
        return replace(process, container=container, job=job, gpus=tuple(gpus))
