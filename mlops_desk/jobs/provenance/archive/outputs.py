"""What a job left in the folders that it keeps, for an export: told by its size first, then read file by file.

The job could have put anything there. Plain files alone are taken, no link is followed on the way to them, and no more
is read of one than it was seen to have.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mlops_desk.jobs.provenance.source.folder import open_beneath
from mlops_desk.jobs.records.job import Job, KeptFolder
from mlops_desk.jobs.records.provenance import OutputFolder
from mlops_desk.kit.base.errors import Hint, Refused
from mlops_desk.kit.base.text import plain, size_text

_CHUNK = 1 << 20  # chosen: more at once is not faster
_MOST_FILES = 100_000  # RELIABILITY S9: no archive of ours has more


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that is left; ``name`` is its place among the outputs, ``chunks`` reads it once."""

    name: str
    executable: bool
    chunks: Iterator[bytes]


def kept_folders_of(job: Job) -> tuple[KeptFolder, ...]:
    """Return the folders that the newest attempt left that kept any; each attempt has its own."""
    return next((attempt.kept for attempt in reversed(job.attempts) if attempt.kept), ())


def measured(folders: Sequence[KeptFolder]) -> list[OutputFolder]:
    """Tell how much lies in each folder, and how much of it no export takes. Raises Refused for too many files."""
    return [_measured(folder) for folder in folders]


def check(found: Iterable[OutputFolder], limit_bytes: int) -> None:
    """Raise Refused where an export would be too large."""
    total = sum(one.size_bytes for one in found)
    if total > limit_bytes:
        text = f"The job left {size_text(total)}, and an export takes {size_text(limit_bytes)} of outputs at most."
        after = " allows more; or leave out --outputs, and copy the folders that jobs show names."
        raise Refused(text, Hint("mlops-desk settings set jobs.export_mebibytes MIB", after=after))


def output_files(folders: Sequence[KeptFolder]) -> Iterator[OutputFile]:
    """Yield the plain files of the folders, each with a name of its own. What is gone by now raises Refused."""
    taken: set[str] = set()
    for folder in folders:
        for path, size, executable in _listed(folder):
            name = _own_name(f"{folder.target.strip('/') or 'root'}/{path}", taken)
            yield OutputFile(name, executable, _chunks(folder.path, path, size))


def _measured(folder: KeptFolder) -> OutputFolder:
    files = size = 0
    for _, length, _ in _listed(folder):
        files += 1
        size += length
    return OutputFolder(folder.target, folder.path, files, size)


def _listed(folder: KeptFolder) -> Iterator[tuple[str, int, bool]]:
    """Yield path, size and whether it can be run of each plain file, in order."""
    count = 0
    for here, folders, names in os.walk(folder.path):  # it follows no links, and what can't be listed holds nothing
        folders.sort()
        for name in sorted(names):
            whole = os.path.join(here, name)  # noqa: PTH118 - a text: names need not be UTF-8
            try:
                facts = os.lstat(whole)
            except OSError:
                continue  # gone meanwhile: it is not there to be taken
            if not stat.S_ISREG(facts.st_mode):
                continue
            count += 1
            if count > _MOST_FILES:
                text = f"{plain(folder.target)} holds more than {_MOST_FILES:,} files, and no export takes so many."
                raise Refused(text, "Let the job pack them, or leave out --outputs.")
            yield os.path.relpath(whole, folder.path), facts.st_size, bool(facts.st_mode & stat.S_IXUSR)


def _chunks(folder: str, path: str, size: int) -> Iterator[bytes]:
    with os.fdopen(open_beneath(folder, path), "rb") as file:
        left = size
        while left and (data := file.read(min(_CHUNK, left))):
            left -= len(data)
            yield data


def _own_name(path: str, taken: set[str]) -> str:
    """Return a name in UTF-8 that no other file has."""
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    name, number = shown, 1
    while name in taken:
        number += 1
        name = f"{shown}~{number}"
    taken.add(name)
    return name
