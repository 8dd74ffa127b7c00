"""What ``.mldignore`` leaves out of a snapshot: patterns as in ``.gitignore``. Pure.

The last pattern that fits decides, ``!`` takes back in, and nothing is taken back out of a folder that is left out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

NAME = ".mldignore"
ALWAYS = (".git", ".hg", ".svn", "__pycache__", ".ipynb_checkpoints")
"""Never code: what version control keeps of it, and what Python and notebooks make of it."""
_SPECIAL = frozenset("*?[\\")
_MOST_PATTERNS = 1000  # chosen: more than anybody writes by hand


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    takes_back: bool
    only_folders: bool


class Ignored:
    """What the lines of a file leave out; paths are relative and without ``..``."""

    def __init__(self, lines: Sequence[str]) -> None:
        rules = (_rule(line) for line in (*ALWAYS, *lines[:_MOST_PATTERNS]))
        self._rules = tuple(rule for rule in rules if rule is not None)
        self._folder = lru_cache(maxsize=None)(self._leaves_out_folder)

    def leaves_out(self, path: str, *, is_folder: bool = False) -> bool:
        """Tell whether a file or folder is left out, by itself or with a folder above it."""
        above = path.rpartition("/")[0]
        return bool(above and self._folder(above)) or self._says(path, is_folder=is_folder)

    def _leaves_out_folder(self, path: str) -> bool:
        return self.leaves_out(path, is_folder=True)

    def _says(self, path: str, *, is_folder: bool) -> bool:
        for rule in reversed(self._rules):
            if (is_folder or not rule.only_folders) and rule.pattern.fullmatch(path):
                return not rule.takes_back
        return False


def _rule(line: str) -> _Rule | None:
    text = line.rstrip("\r\n")
    while text.endswith(" ") and not text.endswith("\\ "):
        text = text[:-1]
    if not text or text.startswith("#"):
        return None
    takes_back = text.startswith("!")
    text = text[1:] if takes_back else text
    only_folders = text.endswith("/")
    text = text[:-1] if only_folders else text
    anchored = "/" in text
    text = text.removeprefix("/")
    if not text:
        return None
    source = _regular(text, anchored=anchored)
    source = source if anchored else f"(?:.*/)?{source}"
    try:
        return _Rule(re.compile(source, re.DOTALL), takes_back, only_folders)
    except re.error:
        return None  # as git has it: a pattern that is none fits nothing


def _regular(text: str, *, anchored: bool) -> str:
    found, place = [], 0
    while place < len(text):
        rest = text[place:]
        if rest[0] == "*":
            stars = len(rest) - len(rest.lstrip("*"))
            source, taken = _stars(text, place, stars) if anchored else ("[^/]*", stars)
            found.append(source)
            place += taken
        elif rest[0] == "?":
            found.append("[^/]")
            place += 1
        elif rest[0] == "[" and (end := _end_of_set(rest)):
            found.append(_set(rest[1:end]))
            place += end + 1
        else:
            escaped = rest[0] == "\\" and len(rest) > 1
            found.append(re.escape(rest[1] if escaped else rest[0]))
            place += 2 if escaped else 1
    return "".join(found)


def _stars(text: str, place: int, stars: int) -> tuple[str, int]:
    """Return what a run of stars fits, and how much of the text it takes.

    Two and more cross folders between slashes; and, as git has it, also as the first wildcards of a pattern: what
    stands before those it compares by itself.
    """
    begins = place == 0 or text[place - 1] == "/" or _SPECIAL.isdisjoint(text[:place])
    if stars > 1 and begins and text[place + stars : place + stars + 1] == "/":
        return "(?:.*/)?", stars + 1
    if stars > 1 and begins and place and place + stars == len(text):
        return ".+" if text[place - 1] == "/" else ".*", stars
    return "[^/]*", stars


def _end_of_set(text: str) -> int:
    """Return where the set that begins ``text`` ends; 0 where it does not."""
    begin = 2 if text[1:2] in {"!", "^"} else 1
    return max(0, text.find("]", begin + 1))


def _set(inside: str) -> str:
    negated = inside[0] in "!^"
    body = (inside[1:] if negated else inside).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    body = body.replace("&&", "&\\&").replace("~~", "~\\~").replace("||", "|\\|").replace("^", "\\^")
    return f"(?!/)[{'^' if negated else ''}{body}]"
