"""How the gateway tells the agent that somebody waits for an endpoint that sleeps: a word on a socket, at once.

The socket lies in the gateway's folder, where nobody else comes. An agent that is not there hears nothing; it is rung
for again as long as somebody waits.
"""

import contextlib
import socket
import time
from pathlib import Path

from mlops_desk.serving import socket_handover

BELL = "bell.sock"
_PAUSE_SECONDS = 0.2  # chosen: who waits may be hundreds, and the agent needs to hear it once
_NAME_BYTES = 256  # an endpoint's name has 48


class Doorbell:
    """The gateway's end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rung_at: dict[str, float] = {}

    def ring(self, name: str) -> None:
        """Say that somebody waits for an endpoint. No error where nobody hears it."""
        now = time.monotonic()
        if now - self._rung_at.get(name, -_PAUSE_SECONDS) < _PAUSE_SECONDS:
            return
        self._rung_at[name] = now
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell,
            socket_handover.short(self._path) as target,
        ):
            bell.setblocking(False)
            bell.sendto(name.encode(), target)


class DoorbellEar:
    """The agent's end. One thread hears, any other may end that."""

    def __init__(self, path: Path) -> None:
        """Listen at ``path``. Raises OSError."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with socket_handover.short(path) as name:
            self._socket.bind(name)

    def hear(self) -> str | None:
        """Wait for the next word: the name of an endpoint; None when it is over."""
        try:
            word = self._socket.recv(_NAME_BYTES)
        except OSError:
            word = b""
        if not word:
            self._socket.close()
        return word.decode("utf-8", "replace") or None

    def close(self) -> None:
        """Hear no more."""
        with contextlib.suppress(OSError):  # one that is connected to nobody wakes who hears all the same
            self._socket.shutdown(socket.SHUT_RDWR)
