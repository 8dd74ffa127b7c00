"""Which of the many mounts are filesystems that can fill up, from /proc/self/mountinfo.

Left out are the kernel's own, containers' layers, read-only images, and the second mount of the same filesystem.
"""

import re
from dataclasses import dataclass

LIMIT = 40  # chosen: more filesystems than one person watches

_OF_THE_KERNEL = frozenset((
    "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs",
    "efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "ramfs", "rpc_pipefs",
    "securityfs", "selinuxfs", "sysfs", "tracefs", "fuse.portal", "fuse.gvfsd-fuse", "fuse.lxcfs",
))  # fmt: skip
_IMAGES = frozenset((
    "squashfs", "iso9660", "erofs", "udf", "cramfs", "fuse.snapfuse",
))  # fmt: skip
_OVER_THE_NETWORK = frozenset((
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs", "orangefs",
    "pvfs2", "ncpfs", "glusterfs", "coda", "virtiofs",
))  # fmt: skip
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the name of a mount, nothing is written there
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class MountedFilesystem:
    """One filesystem where it can be reached. ``remote`` ones may stop answering at any time."""

    point: str
    device: str
    kind: str
    remote: bool


def mounts(mountinfo: str) -> list[MountedFilesystem]:
    """Return the filesystems worth showing, the root first, at most ``LIMIT``."""
    found: dict[str, MountedFilesystem] = {}
    by_point: dict[str, str] = {}
    for line in mountinfo.split("\n"):
        before, mark, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        if not mark or len(left) < 6 or len(right) < 2:
            continue
        number, point, kind, device = left[2], _plain(left[4]), right[0], _plain(right[1])
        hidden = by_point.get(point)
        if hidden is not None and hidden in found and found[hidden].point == point:
            del found[hidden]  # something else was mounted over it
        by_point[point] = number
        if not _worth_showing(kind, point):
            continue
        known = found.get(number)
        if known is None or len(point) < len(known.point):
            found[number] = MountedFilesystem(point, device, kind, kind in _OVER_THE_NETWORK or kind.startswith("fuse"))
    return sorted(found.values(), key=lambda mount: (mount.point != "/", mount.point))[:LIMIT]


def _worth_showing(kind: str, point: str) -> bool:
    if kind == "tmpfs":
        return point == _SHARED_MEMORY
    if kind == "overlay":
        return point == "/"
    return kind not in _OF_THE_KERNEL and kind not in _IMAGES and "\n" not in point


def _plain(text: str) -> str:
    """Undo the kernel's escapes: a space in a name is written as a backslash and 040."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text) if "\\" in text else text
