"""The machine's word of needed images: read by whoever clears away, left by each agent for what it runs."""

import hashlib
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.shared_mailbox.mailbox_files import Paper, Papers
from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain

# Which images the desks of other users need: their word, left in their own folders, and how it is judged. Pure.
# Whoever clears images away on an engine that several desks share can't see what others have queued. So each agent
# leaves word of the images that its jobs and endpoints need, and every agent leaves those alone. What images others
# use is not everybody's business: a paper holds no names but hashes with a salt of its own, by which only who has the
# image before them (or guesses its name) finds it. A word lasts longer than its agent, as queued jobs do, but not for
# ever.
LASTS_SECONDS = 14 * 86_400.0  # chosen: an agent that is not started for two weeks has forgotten its queue
WORD_LENGTH = 12  # hexadecimal: of ten thousand images one in 28 billion is kept without need
WORDS_LIMIT = 300  # of one paper: 3,600 characters, and a paper is a page of 4,096
PAPERS_LIMIT = 16  # chosen: 4,800 words of one desk; of more the newest needs are told
_SALT = re.compile(r"[0-9a-f]{16}")
_WORDS = re.compile(rf"(?:[0-9a-f]{{{WORD_LENGTH}}})*")


@dataclass(frozen=True, slots=True)
class ImageNeedPaper:
    """What a file says: a ``salt``, and the hashes of ids and names of images, one after the other."""

    salt: str
    words: str


def hashed(salt: str, name: str) -> str:
    """Return the word for an image's id or name."""
    return hashlib.sha256(f"{salt} {name}".encode("utf-8", "surrogatepass")).hexdigest()[:WORD_LENGTH]


def paper(salt: str, names: Iterable[str]) -> ImageNeedPaper:
    """Return a paper for names, of which there are no more than fit."""
    return ImageNeedPaper(salt, "".join(hashed(salt, name) for name in names))


def makes_sense(said: ImageNeedPaper) -> bool:
    """Tell whether a paper is one that an agent would write."""
    fits = len(said.words) <= WORDS_LIMIT * WORD_LENGTH
    return fits and _SALT.fullmatch(said.salt) is not None and _WORDS.fullmatch(said.words) is not None


def needed(
    papers: Iterable[Paper[ImageNeedPaper]], images: Mapping[str, Iterable[str]], now: float, ours: str, uid: int
) -> dict[str, tuple[tuple[int, str], ...]]:
    """Return whose desks need which images: (uid, name of the user), each once; ``images`` has ids with their names.

    ``ours`` is how our own papers begin, which lie in the folder of user ``uid``.
    """
    found: dict[str, dict[int, str]] = {}
    for one in papers:
        if one.uid == uid and one.id.startswith(ours):
            continue
        if now - one.changed_ns / 1e9 > LASTS_SECONDS or not makes_sense(one.content):
            continue
        text = one.content.words
        words = {text[place : place + WORD_LENGTH] for place in range(0, len(text), WORD_LENGTH)}
        for image_id, names in images.items():
            if any(hashed(one.content.salt, name) in words for name in (image_id, *names)):
                found.setdefault(image_id, {})[one.uid] = plain(user_name(one.uid))
    return {image_id: tuple(sorted(users.items())) for image_id, users in found.items()}


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
