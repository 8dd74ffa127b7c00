"""The newest routing table on its way to the gateway: over the channel, which says so, and into the file.

The channel is what counts while both run. The file is what a gateway begins with; while the disk refuses it or hangs,
one that is started gets the table by a descriptor in memory. What is owed, to the gateway or the disk, is tried again.
"""

import logging
import os
import time
from pathlib import Path

from mlops_desk.base.disk.patience import PatientWriter
from mlops_desk.base.disk.spare import SpareFile
from mlops_desk.serving.gateway.table.channel import hand_over

ROUTES = "routes.json"
_HAND_SECONDS = 2.0  # chosen: the gateway takes a table from memory to memory
_AGAIN_SECONDS = 1.0  # chosen: how late what is owed is tried again; a disk that is full is asked once a second
_log = logging.getLogger(__name__)


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
