"""Which images the desks of other users need: their word, left in their own folders, and how it is judged. Pure.

Whoever clears images away on an engine that several desks share can't see what others have queued. So each agent leaves
word of the images that its jobs and endpoints need, and every agent leaves those alone. What images others use is not
everybody's business: a paper holds no names but hashes with a salt of its own, by which only who has the image before
them (or guesses its name) finds it. A word lasts longer than its agent, as queued jobs do, but not for ever.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlops_desk.base.caller import user_name
from mlops_desk.base.text import plain
from mlops_desk.leases.letters.papers import Paper

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
