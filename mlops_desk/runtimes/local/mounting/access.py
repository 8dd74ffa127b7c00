"""Worker: become the person whose job it is, and see whether their mounts may be mounted, at submit and at start.

It runs in a process of its own because a path can hang in the kernel, and because what root may see
says nothing about what this person may see.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlops_desk.base.disk.mount_points import MountTable, RealPlace
from mlops_desk.base.errors import Refused
from mlops_desk.base.people.become import become
from mlops_desk.base.people.person import person
from mlops_desk.base.people.roots import check_root
from mlops_desk.base.process import serve_one
from mlops_desk.base.text import plain
from mlops_desk.engines.mounts import check_mounts
from mlops_desk.records.jobs.spec import Mount
from mlops_desk.runtimes.local.mounting.own_folders import known_places, led_to


def check(request: dict[str, Any]) -> list[str]:
    """Return the real path of each of ``mounts`` (source, target, mode).

    ``private`` are paths of what no job gets, as folders or sockets, ``roots`` of what jobs may get; what lies in the
    folder ``made`` a job may read in spite of both. With ``settled`` the sources are real paths already, from an
    earlier check, and must have stayed so.
    """
    uid, table = int(request["uid"]), MountTable()
    known = known_places(table, request["private"])
    if os.geteuid() == 0 != uid:
        who = person(uid)
        become(who.uid, who.gid, who.groups)
    mounts = tuple(Mount(**mount) for mount in request["mounts"])
    checked = check_mounts(mounts, str(uid))
    for mount, given in zip(checked, mounts, strict=True):
        if request.get("settled") and mount.source != given.source:
            text = f"The mount source {plain(given.source)} has become a link since the job was submitted."
            raise Refused(text, "Submit the job again, with the place that is meant.")
        if not _is_made(mount, request.get("made")):
            _check_ours(mount, table, known)
            check_root(mount.source, request.get("roots"), uid)
        _check_rights(mount)
    return [mount.source for mount in checked]


def _is_made(mount: Mount, folder: str | None) -> bool:
    """Tell whether a mount (its source a real path) is a data set that the desk made, to be read; never all of them."""
    if folder is None or mount.mode != "ro":
        return False
    return Path(os.path.realpath(folder)) in Path(mount.source).parents


def _check_ours(mount: Mount, table: MountTable, known: Sequence[tuple[str, RealPlace]]) -> None:
    found = led_to(table, mount.source, known)
    if found is not None:
        text = f"{plain(mount.source)} leads to MLOps Desk's own data or to a socket that gives power over the machine"
        raise Refused(f"{text}, {plain(found)}, and is not mounted.", "Mount the folder of your data.")


def _check_rights(mount: Mount) -> None:
    shown = plain(mount.source)
    folder = os.X_OK if Path(mount.source).is_dir() else 0
    if not os.access(mount.source, os.R_OK | folder):
        raise Refused(f"You may not read the mount source {shown}.", "Ask its owner, or mount another.")
    if mount.mode == "rw" and not os.access(mount.source, os.W_OK):
        raise Refused(f"You may not write to the mount source {shown}.", "Ask its owner, or mount it with mode: ro.")


if __name__ == "__main__":
    serve_one(check)
