"""Becoming another user of the machine for a command, also where that user can't reach the interpreter by itself."""

import sys
from pathlib import Path

_OPEN = """
set -e
mount --make-rprivate /
mount --bind "$2" /mnt
mount -t tmpfs -o mode=0755 tmpfs "$1"
mkdir -p "$2"
mount --move /mnt "$2"
shift 2
exec "$@"
"""


def prefix(uid: int) -> list[str]:
    """Return the words before a command that make it run as ``uid``, without any other group. Root alone may.

    Where a folder above the interpreter is closed to others (a home), the command sees a folder in its place in which
    there is nothing but the interpreter.
    """
    user = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"]
    base = Path(sys.base_prefix)
    closed = next((one for one in reversed(base.parents) if not one.stat().st_mode & 0o001), None)
    if closed is None:
        return user
    return ["unshare", "--mount", "sh", "-c", _OPEN, "sh", str(closed), str(base), *user]
