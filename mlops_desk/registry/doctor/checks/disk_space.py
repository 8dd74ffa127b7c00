"""How large an SQLite store is, how much of it is empty, who may open it, and whether there is room for its copy."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.kit.base.disk.free_space import available_bytes
from mlops_desk.kit.base.text import percent, size_text
from mlops_desk.registry.doctor.checks.findings import advice, fine, trouble
from mlops_desk.registry.doctor.database import Rows
from mlops_desk.registry.records.doctor import StoreFinding

SIZE, RIGHTS, DISK, COPIES = "size", "permissions", "disk", "copies"
VACUUM, CLEAR = "vacuum", "remove-copies"
_EMPTY_RATIO, _EMPTY_BYTES = 0.2, 16 << 20  # chosen: less is used up again soon
_LEAST_FREE_BYTES = 1 << 30  # chosen: below it a night of trainings fills the disk
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
COPY = ".backup"


@dataclass(frozen=True, slots=True)
class FilePages:
    """How many pages a store has, how many of them are empty, and how large one is."""

    n_pages: int
    n_free: int
    page_bytes: int

    @property
    def size_bytes(self) -> int:
        return self.n_pages * self.page_bytes

    @property
    def free_bytes(self) -> int:
        return self.n_free * self.page_bytes

    @property
    def vacuum_bytes(self) -> int:
        """What it takes to write it anew: its copy before that, the new one, and the journal of its way back."""
        return self.size_bytes + 2 * (self.size_bytes - self.free_bytes)


def pages_of(store: Rows) -> FilePages:
    """Return the pages of an SQLite store."""
    words = ("page_count", "freelist_count", "page_size")
    return FilePages(*(int(store.value(f"PRAGMA {word}")) for word in words))


def look(path: Path, pages: FilePages) -> list[StoreFinding]:
    """Look at the size of a store, at its rights, at its copies and at its disk."""
    return [_size(pages), _rights(path), _disk(path, pages), _copies(path)]


def _size(pages: FilePages) -> StoreFinding:
    text = f"{size_text(pages.size_bytes)}, of which {size_text(pages.free_bytes)} are empty."
    ratio = pages.free_bytes / pages.size_bytes if pages.size_bytes else 0.0
    if ratio < _EMPTY_RATIO or pages.free_bytes < _EMPTY_BYTES:
        return fine(SIZE, "Size", text, size_bytes=pages.size_bytes)
    effect = (
        "Writes the store anew without its empty pages. It needs "
        f"{size_text(pages.vacuum_bytes)} of room for a while, the copy "
        "included, and nobody may have the store open: it is refused as long as somebody does."
    )
    text = f"{percent(ratio)} of it is empty: {text} MLflow uses the empty pages again for what is logged next."
    return advice(SIZE, "Size", text, fix=VACUUM, effect=effect, size_bytes=pages.free_bytes)


def _rights(path: Path) -> StoreFinding:
    title, mode = "Permissions", path.stat().st_mode
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        text = (
            "This user may read the store and not write it (a writer needs the folder too): nothing can be mended here."
        )
        return advice(RIGHTS, title, text)
    if mode & _OTHERS_WRITE:
        text = f"Others than its owner may write to the file ({stat.filemode(mode)}): whoever can may damage it."
        return advice(RIGHTS, title, text)
    return fine(RIGHTS, title, f"The file is {stat.filemode(mode)}, and its folder can be written in.")


def _disk(path: Path, pages: FilePages) -> StoreFinding:
    title, free = "Room on the disk", available_bytes(path.parent)
    if free is None:
        return fine(DISK, title, "The filesystem does not tell how much is free.")
    text = f"{size_text(free)} are free on the store's disk."
    if free < _LEAST_FREE_BYTES:
        return trouble(DISK, title, f"Only {text} A store that can't grow makes every training that logs fail.")
    if free < pages.size_bytes:
        return advice(DISK, title, f"{text} A copy of the store, without which nothing is mended, takes more.")
    return fine(DISK, title, text, size_bytes=free)


def copies(path: Path) -> list[Path]:
    """Return the copies of a store that were made before it was mended, the newest first."""
    found = [one for one in path.parent.glob(f"{path.name}.before-*{COPY}") if one.is_file() and not one.is_symlink()]
    return sorted(found, key=lambda one: one.stat().st_mtime, reverse=True)


def _copies(path: Path) -> StoreFinding:
    found, title = copies(path), "Copies"
    if not found:
        return fine(COPIES, title, "No copy of it that was made before mending lies beside it.")
    size = sum(one.stat().st_size for one in found)
    text = f"{len(found)} copies that were made before mending lie beside it, {size_text(size)} in all; the newest is "
    effect = "Removes all of these copies but the newest one."
    fix = CLEAR if len(found) > 1 else None
    text = f"{text}{found[0].name}."
    if fix is None:
        return fine(COPIES, title, text, size_bytes=size)
    return advice(COPIES, title, text, fix=fix, effect=effect, n=len(found) - 1, size_bytes=size)
