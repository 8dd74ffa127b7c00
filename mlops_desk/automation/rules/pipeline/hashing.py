"""The worker that freezes data: ``python -m mlops_desk.automation.rules.pipeline.hashing``, one request on stdin.

Request: {"sources": {target: path}, "known": {path of a file: [size, mtime_ns, inode, ctime_ns, SHA-256]}}. The answer
is {"files": [[target, path below it, size, SHA-256, path of the file, mtime_ns, inode, ctime_ns]]}, sorted. A file that
is known, and stands as it did then, is not read again: whoever sets a file's time back can't set its ctime. Links lead
nowhere: their text is their content. A file that is written while it is read has no hash, and is refused.
With "tells" it says on stderr how far it is, once in a second: a line with the files and the bytes that were read.
"""

import hashlib
import json
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain

MODULE = "mlops_desk.automation.rules.pipeline.hashing"
MOST_FILES = 1_000_000  # chosen: a list of more takes minutes and a gigabyte to be kept
_CHUNK = 1 << 20  # chosen: as large as a disk likes to read
_TELL_SECONDS = 1.0  # chosen: one sees that it goes on
Known = Mapping[str, list[Any]]


class _Told:
    """How far it is, said once in a second where somebody listens."""

    def __init__(self, *, tells: bool) -> None:
        self._tells = tells
        self._files = self._bytes = 0
        self._last = time.monotonic()

    def read(self, size_bytes: int, *, files: int = 0) -> None:
        """Take note of what was read."""
        self._files, self._bytes = self._files + files, self._bytes + size_bytes
        now = time.monotonic()
        if self._tells and now - self._last >= _TELL_SECONDS:
            self._last = now
            sys.stderr.write(f"{self._files} {self._bytes}\n")
            sys.stderr.flush()


def manifest(sources: Mapping[str, str], known: Known, *, tells: bool = False) -> list[list[Any]]:
    """Return what lies there, file by file. Raises NotFound, Invalid."""
    found: list[list[Any]] = []
    told = _Told(tells=tells)
    for target, source in sorted(sources.items()):
        _check_there(source, target)
        for below, path in _files(source):
            if len(found) >= MOST_FILES:
                raise _too_many(source)
            found.append([target, below, *_of_file(path, known, told)])
            told.read(0, files=1)
    return found


def known_of(files: Iterable[list[Any]]) -> dict[str, list[Any]]:
    """Return what is known of the files of an earlier answer. Raises IndexError, TypeError for what is none."""
    return {one[4]: [one[2], *one[5:], one[3]] for one in files}


def digest_of(files: Iterable[list[Any]], target: str | None = None) -> str:
    """Return the hash of a manifest; of one ``target`` alone it is that of the same data under any other name."""
    digest = hashlib.sha256()
    for one, below, size, sha256, *_ in files:
        if target is None or one == target:
            digest.update(json.dumps([one if target is None else "", below, size, sha256]).encode("ascii") + b"\n")
    return digest.hexdigest()


def _check_there(source: str, target: str) -> None:
    """Raise NotFound where nothing lies there, and Invalid where nobody may tell: that is no word of its absence."""
    try:
        os.lstat(source)
    except (FileNotFoundError, NotADirectoryError) as error:
        wanted = f", which is to be {plain(target, 80)}" if target else ""
        raise NotFound(f"There is nothing at {plain(source, 300)}{wanted}.") from error
    except OSError as error:
        raise Invalid(
            f"{plain(source, 300)} can't be looked at: {error.strerror}.", "Check its permissions."
        ) from error


def _files(source: str) -> Iterator[tuple[str, str]]:
    """Yield the files of a folder, sorted by their path below it; a file that is named is its own."""
    if not Path(source).is_dir():
        yield "", source
        return
    found = []
    for folder, folders, names in os.walk(source, onerror=_refuse):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        found += [(os.path.relpath(f"{folder}/{name}", source), f"{folder}/{name}") for name in (*names, *links)]
        if len(found) > MOST_FILES:  # before they are sorted: the rest may be without end
            raise _too_many(source)
    yield from sorted(found, key=lambda one: os.fsencode(one[0]))


def _too_many(source: str) -> Invalid:
    return Invalid(f"{plain(source, 300)} holds more than {MOST_FILES:,} files.", "Pack them into fewer.")


def _refuse(error: OSError) -> None:
    raise Invalid(f"{plain(str(error.filename), 300)} can't be read: {error.strerror}.", "Check its permissions.")


def _of_file(path: str, known: Known, told_of: _Told) -> tuple[int, str, str, int, int, int]:
    """Return size, SHA-256, path, time, inode and ctime. Raises Invalid."""
    try:
        facts = os.lstat(path)
        size, modified, inode, changed = _mark(facts)
        if stat.S_ISLNK(facts.st_mode):
            told = os.fsencode(os.readlink(path))  # noqa: PTH115 - as bytes, whatever it says
            size, sha256 = len(told), hashlib.sha256(b"-> " + told).hexdigest()
        elif not stat.S_ISREG(facts.st_mode):
            raise Invalid(f"{plain(path, 300)} is no file, so it can't be frozen.", "Take it out of the data.")
        else:
            before = known.get(path)
            is_same = before is not None and before[:-1] == [size, modified, inode, changed]
            sha256 = str(before[-1]) if before is not None and is_same else _hashed(path, facts, told_of)
    except OSError as error:
        raise Invalid(f"{plain(path, 300)} can't be read: {error.strerror}.", "Check its permissions.") from error
    return size, sha256, path, modified, inode, changed


def _mark(facts: os.stat_result) -> tuple[int, int, int, int]:
    """Return what changes with each write to a file, and with each other file in its place."""
    return facts.st_size, facts.st_mtime_ns, facts.st_ino, facts.st_ctime_ns


def _hashed(path: str, seen: os.stat_result, told: _Told) -> str:
    """Return the hash of a file that is still as it was ``seen`` once it is read. Raises Invalid, OSError."""
    digest = hashlib.sha256()
    with open_plain(path) as file:
        left = seen.st_size + 1  # no more of a file that grows: whoever appends to it may be faster
        while left > 0 and (data := file.read(min(_CHUNK, left))):
            digest.update(data)
            told.read(len(data))
            left -= len(data)
        after = os.fstat(file.fileno())
    if left != 1 or _mark(after) != _mark(seen):
        text = f"{plain(path, 300)} was changed while it was read, so it can't be frozen."
        raise Invalid(text, "Let nobody write the data meanwhile, or keep a copy of them that nobody writes.")
    return digest.hexdigest()


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    return {"files": manifest(request["sources"], request.get("known", {}), tells=bool(request.get("tells")))}


if __name__ == "__main__":
    serve_one(answer)
