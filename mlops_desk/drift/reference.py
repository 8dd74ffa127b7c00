"""Where the data lie that a model was trained on: from the source that MLflow logged to a file on this host.

A job logs the path it saw in its container; the job's mounts say which folder of the host that was. What
the registry says is text from outside: a path never leaves the mount it names.
"""

import json
import os
import posixpath
import stat
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlops_desk.base.errors import Unavailable
from mlops_desk.base.text import plain
from mlops_desk.records.job import Mount
from mlops_desk.records.model import DatasetInput

_ARTIFACTS = {"mlflow-artifacts", "runs", "models"}
_HINT = 'Log it with the path of its file: mlflow.data.from_pandas(frame, source="/data/train.parquet").'


def locate(dataset: DatasetInput, mounts: Sequence[Mount] | None) -> Path | str:
    """Return the dataset's file on this host, or the URI of the artifact to download.

    ``mounts`` are those of the job that logged it; None when no job of this desk did (then its path is one of
    this host). Raises Unavailable.
    """
    source = _source(dataset)
    parts = urlsplit(source)
    if parts.scheme in _ARTIFACTS:
        return source
    path = unquote(parts.path) if parts.scheme == "file" else source
    shown = f"The dataset {plain(dataset.name)} comes from {plain(source, 500)}"
    if parts.scheme not in {"", "file"} or not path.startswith("/"):
        raise Unavailable(f"{shown}, which is no file of this machine.", _HINT)
    found = _of_this_host(path) if mounts is None else _inside(path, mounts)
    if found is None:
        text = f"{shown}, which is in none of the folders that its job had mounted, or is not there any more."
        raise Unavailable(text, "Compare with a file of your own: give it as the reference.")
    return found


def _source(dataset: DatasetInput) -> str:
    """Return the one path or URI in what MLflow keeps about a source: JSON of a form for each kind of source."""
    try:
        document = json.loads(dataset.source)
    except (ValueError, RecursionError):
        document = dataset.source
    if isinstance(document, dict):
        document = next((document[key] for key in ("uri", "path", "url") if key in document), None)
    if not isinstance(document, str) or not document:
        text = f"The dataset {plain(dataset.name)} was logged without saying where its data lie."
        raise Unavailable(text, _HINT)
    return document


def _inside(path: str, mounts: Sequence[Mount]) -> Path | None:
    """Map a path in the container to the host, through the deepest mount that holds it."""
    wanted = posixpath.normpath(path)
    for mount in sorted(mounts, key=lambda mount: len(mount.target), reverse=True):
        target = posixpath.normpath(mount.target)
        if wanted == target or wanted.startswith(target.rstrip("/") + "/"):
            folder = Path(mount.source).resolve()
            found = (folder / posixpath.relpath(wanted, target)).resolve()
            return found if found.is_relative_to(folder) and found.is_file() else None
    return None


def _of_this_host(path: str) -> Path | None:
    """Return a file that others may read too: a privileged agent opens no secrets because a server says so."""
    found = Path(path).resolve()
    try:
        mode = found.stat().st_mode
    except OSError:
        return None
    allowed = os.getuid() != 0 or bool(mode & stat.S_IROTH)
    return found if stat.S_ISREG(mode) and allowed else None
