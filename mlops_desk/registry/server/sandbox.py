"""The wall around the tracking server's process: of this machine it sees its own folder and what Python needs.

Should a request ever trick MLflow into opening another file, there is none to open: no job's folder, no database of
ours, no key of this user's. Landlock where the kernel has it, else a mount namespace, else it is said that there is
no wall.
"""

import ctypes
import logging
import os
import sysconfig
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import mlops_desk
from mlops_desk.registry.server import landlock
from mlops_desk.registry.server.landlock import View

# A mount namespace (mount_namespaces(7)): a process gets a file system of its own, with only what it is given.
# It is the way where the kernel has no Landlock. An ordinary user needs a user namespace for it, which some systems
# forbid. Must be called while the process has one thread.
_NEW_NAMESPACE, _NEW_USER = 0x00020000, 0x10000000  # CLONE_NEWNS and CLONE_NEWUSER of linux/sched.h
_READ_ONLY, _NO_SUID, _NO_DEVICES, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
"""MS_… of linux/mount.h."""
_DETACH = 2  # MNT_DETACH of umount2(2)
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "ppc64le": 203}
_LINKED = ("bin", "lib", "lib32", "lib64", "sbin")
"""Names in the root that are links into /usr on today's systems; libraries are found by them."""


def confine(view: View, root: Path) -> None:
    """Leave this process nothing but ``view``; ``root`` is a folder to build the new root on. Raises OSError."""
    _enter()
    _mount(None, "/", None, _RECURSIVE | _PRIVATE)
    root.mkdir(mode=0o700, exist_ok=True)
    _mount("tmpfs", str(root), "tmpfs", _NO_SUID | _NO_DEVICES, "size=1m,mode=0755")
    for name in _LINKED:
        if (linked := Path("/", name)).is_symlink():
            (root / name).symlink_to(linked.readlink())
    for path in view.readable:
        _show(path, root, read_only=True)
    for path in view.changeable:
        _show(path, root, read_only=False)
    _move_into(root)


def _enter() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        _call("unshare", _NEW_NAMESPACE)
        return
    _call("unshare", _NEW_USER | _NEW_NAMESPACE)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")


def _show(path: Path, root: Path, *, read_only: bool) -> None:
    """Put ``path``, as far as it is there, at the same place below ``root``."""
    real = path.resolve()
    if not real.exists():
        return
    target = root / str(real).lstrip("/")
    if real.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _mount(str(real), str(target), None, _BIND | _RECURSIVE)
    if read_only:
        kept = os.statvfs(real).f_flag & (_NO_SUID | _NO_DEVICES | os.ST_NOEXEC | os.ST_NOATIME | os.ST_RELATIME)
        _mount(None, str(target), None, _BIND | _REMOUNT | _READ_ONLY | _mount_flags(kept))
    link = root / str(path).lstrip("/")
    if path != real and not os.path.lexists(link):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(real)


def _mount_flags(facts: int) -> int:
    """Translate what statvfs says of a mount: those that a user namespace may not take away must be repeated."""
    relative = 1 << 21 if facts & os.ST_RELATIME else 0
    return (facts & (_NO_SUID | _NO_DEVICES | os.ST_NOEXEC | os.ST_NOATIME)) | relative


def _move_into(root: Path) -> None:
    """Make ``root`` the root, and let go of the old one."""
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(f"no way to change the root is known for {os.uname().machine}")
    os.chdir(root)
    _call("syscall", ctypes.c_long(number), b".", b".")
    _call("umount2", b".", _DETACH)
    os.chdir("/")


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    words = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    _call("mount", words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])


def _call(name: str, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


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
            confine(view, scratch)
        except OSError as error:
            _log.warning("No wall by a mount namespace: %s", error)
        else:
            os.chdir(here)
            return Wall.NAMESPACE
    return Wall.NONE
