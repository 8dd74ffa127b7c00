"""Copying one file so that it is known to be right: hashed while it is read, read again where it lies, and compared.

A file is copied in parts. Of each part that was verified a line is kept, so that whoever goes on after a kill hashes
what lies there and reads from the share only what is missing. Holes stay holes. A file that changes meanwhile is told.
"""

import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import IO

from mlops_desk.kit.base.errors import Hint, Refused, Unavailable
from mlops_desk.kit.base.text import plain

# What lies in a source, one line each, in the order of a walk: how listings and manifests are written and compared.
#
# A listing says of each file its size and the time of its last change, a manifest also its hash. Both are long
# (millions of lines) and in one order, so that two of them are gone through side by side, and neither is ever in
# memory.

FILE, FOLDER, LINK = "f", "d", "l"
PART_BYTES = 256 << 20
"""Chosen: read in a second or a few; a copy that was cut off goes on at the part that it was at."""
METHOD = f"blake2b-256 of the blake2b-256 of each {PART_BYTES >> 20} MiB"
"""How a file's hash is made; part of the manifest's, so that another way gives another hash."""


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """A file, a folder or a link. ``path`` is relative, "" for a source that is one file.

    ``allocated_bytes`` is what it takes where it lies, ``run`` whether its owner may run it, ``link`` where it leads.
    ``digest`` is a file's hash once its copy was verified.
    """

    path: str
    kind: str
    size_bytes: int = 0
    mtime_ns: int = 0
    allocated_bytes: int = 0
    run: bool = False
    link: str = ""
    digest: str | None = None

    @property
    def unchanged(self) -> tuple[str, str, int, int, bool, str]:
        """What is the same as long as nobody has written to it."""
        return self.path, self.kind, self.size_bytes, self.mtime_ns, self.run, self.link


def order(path: str) -> list[tuple[int, str]]:
    """Return a path's place in the walk: in each folder its files first, then its folders, each by name."""
    *folders, name = path.split("/")
    return [*((1, folder) for folder in folders), (0, name)]


def place(entry: SourceEntry) -> list[tuple[int, str]]:
    """Return an entry's place: a folder stands before all that is in it."""
    found = order(entry.path)
    if entry.kind == FOLDER:
        found[-1] = (1, found[-1][1])
    return found


def line_of(entry: SourceEntry) -> bytes:
    """Return an entry as a line of a listing or manifest."""
    fields = [entry.path, entry.kind, entry.size_bytes, entry.mtime_ns, entry.allocated_bytes, entry.run, entry.link]
    return json.dumps([*fields, entry.digest] if entry.digest is not None else fields).encode() + b"\n"


def read_lines(file: IO[bytes]) -> Iterator[SourceEntry]:
    """Yield the entries of a listing or manifest up to a line that is not whole, where its writer was killed."""
    for line in file:
        try:
            found = SourceEntry(*json.loads(line))
        except (ValueError, TypeError):
            return
        if not line.endswith(b"\n"):
            return
        yield found


def beside(
    entries: Iterable[SourceEntry], *earlier: Iterable[SourceEntry]
) -> Iterator[tuple[SourceEntry, list[SourceEntry | None]]]:
    """Yield each entry with those of the same path of earlier listings or manifests, where they are unchanged."""
    others = [iter(one) for one in earlier]
    now = [next(one, None) for one in others]
    for entry in entries:
        mine = place(entry)
        for number, one in enumerate(others):
            while (other := now[number]) is not None and place(other) < mine:
                now[number] = next(one, None)
        yield entry, [one if one is not None and one.unchanged == entry.unchanged else None for one in now]


class ListingHash:
    """Names a source as it was listed: any file that came, went or was written to gives another name."""

    def __init__(self, source: str) -> None:
        self._hash = hashlib.blake2b(json.dumps(source).encode(), digest_size=16)

    def add(self, entry: SourceEntry) -> None:
        self._hash.update(line_of(replace(entry, allocated_bytes=0, digest=None)))

    @property
    def name(self) -> str:
        return self._hash.hexdigest()


