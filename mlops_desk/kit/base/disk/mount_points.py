"""Where folders really lie, by the kernel's table of mounts: a filesystem, and the path in it, whatever leads there.

What kind of filesystem a folder lies on, and which kinds can't be trusted with a database.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MOUNTS = Path("/proc/self/mountinfo")
UNSAFE = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "lustre", "gpfs", "beegfs", "glusterfs", "fuse.glusterfs",
    "fuse.sshfs", "fuse.ceph", "afs", "vboxsf", "fuse.vmhgfs-fuse", "fuse.bindfs",
})  # fmt: skip
"""Over a network, or through a layer that may lose locks: a database there is damaged sooner or later."""

_FIELDS = 7  # six before mountinfo's optional ones, and the dash after them (proc_pid_mountinfo(5))


def filesystem_of(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """Return the kind of filesystem that ``folder`` lies on, from the mount that covers it; None: it is not known."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    best, kind = -1, None
    parts = folder.resolve().parts
    for line in lines:
        words = line.split()
        if "-" not in words or len(words) < _FIELDS:
            continue
        mount = Path(unescaped(words[4])).parts
        if parts[: len(mount)] == mount and len(mount) >= best:  # a later mount covers an earlier one
            best, kind = len(mount), words[words.index("-") + 1]
    return kind


def unescaped(text: str) -> str:
    """Return a path of the kernel's table as it is: blanks and the like are written there as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


_LEAST_FIELDS = 7  # six before mountinfo's optional ones, and the dash after them (proc_pid_mountinfo(5))


@dataclass(frozen=True, slots=True)
class RealPlace:
    """Where something really lies: a filesystem, and the path in it."""

    filesystem: str
    path: PurePosixPath

    def leads_to(self, other: "RealPlace") -> bool:
        """Tell whether one of the two is the other, or lies in it."""
        return self.filesystem == other.filesystem and (
            self.path.is_relative_to(other.path) or other.path.is_relative_to(self.path)
        )


@dataclass(frozen=True, slots=True)
class MountPoint:
    """A mount as the kernel tells of it: its number, that of the mount it lies on, where it appears, what it shows."""

    number: str
    parent: str
    point: PurePosixPath
    place: RealPlace


def mount_points(file: Path) -> list[MountPoint]:
    """Read a mountinfo of the kernel, in its order: a later mount covers an earlier one. Raises OSError."""
    found = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        if len(words) >= _LEAST_FIELDS:
            root, point = PurePosixPath(unescaped(words[3])), PurePosixPath(unescaped(words[4]))
            found.append(MountPoint(words[0], words[1], point, RealPlace(words[2], root)))
    return found


class MountTable:
    """The mounts that this process sees. Raises OSError when the kernel does not tell them."""

    def __init__(self, file: Path = MOUNTS) -> None:
        self._mounts = [(mount.point, mount.place) for mount in mount_points(file)]

    def place(self, path: str | PurePosixPath) -> RealPlace:
        """Return where an absolute path without links lies."""
        wanted, best = PurePosixPath(path), (PurePosixPath("/"), RealPlace("?", PurePosixPath("/")))
        for point, place in self._mounts:  # a later mount covers an earlier one
            if wanted.is_relative_to(point) and len(point.parts) >= len(best[0].parts):
                best = point, place
        return RealPlace(best[1].filesystem, best[1].path / wanted.relative_to(best[0]))

    def reached(self, source: str) -> Iterator[RealPlace]:
        """Yield the place of a folder and those of all that is mounted below it: a container gets them too."""
        yield self.place(source)
        for point, place in self._mounts:
            if point != PurePosixPath(source) and point.is_relative_to(source):
                yield place
