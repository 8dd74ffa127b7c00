"""The machine's word of needed images: read by whoever clears away, left by each agent for what it runs."""

import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from mlops_desk.base.errors import DeskError
from mlops_desk.leases.folders import LeaseFolders
from mlops_desk.leases.letters.image_needs import PAPERS_LIMIT, WORDS_LIMIT, ImageNeedPaper, needed, paper
from mlops_desk.leases.letters.papers import Papers

_log = logging.getLogger(__name__)
SUFFIX = ".images"
_RENEWED_SECONDS = 86_400.0  # chosen: far below how long a word lasts, and a desk that only waits writes once a day
_SALT_BYTES = 8  # chosen: no two papers of a machine have the same one


class ImageNeedDesk:
    """Implements ``images.ports.Neighbours``. ``instance`` keeps the desks of one user apart. Thread-safe."""

    def __init__(
        self, folders: LeaseFolders, instance: str, kept: Path | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._papers = Papers(folders, SUFFIX, ImageNeedPaper, kept)
        self._instance = re.sub(r"[^a-z0-9]", "", instance.lower())[:16] or "desk"
        self._clock = clock
        self._lock = threading.Lock()
        self._said: tuple[str, ...] | None = None
        self._due = 0.0

    def needed(self, images: Mapping[str, Iterable[str]]) -> dict[str, tuple[tuple[int, str], ...]]:
        """Return which of these images, by their ids with their names, the desks of which other users need."""
        return needed(self._papers.read(), images, self._clock(), self._instance, os.geteuid())

    def tell(self, names: Iterable[str]) -> None:
        """Leave word of the images that we need, if it is news, or grows old. What can't be written is tried again."""
        wanted = tuple(dict.fromkeys(names))[: PAPERS_LIMIT * WORDS_LIMIT]
        with self._lock:
            if wanted == self._said and time.monotonic() < self._due and self._are_there(len(wanted)):
                return
            try:
                self._write(wanted)
            except DeskError as error:
                _log.warning("Other users' desks can't be told which images are needed: %s", error.message)
                return
            self._said, self._due = wanted, time.monotonic() + _RENEWED_SECONDS

    def _write(self, wanted: tuple[str, ...]) -> None:
        salt = secrets.token_hex(_SALT_BYTES)
        pages = [wanted[begin : begin + WORDS_LIMIT] for begin in range(0, len(wanted), WORDS_LIMIT)]
        for number, page in enumerate(pages):
            self._papers.write(self._id(number), paper(salt, page))
        for one in self._papers.own():
            page_number = one.id.removeprefix(self._instance)
            if one.id.startswith(self._instance) and page_number.isdigit() and int(page_number) >= len(pages):
                self._papers.remove(one.id)

    def _are_there(self, count: int) -> bool:
        """Tell whether what was written is there still: shared folders may be emptied."""
        there = {one.id for one in self._papers.own()}
        return all(self._id(number) in there for number in range(-(-count // WORDS_LIMIT)))

    def _id(self, number: int) -> str:
        return f"{self._instance}{number:02d}"
