"""The worker that freezes data: ``python -m mlops_desk.rules.pipeline.hashing``, one request on stdin.

Request: {"sources": {target: path}, "known": {path of a file: [size, mtime_ns, inode, SHA-256]}}. The answer is
{"files": [[target, path below it, size, SHA-256, path of the file, mtime_ns, inode]]}, sorted. A file that is known,
and has the same size, time and inode as then, is not read again. Links lead nowhere: their text is their content.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlops_desk.base.errors import Invalid, NotFound
from mlops_desk.base.process import serve_one
from mlops_desk.base.text import plain

MODULE = "mlops_desk.rules.pipeline.hashing"
MOST_FILES = 1_000_000  # chosen: a list of more takes minutes and a gigabyte to be kept
_CHUNK = 1 << 20  # chosen: as large as a disk likes to read
Known = Mapping[str, list[Any]]


def manifest(sources: Mapping[str, str], known: Known) -> list[list[Any]]:
    """Return what lies there, file by file. Raises NotFound, Invalid."""
    found: list[list[Any]] = []
    for target, source in sorted(sources.items()):
        if not os.path.lexists(source):
            raise NotFound(f"There is nothing at {plain(source, 300)}, which is to be {plain(target, 80)}.")
        for below, path in _files(source):
            if len(found) >= MOST_FILES:
                raise Invalid(f"{plain(source, 300)} holds more than {MOST_FILES:,} files.", "Pack them into fewer.")
            found.append([target, below, *_of_file(path, known)])
    return found


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


def _of_file(path: str, known: Known) -> tuple[int, str, str, int, int]:
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
        sha256 = str(before[3]) if before is not None and before[:3] == mark else _hashed(path)
    except OSError as error:
        raise Invalid(f"{plain(path, 300)} can't be read: {error.strerror}.", "Check its permissions.") from error
    return facts.st_size, sha256, path, facts.st_mtime_ns, facts.st_ino


def _hashed(path: str) -> str:
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        while data := file.read(_CHUNK):
            digest.update(data)
    return digest.hexdigest()


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    return {"files": manifest(request["sources"], request.get("known", {}))}


if __name__ == "__main__":
    serve_one(answer)
