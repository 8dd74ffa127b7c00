"""The way by which the agent hands the gateway a routing table, and hears by which one it goes then.

A socket in the gateway's folder, where nobody else comes: it needs no room on a disk, and callers who flood the port
are not in its way. The agent sends one table as a line, the gateway answers with the serial of the one in force. Who is
killed in between leaves the old or the new one in force, and the next agent hands over its own.
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path

from mlops_desk.serving import door

CHANNEL = "tables"
_QUEUE = 4  # chosen: one agent asks, from a few threads
_TABLE_BYTES = 64 << 20  # chosen: a hundred times the table of two thousand endpoints
_READ_SECONDS = 5.0  # chosen: a table comes in one piece; who stops in the middle was killed
_ANSWER_BYTES = 64  # a serial has 13 digits
_log = logging.getLogger(__name__)


class TableEar:
    """The gateway's end. ``take`` is given a table as it came, and returns the serial of the one in force then."""

    def __init__(self, folder: Path, take: Callable[[bytes], int]) -> None:
        """Bind the socket. Raises OSError."""
        self._take = take
        self._socket = door.bind(folder / CHANNEL)
        (folder / CHANNEL).chmod(0o600)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Take tables from now on."""
        self._server = await asyncio.start_unix_server(
            self._hear, sock=self._socket, backlog=_QUEUE, limit=_TABLE_BYTES
        )

    def close(self) -> None:
        """Take no more."""
        if self._server is not None:
            self._server.close()

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):  # whoever went away asks again
            try:
                async with asyncio.timeout(_READ_SECONDS):
                    line = await reader.readuntil(b"\n")
            except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                _log.warning("A routing table broke off, the old one holds: %s", error)
                return
            writer.write(b"%d\n" % self._take(line))
            await writer.drain()


def hand_over(folder: Path, document: bytes, timeout_seconds: float) -> int | None:
    """Hand the gateway of ``folder`` a table; return the serial by which it goes now, None where it does not say."""
    deadline = time.monotonic() + timeout_seconds
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(timeout_seconds)
            with door.short(folder / CHANNEL) as name:
                asking.connect(name)
            asking.sendall(document + b"\n")
            answer = b""
            while not answer.endswith(b"\n") and len(answer) < _ANSWER_BYTES:
                asking.settimeout(max(0.01, deadline - time.monotonic()))
                if not (piece := asking.recv(_ANSWER_BYTES)):
                    return None
                answer += piece
            return int(answer)
    except (OSError, ValueError):
        return None
