"""One owner for each data folder: an flock that the kernel gives back however the owner ends.

The file is a name that anybody may remove, and the next one would lock another file: who holds a ``whole`` folder has
a lock on the folder itself, too. Some network filesystems lock no folders; there the file is all that there is.
"""

import fcntl
import os
from pathlib import Path


class FolderLock:
    """Held from ``acquire`` until ``release`` or the end of the process."""

    def __init__(self, path: Path, whole: Path | None = None) -> None:
        self._path = path
        self._whole = whole
        self._descriptor: int | None = None
        self._folder: int | None = None

    def acquire(self, note: str = "") -> bool:
        """Take the lock without waiting, and leave ``note`` in it; False when somebody else holds it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._take_folder()
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n{note}\n".encode(), 0)
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = descriptor
        return True

    def _take_folder(self) -> None:
        if self._whole is None or self._folder is not None:
            return
        folder = os.open(self._whole, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(folder)
            raise
        except OSError:  # no locks of folders here
            os.close(folder)
            return
        self._folder = folder

    def renew(self, note: str = "") -> bool:
        """Take the file again where somebody has removed or replaced it; False where there was no need, or no way."""
        if self._descriptor is None:
            return False
        try:
            if os.path.samestat(os.fstat(self._descriptor), self._path.stat()):
                return False
        except FileNotFoundError:
            pass
        return self.acquire(note)

    def is_free(self) -> bool:
        """Tell whether nobody holds it; nothing is written, so it can be asked of a read-only folder too."""
        return _is_free(self._path) and (self._whole is None or _is_free(self._whole))

    def note(self) -> str:
        """Return what the newest holder left in the lock; empty when there was none."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return ""
        return lines[1] if len(lines) > 1 else ""

    def release(self) -> None:
        """Give the lock back."""
        for descriptor in (self._descriptor, self._folder):
            if descriptor is not None:
                os.close(descriptor)
        self._descriptor = self._folder = None


def _is_free(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
