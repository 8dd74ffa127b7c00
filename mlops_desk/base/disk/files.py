"""Writing files so that a crash leaves the old or the new content, and setting damaged ones aside."""

import contextlib
import itertools
import os
import time
from collections.abc import Mapping
from pathlib import Path


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
