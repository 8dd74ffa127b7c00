"""Walks a folder of runs: not through links, not without end."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

_MOST_FOLDERS = 20_000  # chosen: ten years of runs
_DEEPEST = 8  # chosen: project/sweep/run/version/train and some


def files_below(root: Path, wanted: Callable[[str], bool]) -> Iterator[os.DirEntry[str]]:
    """Yield the files with a wanted name, in the order of their paths. Raises OSError where ``root`` can't be read."""
    pending = [(root, 0)]
    for _ in range(_MOST_FOLDERS):
        if not pending:
            return
        folder, depth = pending.pop()
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            if depth == 0:
                raise
            continue  # removed, or not ours to read: the rest goes on
        yield from (one for one in found if wanted(one.name) and one.is_file(follow_symlinks=False))
        if depth < _DEEPEST:
            deeper = [Path(one.path) for one in found if one.is_dir(follow_symlinks=False)]
            pending.extend((one, depth + 1) for one in reversed(deeper))


def stamp_of(entry: os.DirEntry[str]) -> tuple[int, int]:
    """Return size and time of change; zeros for a file that has just gone."""
    try:
        facts = entry.stat(follow_symlinks=False)
    except OSError:
        return (0, 0)
    return facts.st_size, facts.st_mtime_ns
