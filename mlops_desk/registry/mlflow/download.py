"""A worker that fetches a model's or a run's files once: ``python -m mlops_desk.registry.mlflow.download``.

A registry may name its files as it likes, so names are checked here, sizes are counted both as declared
and as received, and nothing but plain files below the given folder is left behind.
"""

import os
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mlops_desk.kit.base.errors import NotFound, Refused
from mlops_desk.kit.base.process import limit_memory, serve_one
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.address import parse_address
from mlops_desk.registry.mlflow.errors import tame
from mlops_desk.registry.mlflow.file_locations import ArtifactPlace
from mlops_desk.registry.mlflow.origins import run_places, uri_places, version_places
from mlops_desk.registry.mlflow.worker import MEMORY_LIMIT_BYTES, with_environment

_LONGEST_PART_BYTES = 255  # the kernel's NAME_MAX
_LONGEST_PATH_BYTES = 1024  # a fourth of the kernel's PATH_MAX: the folder it goes to comes before it
_MOST_FILES = 100_000  # chosen: a model is some dozen files
_DEEPEST = 32  # chosen: deeper than any model
_PLACES: dict[str, Callable[..., list[ArtifactPlace]]] = {
    "run": run_places,
    "version": version_places,
    "uri": uri_places,
}


class Listed(Protocol):
    """What a repository lists: MLflow's FileInfo."""

    path: str
    is_dir: bool
    file_size: int | None


class Files(Protocol):
    """An artifact repository, as far as it is used here."""

    def list_artifacts(self, path: str | None = None) -> list[Listed]: ...
    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str: ...


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file to fetch and the size that was declared for it."""

    path: str
    size_bytes: int


def checked(path: str) -> str:
    """Return a relative path that stays where it is put. Raises Refused."""
    parts = path.split("/")
    odd = any(
        part in {"", ".", ".."} or "\\" in part or "\0" in part or len(os.fsencode(part)) > _LONGEST_PART_BYTES
        for part in parts
    )
    if odd or len(os.fsencode(path)) > _LONGEST_PATH_BYTES or len(parts) > _DEEPEST:
        raise Refused(f"The registry names a file {plain(path)!r}; such a name is not written to disk.")
    return path


def walk(files: Files, path: str) -> Iterator[RemoteFile]:
    """Find all files below ``path``, or the file that it is. Raises Refused for odd names."""
    waiting = [path]
    seen = 0
    while waiting:
        folder = waiting.pop()
        for listed in files.list_artifacts(folder or None):
            checked(listed.path)
            if folder and not listed.path.startswith(f"{folder}/"):
                raise Refused(f"The registry lists {plain(listed.path)!r} in the folder {plain(folder)!r}.")
            seen += 1
            if seen > _MOST_FILES:
                raise Refused(f"There are more than {_MOST_FILES:,} files; nothing was kept.")
            if listed.is_dir:
                waiting.append(listed.path)
            else:
                yield RemoteFile(listed.path, max(0, int(listed.file_size or 0)))


def fetch(files: Files, path: str, folder: Path, limit_bytes: int) -> int:
    """Fetch everything at ``path`` into ``folder``; return how many files that were. Raises Refused past the limit."""
    if path:
        checked(path)
    found = list(walk(files, path))
    if not found and path:
        found = [RemoteFile(path, 0)]  # not a folder, so it is a file or nothing
    _check_size(sum(file.size_bytes for file in found), limit_bytes)
    received = 0
    for file in found:
        files.download_artifacts(file.path, str(folder))
        received += (folder / file.path).stat(follow_symlinks=False).st_size
        _check_size(received, limit_bytes)
    return len(found)


def _check_size(size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        text = f"The files are larger than {limit_bytes / (1 << 30):.3g} GiB; nothing was kept."
        raise Refused(text, "Fetch them by hand if they are right.")


def check_plain(folder: Path) -> None:
    """Make sure that nothing but folders and plain files has come. Raises Refused."""
    for root, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(root, name)
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise Refused(f"Among the files is one that is no plain file: {plain(name)}; nothing was kept.")


def work(request: dict[str, Any]) -> dict[str, Any]:
    """Fetch what is asked for; return where it lies below the folder."""
    limit_memory(MEMORY_LIMIT_BYTES)
    limit_bytes = int(request["limit_bytes"])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    folder = Path(request["folder"])
    os.chdir(folder.parent)
    with_environment(request["environment"], repeat=True)
    from mlops_desk.registry.mlflow import client as mlflow  # noqa: PLC0415 - loads MLflow, after the limits

    address = parse_address(request["uri"])
    try:
        client = mlflow.open_client(address)
        for place in _PLACES[request["what"]](client, *request["arguments"]):
            target = folder / checked(place.prefix) if place.prefix else folder
            target.mkdir(exist_ok=True)
            if fetch(mlflow.open_files(place, address, own=bool(request["own"])), place.path, target, limit_bytes):
                check_plain(folder)
                return {"below": "/".join(part for part in (place.prefix, place.path) if part)}
    except Exception as error:
        raise tame(error, address) from error
    raise NotFound("There are no files there.", f"The registry is {address.shown}.")


if __name__ == "__main__":
    serve_one(work)
