"""Files of a place, as whoever looks at them has them: listed one folder at a time, opened for reading alone."""

import os
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any, Protocol

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import Artifact

_LONGEST_PART_BYTES = 255  # the kernel's NAME_MAX
_LONGEST_PATH_BYTES = 1024  # a fourth of the kernel's PATH_MAX
_DEEPEST = 32  # chosen: deeper than any model
_zip: Any = zipfile  # untyped, where it is not public
MOST_LISTED = 1000  # chosen: more of one folder nobody reads


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that was opened: ``stream`` can be sought in. ``is_whole``: it can be read to its end.

    ``path`` leads to it on this machine, whatever becomes of its name. ``size_bytes`` is None where nobody says.
    """

    stream: IO[bytes]
    path: str
    size_bytes: int | None
    is_whole: bool = True


class Files(Protocol):
    """Files below one folder. Everything raises DeskErrors: NotFound, Refused, Unavailable."""

    def list(self, path: str) -> list[Artifact]:
        """List a folder, folders first, then by name; at most MOST_LISTED. Paths are below the folder."""
        ...

    def open(self, path: str, limit_bytes: int) -> AbstractContextManager[OpenFile]:
        """Open a plain file; what has to be brought here first is brought up to ``limit_bytes``."""
        ...

    def walk(self, path: str, most: int) -> Iterator[Artifact]:
        """Yield the files below a folder, in no order, ``most`` entries at the most."""
        ...


def parts_of(path: str) -> tuple[str, ...]:
    """Return the names on the way to a file, none for the folder itself. Raises Invalid for what leads elsewhere."""
    stripped = path.strip("/")
    if not stripped:
        return ()
    parts = tuple(stripped.split("/"))
    odd = any(
        part in {"", ".", ".."} or "\0" in part or "\\" in part or len(os.fsencode(part)) > _LONGEST_PART_BYTES
        for part in parts
    )
    if odd or len(parts) > _DEEPEST or len(os.fsencode(stripped)) > _LONGEST_PATH_BYTES:
        raise Invalid(f"{plain(path)!r} is no path among these files.", "Give it as the list of them has it.")
    return parts


def zip_list_bytes(file: IO[bytes]) -> int:
    """Return how long a zip's own list of members is, which zipfile reads whole; 0 where there is none."""
    # What zipfile itself goes by, in old archives and in large ones (zip64). It has no public way.
    end = _zip._EndRecData(file)  # noqa: SLF001 - see above
    file.seek(0)
    return 0 if end is None else int(end[_zip._ECD_SIZE])  # noqa: SLF001 - likewise


def in_order(listed: list[Artifact]) -> list[Artifact]:
    return sorted(listed, key=lambda one: (not one.is_folder, one.path))[:MOST_LISTED]
