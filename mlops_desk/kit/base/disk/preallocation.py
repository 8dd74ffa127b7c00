"""A small file that can be replaced on a full disk too: the room for its next content is taken in advance.

It is written beside and renamed as ever. Where that finds no room, the content goes into blocks that a spare file has
held for it since the last time, and the spare is renamed: at each moment the old or the new content is there whole.
A filesystem that copies on write may refuse that too; then OSError is raised, and the old content stays.
"""

import logging
import os
from pathlib import Path

from mlops_desk.kit.base.disk.files import sync_folder, write_atomically
from mlops_desk.kit.base.disk.free_space import FULL

_log = logging.getLogger(__name__)
_LEAST_BYTES = 64 << 10  # chosen: twenty times a routing table of some endpoints
_BLOCK_BYTES = 512  # of st_blocks, whatever the filesystem's own are (stat(2))
_PAGE_BYTES = 4096  # what filesystems give out at least


class SpareFile:
    """One file and the room for its successor. Not locked: its owner is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._spare = path.with_name(f".{path.name}.spare")

    def write(self, data: bytes) -> None:
        """Replace the content, durably. Raises OSError, with the old one in place."""
        try:
            write_atomically(self.path, data)
        except OSError as error:
            if error.errno not in FULL or not self._holds(len(data)):
                raise
            self._write_spare(data)
        self._provide(len(data))

    def _holds(self, size: int) -> bool:
        try:
            return self._spare.stat().st_blocks * _BLOCK_BYTES >= size
        except FileNotFoundError:
            return False

    def _write_spare(self, data: bytes) -> None:
        descriptor = os.open(self._spare, os.O_WRONLY | os.O_CLOEXEC)
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(descriptor, data[written:], written)
            os.ftruncate(descriptor, len(data))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._spare.replace(self.path)
        sync_folder(self.path.parent)

    def _provide(self, size: int) -> None:
        """Take room for the next content, twice of this one, or as much as there is."""
        for wanted in (max(_LEAST_BYTES, 2 * size), (size // _PAGE_BYTES + 2) * _PAGE_BYTES):
            if self._holds(wanted):
                return
            try:
                descriptor = os.open(self._spare, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    os.posix_fallocate(descriptor, 0, wanted)
                finally:
                    os.close(descriptor)
            except OSError as error:
                _log.debug("There is no room for a spare of %s: %s", self.path, error.strerror)
            else:
                return
