"""Room that is kept for the worst moment: a file that is there for nothing but to be given up when the disk is full.

What a job's end came to is written into the room that it leaves. It is made again once there is plenty.
"""

import contextlib
import logging
import os
from pathlib import Path

from mlops_desk.kit.base.disk import free_space

_log = logging.getLogger(__name__)

RESERVE_BYTES = 64 << 20
"""Room for the outcome of every job that can end before a person comes, and for what SQLite writes beside it."""
_PLENTY = 3
"""It is made where as much as it takes is left twice over: what fills the disk again would only take it at once."""
PLENTY_BYTES = _PLENTY * RESERVE_BYTES
"""What can wait leaves so much of the disk, or the reserve could not be made again."""


class Reserve:
    """The reserve of a data folder."""

    def __init__(self, folder: Path, size_bytes: int = RESERVE_BYTES) -> None:
        self._folder = folder
        self._size_bytes = size_bytes
        self.path = folder / "reserve"

    @property
    def is_kept(self) -> bool:
        """Tell whether all of it is on the disk."""
        try:
            return self.path.stat().st_size >= self._size_bytes
        except OSError:
            return False

    def keep(self) -> bool:
        """Make it where it is missing and there is plenty of room; tell whether it is there."""
        if self.is_kept:
            return True
        free = free_space.free_bytes(self._folder)
        if free is None or free < _PLENTY * self._size_bytes:
            return False
        fresh = self.path.with_name(f".{self.path.name}.new")
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._size_bytes)
            finally:
                os.close(descriptor)
            fresh.replace(self.path)
        except OSError as error:
            _log.warning("The reserve %s can't be made: %s", self.path, error.strerror)
            with contextlib.suppress(OSError):  # what can't be taken away either is tried again with the next
                fresh.unlink(missing_ok=True)
            return False
        return True

    def give_up(self) -> bool:
        """Free its room; tell whether there was any."""
        try:
            held = self.path.stat().st_blocks > 0
            self.path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            _log.info("The reserve %s can't be given up: %s", self.path, error.strerror)
            return False
        _log.info("The reserve %s was given up", self.path)
        return held
