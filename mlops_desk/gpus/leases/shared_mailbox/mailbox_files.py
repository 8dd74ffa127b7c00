"""Other papers that users leave for each other in their lease folders: bookings, what is withdrawn, notes.

As with leases, nobody writes but into their own folder, and what is found in somebody's folder is their word and
nobody else's. A paper is one small file of JSON under a name of its own; it never changes, only comes and goes. What
can't be read, or is not of the expected form, is not there.

Shared folders may be emptied at a restart of the machine, so an agent keeps its own papers in its own folder too
(``kept``), and puts them back.
"""

import errno
import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import plain_descriptor
from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.kit.base.text import plain

_log = logging.getLogger(__name__)

_LIMIT_BYTES = 4096  # a page: some eighty UUIDs of GPUs, or a note
_PER_USER = 64  # chosen: more nobody reads, and a crowd of them costs every agent of the machine time
_ID = re.compile(r"[a-z0-9]{4,32}")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Paper(Generic[T]):
    """What a file said. ``uid`` is whose it is, ``changed_ns`` when it was written: both as the kernel tells it."""

    id: str
    uid: int
    content: T
    changed_ns: int


class Papers(Generic[T]):
    """The papers of one sort: files ``ID.suffix`` that hold a ``kind``. ``kept`` is the folder of our own copies."""

    def __init__(self, folders: LeaseFolders, suffix: str, kind: type[T], kept: Path | None = None) -> None:
        self._folders = folders
        self._suffix = suffix
        self._kind = kind
        self._kept = kept

    def read(self) -> list[Paper[T]]:
        """Return all users' papers; one that lies in several folders once, as it was first seen there."""
        found: dict[tuple[int, str], Paper[T]] = {}
        heard: dict[tuple[int, Path], int] = {}
        for path, uid in self._folders.users_files(self._is_ours):
            heard[uid, path.parent] = heard.get((uid, path.parent), 0) + 1
            if heard[uid, path.parent] > _PER_USER:
                continue
            paper = self._read(path, uid)
            if paper is not None:
                known = found.get((uid, paper.id))
                found[uid, paper.id] = paper if known is None or paper.changed_ns < known.changed_ns else known
        return sorted(found.values(), key=lambda paper: (paper.changed_ns, paper.uid, paper.id))

    def own(self) -> list[Paper[T]]:
        """Return this user's papers."""
        return [paper for paper in self.read() if paper.uid == os.geteuid()]

    def write(self, id_: str, content: T) -> None:
        """Leave a paper. Raises Unavailable."""
        block = wire.dumps(content).encode()
        if len(block) > _LIMIT_BYTES or not _ID.fullmatch(id_):
            raise ValueError(content)  # a bug: every text was capped
        name = f"{id_}{self._suffix}"
        try:
            if self._kept is not None:
                self._kept.mkdir(mode=0o700, exist_ok=True)
                _put(self._kept / name, block, 0o600)
            with self._folders.own() as own:
                for folder in own.folders:
                    _put(folder / name, block, 0o644)
        except OSError as error:
            if self._kept is not None:  # what was refused must not come by itself later
                (self._kept / name).unlink(missing_ok=True)
            text = f"It could not be written where other users look for it: {error.strerror or error}."
            raise Unavailable(text, "Look at the lease folder's rights and free space.") from error

    def remove(self, id_: str) -> None:
        """Take back a paper of ours. Raises Unavailable."""
        name = f"{id_}{self._suffix}"
        try:
            if self._kept is not None:
                (self._kept / name).unlink(missing_ok=True)
            with self._folders.own() as own:
                for folder in own.folders:
                    (folder / name).unlink(missing_ok=True)
        except OSError as error:
            text = f"It could not be removed from where other users look for it: {error.strerror or error}."
            raise Unavailable(text, "Look at the lease folder's rights and free space.") from error

    def put_back(self) -> None:
        """Put those of ours back that were kept and are gone from the shared folders. Raises Unavailable."""
        if self._kept is None:
            return
        there = {paper.id for paper in self.own()}
        for id_, content in self._copies():
            if id_ not in there:
                _log.info("%s%s was gone from the shared folders and is put back.", id_, self._suffix)
                self.write(id_, content)

    def _copies(self) -> Iterable[tuple[str, T]]:
        if self._kept is None or not self._kept.is_dir():
            return
        for path in sorted(self._kept.iterdir())[:_PER_USER]:
            paper = self._read(path, os.geteuid()) if self._is_ours(path.name) else None
            if paper is not None:
                yield paper.id, paper.content

    def _is_ours(self, name: str) -> bool:
        return name.endswith(self._suffix) and _ID.fullmatch(name.removesuffix(self._suffix)) is not None

    def _read(self, path: Path, uid: int) -> Paper[T] | None:
        try:
            descriptor = plain_descriptor(path)
        except OSError:
            return None  # gone since, or its owner does not want to be heard
        try:
            facts = os.fstat(descriptor)
            if facts.st_size > _LIMIT_BYTES or facts.st_uid != uid:
                return None
            content = wire.loads(os.pread(descriptor, _LIMIT_BYTES, 0), self._kind)
        except (OSError, Invalid) as error:
            _log.debug("%s is no paper: %s", path, error)
            return None
        finally:
            os.close(descriptor)
        return Paper(path.name.removesuffix(self._suffix), uid, content, facts.st_ctime_ns)


def _put(path: Path, block: bytes, mode: int) -> None:
    """Put a whole file there; under its name it is never half written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, mode)  # the process's umask must not hide it from other users
        if os.write(descriptor, block) != len(block):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        temporary.rename(path)
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)


# Notes that users leave for whoever runs a process on a GPU. Pure.
#
# Agents of different users share nothing but the lease folders, so a note lies in its writer's folder there, where all
# users of the machine can read it, and the agent of whom it is for shows it. Who wrote it is who owns the file.

TEXT_LIMIT = 200  # chosen: a sentence or two; nobody is to be talked to at length by a stranger
KEPT_SECONDS = 7 * 86_400.0  # chosen: longer than a weekend away
FROM_ONE = 5  # chosen: more notes of one user to another are pestering


@dataclass(frozen=True, slots=True)
class NotePaper:
    """What a note's file says. ``written_at`` is Unix seconds; ``start_ticks`` tells the process from a later one."""

    to_uid: int
    pid: int
    gpu_index: int
    text: str
    written_at: float
    start_ticks: int | None = None


def for_user(papers: Iterable[Paper[NotePaper]], uid: int, now: float) -> list[Paper[NotePaper]]:
    """Return the notes to a user that are not old, a few of each writer, the oldest first."""
    found: list[Paper[NotePaper]] = []
    for paper in papers:
        written_at = paper.changed_ns / 1e9  # as the kernel says: a writer could say that it will never be old
        fresh = now - written_at < KEPT_SECONDS
        if paper.content.to_uid == uid != paper.uid and fresh and _count(found, paper.uid) < FROM_ONE:
            found.append(paper)
    return found


def said(paper: Paper[NotePaper]) -> str:
    """Return what a note says, fit to be shown."""
    return plain(paper.content.text, TEXT_LIMIT)


def _count(papers: Iterable[Paper[NotePaper]], uid: int) -> int:
    return sum(paper.uid == uid for paper in papers)
