"""One folder of a run's files on this machine's disk. Files that lie elsewhere are asked for through who keeps them."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlops_desk.kit.base.errors import NotFound, Refused, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.location import is_plain_path
from mlops_desk.registry.records.model import Artifact

_MOST = 1000  # chosen: more of one folder nobody reads
_LONG_PATH = 400  # chosen: a path in a message


def artifacts(artifact_uri: str, path: str) -> list[Artifact]:
    """List a folder, folders first, then by name; links are left out, whatever they point at. Raises DeskErrors."""
    root = local_folder(artifact_uri)
    below = path.strip("/")  # joined with a root, "/etc" would be itself
    if not is_plain_path(below):
        raise Refused(f"{plain(path)!r} is no folder of a run's files.")
    folder = root / below
    shown = plain(str(folder), _LONG_PATH)
    try:
        if folder.resolve() != root.resolve() / below:
            raise Refused(f"{shown} leads out of the run's files by a link; it was not looked at.")
        with os.scandir(folder) as entries:
            listed = [_artifact(entry, below) for entry in entries if not entry.is_symlink()]
    except FileNotFoundError:
        return []
    except NotADirectoryError as error:
        raise NotFound(f"{shown} is a file, not a folder.") from error
    except OSError as error:
        raise Unavailable(f"{shown} can't be read: {error.strerror}.", "May this user open that folder?") from error
    found = [one for one in listed if one is not None]
    return sorted(found, key=lambda one: (not one.is_folder, one.path))[:_MOST]


def local_folder(artifact_uri: str) -> Path:
    """Return the folder that an address of files names. Raises Refused where it names none on this machine."""
    parts = urlsplit(artifact_uri) if ":" in artifact_uri else None
    if parts is None or (parts.scheme == "file" and parts.netloc in {"", "localhost"}):
        path = Path(artifact_uri if parts is None else unquote(parts.path))
        if path.is_absolute():
            return path
    text = f"The files lie at {plain(artifact_uri)}, which is no folder of this machine."
    raise Refused(text, "Their server, or MLflow's client, lists them.")


def _artifact(entry: "os.DirEntry[str]", below: str) -> Artifact | None:
    """Return what an entry is, None where it was taken away since it was listed."""
    name = f"{below}/{entry.name}" if below else entry.name
    if entry.is_dir(follow_symlinks=False):
        return Artifact(name, is_folder=True)
    try:
        return Artifact(name, size_bytes=entry.stat(follow_symlinks=False).st_size)
    except FileNotFoundError:  # the others are still there
        return None
