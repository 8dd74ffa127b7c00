"""The worker that freezes data: ``python -m mlops_desk.rules.pipeline.hashing``, one request on stdin.

Request: {"sources": {target: path}, "known": {path of a file: [size, mtime_ns, inode, SHA-256]}}. The answer is
{"files": [[target, path below it, size, SHA-256, path of the file, mtime_ns, inode]]}, sorted. A file that is known,
and has the same size, time and inode as then, is not read again. Links lead nowhere: their text is their content.
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

from mlops_desk.base.errors import Invalid, NotFound
from mlops_desk.base.process import serve_one
from mlops_desk.base.text import plain

MODULE = "mlops_desk.rules.pipeline.hashing"
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
                raise Invalid(f"{plain(source, 300)} holds more than {MOST_FILES:,} files.", "Pack them into fewer.")
            found.append([target, below, *_of_file(path, known, told)])
            told.read(0, files=1)
    return found


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
    yield from sorted(found, key=lambda one: os.fsencode(one[0]))


def _refuse(error: OSError) -> None:
    raise Invalid(f"{plain(str(error.filename), 300)} can't be read: {error.strerror}.", "Check its permissions.")


def _of_file(path: str, known: Known, told_of: _Told) -> tuple[int, str, str, int, int]:
    """Return size, SHA-256, path, time and inode. Raises Invalid."""
    try:
        facts = os.lstat(path)
        if stat.S_ISLNK(facts.st_mode):
            told = os.fsencode(os.readlink(path))  # noqa: PTH115 - as bytes, whatever it says
            return len(told), hashlib.sha256(b"-> " + told).hexdigest(), path, facts.st_mtime_ns, facts.st_ino
        if not stat.S_ISREG(facts.st_mode):
            raise Invalid(f"{plain(path, 300)} is no file, so it can't be frozen.", "Take it out of the data.")
        before = known.get(path)
        mark = [facts.st_size, facts.st_mtime_ns, facts.st_ino]
        sha256 = str(before[3]) if before is not None and before[:3] == mark else _hashed(path, told_of)
    except OSError as error:
        raise Invalid(f"{plain(path, 300)} can't be read: {error.strerror}.", "Check its permissions.") from error
    return facts.st_size, sha256, path, facts.st_mtime_ns, facts.st_ino


def _hashed(path: str, told: _Told) -> str:
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        while data := file.read(_CHUNK):
            digest.update(data)
            told.read(len(data))
    return digest.hexdigest()


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    return {"files": manifest(request["sources"], request.get("known", {}), tells=bool(request.get("tells")))}


if __name__ == "__main__":
    serve_one(answer)
