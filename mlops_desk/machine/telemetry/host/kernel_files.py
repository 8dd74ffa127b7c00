"""Small files of /sys and /proc that are read now and then: a word or a number, or None."""

import os
from pathlib import Path

from mlops_desk.kit.base.text import plain

_LIMIT_BYTES = 4096  # a page: what one file of sysfs holds


def word(path: Path) -> str | None:
    """Return the file's text on one line, or None when it can't be read or is empty."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.read(descriptor, _LIMIT_BYTES)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return plain(text.decode("utf-8", "replace").strip()) or None


def number(path: Path) -> int | None:
    """Return the file's whole number, or None."""
    try:
        return int(word(path) or "")
    except ValueError:
        return None


def link_name(path: Path) -> str | None:
    """Return the last part of what a link points to, or None."""
    try:
        return plain(path.readlink().name) or None
    except OSError:
        return None


def node_of(device: Path) -> int | None:
    """Return the NUMA node a device hangs on; None where the machine does not say."""
    node = number(device / "numa_node")
    return node if node is not None and node >= 0 else None
