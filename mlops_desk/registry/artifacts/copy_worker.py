"""A child that copies the files of a version from a folder of this machine, without MLflow and following no link.

``python -m mlops_desk.registry.artifacts.copy_worker``: what takes MLflow's client seconds to load is copied at once.
"""

import os
import shutil
from pathlib import Path
from typing import IO, Any

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import NotFound, Refused
from mlops_desk.kit.base.process import serve_one
from mlops_desk.registry.artifacts.files import Files
from mlops_desk.registry.artifacts.source import FilesSource
from mlops_desk.registry.artifacts.worker import files_of

_MOST_FILES = 100_000  # chosen: more than a model of many shards has
_PIECE_BYTES = 4 << 20  # chosen: large enough that the disk decides


def work(request: dict[str, Any]) -> Any:
    """Copy all files of a place into a folder; return how many there were."""
    files = files_of(wire.from_builtins(request["source"], FilesSource))
    return copied(files, Path(request["folder"]), request["limit_bytes"])


def copied(files: Files, folder: Path, limit_bytes: int) -> int:
    """Copy ``files`` below ``folder``. Raises NotFound for none, and Refused for more than ``limit_bytes``."""
    count = size = 0
    for listed in files.walk("", _MOST_FILES):
        size += listed.size_bytes or 0
        if size > limit_bytes:
            raise Refused(f"The files have more than {limit_bytes} bytes; nothing was kept of them.")
        target = folder / listed.path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with files.open(listed.path, limit_bytes) as opened, _made(target) as written:
            shutil.copyfileobj(opened.stream, written, _PIECE_BYTES)
        count += 1
    if not count:
        raise NotFound("There are no files there.")
    return count


def _made(target: Path) -> IO[bytes]:
    return os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


if __name__ == "__main__":
    serve_one(work)
