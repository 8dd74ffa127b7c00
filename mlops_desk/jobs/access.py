"""Worker: become the person whose job it is, and see whether their mounts may be mounted.

It runs in a process of its own because a path can hang in the kernel, and because what root may see
says nothing about what this person may see.
"""

import os
import pwd
import stat
from pathlib import Path
from typing import Any

from mlops_desk.base.errors import Invalid, NotFound, Refused
from mlops_desk.base.process import serve_one
from mlops_desk.base.text import plain

_FORBIDDEN = ("/etc", "/proc", "/sys", "/dev", "/boot", "/run", "/var/lib/docker", "/var/lib/containerd")
_ALLOWED = ("/run/media",)
_SYSTEM = frozenset({"/", "/home", "/root", "/usr", "/bin", "/sbin", "/lib", "/lib64", "/var"})


def check(request: dict[str, Any]) -> list[str]:
    """Return the real path of each source in ``mounts`` (source, mode); ``private`` are folders of the agent."""
    _become(int(request["uid"]))
    private = [os.path.realpath(folder) for folder in request["private"]]
    return [_checked(mount["source"], mount["mode"], private) for mount in request["mounts"]]


def _become(uid: int) -> None:
    if os.geteuid() != 0 or uid == 0:
        return
    try:
        account = pwd.getpwuid(uid)
        groups, gid = os.getgrouplist(account.pw_name, account.pw_gid), account.pw_gid
    except KeyError:
        groups, gid = [], uid
    os.setgroups(groups)
    os.setgid(gid)
    os.setuid(uid)


def _checked(source: str, mode: str, private: list[str]) -> str:
    shown = plain(source)
    real = os.path.realpath(source)
    if real in _SYSTEM or (_touches(real, _FORBIDDEN) and not _inside(real, _ALLOWED)):
        raise Refused(f"{shown} belongs to the system and is not mounted into jobs.", "Mount the folder of your data.")
    if _touches(real, private):
        raise Refused(f"{shown} holds MLOps Desk's own data and is not mounted.", "Mount the folder of your data.")
    try:
        kind = Path(real).stat().st_mode
    except FileNotFoundError as error:
        raise NotFound(
            f"The mount source {shown} is not there.", "Check the path; it is one of this machine."
        ) from error
    except OSError as error:
        raise Refused(f"The mount source {shown} can't be read: {error.strerror}.", "Ask for the right to.") from error
    if not (stat.S_ISDIR(kind) or stat.S_ISREG(kind)):
        raise Invalid(
            f"The mount source {shown} is neither a folder nor a file.", "Sockets and devices are not mounted."
        )
    wanted = os.R_OK | (os.X_OK if stat.S_ISDIR(kind) else 0) | (os.W_OK if mode == "rw" else 0)
    if not os.access(real, wanted):
        verb = "write" if mode == "rw" else "read"
        raise Refused(f"You may not {verb} the mount source {shown}.", "Ask its owner, or mount another.")
    return real


def _inside(path: str, folders: tuple[str, ...] | list[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _touches(path: str, folders: tuple[str, ...] | list[str]) -> bool:
    """Tell whether ``path`` lies in one of ``folders`` or holds one of them."""
    return _inside(path, folders) or any(_inside(folder, (path,)) for folder in folders)


if __name__ == "__main__":
    serve_one(check)
