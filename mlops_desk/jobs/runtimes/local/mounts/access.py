"""Worker: become the person whose job it is, and see whether their mounts may be mounted, at submit and at start.

It runs in a process of its own because a path can hang in the kernel, and because what root may see
says nothing about what this person may see.

Whether a folder of the host leads to anything of ours: sockets, tokens, databases, leases.

Whoever holds the agent's socket commands the agent, so none may get into a job, by no way: not as the
folder itself, not from inside it, not from a folder above it, and not through another mount of the same
filesystem. A place is therefore compared as (filesystem, path in it), as the kernel's table of mounts
tells it. Sockets that live are found in the kernel's list, whoever's they are; folders of other agents
by the files they hold, above the source and, as far as a bounded look goes, below it.
"""

import os
import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from mlops_desk.engines.mounts import check_mounts
from mlops_desk.jobs.records.spec import Mount
from mlops_desk.kit.base.disk.mount_points import MountTable, RealPlace
from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.base.people.mount_roots import check_root
from mlops_desk.kit.base.people.person import person
from mlops_desk.kit.base.people.privilege_drop import become
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain

_SOCKETS = re.compile(
    r"((agent|window)(-[0-9a-f]+)?|docker|containerd|podman|crio|buildkitd)\.sock(\.ttrpc)?", re.ASCII
)
_UNIX_SOCKETS = Path("/proc/net/unix")
# A folder that holds all of one of these is the data folder of some agent.
_MARKERS = (frozenset({"agent.lock", "state.db"}), frozenset({"agent.lock", "settings.json"}))
_LOOK_FOLDERS = 20_000  # chosen: more than lie in what one wants to mount; beyond it is said that not all was looked at
_LOOK_SECONDS = 3.0
"""How far below a source is looked for other agents' folders: nearest first, so that a large data set costs no more."""


def live_sockets(listing: Path = _UNIX_SOCKETS) -> list[str]:
    """Return the paths of the sockets of agents, windows and engines that are bound on this machine now."""
    try:
        lines = listing.read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    except OSError:
        return []  # a kernel that keeps it to itself: the known folders are what is left
    paths = (line.split(maxsplit=7)[7] for line in lines if len(line.split(maxsplit=7)) > 7)
    return sorted({path for path in paths if path.startswith("/") and _SOCKETS.fullmatch(path.rpartition("/")[2])})


def known_places(table: MountTable, paths: Iterable[str]) -> list[tuple[str, RealPlace]]:
    """Return (path, place) of what is there and must stay outside. To be asked with the agent's own rights."""
    there = (path for path in (*paths, *live_sockets()) if os.path.lexists(path))
    return [(path, table.place(os.path.realpath(path))) for path in there]


def led_to(table: MountTable, source: str, known: Iterable[tuple[str, RealPlace]]) -> str | None:
    """Return the path of what of ours ``source`` (absolute, without links) leads to; None when it leads to nothing."""
    reached = list(table.reached(source))
    for path, place in known:
        if any(one.leads_to(place) for one in reached):
            return path
    for folder in (source, *map(str, PurePosixPath(source).parents)):
        if _is_data_folder(_names(folder)):
            return folder
    return _below(source)


def _below(source: str) -> str | None:
    until = time.monotonic() + _LOOK_SECONDS
    waiting, looked = [source], 0
    while waiting and looked < _LOOK_FOLDERS and time.monotonic() < until:
        deeper: list[str] = []
        for folder in waiting:
            looked += 1
            if looked > _LOOK_FOLDERS or time.monotonic() > until:
                return None
            entries = _entries(folder)
            if _is_data_folder({entry.name for entry in entries}):
                return folder
            found = next((entry.path for entry in entries if _is_socket(entry)), None)
            if found is not None:
                return found
            deeper += [entry.path for entry in entries if _is_folder(entry)]
        waiting = deeper
    return None


def _is_data_folder(names: Iterable[str]) -> bool:
    present = set(names)
    return any(marker <= present for marker in _MARKERS)


def _names(folder: str) -> set[str]:
    return {name for marker in _MARKERS for name in marker if os.path.lexists(f"{folder}/{name}")}


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listing:
            return list(listing)
    except OSError:
        return []  # no folder, or not for this person to see, and so not for the job either


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _is_socket(entry: os.DirEntry[str]) -> bool:
    if not _SOCKETS.fullmatch(entry.name):
        return False
    return not (entry.is_symlink() or entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False))


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
