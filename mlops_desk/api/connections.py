"""The connections over which a client waits for the agent, so that another thread can hang up all of them at once.

A program that ends waits for nobody: a replay may take an hour, and the agent goes on with it whoever listens.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from mlops_desk.api.exchange import ConnectError

Begun = Callable[[socket.socket], None]
"""Is handed a connection before anything is asked over it; raises ExchangeError where nobody is to wait any more."""


class OpenConnections:
    """Connections that are open. Once ``end`` was called none is let in any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._over = False

    @property
    def is_over(self) -> bool:
        return self._over

    @contextlib.contextmanager
    def one(self, begun: Begun | None = None) -> Iterator[Begun]:
        """Yield what takes the one connection of this block; ``begun`` is told of it as well.

        Raises ExchangeError where nobody is to wait any more.
        """
        self._check()
        taken: list[socket.socket] = []

        def take(connection: socket.socket) -> None:
            with self._lock:
                self._check()
                self._open.add(connection)
            taken.append(connection)
            if begun is not None:
                begun(connection)

        try:
            yield take
        finally:
            with self._lock:
                self._open.difference_update(taken)

    def _check(self) -> None:
        if self._over:
            raise ConnectError("Nobody waits for an answer any more.")

    def end(self) -> None:
        """Hang up, for good: whoever waits is told at once that the connection ended."""
        with self._lock:
            self._over = True
            connections = list(self._open)
        for connection in connections:
            hang_up(connection)


def hang_up(connection: socket.socket) -> None:
    """End a connection that another thread reads from; that thread is told so at once."""
    with contextlib.suppress(OSError):  # it has ended by itself
        connection.shutdown(socket.SHUT_RDWR)
