"""Lists what lies in a run's folder; nothing outside of the source, and no link is followed."""

import os
from pathlib import Path

from mlops_desk.base.errors import NotFound, Refused, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.records.model import Artifact
from mlops_desk.registry.location import is_plain_path

_MOST = 5000  # chosen: a folder of more is looked at with other tools


def listed(root: Path, folder: str, path: str) -> list[Artifact]:
    """List one folder below ``folder``, which lies in ``root``, folders first. Raises DeskErrors."""
    below = path.strip("/")
    place = Path(folder, below)
    if (below and not is_plain_path(below)) or not _within(place, root):
        raise Refused(f"{plain(path, 400)!r} lies outside of the run's folder; it is not looked at.")
    try:
        with os.scandir(place) as entries:
            found = [entry for _, entry in zip(range(_MOST), entries, strict=False) if not entry.is_symlink()]
        artifacts = [_artifact(entry, below) for entry in found]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"There is no folder {plain(path, 400)!r} in this run.") from error
    except OSError as error:
        raise Unavailable(f"{plain(str(place), 400)} can't be read: {error.strerror}.") from error
    return sorted(artifacts, key=lambda one: (not one.is_folder, one.path))


def _within(place: Path, root: Path) -> bool:
    return place.resolve().is_relative_to(root.resolve())


def _artifact(entry: os.DirEntry[str], below: str) -> Artifact:
    path = f"{below}/{entry.name}" if below else entry.name
    if entry.is_dir(follow_symlinks=False):
        return Artifact(path, is_folder=True)
    return Artifact(path, size_bytes=entry.stat(follow_symlinks=False).st_size)
