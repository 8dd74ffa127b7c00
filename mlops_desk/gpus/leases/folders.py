"""Where leases lie: in folders that all users share, each user has a folder that only they can write to.

The shared folders belong to root and are sticky, so nobody can remove, replace or write what another user has put
there. Nobody waits for another user either: there is no common lock that somebody could hold for ever. Processes of
one user take turns by a lock that others can't open; between users the ledger writes first and then looks.

Agents of before that had one folder for all, with files that anybody could write. While such an agent may still run
beside ours, during an upgrade, the leases in there are read and believed, but never written; garbage in there says
nothing, for anybody may have left it.

What somebody can still do is put something else where a user's folder should be, so a folder is known by its owner,
not by its name, and takes another name where its own is taken.
"""

import contextlib
import fcntl
import itertools
import logging
import os
import secrets
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mlops_desk.gpus.leases.files import (
    Content,
    Doubt,
    Lease,
    is_lease_file,
    is_share_file,
    read_lease,
    stem_of,
    write_lease,
)

_log = logging.getLogger(__name__)

ENVIRONMENT = "MLOPS_DESK_LEASE_DIR"
FOLDERS = (Path("/run/lock"), Path("/tmp"))  # noqa: S108 - shared on purpose
LOCK_TIMEOUT_SECONDS = 2.0  # chosen: it is held for one small write; whoever holds it longer is stopped or stuck

PREFIX = "mlops-desk-leases-"
FORMER = "mlops-desk-gpu-leases"
_LOCK = "lock"
_POLL_SECONDS = 0.01  # chosen: nobody notices it, and it is held for less
_FILE_LIMIT = 1024
"""Files that one user is heard with: 64 GPUs with 16 slices each."""
_SETTLED_SECONDS = 2.0
"""A file that was changed no later than this before it was read may change once more under the same time stamp."""
_KEPT_LIMIT = 4096  # chosen: many times the files that GPUs and users of a machine have
_CROWD = 2000
"""From so many entries of a shared folder on it takes a millisecond to list it, and every few seconds is too often."""
_CROWD_SECONDS = 20.0  # chosen: a folder that somebody fills on purpose is not listed at every look
_FOLDER_LIMIT = 8
"""Folders that one user is heard with in each shared folder: another name is needed only after somebody's squatting."""


@dataclass(frozen=True, slots=True)
class UserFile:
    """What a user's file says of a GPU, which files know by its ``stem``; ``former``: in the folder of older agents."""

    stem: str
    uid: int
    path: Path
    content: Content
    former: bool = False

    @property
    def is_share(self) -> bool:
        """Whether it is about one of several that share the GPU."""
        return is_share_file(self.path.name)


class Stamp(NamedTuple):
    """What of a file is another when it was written, replaced, or given other rights; only the kernel sets it."""

    device: int
    inode: int
    changed_ns: int
    size: int


def _stamp_of(path: Path) -> Stamp | None:
    try:
        facts = path.lstat()
    except OSError:
        return None
    return Stamp(facts.st_dev, facts.st_ino, facts.st_ctime_ns, facts.st_size)


def _is_settled(stamp: Stamp) -> bool:
    return time.time() - stamp.changed_ns / 1e9 > _SETTLED_SECONDS


class Listing(NamedTuple):
    """What is of leases in a shared folder, by name, as of its ``stamp`` (None: it may change under the same one).

    Until ``due`` (monotonic) a glance believes it, whatever has changed.
    """

    stamp: Stamp | None
    due: float
    names: list[str]


def folders_from_environment() -> tuple[Path, ...]:
    """Return the folders to look into: the one of the environment, or the machine's."""
    chosen = os.environ.get(ENVIRONMENT)
    return (Path(chosen).absolute(),) if chosen else FOLDERS


class Own:
    """This user's folders, one in each shared folder, while no other process of this user writes to them."""

    def __init__(self, folders: list[Path]) -> None:
        self._folders = folders

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that everything is written to."""
        return tuple(self._folders)

    @property
    def places(self) -> int:
        """How many folders everything is written to."""
        return len(self._folders)

    def write(self, name: str, lease: Lease | None) -> None:
        """Make ``lease`` what this user says in the file of that name. Raises OSError."""
        for folder in self._folders:
            write_lease(folder / name, lease)

    def read(self, name: str) -> list[Content]:
        """Return what this user says in each folder's file of that name."""
        return [read_lease(folder / name, os.geteuid()) for folder in self._folders]


