"""One voice: plain sentences on standard output, long output into a log, and one kind of error."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
LOG = BUILD / "setup.log"
TAIL_LINES = 30


class SetupError(Exception):
    """Something the person has to do: what happened, and at most one line to paste."""

    def __init__(self, message: str, paste: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.paste = paste


def say(sentence: str) -> None:
    print(sentence, flush=True)


def complain(error: SetupError) -> None:
    """Print the error, and the line to paste alone on its line so that it can be copied whole."""
    sys.stdout.flush()
    print(f"\n{error.message}", file=sys.stderr, flush=True)
    if error.paste:
        print(f"\n    {error.paste}\n", file=sys.stderr, flush=True)


def quietly(command: list[str], what: str, timeout_seconds: float, env: dict[str, str] | None = None) -> None:
    """Run a command with its output in the log; where it fails, show the end of that output.

    Raises SetupError, with `what` as the sentence's subject, when it fails or does not end in time.
    """
    BUILD.mkdir(exist_ok=True)
    with LOG.open("ab") as log:
        log.write(f"\n$ {' '.join(command)}\n".encode())
        log.flush()
        start = log.tell()
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=timeout_seconds,
                env=env,
                check=False,
            )
        except FileNotFoundError as error:
            raise SetupError(f"{what} failed: {command[0]} is not on this machine.") from error
        except subprocess.TimeoutExpired as error:
            raise SetupError(f"{what} did not end within {timeout_seconds:.0f} s; see {LOG}.") from error
    if done.returncode:
        raise SetupError(f"{what} failed (exit {done.returncode}):\n{_tail(start)}\nAll of it: {LOG}")


def _tail(start: int) -> str:
    with LOG.open("rb") as log:
        log.seek(start)
        lines = log.read().decode(errors="replace").splitlines()
    return "\n".join(f"  | {line}" for line in lines[-TAIL_LINES:])


class Stopwatch:
    """Seconds since it was made, for the sentences that say how long something took."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __str__(self) -> str:
        return f"{time.monotonic() - self._start:.1f} s"
