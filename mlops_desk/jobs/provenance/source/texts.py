"""The files of a snapshot as texts to compare: each is read when it is asked for, and no larger than is read by people.

Only the list of what was kept is believed: nothing is opened but our own copies, by their hashes, and no link followed.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from mlops_desk.jobs.provenance.source.store import SnapshotStore
from mlops_desk.kit.base.errors import DeskError

_LONGEST_BYTES = 1 << 20  # chosen: a larger file is data


class KeptText(NamedTuple):
    """A file of a snapshot: the hash of its content, and what reads it (None: no text, or too large)."""

    digest: str
    read: Callable[[], str | None]


def kept_texts(store: SnapshotStore, sha256: str) -> dict[str, KeptText] | None:
    """Return the files of a snapshot by their paths; None where it is not kept any more."""
    if not store.has(sha256):
        return None
    try:
        lines = store.lines(sha256)
    except DeskError:  # cleared away just now
        return None
    return {str(line["path"]): _text(store, sha256, line) for line in lines}


def _text(store: SnapshotStore, sha256: str, line: dict[str, object]) -> KeptText:
    if "link" in line:
        target = str(line["link"])
        return KeptText(f"link {target}", lambda: f"a link to {target}\n")
    return KeptText(str(line["sha256"]), partial(_read, store, sha256, str(line["path"]), int(str(line["size"]))))


def _read(store: SnapshotStore, sha256: str, path: str, size_bytes: int) -> str | None:
    if size_bytes > _LONGEST_BYTES:
        return None
    try:
        with (store.tree(sha256) / path).open("rb") as file:
            text = file.read(_LONGEST_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError):
        return None
    return None if "\0" in text else text
