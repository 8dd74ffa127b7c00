"""The sockets on which the gateway listens, and the agent's hold on them: while the gateway is away, callers wait.

The gateway lends its sockets, that of loopback first, through one more in its folder. As long as the agent holds them,
the kernel queues who comes after the gateway was killed, and the next one answers them.
"""

import contextlib
import logging
import os
import socket
import weakref
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

from mlops_desk.serving import socket_handover

_log = logging.getLogger(__name__)
_LENDER = "lend"
_ASK_SECONDS = 1.0  # chosen: the gateway hands it over at once, or does not run
_QUEUE = 4  # chosen: one agent asks, once
_MOST_LENT = 2  # that of loopback, and that of the network


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
    """Return a socket that the agent has held, by its number. Raises OSError."""
    return socket.socket(fileno=descriptor)


class Lender:
    """The gateway's side: hands the sockets that listen now to whoever may enter its folder. Raises OSError."""

    def __init__(self, folder: Path, listening: Callable[[], Sequence[socket.socket]]) -> None:
        self._listening = listening
        self._lender = socket_handover.bind(folder / _LENDER)
        (folder / _LENDER).chmod(0o600)
        self._lender.setblocking(False)
        self._lender.listen(_QUEUE)

    def fileno(self) -> int:
        return self._lender.fileno()

    def lend(self) -> None:
        """Hand them to who asks now. Does not wait."""
        with contextlib.suppress(OSError):  # who went away again asks again
            asking, _ = self._lender.accept()
            with asking:
                asking.setblocking(False)
                socket.send_fds(asking, [b"\0"], [one.fileno() for one in self._listening()])

    def close(self) -> None:
        self._lender.close()


class Hold:
    """The agent's side: listening sockets that stay open while the gateway is away. Not safe for several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptors: list[int] = []
        self._close: Callable[[], object] = bool
        self._lender: Hashable = None

    def take(self, lender: Hashable) -> None:
        """Have the gateway lend its sockets, unless that very ``lender`` has; one that can't is asked no more.

        A lender is a process and where it listens: one that listens elsewhere is another one.
        """
        if self._lender == lender:
            return
        self.drop()
        self._lender = lender
        try:
            self._descriptors = _lent(self._folder / _LENDER)
        except OSError as error:
            _log.info("The gateway lends no socket (%s): while it is away, its callers are refused", error)
        else:
            self._close = weakref.finalize(self, _close_all, self._descriptors)

    @property
    def descriptors(self) -> list[int]:
        """The numbers of the held sockets, that of loopback first; empty where none is held."""
        return self._descriptors

    def drop(self) -> None:
        """Let go: from now on callers are refused where no gateway listens."""
        self._lender, self._descriptors = None, []
        self._close()


def _close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _lent(path: Path) -> list[int]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_ASK_SECONDS)
        with socket_handover.short(path) as name:
            asking.connect(name)
        _, descriptors, _, _ = socket.recv_fds(asking, 1, _MOST_LENT)
    if not descriptors:
        raise OSError("it sent none")
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return descriptors
