"""Sockets of the file system at paths of any length: the kernel takes 107 bytes, and a data folder may lie deeper."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

UNIX = "unix:"
"""How an address begins that is a path; any other is ``host:port``."""


def path_of(address: str) -> Path | None:
    """Return the path in an address; None for ``host:port``."""
    return Path(address.removeprefix(UNIX)) if address.startswith(UNIX) else None


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """Lend a short name for ``path``, through a descriptor of its folder. Raises OSError."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def bind(path: Path) -> socket.socket:
    """Return a new socket at ``path``, in place of what was there; it does not listen yet. Raises OSError."""
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short(path) as name:
            made.bind(name)
    except BaseException:
        made.close()
        raise
    return made
