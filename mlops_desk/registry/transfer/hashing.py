"""Hashes of the files of a version, taken piece by piece where they lie: nothing of them is kept or loaded."""

import hashlib
import time
from collections.abc import Iterator
from typing import IO, Any

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, NotFound, Refused
from mlops_desk.kit.base.process import limit_memory, serve_one
from mlops_desk.registry.artifacts.files import Files
from mlops_desk.registry.artifacts.source import FilesSource
from mlops_desk.registry.artifacts.worker import files_of
from mlops_desk.registry.records.transfer import HashedFile

_MEMORY_BYTES = 1 << 30  # chosen: a file is read in pieces, and a list of many files is short
_PIECE_BYTES = 4 << 20  # chosen: a few milliseconds of hashing
MOST_FILES = 20_000  # chosen: a model is some dozen files
LARGEST_BYTES = 64 << 30  # chosen: a model of thirty billion parameters


def pieces(stream: IO[bytes], bytes_a_second: float | None = None) -> Iterator[bytes]:
    """Yield a file in pieces, no faster than is asked for."""
    while data := stream.read(_PIECE_BYTES):
        yield data
        if bytes_a_second is not None:
            time.sleep(len(data) / bytes_a_second)


def walked(files: Files) -> list[str]:
    """Return the paths of all files, sorted. Raises Refused where there are too many, NotFound where there are none."""
    found = sorted(one.path for one in files.walk("", MOST_FILES + 1))
    if len(found) > MOST_FILES:
        raise Refused(f"There are more than {MOST_FILES:,} files.", "Is this the folder of one model?")
    if not found:
        raise NotFound("The version has no files where the registry says that they lie.")
    return found


def hashed(files: Files, path: str, bytes_a_second: float | None = None) -> HashedFile:
    """Hash one file. Raises DeskErrors."""
    digest, size = hashlib.sha256(), 0
    with files.open(path, LARGEST_BYTES) as opened:
        if not opened.is_whole:
            raise Refused(f"{path} is too large to be brought here whole.")
        for data in pieces(opened.stream, bytes_a_second):
            digest.update(data)
            size += len(data)
    return HashedFile(path, digest.hexdigest(), size)


def work(request: dict[str, Any]) -> Any:
    """Hash all files of a place; one that can't be read is told without a hash, and why."""
    files = files_of(wire.from_builtins(request["source"], FilesSource))
    done = []
    for path in walked(files):
        try:
            done.append(hashed(files, path, request.get("bytes_a_second")))
        except DeskError as error:
            done.append(HashedFile(path, "", 0, error.message))
    return wire.to_builtins(done)


if __name__ == "__main__":
    limit_memory(_MEMORY_BYTES)
    serve_one(work)
