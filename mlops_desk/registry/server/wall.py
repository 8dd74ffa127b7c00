"""The wall around the tracking server's process: of this machine it sees its own folder and what Python needs.

Should a request ever trick MLflow into opening another file, there is none to open: no job's folder, no database of
ours, no key of this user's. Landlock where the kernel has it, else a mount namespace, else it is said that there is
no wall.
"""

import logging
import os
import sysconfig
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import mlops_desk
from mlops_desk.registry.server import landlock, namespace
from mlops_desk.registry.server.landlock import View

_log = logging.getLogger(__name__)

_SYSTEM = (
    "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/usr/share/zoneinfo",
    "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf",
    "/etc/resolv.conf", "/etc/gai.conf", "/etc/ssl", "/dev/urandom", "/dev/random", "/dev/zero",
    "/proc/meminfo", "/proc/cpuinfo", "/sys/devices/system/cpu",
)  # fmt: skip
_DEVICES = ("/dev/null",)
_PYTHON = ("stdlib", "platstdlib", "purelib", "platlib")


class Wall(StrEnum):
    """What stands between the server's process and the rest of the disk."""

    LANDLOCK = "landlock"
    NAMESPACE = "namespace"
    NONE = "none"


def view_of(folder: Path, grants: Sequence[Path], packages: Path) -> View:
    """Return what a server of ``folder`` needs: it, to read the ``grants``, and Python with its ``packages``."""
    python = [Path(place) for name, place in sysconfig.get_paths().items() if name in _PYTHON]
    package = Path(mlops_desk.__file__).parent
    system = [Path(place) for place in _SYSTEM]
    return View([*python, packages, package, *system, *grants], [folder, *map(Path, _DEVICES)])


def raise_wall(view: View, scratch: Path, wanted: Wall | None = None) -> Wall:
    """Put up the best wall there is around this process, which has one thread; return which. Logs why another fails.

    ``wanted`` asks for one kind only.
    """
    if wanted in {None, Wall.LANDLOCK} and landlock.abi() > 0:
        try:
            landlock.confine(view)
        except OSError as error:
            _log.warning("No wall by Landlock: %s", error)
        else:
            return Wall.LANDLOCK
    if wanted in {None, Wall.NAMESPACE}:
        here = Path.cwd()
        try:
            namespace.confine(view, scratch)
        except OSError as error:
            _log.warning("No wall by a mount namespace: %s", error)
        else:
            os.chdir(here)
            return Wall.NAMESPACE
    return Wall.NONE
