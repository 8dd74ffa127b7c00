"""Become a person for good, then run a command: what root starts a worker through that touches somebody's files.

    python -I -S privilege_drop.py UID GID GROUP,GROUP,... COMMAND [ARGUMENT ...]

As a program it stands alone and imports nothing of ours: until the person is who runs, nothing of theirs and nothing
that an environment names may be loaded. Ends with 125 and a sentence when it can't be done.
"""

import ctypes
import os
import sys
from collections.abc import Sequence

FAILED = 125  # as env(1) and timeout(1) end when they themselves fail; shells take 126 and more
UMASK = 0o077  # what is written on somebody's behalf is theirs alone
_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h


def become(uid: int, gid: int, groups: Sequence[int]) -> None:
    """Give up whatever this process may beyond that person, for itself and all that it starts. Raises OSError."""
    if os.geteuid() == 0:
        os.setgroups(list(groups))
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)  # the last step: after it the kernel gives nothing back
    if os.getresuid() != (uid, uid, uid):
        raise PermissionError(1, f"this process is uid {os.getuid()} and can't become uid {uid}")
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel does not keep set-uid programs from giving rights")
    os.umask(UMASK)


def main(arguments: Sequence[str]) -> None:
    """Become who the arguments name and run what they name; returns never."""
    uid, gid, groups, *command = arguments
    try:
        become(int(uid), int(gid), [int(group) for group in groups.split(",") if group])
        os.chdir("/")  # the folder that root stands in may be closed to the person
        os.execvp(command[0], command)  # noqa: S606 - the words of a command, which no shell is to read
    except OSError as error:
        sys.stderr.write(f"{command[0]} can't be run as uid {uid}: {error.strerror}.\n")
    sys.exit(FAILED)


if __name__ == "__main__":
    main(sys.argv[1:])