class ManifestHash:
    """Hashes paths, kinds, sizes and contents: the same data copied from elsewhere, or later, has the same hash."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256(METHOD.encode())

    def add(self, entry: SourceEntry) -> None:
        same = replace(entry, mtime_ns=0, allocated_bytes=0)
        self._hash.update(line_of(same))

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


_BLOCK = 1 << 20  # chosen: more at once is not faster
_AHEAD_BYTES = 4 << 20  # chosen: some hundredths of a second for a disk
_WRITTEN_BYTES = 8 << 20  # chosen: some hundredths of a second for a disk
_ZEROS = bytes(_BLOCK)
_WRITES = 2  # a disk that gives back something else twice is broken
_FILE_MODE, _RUN_MODE = 0o444, 0o555
"""Whoever the job runs as has to be able to read it; the folder above is closed to everybody else."""
_WRITE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Moved = Callable[[int], None]
"""Hears of bytes that were read, or that lie there already."""
KeepPart = Callable[[str, int, str], None]
"""Keeps the hash of a part (by the path and its number) that was verified."""


class SourceChanged(Exception):  # noqa: N818 - an outcome
    """The file is another one than was listed, or was written to while it was read."""


class FileCopy:
    """Copies files, in several threads at once. ``parts`` are the hashes that an earlier try has kept.

    ``there`` hears of bytes that lie there already, ``copied`` of those that were read.
    """

    def __init__(self, there: Moved, copied: Moved, keep_part: KeepPart, parts: Mapping[tuple[str, int], str]) -> None:
        self._there = there
        self._copied_bytes = copied
        self._keep_part = keep_part
        self._parts = parts

    def copy(self, entry: SourceEntry, source: int, folder: int, name: str) -> str:
        """Copy what is opened as ``source`` to ``name`` in the opened ``folder``; return the file's hash.

        Raises SourceChanged, OSError, Refused, Unavailable.
        """
        check_same(entry, source)
        written = _opened(folder, name)
        try:
            os.ftruncate(written, entry.size_bytes)
            digest = hashlib.blake2b(digest_size=32)
            for number in range(parts_of(entry.size_bytes)):
                digest.update(self._part(entry, number, source, written))
            check_same(entry, source)
            os.fchmod(written, _RUN_MODE if entry.run else _FILE_MODE)
            os.utime(written, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(written)
        return digest.hexdigest()

    def _part(self, entry: SourceEntry, number: int, source: int, written: int) -> bytes:
        start = number * PART_BYTES
        length = min(PART_BYTES, entry.size_bytes - start)
        known = self._parts.get((entry.path, number))
        if known is not None and hash_part(written, start, length).hex() == known:
            self._there(length)
            return bytes.fromhex(known)
        for _ in range(_WRITES):
            digest = self._copied(entry, source, written, start, length)
            if length > _BLOCK:  # what is small is not worth a wait for the disk: after a crash it is looked at anew
                os.fdatasync(written)
                os.posix_fadvise(written, start, length, os.POSIX_FADV_DONTNEED)
            if hash_part(written, start, length) == digest:
                if entry.size_bytes > PART_BYTES:
                    self._keep_part(entry.path, number, digest.hex())
                return digest
        text = f"{plain(entry.path)} lies in the cache otherwise than it was written: its disk is not sound."
        raise Unavailable(
            text, Hint("mlops-desk doctor", after=" tells of drives. Or take another folder for the cache.")
        )

    def _copied(self, entry: SourceEntry, source: int, written: int, start: int, length: int) -> bytes:
        """Copy a part and return the hash of what was read; holes are neither read nor written."""
        digest = hashlib.blake2b(digest_size=32)
        os.posix_fadvise(source, start, length, os.POSIX_FADV_SEQUENTIAL)
        sparse = entry.allocated_bytes < entry.size_bytes
        at, end = start, start + length
        while at < end:
            step = min(_BLOCK, end - at)
            if sparse and _next_data(source, at) >= at + step:
                data = _ZEROS[:step]
            else:
                data = os.pread(source, step, at)
                if not data:
                    raise SourceChanged(entry.path)
            if not sparse or data != _ZEROS[: len(data)] or os.pread(written, len(data), at) != data:
                _write_all(written, data, at)
            digest.update(data)
            self._copied_bytes(len(data))
            at += len(data)
            if at % _WRITTEN_BYTES == 0:  # has the disk write while more is read, and the part's end waits for little
                os.posix_fadvise(written, at - _WRITTEN_BYTES, _WRITTEN_BYTES, os.POSIX_FADV_DONTNEED)
        return digest.digest()


def parts_of(size_bytes: int) -> int:
    """Return in how many parts a file is copied."""
    return -(-size_bytes // PART_BYTES)


def hash_file(descriptor: int, size_bytes: int) -> str:
    """Return the hash of an opened file, as ``copy`` makes it. Raises OSError, SourceChanged where it is shorter."""
    digest = hashlib.blake2b(digest_size=32)
    for number in range(parts_of(size_bytes)):
        start = number * PART_BYTES
        digest.update(hash_part(descriptor, start, min(PART_BYTES, size_bytes - start)))
    return digest.hexdigest()


def hash_part(descriptor: int, start: int, length: int) -> bytes:
    """Return the hash of a part of an opened file. Raises OSError, SourceChanged where the file is shorter."""
    if length == PART_BYTES and _next_data(descriptor, start) >= start + length:
        return _hash_of_zeros()  # a hole as long as a part need not be read
    digest = hashlib.blake2b(digest_size=32)
    at, end = start, start + length
    while at < end:
        if at % _AHEAD_BYTES == 0:  # the disk reads on while this is hashed
            os.posix_fadvise(descriptor, at + _AHEAD_BYTES, min(_AHEAD_BYTES, end - at), os.POSIX_FADV_WILLNEED)
        data = os.pread(descriptor, min(_BLOCK, end - at), at)
        if not data:
            raise SourceChanged
        digest.update(data)
        at += len(data)
    return digest.digest()


@cache
def _hash_of_zeros() -> bytes:
    digest = hashlib.blake2b(digest_size=32)
    for _ in range(PART_BYTES // _BLOCK):
        digest.update(_ZEROS)
    return digest.digest()


def check_same(entry: SourceEntry, descriptor: int) -> None:
    """Raise SourceChanged where an opened file is not what was listed."""
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode) or (facts.st_size, facts.st_mtime_ns) != (entry.size_bytes, entry.mtime_ns):
        raise SourceChanged(entry.path)


def _opened(folder: int, name: str) -> int:
    """Open a file of the cache to be written; one that was whole and is to be written anew is replaced."""
    try:
        found = os.open(name, _WRITE, 0o600, dir_fd=folder)
    except PermissionError:
        os.unlink(name, dir_fd=folder)
        found = os.open(name, _WRITE, 0o600, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise Refused(f"{plain(name)} in the cache is no file.", Hint("mlops-desk jobs clear-cache"))
    return found


def _next_data(descriptor: int, at: int) -> int:
    """Return where the next byte lies that is in no hole; where nobody tells of holes, here."""
    try:
        return os.lseek(descriptor, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing but a hole up to the end
            return os.fstat(descriptor).st_size
        return at


def _write_all(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        count = os.pwrite(descriptor, view, at)
        view, at = view[count:], at + count
