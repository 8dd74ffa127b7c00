"""The agent's side of the process that looks on: started with the first container, ended after the last."""

import contextlib
import json
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from typing import IO

from mlops_desk.jobs.runtimes.local.log_capture.live_output.output import SHOWN_BYTES
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import end_group, python_command, start_child

_log = logging.getLogger(__name__)

_MODULE = "mlops_desk.jobs.runtimes.local.log_capture.live_output.attach_worker"
_AGAIN_SECONDS = 10.0  # chosen: one that was killed as the machine stood still is replaced when it goes on
_LINE_BYTES = 512  # chosen: names of containers have a hundred

See = Callable[[str, float, bytes], None]
"""Hears of a container, a Unix time, and what was painted then."""


class SightWatch:
    """``see_no_more`` is called when what looked on has ended. ``look_at`` and ``stop`` may be called by any thread."""

    def __init__(self, loop: Loop, see: See, see_no_more: Callable[[], None]) -> None:
        self._loop = loop
        self._see = see
        self._see_no_more = see_no_more
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: Mapping[str, str] = {}
        self._due = 0.0

    @property
    def pid(self) -> int | None:
        """Return which process looks on just now."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def look_at(self, containers: Mapping[str, str]) -> None:
        """Have these looked at and no others: by name, with the socket of their engine."""
        with self._lock:
            if not containers:
                self._end()
                self._due = 0.0
            elif self.pid is None:
                self._start(containers)
            elif containers != self._asked:
                self._ask(containers)

    def stop(self) -> None:
        """End it: at once it is attached to nothing."""
        with self._lock:
            self._end()

    def _start(self, containers: Mapping[str, str]) -> None:
        if time.monotonic() < self._due or self._loop.ending.is_set():
            return
        self._end()
        self._due = time.monotonic() + _AGAIN_SECONDS
        try:
            process = start_child(python_command(_MODULE), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        except OSError as error:
            _log.warning("What containers paint is not seen for now: %s", error.strerror)
            return
        self._process = process
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
        self._loop.start("sight", lambda: self._listen(process))
        self._ask(containers)

    def _ask(self, containers: Mapping[str, str]) -> None:
        stdin = None if self._process is None else self._process.stdin
        if stdin is None:
            return
        try:
            stdin.write(json.dumps(sorted(containers.items())).encode() + b"\n")
            stdin.flush()
        except (BlockingIOError, BrokenPipeError):  # it stands still, and is killed for it, or was
            self._end()
        else:
            self._asked = dict(containers)

    def _end(self) -> None:
        process, self._process, self._asked = self._process, None, {}
        if process is not None:
            with contextlib.suppress(BrokenPipeError, BlockingIOError):  # closing a pipe writes what is left in it
                end_group(process)

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        try:
            if process.stdout is not None:
                self._read(process.stdout)
        except (ValueError, OSError) as error:  # its pipe was closed, as it was ended, or it was killed in the middle
            _log.debug("Who looked on was ended: %s", error)
        finally:
            process.wait()
            self._see_no_more()

    def _read(self, told: IO[bytes]) -> None:
        while line := told.readline(_LINE_BYTES):
            name, at, length = line.split()
            self._see(name.decode(), float(at), told.read(min(int(length), SHOWN_BYTES)))
