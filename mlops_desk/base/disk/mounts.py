"""What kind of filesystem a folder lies on, and which kinds can't be trusted with a database."""

import re
from pathlib import Path

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
