"""Opening plain files alone, writing so that a crash leaves old or new content, and setting damaged ones aside."""

import contextlib
import errno
import itertools
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO


class NotPlainError(OSError):
    """What has the name of a file is a folder, a pipe, a socket or a device, and was not read."""

    def __init__(self, path: str | Path, facts: os.stat_result) -> None:
        super().__init__(errno.EINVAL, "it is no plain file", str(path))
        self.facts = facts


def plain_descriptor(
    path: str | Path,
    *,
    links: bool = False,
    folder: int | None = None,
    flags: int = os.O_RDONLY,
    opened: Callable[..., int] | None = None,
) -> int:
    """Open a file that somebody else may have put there, and never wait for it. Raises OSError; NotPlainError: a pipe.

    Opening a pipe waits for whoever writes to it, and opening a device may do anything: neither is opened. The last
    name may be a link where ``links`` are followed. ``opened`` opens in the place of the system's call.
    """
    facts = os.stat(path, dir_fd=folder, follow_symlinks=links)
    if stat.S_ISLNK(facts.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    if not stat.S_ISREG(facts.st_mode):
        raise NotPlainError(path, facts)
    how = flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if links else os.O_NOFOLLOW)
    descriptor = (opened or os.open)(path, how, dir_fd=folder)
    facts = os.fstat(descriptor)
    if stat.S_ISREG(facts.st_mode):
        return descriptor
    os.close(descriptor)
    raise NotPlainError(path, facts)  # put there since


def open_plain(path: str | Path, *, links: bool = False, folder: int | None = None) -> BinaryIO:
    """Open a plain file for reading, as ``plain_descriptor`` does."""
    return os.fdopen(plain_descriptor(path, links=links, folder=folder), "rb")


def check_plain(path: Path, beside: Iterable[str] = ()) -> None:
    """Raise OSError where a file that a library is to open by its name is not there, or NotPlainError: it is a pipe.

    ``beside`` are endings of what the library opens with it, where there is such. Nothing is opened here: to close an
    SQLite file takes away the locks that this process has on it.
    """
    for place in (path, *(path.with_name(path.name + ending) for ending in beside)):
        try:
            facts = place.stat()
        except FileNotFoundError:
            if place is path:
                raise
            continue
        if not stat.S_ISREG(facts.st_mode):
            raise NotPlainError(place, facts)


def check_sqlite(path: Path) -> None:
    """Raise OSError where an SQLite file, or what SQLite opens beside it, would be waited for without end."""
    check_plain(path, ("-wal", "-shm", "-journal"))


def write_atomically(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write ``data`` beside ``path``, sync it, and rename it over ``path``. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_together(folder: Path, files: Mapping[str, tuple[bytes, int]]) -> None:
    """Write files of one folder, each with its mode, as ``write_atomically`` writes one. Raises OSError.

    All are written before the first is synced: a disk then has one thing to wait for instead of two for each file.
    """
    beside = {name: folder / f".{name}.{os.getpid()}.new" for name in files}
    try:
        with contextlib.ExitStack() as opened:
            descriptors = [_written(beside[name], data, mode, opened) for name, (data, mode) in files.items()]
            for descriptor in descriptors:
                os.fsync(descriptor)
        for name, temporary in beside.items():
            temporary.replace(folder / name)
    except OSError:
        for temporary in beside.values():
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(folder)


def _written(path: Path, data: bytes, mode: int, opened: contextlib.ExitStack) -> int:
    file = opened.enter_context(path.open("wb"))
    file.write(data)
    file.flush()
    os.fchmod(file.fileno(), mode)  # the umask must not decide who can read it
    return file.fileno()


def replace_durably(source: Path, target: Path) -> None:
    """Rename a file, whose content is synced already, so that it stays renamed. Raises OSError."""
    source.replace(target)
    sync_folder(target.parent)


def aside_name(path: Path, word: str = "damaged") -> Path:
    """Return a name, free as yet, under which a file is kept out of the way."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = (path.with_name(f"{path.name}.{word}-{stamp}-{os.getpid()}{more}") for more in _endings())
    return next(name for name in names if not name.exists())


def _endings() -> itertools.chain[str]:
    return itertools.chain([""], (f"-{number}" for number in itertools.count(2)))


def set_aside(path: Path) -> Path:
    """Rename a damaged file so that it is kept and out of the way; return its new name."""
    target = aside_name(path)
    path.replace(target)
    return target


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
