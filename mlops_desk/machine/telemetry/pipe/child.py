"""A collector as the agent sees it: a child process whose frames arrive in a queue, and which can be ended.

Only the child's stdin keeps it alive, so it ends with the agent, however that ends. One that can't be
killed (a driver call in uninterruptible sleep) is abandoned: it holds nothing of ours.
"""

import contextlib
import logging
import os
import subprocess
import time
from collections.abc import Callable, Sequence

from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import leave, python_command, start_child
from mlops_desk.kit.base.text import LINE_LIMIT, plain
from mlops_desk.machine.telemetry.pipe.frames import BrokenStream, Frame, FrameReader

_log = logging.getLogger(__name__)
_MODULE = "mlops_desk.machine.telemetry.collector"
_LINES_A_RUN = 200  # chosen: a library that complains at each call must not fill the log

Heard = Callable[["Child", Frame | None], None]


class Child:
    """A running collector; ``heard`` gets each frame, and None once the stream has ended."""

    def __init__(self, arguments: Sequence[str], loop: Loop, heard: Heard) -> None:
        self.started = time.monotonic()
        self._process = start_child(python_command(_MODULE, *arguments), stdin=subprocess.PIPE)
        self.pid = self._process.pid
        if self._process.stdin is not None:
            os.set_blocking(self._process.stdin.fileno(), False)
        loop.start("collector-frames", lambda: self._listen(heard))
        loop.start("collector-log", self._log_errors)

    def kill(self) -> bool:
        """End it at once; False when it can't be ended yet (it is then abandoned)."""
        self._process.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:  # told to the caller by what is returned
            leave(self._process)
        return not self.alive

    def hurry(self) -> None:
        """Have it read the GPUs at once. No error when it is gone, or reads nothing any more."""
        stdin = self._process.stdin
        if stdin is not None and not stdin.closed:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):  # it is told already, or about to be replaced
                os.write(stdin.fileno(), b"!")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def _listen(self, heard: Heard) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        try:
            reader = FrameReader(stream)
            with stream:
                while (frame := reader.read()) is not None:
                    heard(self, frame)
        except (BrokenStream, ValueError) as error:
            _log.warning("The collector %s sent something that is no frame: %s", self.pid, plain(str(error)))
        finally:
            heard(self, None)

    def _log_errors(self) -> None:
        stream = self._process.stderr
        if stream is None:
            return
        with stream:
            for number, line in enumerate(stream):
                if number < _LINES_A_RUN:
                    text = plain(line.decode("utf-8", "replace").rstrip(), LINE_LIMIT)
                    _log.warning("collector %s: %s", self.pid, text)
