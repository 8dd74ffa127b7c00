"""Worker: what lies on a job's read-only mounts, as its submitter sees it: how much, and a hash of it.

Small sets are read whole. Of large ones the hash is of every path and size, and of the first, middle and last part of
each file, and is labelled as sampled. What is not known in time stays unknown; nobody waits for it.
"""

import hashlib
import os
import stat
import time
from collections.abc import Iterator
from typing import IO, Any

from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.process import serve_one

_PART_BYTES = 64 << 10  # chosen: at each of three places of a file; a header and some rows
_CHUNK = 1 << 20  # chosen: more at once is not faster


def manifest(request: dict[str, Any]) -> list[dict[str, Any] | None]:
    """Return files, size_bytes, sha256 and sampled of each of ``sources``; None for one that was not looked at in time.

    A set larger than ``whole_bytes`` is sampled; ``seconds`` is for all of them together.
    """
    until = time.monotonic() + float(request["seconds"])
    return [_look(str(source), int(request["whole_bytes"]), until) for source in request["sources"]]


def _look(source: str, whole_bytes: int, until: float) -> dict[str, Any] | None:
    try:
        files = _listed(source, until)
        size = sum(one[1] for one in files)
        sampled = size > whole_bytes
        digest = hashlib.sha256()
        for path, length, whole in files:
            digest.update(f"{len(os.fsencode(path))}:".encode() + os.fsencode(path) + f":{length}:".encode())
            if whole is not None:
                for data in _read(whole, length, until, sampled=sampled):
                    digest.update(data)
    except (OSError, TimeoutError):
        return None  # one that can't be read is as unknown as one that takes too long
    return {"files": len(files), "size_bytes": size, "sha256": digest.hexdigest(), "sampled": sampled}


def _listed(source: str, until: float) -> list[tuple[str, int, str | None]]:
    """Return the path, length and place of each file; a link is a file whose path says where it leads."""
    if not stat.S_ISDIR(os.stat(source).st_mode):  # noqa: PTH116 - a text: names need not be UTF-8
        return [("", os.stat(source).st_size, source)]  # noqa: PTH116 - as above
    found: list[tuple[str, int, str | None]] = []

    def fail(error: OSError) -> None:
        raise error

    for here, folders, names in os.walk(source, onerror=fail):
        _check(until)
        folders.sort()
        for name in [*names, *(one for one in folders if os.path.islink(os.path.join(here, one)))]:  # noqa: PTH114, PTH118 - as above
            whole = os.path.join(here, name)  # noqa: PTH118 - as above
            facts = os.lstat(whole)
            path = os.path.relpath(whole, source)
            if stat.S_ISLNK(facts.st_mode):
                found.append((f"{path} -> {os.readlink(whole)}", 0, None))  # noqa: PTH115 - as above
            elif stat.S_ISREG(facts.st_mode):
                found.append((path, facts.st_size, whole))
    return sorted(found, key=lambda one: os.fsencode(one[0]))


def _read(path: str, length: int, until: float, *, sampled: bool) -> Iterator[bytes]:
    with open_plain(path) as file:
        if not sampled or length <= 3 * _PART_BYTES:
            yield from _all(file, until)
            return
        for place in (0, (length - _PART_BYTES) // 2, length - _PART_BYTES):
            _check(until)
            file.seek(place)
            yield file.read(_PART_BYTES)


def _all(file: IO[bytes], until: float) -> Iterator[bytes]:
    while data := file.read(_CHUNK):
        _check(until)
        yield data


def _check(until: float) -> None:
    if time.monotonic() > until:
        raise TimeoutError


if __name__ == "__main__":
    serve_one(manifest)
