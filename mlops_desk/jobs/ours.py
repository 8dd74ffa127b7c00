"""Whether a folder of the host leads to anything of ours: sockets, tokens, databases, leases.

Whoever holds the agent's socket commands the agent, so none may get into a job, by no way: not as the
folder itself, not from inside it, not from a folder above it, and not through another mount of the same
filesystem. A place is therefore compared as (filesystem, path in it), as the kernel's table of mounts
tells it. Sockets that live are found in the kernel's list, whoever's they are; folders of other agents
by the files they hold, above the source and, as far as a bounded look goes, below it.
"""

import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlops_desk.base.mounts import MOUNTS, unescaped

_SOCKETS = re.compile(
    r"((agent|window)(-[0-9a-f]+)?|docker|containerd|podman|crio|buildkitd)\.sock(\.ttrpc)?", re.ASCII
)
_UNIX_SOCKETS = Path("/proc/net/unix")
# A folder that holds all of one of these is the data folder of some agent.
_MARKERS = (frozenset({"agent.lock", "state.db"}), frozenset({"agent.lock", "settings.json"}))
_LEAST_FIELDS = 7
_LOOK_FOLDERS = 20_000
_LOOK_SECONDS = 3.0
"""How far below a source is looked for other agents' folders: nearest first, so that a large data set costs no more."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something really lies: a filesystem, and the path in it."""

    filesystem: str
    path: PurePosixPath

    def leads_to(self, other: "Place") -> bool:
        """Tell whether one of the two is the other, or lies in it."""
        return self.filesystem == other.filesystem and (
            self.path.is_relative_to(other.path) or other.path.is_relative_to(self.path)
        )


class MountTable:
    """The mounts that this process sees. Raises OSError when the kernel does not tell them."""

    def __init__(self, file: Path = MOUNTS) -> None:
        self._mounts: list[tuple[PurePosixPath, Place]] = []
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            words = line.split()
            if len(words) >= _LEAST_FIELDS:
                point, root = PurePosixPath(unescaped(words[4])), PurePosixPath(unescaped(words[3]))
                self._mounts.append((point, Place(words[2], root)))

    def place(self, path: str | PurePosixPath) -> Place:
        """Return where an absolute path without links lies."""
        wanted, best = PurePosixPath(path), (PurePosixPath("/"), Place("?", PurePosixPath("/")))
        for point, place in self._mounts:  # a later mount covers an earlier one
            if wanted.is_relative_to(point) and len(point.parts) >= len(best[0].parts):
                best = point, place
        return Place(best[1].filesystem, best[1].path / wanted.relative_to(best[0]))

    def reached(self, source: str) -> Iterator[Place]:
        """Yield the place of a folder and those of all that is mounted below it: a container gets them too."""
        yield self.place(source)
        for point, place in self._mounts:
            if point != PurePosixPath(source) and point.is_relative_to(source):
                yield place


def live_sockets(listing: Path = _UNIX_SOCKETS) -> list[str]:
    """Return the paths of the sockets of agents, windows and engines that are bound on this machine now."""
    try:
        lines = listing.read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    except OSError:
        return []  # a kernel that keeps it to itself: the known folders are what is left
    paths = (line.split(maxsplit=7)[7] for line in lines if len(line.split(maxsplit=7)) > 7)
    return sorted({path for path in paths if path.startswith("/") and _SOCKETS.fullmatch(path.rpartition("/")[2])})


def known_places(table: MountTable, paths: Iterable[str]) -> list[tuple[str, Place]]:
    """Return (path, place) of what is there and must stay outside. To be asked with the agent's own rights."""
    there = (path for path in (*paths, *live_sockets()) if os.path.lexists(path))
    return [(path, table.place(os.path.realpath(path))) for path in there]


def led_to(table: MountTable, source: str, known: Iterable[tuple[str, Place]]) -> str | None:
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