class LeaseFolders:
    """The shared folders. Every lease is written in each of them that this process can use.

    Not all users can use the same ones (on some systems only root may write to /run/lock), and agents
    that have one folder in common never give out a GPU twice.
    """

    def __init__(self, candidates: tuple[Path, ...] | None = None) -> None:
        self._candidates = candidates or folders_from_environment()
        self._kept: dict[Path, tuple[Stamp, Content]] = {}
        self._listed: dict[Path, Listing] = {}

    @property
    def candidates(self) -> tuple[Path, ...]:
        return self._candidates

    @contextlib.contextmanager
    def own(self) -> Iterator[Own]:
        """Take this user's turn. Raises OSError when there is no folder to write to, or the turn does not come."""
        folders = self._own_folders()
        self._listed.clear()  # one of them may be new
        deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
        with contextlib.ExitStack() as locks:
            for folder in folders:
                locks.callback(os.close, _open_locked(folder / _LOCK, deadline))
            yield Own(folders)

    def read(self) -> list[UserFile]:
        """Read all lease files of all users."""
        names = {shared: _listed_names(shared) for shared in self._candidates}.__getitem__
        return [*self._read(None, read_lease, names), *self._read_former(read_lease, names)]

    def read_own(self) -> list[UserFile]:
        """Read this user's lease files."""
        return self._read(os.geteuid(), read_lease, _listed_names)

    def glance(self) -> list[UserFile]:
        """Look at all lease files of all users; what has not changed since the last glance is not read again.

        In a crowded folder somebody's first lease is seen a little later.
        """
        return [*self._read(None, self._look, self._glanced_names), *self._read_former(self._look, self._glanced_names)]

    def glance_own(self) -> list[UserFile]:
        """Look at this user's lease files likewise."""
        return self._read(os.geteuid(), self._look, self._glanced_names)

    def users_files(self, is_wanted: Callable[[str], bool]) -> list[tuple[Path, int]]:
        """Return the files of such names in all users' folders, and whose folder it is."""
        return [
            (path, uid)
            for shared in self._candidates
            for folder, uid in _users_folders(shared, self._glanced_names(shared))
            for path in _paths(folder, is_wanted)
        ]

    def _glanced_names(self, shared: Path) -> list[str]:
        stamp, now = _stamp_of(shared), time.monotonic()
        known = self._listed.get(shared)
        if known is not None and (now < known.due or (stamp is not None and known.stamp == stamp)):
            return known.names
        names, count = _listed(shared)
        settled = stamp if stamp is not None and _is_settled(stamp) else None
        self._listed[shared] = Listing(settled, now + (_CROWD_SECONDS if count >= _CROWD else 0.0), names)
        return names

    def _look(self, path: Path, uid: int | None) -> Content:
        stamp = _stamp_of(path)
        kept = self._kept.get(path)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        content = read_lease(path, uid)
        self._kept.pop(path, None)
        if stamp is not None and not isinstance(content, Doubt) and _is_settled(stamp):
            if len(self._kept) >= _KEPT_LIMIT:
                self._kept.clear()
            self._kept[path] = stamp, content
        return content

    def _read(
        self, only: int | None, read: Callable[[Path, int | None], Content], names: Callable[[Path], list[str]]
    ) -> list[UserFile]:
        return [
            UserFile(stem_of(path.name), uid, path, read(path, uid))
            for shared in self._candidates
            for folder, uid in _users_folders(shared, names(shared))
            if only is None or uid == only
            for path in _paths(folder, lambda name: is_lease_file(name) or is_share_file(name))
        ]

    def _read_former(
        self, read: Callable[[Path, int | None], Content], names: Callable[[Path], list[str]]
    ) -> list[UserFile]:
        """Read the leases of older agents: they had a folder in each of the machine's, and used a chosen one itself."""
        paths = [
            path
            for shared in self._candidates
            for path in (_former_paths(shared) if shared in FOLDERS else [shared / name for name in names(shared)])
            if is_lease_file(path.name)
        ]
        contents = ((path, read(path, None)) for path in paths)
        return [
            UserFile(stem_of(path.name), content.uid, path, content, former=True)
            for path, content in contents
            if isinstance(content, Lease)
        ]

    def _own_folders(self) -> list[Path]:
        usable = [folder for shared in self._candidates if (folder := _own_folder(shared)) is not None]
        if not usable:
            text = f"no shared folder for GPU leases can be used (tried {', '.join(map(str, self._candidates))})"
            raise OSError(text)
        return usable


