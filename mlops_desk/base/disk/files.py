"""Writing files so that a crash leaves the old or the new content, and setting damaged ones aside."""

import itertools
import os
import time
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
