"""The worker that writes a version into one file: beside its name first, and under it when it is whole."""

import hashlib
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import replace_durably
from mlops_desk.kit.base.disk.free_space import check_room, disk_trouble
from mlops_desk.kit.base.errors import DeskError, NotFound, Refused, Unavailable
from mlops_desk.kit.base.process import limit_memory, serve_one
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.artifacts.files import Files
from mlops_desk.registry.artifacts.source import FilesSource
from mlops_desk.registry.artifacts.worker import files_of
from mlops_desk.registry.records.transfer import HashedFile
from mlops_desk.registry.transfer import file_format
from mlops_desk.registry.transfer.file_format import ArchivedVersion
from mlops_desk.registry.transfer.hashing import LARGEST_BYTES, hashed, pieces, walked

_MEMORY_BYTES = 1 << 30  # chosen: a file is written in pieces
_EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's earliest: the same version gives the same bytes


def work(request: dict[str, Any]) -> Any:
    """Write an archive; return how many files it has and how large it is."""
    files = files_of(wire.from_builtins(request["source"], FilesSource))
    version = wire.from_builtins(request["version"], ArchivedVersion)
    target = Path(request["to"])
    _check_target(target)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.unfinished")
    try:
        n_files = _write(unfinished, version, files)
        _sync(unfinished)
        replace_durably(unfinished, target)
    except OSError as error:
        raise disk_trouble(error) or Unavailable(f"{plain(str(target), 400)} can't be written: {error}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return {"n_files": n_files, "size_bytes": target.stat().st_size}


def _check_target(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise Refused(f"{plain(str(target), 400)} is there already; nothing is written over it.")
    if not target.parent.is_dir():
        raise NotFound(f"There is no folder {plain(str(target.parent), 400)}.")
    check_room(target.parent, "Name a file on another disk.")


def _write(path: Path, version: ArchivedVersion, files: Files) -> int:
    """Write all files and then the list of what was written; what changes meanwhile is told."""
    written: list[HashedFile] = []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with (
        os.fdopen(descriptor, "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive,
    ):
        for name in walked(files):
            known = hashed(files, name)
            _put(archive, files, known)
            written.append(known)
        told = wire.dumps(replace(version, files=tuple(written))).encode()
        archive.writestr(_info(file_format.MEMBER), told)
    return len(written)


def _put(archive: zipfile.ZipFile, files: Files, known: HashedFile) -> None:
    digest, size = hashlib.sha256(), 0
    info = _info(file_format.FILES + known.path)
    info.file_size = known.size_bytes
    with files.open(known.path, LARGEST_BYTES) as opened, archive.open(info, "w", force_zip64=True) as member:
        for data in pieces(opened.stream):
            digest.update(data)
            size += len(data)
            member.write(data)
    if (size, digest.hexdigest()) != (known.size_bytes, known.sha256):
        raise DeskError(f"{plain(known.path)} changed while it was read; nothing was exported.", "Try again.")


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.external_attr = 0o600 << 16
    return info


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


if __name__ == "__main__":
    limit_memory(_MEMORY_BYTES)
    serve_one(work)