def _listed(shared: Path) -> tuple[list[str], int]:
    """Return what may be users' folders or leases of older agents in a shared folder, and how many entries it has."""
    try:
        with os.scandir(shared) as entries:
            everything = [entry.name for entry in entries]
    except OSError as error:
        _log.debug("No leases in %s: %s", shared, error.strerror)
        return [], 0
    return sorted(name for name in everything if name.startswith(PREFIX) or is_lease_file(name)), len(everything)


def _listed_names(shared: Path) -> list[str]:
    return _listed(shared)[0]


def _users_folders(shared: Path, names: list[str]) -> list[tuple[Path, int]]:
    """Return those of ``names`` that are users' folders in a shared one, with their owners; the first few of each."""
    found: list[tuple[Path, int]] = []
    heard: Counter[int] = Counter()
    for name in filter(_may_be_a_users, names):
        with contextlib.suppress(OSError):  # removed since
            facts = (shared / name).lstat()
            heard[facts.st_uid] += 1
            if stat.S_ISDIR(facts.st_mode) and heard[facts.st_uid] <= _FOLDER_LIMIT:
                found.append((shared / name, facts.st_uid))
    return found


def _may_be_a_users(name: str) -> bool:
    return name.startswith(PREFIX)


def _paths(folder: Path, is_wanted: Callable[[str], bool]) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in itertools.islice(entries, _FILE_LIMIT)]
    except OSError as error:  # its owner does not want to be heard
        _log.debug("The leases in %s can't be read: %s", folder, error.strerror)
        return []
    return [folder / name for name in sorted(names) if is_wanted(name)]


def _former_paths(shared: Path) -> list[Path]:
    try:
        is_folder = stat.S_ISDIR((shared / FORMER).lstat().st_mode)  # and no link to who knows where
    except OSError:
        return []
    return _paths(shared / FORMER, is_lease_file) if is_folder else []


def _own_folder(shared: Path) -> Path | None:
    """Return this user's folder in a shared one, made when it is missing; None where that can't be."""
    uid = os.geteuid()
    own = next((folder for folder, owner in _users_folders(shared, _listed_names(shared)) if owner == uid), None)
    if own is None:
        own = _make_own(shared, f"{PREFIX}{uid}") or _make_own(shared, f"{PREFIX}{uid}-{secrets.token_hex(8)}")
    try:
        if own is not None:
            own.chmod(0o755)  # the process's umask must not hide leases from other users
    except OSError as error:
        _log.debug("No leases in %s: %s", own, error.strerror)
        return None
    return own


def _make_own(shared: Path, name: str) -> Path | None:
    try:
        if shared not in FOLDERS:
            _make_shared(shared)
        (shared / name).mkdir(mode=0o755)
    except OSError as error:
        _log.debug("No lease folder %s in %s: %s", name, shared, error.strerror)
        return None
    return shared / name


def _make_shared(folder: Path) -> None:
    """Make the shared folder if it is not there; under its own name it must never be seen with narrower rights."""
    if folder.exists():
        return
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.{time.monotonic_ns()}")
    temporary.mkdir(mode=0o700)
    try:
        temporary.chmod(0o1777)
        temporary.rename(folder)
    except OSError:
        temporary.rmdir()
        if not folder.is_dir():  # else another process was faster
            raise


def _open_locked(path: Path, deadline: float) -> int:
    """Open and lock a file of our own; raises TimeoutError at the deadline."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            _flock(descriptor, deadline)
            if _is_named(descriptor, path):
                return descriptor
        except OSError:
            os.close(descriptor)
            raise
        os.close(
            descriptor
        )  # whoever cleans up has removed it while we waited: the lock must be on the one others find


def _is_named(descriptor: int, path: Path) -> bool:
    ours = os.fstat(descriptor)
    try:
        named = path.lstat()
    except FileNotFoundError:
        return False
    return (ours.st_dev, ours.st_ino) == (named.st_dev, named.st_ino)


def _flock(descriptor: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                text = "another process of this user keeps its lease folder locked"
                raise TimeoutError(text) from None
            time.sleep(_POLL_SECONDS)
        else:
            return
