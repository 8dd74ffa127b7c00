"""Lease files: one for each GPU, in a sticky folder that all users of the machine share.

A file is one block of JSON padded with blanks, written in a single call under flock, so that no end
of a process leaves half a lease; an empty or blank file is a free GPU. Files are never removed, or two
agents could lock two files of one name. Anybody may write them: what is read is checked and capped,
links are not followed, and what makes no sense counts as held for ``DOUBT_SECONDS``.
"""

import contextlib
import errno
import fcntl
import itertools
import logging
import math
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.base import wire
from mlops_desk.base.errors import Invalid
from mlops_desk.leases.host import Process

_log = logging.getLogger(__name__)

ENVIRONMENT = "MLOPS_DESK_LEASE_DIR"
FOLDERS = (Path("/run/lock/mlops-desk-gpu-leases"), Path("/tmp/mlops-desk-gpu-leases"))  # noqa: S108 - shared on purpose
DOUBT_SECONDS = 600.0
LOCK_TIMEOUT_SECONDS = 2.0

_BLOCK_BYTES = 4096
_TEXT_LIMIT = 200
_FILE_LIMIT = 10_000
_POLL_SECONDS = 0.01
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a GPU. Times are seconds since boot. ``released_at`` is set once the holder has let go."""

    gpu: str
    instance: str
    uid: int
    attempt: str
    label: str
    owner: Process
    boot_id: str
    taken_at: float
    engine: str = ""
    container: str | None = None
    container_process: Process | None = None
    released_at: float | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """A file that can't be used, and why. ``age_seconds`` is how long it has been like that, as far as known."""

    text: str
    age_seconds: float | None = None


Content = Lease | Doubt | None


def folders_from_environment() -> tuple[Path, ...]:
    """Return the folders to look into: the one of the environment, or the machine's."""
    chosen = os.environ.get(ENVIRONMENT)
    return (Path(chosen).absolute(),) if chosen else FOLDERS


class Slot:
    """The open lease files of one GPU, one in each folder; locked, or not to be had (``trouble``)."""

    def __init__(self, gpu: str) -> None:
        self.gpu = gpu
        self.trouble: str | None = None
        self._descriptors: list[int] = []

    def contents(self) -> list[Content]:
        if self.trouble is not None:
            return [Doubt(self.trouble)]
        return [_read(descriptor, self.gpu) for descriptor in self._descriptors]

    def write(self, lease: Lease | None) -> None:
        """Make ``lease`` the only content. Raises OSError when the disk refuses; the old content then stands."""
        block = b"" if lease is None else wire.dumps(lease).encode()
        if len(block) > _BLOCK_BYTES:
            raise ValueError(lease)  # a bug: every text was capped
        for descriptor in self._descriptors:
            if os.pwrite(descriptor, block.ljust(_BLOCK_BYTES), 0) != _BLOCK_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.ftruncate(descriptor, _BLOCK_BYTES)  # of a file that somebody made longer

    def lock(self, paths: Iterable[Path], deadline: float) -> None:
        """Open and lock ``paths``; on failure ``trouble`` says why."""
        try:
            for path in paths:
                self._descriptors.append(_open_locked(path, deadline))
        except TimeoutError:
            self.trouble = "another process keeps its lease file locked"
        except OSError as error:
            self.trouble = f"its lease file can't be used: {error.strerror or error}"

    def close(self) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)


class LeaseFolders:
    """The shared folders. Every lease is locked and written in each of them that this process can use.

    Not all users can use the same ones (on some systems only root may write to /run/lock), and agents
    that have one folder in common never give out a GPU twice.
    """

    def __init__(self, candidates: tuple[Path, ...] | None = None) -> None:
        self._candidates = candidates or folders_from_environment()

    def existing(self) -> list[Path]:
        """Return the usable folders, making those that can be made. Raises OSError when there is none."""
        usable = [candidate for candidate in self._candidates if _make(candidate)]
        if not usable:
            text = f"no shared folder for GPU leases can be made (tried {', '.join(map(str, self._candidates))})"
            raise OSError(text)
        return usable

    @contextlib.contextmanager
    def locked(self, gpus: Iterable[str]) -> Iterator[dict[str, Slot]]:
        """Lock the files of ``gpus``, always in the same order so that nobody waits for each other."""
        folders = self.existing()
        deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
        slots: dict[str, Slot] = {}
        try:
            for gpu in sorted(set(gpus)):
                slots[gpu] = Slot(gpu)
                slots[gpu].lock([folder / file_name(gpu) for folder in folders], deadline)
            yield slots
        finally:
            for slot in slots.values():
                slot.close()

    def read(self) -> dict[str, list[Content]]:
        """Read all lease files without locking them."""
        found: dict[str, list[Content]] = {}
        for folder in self._candidates:
            for path in _lease_paths(folder):
                gpu, content = _peek(path)
                found.setdefault(gpu, []).append(content)
        return found


