"""Which folders of the host a container may see. Refused here, in code, whoever asks and however.

Whoever can mount the root, a system folder or an engine's socket owns the machine; whoever can mount
another person's home reads their keys. Links are resolved before a path is judged, and the resolved
path is what the engine gets.
"""

import os
import pwd
import re
import stat
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from mlops_desk.jobs.records.spec import Mount
from mlops_desk.kit.base.caller import current_caller, user_name
from mlops_desk.kit.base.errors import Refused
from mlops_desk.kit.base.text import plain

# Neither these, nor anything in them, nor a folder that holds one of them.
_CLOSED = (
    "/etc", "/proc", "/sys", "/dev", "/run", "/var/run", "/boot", "/var/lib/docker", "/var/lib/containerd",
    "/var/lib/containers", "/var/lib/kubelet", "/var/spool/cron", "/lost+found",
)  # fmt: skip
# The system's programs may be looked at, never written to.
_READ_ONLY = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/var/lib/dpkg")
_HOMES = Path("/home")
_CLOSED_TARGETS = ("/proc", "/sys", "/dev")
_SHARED_MEMORY = PurePosixPath("/dev/shm")  # noqa: S108 - a memory folder, named to be refused with its own words
_SOCKETS = frozenset({"docker.sock", "containerd.sock", "podman.sock", "crio.sock", "buildkitd.sock"})
_HINT = "Mount a data or project folder of your own instead."


def check_mounts(mounts: Iterable[Mount], user: str | None) -> tuple[Mount, ...]:
    """Return the mounts with their sources resolved. Raises Refused.

    ``user`` is who the container runs as (``uid`` or ``uid:gid``); without a number it is who asks.
    """
    uid = container_uid(user)
    checked = tuple(_checked(mount, uid) for mount in mounts)
    targets = [PurePosixPath(mount.target) for mount in checked]
    for target in targets:
        if targets.count(target) > 1:
            raise Refused(f"Two mounts have the target {plain(str(target))}.", "Give each a target of its own.")
    return checked


def container_uid(user: str | None) -> int:
    """Return the uid that a container runs as, as far as it is a number; else the caller's."""
    word = (user or "").partition(":")[0]
    return int(word) if word.isascii() and word.isdigit() else current_caller().uid


def _checked(mount: Mount, uid: int) -> Mount:
    if mount.mode not in {"ro", "rw"}:
        raise Refused(f"The mount of {plain(mount.source)} is neither ro nor rw.", "Write mode: ro or mode: rw.")
    _check_target(mount)
    source = _resolved(mount.source)
    _check_place(mount, source, uid)
    _check_kind(mount, source)
    _check_reach(mount, source, uid)
    return Mount(str(source), str(target_of(mount)), mount.mode)


def _check_target(mount: Mount) -> None:
    target = target_of(mount)
    if not target.is_absolute() or ".." in target.parts or target == PurePosixPath("/"):
        text = f"{plain(mount.target)} is no place in a container for a mount."
        raise Refused(text, "Use an absolute path such as /data.")
    if any(target.is_relative_to(closed) for closed in _CLOSED_TARGETS):
        hint = "Ask for shared memory instead." if target == _SHARED_MEMORY else "Use a path such as /data."
        raise Refused(f"Nothing can be mounted on {plain(mount.target)} of a container.", hint)


def target_of(mount: Mount) -> PurePosixPath:
    """Return where it is to appear. Two slashes at the start are another root to Python; to an engine they are one."""
    return PurePosixPath(re.sub(r"^/+", "/", mount.target))


def _resolved(source: str) -> Path:
    path = Path(source)
    if not path.is_absolute() or "\0" in source:
        raise Refused(f"The mount source {plain(source)} is not an absolute path.", "Write it from the root on.")
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "it is a loop of links"
        raise Refused(f"The mount source {plain(source)} can't be used: {reason}.", "Make it first.") from error


def _check_place(mount: Mount, source: Path, uid: int) -> None:
    shown = plain(mount.source)
    for closed in map(Path, _CLOSED):
        if source.is_relative_to(closed) or closed.is_relative_to(source):
            raise Refused(f"{shown} is a system folder, or holds one, and is never given to a container.", _HINT)
    if mount.mode == "rw" and any(source.is_relative_to(folder) for folder in _READ_ONLY):
        raise Refused(f"{shown} belongs to the system and can be mounted read-only at most.", _HINT)
    if source == _HOMES:
        raise Refused(f"{shown} is where all people's homes lie.", _HINT)
    for home, owner in _homes():
        if home.is_relative_to(source) and source != home:
            raise Refused(f"{shown} holds the homes of other people.", _HINT)
        if source.is_relative_to(home) and owner != uid:
            raise Refused(f"{shown} lies in the home of {plain(user_name(owner))}.", _HINT)


def _homes() -> list[tuple[Path, int]]:
    """Return the homes of people: those of accounts for people, and whatever else lies in /home."""
    homes = {
        Path(entry.pw_dir): entry.pw_uid
        for entry in pwd.getpwall()
        if (entry.pw_uid == 0 or entry.pw_uid >= 1000) and len(Path(entry.pw_dir).parts) > 1 and entry.pw_uid != 65534
    }
    try:
        homes.update((home, home.stat().st_uid) for home in _HOMES.iterdir() if home not in homes)
    except OSError:
        return list(homes.items())  # no /home, or not for us to list: the accounts are what is known
    return [(home.resolve(), owner) for home, owner in homes.items()]


def _check_kind(mount: Mount, source: Path) -> None:
    mode = source.stat().st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise Refused(f"{plain(mount.source)} is neither a folder nor a file (a socket or device?).", _HINT)
    if stat.S_ISDIR(mode):
        try:
            held = _SOCKETS.intersection(path.name for path in source.iterdir())
        except PermissionError:
            return  # what the agent can't list it can't judge; the container's user is held to the same rights
        if held:
            raise Refused(f"{plain(mount.source)} holds the socket of a container engine.", _HINT)


def _check_reach(mount: Mount, source: Path, uid: int) -> None:
    """Check the rights of the folders above, which a mount jumps over, for the user who gets it."""
    if uid == 0 or os.geteuid() == uid:
        return  # root may go everywhere, and our own rights were tried by resolving the path
    groups = _groups(uid)
    for folder in source.parents:
        facts = folder.stat()
        if facts.st_uid == uid:
            allowed = facts.st_mode & stat.S_IXUSR
        elif facts.st_gid in groups:
            allowed = facts.st_mode & stat.S_IXGRP
        else:
            allowed = facts.st_mode & stat.S_IXOTH
        if not allowed:
            raise Refused(f"{plain(user_name(uid))} has no access to {plain(mount.source)}.", _HINT)


def _groups(uid: int) -> set[int]:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return set()
    return set(os.getgrouplist(entry.pw_name, entry.pw_gid))
