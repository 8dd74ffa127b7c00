"""The socket on which the gateway listens, and the agent's hold on it: while the gateway is away, callers wait.

The gateway lends its socket through a second one in its folder. As long as the agent holds it, the kernel queues who
comes after the gateway was killed, and the next one answers them.
"""

import contextlib
import logging
import os
import socket
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_desk.serving import door

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)
_LENDER = "lend"
_ASK_SECONDS = 1.0  # chosen: the gateway hands it over at once, or does not run
_QUEUE = 4  # chosen: one agent asks, once


def listen(port: int) -> socket.socket:
    """Open the port of last time, or a free one where somebody else has taken it. Raises OSError."""
    for wanted in (port, 0):
        # Named as TCP, or asyncio leaves Nagle's algorithm on and each answer takes 40 ms more.
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind(("127.0.0.1", wanted))
        except OSError as error:
            opened.close()
            _log.warning("Port %s can't be had (%s); the endpoints' addresses change", wanted, error.strerror)
            continue
        return opened
    raise OSError("no port of 127.0.0.1 can be had")


def taken_over(descriptor: int) -> socket.socket:
    """Return the socket that the agent has held, by its number. Raises OSError."""
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=descriptor)


class Lender:
    """The gateway's side: hands its socket to whoever may enter its folder. Raises OSError."""

    def __init__(self, folder: Path, listening: socket.socket) -> None:
        self._listening = listening
        self._lender = door.bind(folder / _LENDER)
        (folder / _LENDER).chmod(0o600)
        self._lender.setblocking(False)
        self._lender.listen(_QUEUE)

    def fileno(self) -> int:
        return self._lender.fileno()

    def lend(self) -> None:
        """Hand it to who asks now. Does not wait."""
        with contextlib.suppress(OSError):  # who went away again asks again
            asking, _ = self._lender.accept()
            with asking:
                asking.setblocking(False)
                socket.send_fds(asking, [b"\0"], [self._listening.fileno()])

    def close(self) -> None:
        self._lender.close()


class Hold:
    """The agent's side: a listening socket that stays open while the gateway is away. Not safe for several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None
        self._close: Callable[[], object] = bool
        self._lender_pid: int | None = None

    def take(self, pid: int) -> None:
        """Have the gateway ``pid`` lend its socket, unless it has; one that can't is asked no more."""
        if self._lender_pid == pid:
            return
        self.drop()
        self._lender_pid = pid
        try:
            self._descriptor = _lent(self._folder / _LENDER)
        except OSError as error:
            _log.info("The gateway lends no socket (%s): while it is away, its callers are refused", error)
        else:
            self._close = weakref.finalize(self, os.close, self._descriptor)

    @property
    def descriptor(self) -> int | None:
        """The number of the held socket; None for none."""
        return self._descriptor

    def drop(self) -> None:
        """Let go: from now on callers are refused where no gateway listens."""
        self._lender_pid = self._descriptor = None
        self._close()


def _lent(path: Path) -> int:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_ASK_SECONDS)
        with door.short(path) as name:
            asking.connect(name)
        _, descriptors, _, _ = socket.recv_fds(asking, 1, 1)
    if not descriptors:
        raise OSError("it sent none")
    os.set_inheritable(descriptors[0], False)
    return descriptors[0]
