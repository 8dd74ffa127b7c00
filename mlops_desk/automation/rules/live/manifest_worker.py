"""A worker: which files a folder has, as one digest of their names, sizes and times. It reads none of them."""

import os
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from mlops_desk.kit.base.errors import Invalid, Refused
from mlops_desk.kit.base.process import serve_one

_MOST = 1_000_000  # chosen: some ten seconds of a slow disk; more are one data set in shards, and are named by a file


def answer(request: dict[str, Any]) -> str:
    """Return the digest of a folder's files. Raises Invalid, Refused."""
    folder = Path(str(request["folder"]))
    if not folder.is_dir():
        raise Invalid(f"{folder} is no folder that can be looked into.", "It may not be mounted.")
    digest = sha256()
    found = list(islice(_lines(folder), _MOST + 1))  # counted before they are sorted: the rest may be without end
    if len(found) > _MOST:
        raise Refused(f"{folder} has more than {_MOST:,} files.", "Name a folder in it.")
    for line in sorted(found):
        digest.update(line.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def _lines(folder: Path) -> Iterator[str]:
    """Yield a line for each file; links are told of and not followed, hidden folders are left out."""

    def unreadable(error: OSError) -> NoReturn:
        raise Invalid(f"{error.filename} can't be looked into: {error.strerror}.", "A rule looks as its owner.")

    for place, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place, name)
            try:
                facts = path.lstat()
            except FileNotFoundError:
                continue  # it went while the folder was listed
            except OSError as error:
                unreadable(error)
            yield f"{path.relative_to(folder)}\0{facts.st_size}\0{facts.st_mtime_ns}"


if __name__ == "__main__":
    serve_one(answer)
