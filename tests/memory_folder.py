"""Where what a test makes and takes away again lies in memory: an engine's data, the tree of an image.

On a disk that is told of each block it may forget (the mount option `discard`), taking away the 17,000 files of an
image took 45 s, measured, and 0.7 s in memory. Other tests import the function.
"""

import os
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")
_GIB = 1024**3
_ROOM_BYTES = 4 * _GIB
"""An engine with the largest image and what a test does there take 1.2 GB; chosen: that for the three that run at once."""
_AVAILABLE_BYTES = 10 * _GIB
"""Chosen: what those engines may take, and as much again for the tests themselves."""


def memory_folder() -> str | None:
    """The folder for `tempfile`, or None, the usual one, where memory is scarce."""
    try:
        system = os.statvfs(_SHARED_MEMORY)
    except OSError:
        return None
    roomy = system.f_bavail * system.f_frsize >= _ROOM_BYTES and _available_bytes() >= _AVAILABLE_BYTES
    return str(_SHARED_MEMORY) if roomy and os.access(_SHARED_MEMORY, os.W_OK | os.X_OK) else None


def _available_bytes() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
