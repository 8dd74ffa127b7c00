"""One lease file: a block of JSON padded with blanks, written by its owner alone and read by everybody, with suspicion.

The block is written in a single call over the old one, so that no end of a process leaves half a lease and giving
back needs no free space. An empty or blank file is no lease. Who owns the file speaks in it, and only for
themselves; root may speak for anybody. Links are not followed, and what is read is checked and capped.
"""

import contextlib
import errno
import math
import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.gpus.leases.host import Process
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import NotPlainError, plain_descriptor
from mlops_desk.kit.base.errors import Invalid

SUFFIX = ".lease"
SHARE_SUFFIX = ".share"  # agents of before shares must not take it for a lease of the whole
SLOTS = 16  # chosen: of one user on one GPU; of 80 GiB that is 5 GiB for each

_BLOCK_BYTES = 4096  # a page, so that one call each reads and writes it
_TEXT_LIMIT = 200  # chosen: longer than ids, labels and addresses of engines are
_LOOKS = 5  # chosen: a writer is between two states for one call only
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_SHARE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._:-]{0,127})\.\d{1,2}\.share")


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a GPU. Times are seconds since boot. ``released_at`` is set once the holder has let go.

    ``since`` (when it was first taken) and ``until`` (when the holder must have let go) are Unix seconds. One of
    several that share the GPU has a ``slot``, and ``share_bytes`` is how much of the memory it declared. Of a MIG
    instance, ``parent`` is the GPU.

    Agents of before shares know one holder of a GPU and no instances. For their sake alone whoever holds a part of a
    GPU has a ``stand_in`` where a lease of the whole would be: to them it is one that lives until it is given back.
    """

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
    until: float | None = None
    since: float | None = None
    slot: int | None = None
    share_bytes: int | None = None
    parent: str | None = None
    stand_in: bool = False

    @property
    def file_name(self) -> str:
        """The name of the file that it is written to."""
        return file_name(self.gpu, self.slot)

    @property
    def whole(self) -> str | None:
        """The GPU of which this holds only a part; None for a lease of a whole one."""
        return self.parent or (self.gpu if self.slot is not None else None)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A file that can't be used, and why. ``age_seconds`` is how long it has been like that, as far as known."""

    text: str
    age_seconds: float | None = None


Content = Lease | Doubt | None


def file_name(gpu: str, slot: int | None = None) -> str:
    """Return the name of a GPU's lease file, or of a share of it. Raises Invalid for what can't be a GPU's UUID."""
    return f"{stem(gpu)}{SUFFIX}" if slot is None else f"{stem(gpu)}.{slot}{SHARE_SUFFIX}"


def stem(gpu: str) -> str:
    """Return what files call a GPU: its UUID without slashes. Raises Invalid for what can't be a GPU's UUID."""
    name = gpu.replace("/", "_")
    if not _NAME.fullmatch(name):
        raise Invalid(f"{gpu!r} is not the UUID of a GPU.")
    return name


def is_lease_file(name: str) -> bool:
    """Tell whether a file's name is that of a lease file, as agents of before shares had them too."""
    return name.endswith(SUFFIX) and _NAME.fullmatch(name.removesuffix(SUFFIX)) is not None


def is_share_file(name: str) -> bool:
    """Tell whether a file's name is that of a share's file."""
    return _SHARE.fullmatch(name) is not None


def stem_of(name: str) -> str:
    """Return what a lease file or a share's file of this name calls its GPU."""
    share = _SHARE.fullmatch(name)
    return name.removesuffix(SUFFIX) if share is None else share[1]


def read_lease(path: Path, speaker: int | None) -> Content:
    """Read a lease file in a folder of the user ``speaker``; nothing locks it, so a write may be under way.

    None: a folder where anybody may speak for anybody, as older agents have it.
    """
    content: Content = None
    for _ in range(_LOOKS):
        try:
            descriptor = plain_descriptor(path)
        except FileNotFoundError:
            return None
        except NotPlainError as error:
            return Doubt("is not a lease file", abs(time.time() - error.facts.st_mtime))
        except OSError as error:
            return Doubt(f"can't be read ({error.strerror})")
        try:
            content = _read(descriptor, path.name, speaker)
        finally:
            os.close(descriptor)
        if not isinstance(content, Doubt):
            break
    return content


