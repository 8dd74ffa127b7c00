"""A snapshot on its way from the worker that reads it to the agent that keeps it: entries one after the other.

An entry is the length of its head (4 bytes, big end first), the head as JSON, and a file's bytes. The last one is
``end`` or ``error``, so that what was cut off is known as such. Who reads it trusts nothing of it: the worker runs as
a person who may do with it as they like.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from mlops_desk.kit.base.errors import Refused, Unavailable, heard
from mlops_desk.kit.base.text import plain

_LENGTH = struct.Struct(">I")
_LONGEST_HEAD = 1 << 25  # a diff has 2^20 characters at most, each of which JSON may write with 12; and names beside it
_LONGEST_PATH = 4000  # the kernel takes 4096 bytes for a whole path (path_resolution(7))
_LONGEST_NAME = 255  # of one name (path_resolution(7))


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a snapshot may hold."""

    size_bytes: int
    files: int


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of the snapshot. Its ``size_bytes`` follow in the stream."""

    path: str
    size_bytes: int
    executable: bool = False


@dataclass(frozen=True, slots=True)
class LinkEntry:
    """A symbolic link that leads to somewhere in the snapshot."""

    path: str
    target: str


@dataclass(frozen=True, slots=True)
class FactsEntry:
    """What is known of the checkout that the files come from."""

    facts: Mapping[str, Any]


Entry = FileEntry | LinkEntry | FactsEntry


def write_head(stream: IO[bytes], head: Mapping[str, Any]) -> None:
    """Write one head."""
    data = json.dumps(head).encode()
    stream.write(_LENGTH.pack(len(data)) + data)


def file_head(entry: FileEntry) -> dict[str, Any]:
    return {"kind": "file", "path": entry.path, "size": entry.size_bytes, "executable": entry.executable}


def link_head(entry: LinkEntry) -> dict[str, Any]:
    return {"kind": "link", "path": entry.path, "target": entry.target}


def read_entries(stream: IO[bytes], limits: Limits) -> Iterator[Entry]:
    """Yield the entries; after a file's its bytes are to be read. Raises Refused, Unavailable, and what was told."""
    seen, left = Seen(), limits.size_bytes
    count = 0
    while True:
        head = _read_head(stream)
        kind = head.get("kind")
        if kind == "end":
            return
        if kind == "error":
            raise heard(head)
        if kind == "facts":
            yield FactsEntry(dict(head.get("facts") or {}))
            continue
        count += 1
        entry = seen.checked(head)
        left -= entry.size_bytes if isinstance(entry, FileEntry) else 0
        if left < 0 or count > limits.files:
            raise Refused("The snapshot of the code is larger than it may be.")
        yield entry


def _read_head(stream: IO[bytes]) -> dict[str, Any]:
    prefix = stream.read(_LENGTH.size)
    length = _LENGTH.unpack(prefix)[0] if len(prefix) == _LENGTH.size else 0
    data = stream.read(length) if 0 < length <= _LONGEST_HEAD else b""
    try:
        head = json.loads(data)
    except ValueError as error:
        raise Unavailable("The snapshot of the code ended before it was whole.", "Submit the job again.") from error
    if not isinstance(head, dict):
        raise Unavailable("The snapshot of the code can't be read.", "Submit the job again.")
    return head


class Seen:
    """The places that entries have taken so far: no path comes twice, and none leads through a file or a link."""

    def __init__(self) -> None:
        self._things: set[str] = set()
        self._folders: set[str] = set()

    def checked(self, head: Mapping[str, Any]) -> FileEntry | LinkEntry:
        """Return a file or link that is what it should be. Raises Refused."""
        path = head.get("path")
        if not isinstance(path, str) or not is_inside(path):
            raise Refused(f"The snapshot of the code names a place that is none: {plain(str(path))!r}.")
        folders = [path[:place] for place, letter in enumerate(path) if letter == "/"]
        if path in self._things or path in self._folders or not self._things.isdisjoint(folders):
            raise Refused(f"The snapshot of the code has {plain(path)!r} twice.")
        self._things.add(path)
        self._folders.update(folders)
        if head.get("kind") == "link":
            target = head.get("target")
            if not isinstance(target, str) or not leads_inside(path, target):
                raise Refused(f"The link {plain(path)!r} leads out of the snapshot of the code.")
            return LinkEntry(path, target)
        size = head.get("size")
        if head.get("kind") != "file" or not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise Refused(f"The snapshot of the code has something else at {plain(path)!r}.")
        return FileEntry(path, size, head.get("executable") is True)


def is_inside(path: str) -> bool:
    """Tell whether a relative path names something below where it is taken from."""
    parts = path.split("/")
    try:
        fits = len(path.encode("utf-8", "surrogateescape")) <= _LONGEST_PATH and all(
            0 < len(part.encode("utf-8", "surrogateescape")) <= _LONGEST_NAME for part in parts
        )
    except UnicodeEncodeError:
        return False
    return fits and "\0" not in path and not {".", ".."} & set(parts)


def leads_inside(path: str, target: str) -> bool:
    """Tell whether a link at ``path`` leads, by its words, to somewhere in the snapshot."""
    try:
        length = len(target.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return False
    if not 0 < length <= _LONGEST_PATH or target.startswith("/") or "\0" in target:
        return False
    depth = path.count("/")
    for part in target.split("/"):
        if part == "..":
            depth -= 1
        elif part not in {"", "."}:
            depth += 1
        if depth < 0:
            return False
    return True
