"""The files that a retention may take: logged requests by their hours, labels, lists of frozen data.

All else is somebody's own.
"""

import stat
from collections.abc import Iterator
from pathlib import Path

from mlops_desk.governance.records.data.retention import RetentionItem
from mlops_desk.kit.storage.request_log.feedback import feedback_files
from mlops_desk.kit.storage.request_log.layout import parts

LISTS = "retrainings/lists"
"""What the catalogue calls the lists of files that retrainings have frozen."""
_LOGS = "requests*"
_MOMENT = -13  # a file of labels ends with thirteen digits of milliseconds


def requests_of(endpoint: str) -> str:
    """Return what the requests of an endpoint are called in the catalogue."""
    return f"{endpoint}/requests"


def labels_of(endpoint: str) -> str:
    """Return what the labels of an endpoint's requests are called in the catalogue."""
    return f"{endpoint}/labels"


def desk_files(root: Path, endpoints: Path, lists: Path) -> list[RetentionItem]:
    """Return the files of all logs below ``endpoints``, of removed ones too, and those in ``lists``. Raises OSError."""
    logged = [item for folder in _logs(endpoints) for item in _of_log(root, folder)]
    return [*logged, *(item for path in list_files(lists) for item in _of_list(root, path))]


def list_files(folder: Path) -> list[Path]:
    """Return the lists of frozen data in a folder, each named by the run whose it is; a link leads to none."""
    return sorted(folder.glob("*.json")) if folder.is_dir() and not folder.is_symlink() else []


def _of_list(root: Path, path: Path) -> Iterator[RetentionItem]:
    try:
        written_at = path.lstat().st_mtime
    except FileNotFoundError:
        return  # its run was taken up anew
    yield from _item(root, LISTS, path, written_at, written_at)


def _logs(endpoints: Path) -> Iterator[Path]:
    """Yield the folders of logs; a link is none of them, wherever it leads."""
    for place in sorted(endpoints.iterdir()) if endpoints.is_dir() else ():
        if place.is_symlink() or not place.is_dir() or place.name.startswith("_"):
            continue
        yield from (one for one in sorted(place.glob(_LOGS)) if one.is_dir() and not one.is_symlink())


def _of_log(root: Path, folder: Path) -> Iterator[RetentionItem]:
    endpoint = folder.parent.name
    for part in parts(folder):
        # One of an older version has rows of any time until it was written.
        begins = 0.0 if part.hour is None else float(part.hour)
        yield from _item(root, requests_of(endpoint), part.path, begins, part.ends_at)
    for path in feedback_files(folder):
        given_at = int(path.stem[_MOMENT:]) / 1000
        yield from _item(root, labels_of(endpoint), path, 0.0, given_at)


def _item(root: Path, dataset: str, path: Path, begins: float, ends: float) -> Iterator[RetentionItem]:
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return  # the gateway has merged it meanwhile
    if stat.S_ISREG(facts.st_mode):
        below = path.relative_to(root).as_posix()
        yield RetentionItem(dataset, below, begins, ends, facts.st_size, facts.st_ino, facts.st_mtime_ns)
