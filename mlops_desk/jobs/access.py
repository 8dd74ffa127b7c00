"""Worker: become the person whose job it is, and see whether their mounts may be mounted.

It runs in a process of its own because a path can hang in the kernel, and because what root may see
says nothing about what this person may see.
"""

import os
import pwd
from pathlib import Path
from typing import Any

from mlops_desk.base.errors import Refused
from mlops_desk.base.process import serve_one
from mlops_desk.base.text import plain
from mlops_desk.engines.mounts import check_mounts
from mlops_desk.records.job import Mount


def check(request: dict[str, Any]) -> list[str]:
    """Return the real path of each of ``mounts`` (source, target, mode); ``private`` is the agent's own folder."""
    uid, private = int(request["uid"]), os.path.realpath(request["private"])
    _become(uid)
    mounts = tuple(Mount(**mount) for mount in request["mounts"])
    checked = check_mounts(mounts, str(uid))
    for mount in checked:
        _check_rights(mount, private)
    return [mount.source for mount in checked]


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


def _check_rights(mount: Mount, private: str) -> None:
    shown = plain(mount.source)
    if os.path.commonpath([mount.source, private]) in {mount.source, private}:
        raise Refused(f"{shown} holds MLOps Desk's own data and is not mounted.", "Mount the folder of your data.")
    folder = os.X_OK if Path(mount.source).is_dir() else 0
    if not os.access(mount.source, os.R_OK | folder):
        raise Refused(f"You may not read the mount source {shown}.", "Ask its owner, or mount another.")
    if mount.mode == "rw" and not os.access(mount.source, os.W_OK):
        raise Refused(f"You may not write to the mount source {shown}.", "Ask its owner, or mount it with mode: ro.")


if __name__ == "__main__":
    serve_one(check)
