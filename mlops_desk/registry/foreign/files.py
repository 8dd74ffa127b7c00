"""Lists what lies in a run's folder; nothing outside of the source, and no link is followed."""

import os
from pathlib import Path

from mlops_desk.kit.base.errors import NotFound, Refused, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.location import is_plain_path
from mlops_desk.registry.records.model import Artifact

_MOST = 5000  # chosen: a folder of more is looked at with other tools


def below(folder: Path, name: str) -> str | None:
    """Return the place below ``folder`` that a tracker's own name leads to; None where it leads elsewhere."""
    parts = name.split("/")
    is_plain = not any(part in {"", ".", ".."} or "\0" in part for part in parts)
    return str(folder.joinpath(*parts)) if is_plain else None


def parts_below(root: Path, folder: str) -> str:
    """Return the way from a source's ``root`` to the folder of a run, no step of it upwards. Raises Refused."""
    parts = Path(folder).parts
    if parts[: len(root.parts)] != root.parts or ".." in parts[len(root.parts) :]:
        raise Refused(f"{plain(folder, 400)} lies outside of {plain(str(root), 400)}; it is not looked at.")
    return "/".join(parts[len(root.parts) :])


def listed(root: Path, folder: str, path: str) -> list[Artifact]:
    """List one folder below ``folder``, which lies in ``root``, folders first. Raises DeskErrors."""
    inside = path.strip("/")
    if inside and not is_plain_path(inside):
        raise Refused(f"{plain(path, 400)!r} lies outside of the run's folder; it is not looked at.")
    base = parts_below(root, folder)
    place = Path(folder, inside)
    if place.resolve() != root.resolve().joinpath(base, inside):
        raise Refused(f"{plain(path, 400)!r} lies behind a link, outside of the run's folder; it is not looked at.")
    try:
        with os.scandir(place) as entries:
            found = [entry for _, entry in zip(range(_MOST), entries, strict=False) if _is_shown(entry)]
        artifacts = [_artifact(entry, inside) for entry in found]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"There is no folder {plain(path, 400)!r} in this run.") from error
    except OSError as error:
        raise Unavailable(f"{plain(str(place), 400)} can't be read: {error.strerror}.") from error
    return sorted(artifacts, key=lambda one: (not one.is_folder, one.path))


def _is_shown(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a file or a folder: links, pipes and devices are not shown."""
    return entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)


def _artifact(entry: os.DirEntry[str], inside: str) -> Artifact:
    path = f"{inside}/{entry.name}" if inside else entry.name
    if entry.is_dir(follow_symlinks=False):
        return Artifact(path, is_folder=True)
    return Artifact(path, size_bytes=entry.stat(follow_symlinks=False).st_size)
