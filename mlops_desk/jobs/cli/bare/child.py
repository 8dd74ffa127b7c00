"""The command of ``mlops-desk exec``: a child that is there before its GPUs are, and begins when it may.

It is made first, so that the lease can be bound to it from its first moment, and waits at a pipe: whoever made it may
die meanwhile, and then it ends without having begun.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126  # as shells say it
_SIGNALLED = 128  # likewise
_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
# The terminal sends these to everybody in front of it, the command included.
_OF_THE_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
_PIECE_BYTES = 64 << 10  # what a pipe holds


class BareCommand:
    """A process that waits to become ``command``."""

    def __init__(self, command: Sequence[str]) -> None:
        gate, self._bell = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._bell)
            _become(command, gate)
        os.close(gate)
        self._signal: str | None = None

    def begin(self, environment: Mapping[str, str]) -> None:
        """Let it run, with ``environment`` added to ours. No error when it is gone: ``wait`` tells."""
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        for number in _OF_THE_TERMINAL:
            signal.signal(number, signal.SIG_IGN)
        for number in _FORWARDED:
            signal.signal(number, self._forward)
        try:
            with os.fdopen(self._bell, "wb") as bell:
                bell.write(json.dumps(dict(environment)).encode())
        except BrokenPipeError:
            return  # it was ended while it waited

    def give_up(self) -> None:
        """Let it end without having begun."""
        os.close(self._bell)
        os.waitpid(self.pid, 0)

    def wait(self) -> "End":
        """Wait until it has ended."""
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return End(code if code >= 0 else _SIGNALLED - code, time.time(), self._signal)

    def _forward(self, number: int, _frame: object) -> None:
        self._signal = signal.Signals(number).name.removeprefix("SIG")
        os.kill(self.pid, number)


class End:
    """How the command ended; ``signal`` is what it was sent through us, if anything."""

    def __init__(self, exit_code: int, ended_at: float, signalled: str | None) -> None:
        self.exit_code = exit_code
        self.ended_at = ended_at
        self.signal = signalled

    def leave(self, place: Path, attempt: str, started_at: float) -> None:
        """Write it where the agent looks for it: whole or not at all. Raises OSError."""
        found = {
            "attempt": attempt,
            "exit_code": self.exit_code,
            "started_at": started_at,
            "ended_at": self.ended_at,
            "signal": self.signal,
        }
        new = place.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(found, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(place)


def _become(command: Sequence[str], gate: int) -> None:
    """Wait at the gate, and be the command; never returns."""
    try:
        pieces = []
        while piece := os.read(gate, _PIECE_BYTES):
            pieces.append(piece)
        os.close(gate)
        if not pieces:
            os._exit(0)
        os.execvpe(command[0], list(command), {**os.environ, **json.loads(b"".join(pieces))})  # noqa: S606 - it is what was asked for
    except OSError as error:
        sys.stderr.write(f"mlops-desk: {command[0]}: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(_NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE)
    except KeyboardInterrupt:
        os._exit(_SIGNALLED + signal.SIGINT)
    finally:
        os._exit(1)
