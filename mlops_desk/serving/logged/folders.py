"""Where the requests of an endpoint are logged: in a folder that no other endpoint has had, whatever its name is.

``endpoints/NAME/requests`` is the first one's, as it has always been; an endpoint that is deployed when one of its name
was removed gets ``requests-2``, and so on. What a removed one has left is kept as long as its requests would have been.
"""

import logging
import re
import shutil
import time
from collections.abc import Callable, Collection
from pathlib import Path

from mlops_desk.records.data.retention import LogKeep
from mlops_desk.records.serving.endpoint import Endpoint

_log = logging.getLogger(__name__)
_NAME = re.compile(r"requests(?:-([1-9]\d{0,8}))?")
_FIRST = "requests"


class LogFolders:
    """The folders below ``endpoints``."""

    def __init__(self, endpoints: Path) -> None:
        self._endpoints = endpoints

    def of(self, endpoint: Endpoint) -> Path:
        """Return an endpoint's folder. Only its name is taken from the record: a data folder may have been moved."""
        name = Path(endpoint.request_log or "").name
        return self._endpoints / endpoint.name / (name if _NAME.fullmatch(name) else _FIRST)

    def begin(self, name: str) -> Path:
        """Make the folder of an endpoint that is new. Raises OSError."""
        known = self._numbers(name)
        folder = self._folder(name, max(known, default=0) + 1)
        folder.mkdir(mode=0o700, parents=True)
        return folder

    def newest(self, name: str) -> Path:
        """Return the folder of an endpoint whose record was lost: nothing is newer than what it has logged."""
        return self._folder(name, max(self._numbers(name), default=1))

    def retire(self, kept: Collection[Path], keep: Callable[[str], LogKeep]) -> None:
        """Delete the folders that belong to no endpoint any more, once nothing in them is to be kept.

        ``keep`` tells that by an endpoint's name. Their rows are as old as the newest of them, and may be of any time.
        """
        now = time.time()
        for place in self._endpoints.iterdir() if self._endpoints.is_dir() else ():
            for number in self._numbers(place.name):
                folder = self._folder(place.name, number)
                if folder not in kept and not _is_wanted(keep(place.name), _newest_at(folder), now):
                    _log.info("The request log %s of an endpoint that was removed is deleted", folder)
                    shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, name: str, number: int) -> Path:
        return self._endpoints / name / (_FIRST if number == 1 else f"{_FIRST}-{number}")

    def _numbers(self, name: str) -> list[int]:
        place = self._endpoints / name
        found = (_NAME.fullmatch(path.name) for path in place.iterdir()) if place.is_dir() else ()
        return sorted(int(match[1] or 1) for match in found if match is not None)


def _is_wanted(keep: LogKeep, newest: float, now: float) -> bool:
    return keep.requests.keeps(0.0, newest, now) or keep.labels.keeps(0.0, newest, now)


def _newest_at(folder: Path) -> float:
    """Return when something in a folder was last written (Unix seconds); what vanishes meanwhile is not counted."""
    newest = 0.0
    for path in (folder, *folder.rglob("*")):
        try:
            newest = max(newest, path.lstat().st_mtime)
        except OSError:
            continue  # the log is tidied by the gateway at the same time
    return newest
