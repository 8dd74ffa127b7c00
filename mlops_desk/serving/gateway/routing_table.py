"""How the routing table comes from the agent to the gateway: at once over a socket, and as a file to begin with.

The way by which the agent hands the gateway a routing table, and hears by which one it goes then.

A socket in the gateway's folder, where nobody else comes: it needs no room on a disk, and callers who flood the port
are not in its way. The agent sends one table as a line, the gateway answers with the serial of the one in force. Who is
killed in between leaves the old or the new one in force, and the next agent hands over its own.

The newest routing table on its way to the gateway: over the channel, which says so, and into the file.

The channel is what counts while both run. The file is what a gateway begins with; while the disk refuses it or hangs,
one that is started gets the table by a descriptor in memory. What is owed, to the gateway or the disk, is tried again.
"""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from mlops_desk.kit.base.disk.preallocation import SpareFile
from mlops_desk.kit.base.disk.write_deadline import PatientWriter
from mlops_desk.serving import socket_handover

_log = logging.getLogger(__name__)

CHANNEL = "tables"
_QUEUE = 4  # chosen: one agent asks, from a few threads
_TABLE_BYTES = 64 << 20  # chosen: a hundred times the table of two thousand endpoints
_READ_SECONDS = 5.0  # chosen: a table comes in one piece; who stops in the middle was killed
_ANSWER_BYTES = 64  # a serial has 13 digits


class TableEar:
    """The gateway's end. ``take`` is given a table as it came, and returns the serial of the one in force then."""

    def __init__(self, folder: Path, take: Callable[[bytes], int]) -> None:
        """Bind the socket. Raises OSError."""
        self._take = take
        self._socket = socket_handover.bind(folder / CHANNEL)
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
            with socket_handover.short(folder / CHANNEL) as name:
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


ROUTES = "routes.json"
_HAND_SECONDS = 2.0  # chosen: the gateway takes a table from memory to memory
_AGAIN_SECONDS = 1.0  # chosen: how late what is owed is tried again; a disk that is full is asked once a second


class TableDelivery:
    """Not locked: its owner is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = SpareFile(folder / ROUTES)
        self._writer = PatientWriter("routing-table")
        self._document = b""
        self._serial = 0
        self._followed: tuple[int, int] | None = None
        self._is_stored = True
        self._again_at = 0.0
        self.trouble: str | None = None

    def hand(self, document: bytes, serial: int, pid: int | None) -> int | None:
        """Hand a table to the gateway ``pid``; return the serial of the one in force there, None for no answer."""
        self._document, self._serial = document, serial
        self._followed = None
        return self._handed(pid)

    def store(self) -> bool:
        """Write the newest table into the file; False where the disk refuses it or hangs, which ``trouble`` tells."""
        document = self._document
        try:
            self._writer.do(lambda: self._file.write(document))
        except OSError as error:
            if self._is_stored:
                _log.warning("The routing table can't be stored in %s: %s", self._folder, error.strerror)
            self._is_stored, self.trouble = False, error.strerror or str(error)
        else:
            self._is_stored, self.trouble = True, None
        self._again_at = time.monotonic() + _AGAIN_SECONDS
        return self._is_stored

    @property
    def is_hung(self) -> bool:
        """Whether a write of the file is under way to which the disk has not answered in time."""
        return self._writer.is_hung

    def is_followed(self, pid: int) -> bool:
        """Tell whether the gateway ``pid`` has said that it goes by the newest table."""
        return self._followed == (pid, self._serial)

    def serial_followed(self, pid: int) -> int:
        """Return the newest serial by which the gateway ``pid`` has said to go; 0 for none."""
        return self._followed[1] if self._followed is not None and self._followed[0] == pid else 0

    @property
    def is_owed(self) -> bool:
        """Whether the newest table is not in its file, or no gateway has said that it goes by it."""
        return bool(self._document) and (self._followed is None or not self._is_stored)

    def settle(self, pid: int | None) -> None:
        """Try again what is owed to the gateway ``pid`` (None: none runs) and to the disk."""
        if not self._document or time.monotonic() < self._again_at:
            return
        self._again_at = time.monotonic() + _AGAIN_SECONDS
        if pid is not None and not self.is_followed(pid):
            self._handed(pid)
        if not self._is_stored:
            self.store()

    def to_begin_with(self) -> int | None:
        """Return a descriptor with the newest table where the file has an older one; the caller closes it."""
        if self._is_stored:
            return None
        descriptor = os.memfd_create(ROUTES)
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(self._document)
        return descriptor

    def _handed(self, pid: int | None) -> int | None:
        if pid is None:
            return None
        in_force = hand_over(self._folder, self._document, _HAND_SECONDS)
        if in_force == self._serial:
            self._followed = (pid, self._serial)
        return in_force