def write_lease(path: Path, lease: Lease | None) -> None:
    """Make ``lease`` the content of a file in a folder of our own; what else has that name is put out of the way.

    Raises OSError when the disk refuses; the old content then stands.
    """
    block = b"" if lease is None else wire.dumps(lease).encode()
    if len(block) > _BLOCK_BYTES:
        raise ValueError(lease)  # a bug: every text was capped
    block = block.ljust(_BLOCK_BYTES)
    descriptor = _open_own(path)
    if descriptor is None:
        _replace(path, block)
        return
    try:
        _write_block(descriptor, block)
        os.ftruncate(descriptor, _BLOCK_BYTES)  # of a file that somebody made longer
    finally:
        os.close(descriptor)


def _open_own(path: Path) -> int | None:
    """Open a regular file of our own that only we may write to; None when there is none of that name."""
    try:
        descriptor = plain_descriptor(path, flags=os.O_RDWR)
    except OSError:
        return None
    facts = os.fstat(descriptor)
    if facts.st_uid == os.geteuid() and stat.S_IMODE(facts.st_mode) == 0o644:
        return descriptor
    os.close(descriptor)
    return None


def _replace(path: Path, block: bytes) -> None:
    """Put a new file in the place of whatever is there; under its name it is never half written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o644)  # the process's umask must not hide a lease from other users
        _write_block(descriptor, block)
        if path.is_dir() and not path.is_symlink():
            path.rename(temporary.with_name(f"{temporary.name}.folder"))
        temporary.rename(path)
    finally:
        os.close(descriptor)
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _write_block(descriptor: int, block: bytes) -> None:
    if os.pwrite(descriptor, block, 0) != _BLOCK_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _read(descriptor: int, name: str, speaker: int | None) -> Content:
    facts = os.fstat(descriptor)
    age = abs(time.time() - facts.st_mtime)
    if facts.st_size > _BLOCK_BYTES:
        return Doubt("is not a lease file", age)
    data = os.pread(descriptor, _BLOCK_BYTES, 0)
    if data != os.pread(descriptor, _BLOCK_BYTES, 0):  # the kernel does not promise that a read sees a whole write
        return Doubt("is being written all the time", age)
    data = data.strip(b" \0\n")
    if not data:
        return None
    try:
        lease = wire.loads(data, Lease)
    except Invalid:
        return Doubt("is damaged", age)
    wrong = _what_is_wrong(lease, name, facts.st_uid, speaker)
    return lease if wrong is None else Doubt(wrong, age)


def _what_is_wrong(lease: Lease, name: str, owner: int, speaker: int | None) -> str | None:
    if speaker is not None and (owner != speaker or speaker not in {lease.uid, 0}):
        return "speaks for another user"
    if name != _name_or_empty(lease) or not _plausible(lease):
        return "makes no sense"
    return None


def _name_or_empty(lease: Lease) -> str:
    try:
        return lease.file_name
    except Invalid:
        return ""


def _plausible(lease: Lease) -> bool:
    processes = [lease.owner] + ([lease.container_process] if lease.container_process else [])
    texts = (lease.instance, lease.attempt, lease.label, lease.boot_id, lease.engine, lease.container or "")
    times = (lease.taken_at, lease.released_at or 0.0, lease.until or 0.0, lease.since or 0.0)
    return (
        all(0 < process.pid < 1 << 31 for process in processes)
        and all(len(text) <= _TEXT_LIMIT for text in (*texts, lease.parent or ""))
        and all(math.isfinite(at) for at in times)
        and (lease.slot is None) == (lease.share_bytes is None)
        and (lease.share_bytes is None or lease.share_bytes > 0)
    )
