"""What lies in a source, one line each, in the order of a walk: how listings and manifests are written and compared.

A listing says of each file its size and the time of its last change, a manifest also its hash. Both are long (millions
of lines) and in one order, so that two of them are gone through side by side, and neither is ever in memory.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import IO

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