def file_name(gpu: str) -> str:
    """Return the name of a GPU's lease file. Raises Invalid for what can't be a GPU's UUID."""
    name = gpu.replace("/", "_")
    if not _NAME.fullmatch(name):
        raise Invalid(f"{gpu!r} is not the UUID of a GPU.")
    return f"{name}.lease"


def _lease_paths(folder: Path) -> list[Path]:
    if not _is_shared(folder):
        return []
    with os.scandir(folder) as entries:
        names = [entry.name for entry in itertools.islice(entries, _FILE_LIMIT)]
    paths = [folder / name for name in sorted(names)]
    return [path for path in paths if path.suffix == ".lease" and _NAME.fullmatch(path.stem)]


def _peek(path: Path) -> tuple[str, Content]:
    """Read one file; a reader without a lock may meet a write, so what makes no sense is read again."""
    content: Content = None
    for _ in range(3):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            return path.stem, Doubt(f"its lease file can't be read: {error.strerror}")
        try:
            content = _read(descriptor, path.stem)
        finally:
            os.close(descriptor)
        if not isinstance(content, Doubt):
            break
    return content.gpu if isinstance(content, Lease) else path.stem, content


def _read(descriptor: int, gpu: str) -> Content:
    facts = os.fstat(descriptor)
    age = abs(time.time() - facts.st_mtime)
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > _BLOCK_BYTES:
        return Doubt("its lease file is not a lease file", age)
    data = os.pread(descriptor, _BLOCK_BYTES, 0).strip(b" \0\n")
    if not data:
        return None
    try:
        lease = wire.loads(data, Lease)
    except Invalid:
        return Doubt("its lease file is damaged", age)
    if file_name(gpu) != _name_or_empty(lease.gpu) or not _plausible(lease):
        return Doubt("its lease file makes no sense", age)
    return lease


def _name_or_empty(gpu: str) -> str:
    try:
        return file_name(gpu)
    except Invalid:
        return ""


def _plausible(lease: Lease) -> bool:
    processes = [lease.owner] + ([lease.container_process] if lease.container_process else [])
    texts = (lease.instance, lease.attempt, lease.label, lease.boot_id, lease.engine, lease.container or "")
    return (
        all(0 < process.pid < 1 << 31 for process in processes)
        and all(len(text) <= _TEXT_LIMIT for text in texts)
        and math.isfinite(lease.taken_at)
        and (lease.released_at is None or math.isfinite(lease.released_at))
    )


def _open_locked(path: Path, deadline: float) -> int:
    """Open and lock ``path``; raises TimeoutError at the deadline, OSError when it can't be opened."""
    while True:
        descriptor = _open_or_make(path)
        try:
            _flock(descriptor, deadline)
            if _is_named(descriptor, path):
                return descriptor
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)  # somebody removed the file while we waited: the lock must be on the one others find


def _open_or_make(path: Path) -> int:
    # Without O_CREAT where the file exists: fs.protected_regular forbids that for others' files in sticky folders.
    while True:
        try:
            return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            _make_file(path)


def _make_file(path: Path) -> None:
    """Make an empty file that all may write; under its name it never has other rights."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o666)  # the process's umask must not decide over other users
        with contextlib.suppress(FileExistsError):  # another process was faster
            os.link(temporary, path)
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)


def _flock(descriptor: int, deadline: float) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError("not a regular file")
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError from None
            time.sleep(_POLL_SECONDS)
        else:
            return


def _is_named(descriptor: int, path: Path) -> bool:
    ours = os.fstat(descriptor)
    try:
        named = path.lstat()
    except FileNotFoundError:
        return False
    return (ours.st_dev, ours.st_ino) == (named.st_dev, named.st_ino)


def _make(folder: Path) -> bool:
    """Make the shared folder if it is not there; tell whether this process can use it.

    It is made under another name first: under its own it must never be seen with narrower rights.
    """
    if _is_shared(folder):
        return True
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        temporary.mkdir(mode=0o700)
        temporary.chmod(0o1777)
        temporary.rename(folder)
    except OSError as error:
        _log.debug("No new lease folder %s: %s", folder, error.strerror)
        with contextlib.suppress(OSError):  # it was never made, or has become the folder
            temporary.rmdir()
    return _is_shared(folder)


def _is_shared(folder: Path) -> bool:
    """Tell whether ``folder`` is a real folder into which this process can write."""
    try:
        facts = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(facts.st_mode) and os.access(folder, os.W_OK | os.X_OK)
