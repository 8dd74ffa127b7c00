"""The end of a log as it is judged: bounded, without what ranks and schedulers put before each line."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

_MOST_LINES = 2000
"""Chosen: eight ranks that each leave a traceback and what the launcher says of them are some six hundred lines."""
_MOST_CHARACTERS = 256 * 1024  # chosen: read through in a few milliseconds; a screen of text has some 5 KiB
_PREFIX = re.compile(
    r"(?:\[(?:rank|default|Rank )?\d+\](?::| ) ?|\d+: (?=Traceback|\s|\w+Error)"  # torchrun, mpirun, srun
    r"|\((?:\w+ )?pid=\d+(?:, ip=[\d.]+)?\) )"  # Ray
)
_COLOURS = re.compile(r"(?:\x1b|\\x1b)\[[\d;]*m")
_GOES_ON = re.compile(
    r"\b(?:step|epoch|iter(?:ation)?|batch)s?\b\W{0,3}\d|\d ?(?:it/s|s/it|steps/s)|\bloss\W{1,4}\d", re.IGNORECASE
)
_TRACEBACK = "Traceback (most recent call last):"
_EXCEPTION = re.compile(
    r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Fault|Failure|Warning|Timeout)\b"
)
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)')
_FOREIGN = ("site-packages", "dist-packages", "/lib/python", "<frozen")
_FRAMES_LOOKED_AT = 60  # chosen: deeper than tracebacks of trainings are


STEPS_AFTER = 3
"""Chosen: other ranks may log a step or two before they miss the one that failed."""
_TROUBLE = ("nan", "inf", "error", "fail")
"""What keeps a line that shows progress among those that are searched."""


@dataclass(frozen=True, slots=True)
class LogEnd:
    """``lines`` as they are quoted, ``bare`` without what ranks and colours put there.

    ``searched`` is what may hold a sign, in lower case as one text, and ``places`` are where each of its lines begins
    there with its number. Up to the line ``calm`` the program went on after whatever it said.
    """

    lines: tuple[str, ...]
    bare: tuple[str, ...]
    searched: str
    places: tuple[tuple[int, int], ...]
    calm: int

    def passed(self, number: int) -> bool:
        """Tell whether the program went on after a line."""
        return number < self.calm

    def number_at(self, place: int) -> tuple[int, int]:
        """Return which line a place of the searched text is in, and where the next begins."""
        at = bisect_right(self.places, (place, len(self.lines))) - 1
        following = self.places[at + 1][0] if at + 1 < len(self.places) else len(self.searched)
        return self.places[at][1], following


def end_of(log: Sequence[str]) -> LogEnd:
    """Return the last lines of a log as they are judged."""
    room, first = _MOST_CHARACTERS, len(log)
    while first and len(log) - first < _MOST_LINES and (room := room - len(log[first - 1])) > 0:
        first -= 1
    lines = tuple(log[first:])
    bare = tuple(map(_bare, lines))
    going_on = [number for number, line in enumerate(bare) if _GOES_ON.search(line)]
    calm = going_on[-STEPS_AFTER] if len(going_on) >= STEPS_AFTER else 0
    texts, places, place = [], [], 0
    for number, line in _worth_searching(bare, set(going_on), calm):
        texts.append(line)
        places.append((place, number))
        place += len(line) + 1
    return LogEnd(lines, bare, "\n".join(texts), tuple(places), calm)


def _worth_searching(bare: Sequence[str], going_on: AbstractSet[int], calm: int) -> Iterator[tuple[int, str]]:
    """Yield the lines that may hold a sign, in lower case: what comes again, as from each rank, only where it counts.

    Of a traceback the frames and their lines of code are left out: a program may name any error there.
    """
    seen: set[str] = set()
    after_frame = False
    for number, line in enumerate(bare):
        is_frame = _FRAME.match(line) is not None
        is_code, after_frame = after_frame and line[:1] in {" ", "\t"}, is_frame
        lowered = line.lower()
        if is_frame or is_code or (number in going_on and not any(mark in lowered for mark in _TROUBLE)):
            continue
        if number >= calm > 0:
            seen, calm = set(), 0
        if lowered not in seen:
            seen.add(lowered)
            yield number, lowered


def _bare(line: str) -> str:
    if "\\x1b" in line or "\x1b" in line:
        line = _COLOURS.sub("", line)
    return _PREFIX.sub("", line, count=1) if line[:1] in "[(0123456789" and line else line


def exceptions(end: LogEnd) -> list[int]:
    """Return the numbers of the lines that name the exception of each traceback, oldest first."""
    found = []
    inside = False
    for number, line in enumerate(end.bare):
        if _TRACEBACK in line:
            inside = True
        elif inside and line[:1] not in {" ", "\t", "|", ""} and _EXCEPTION.match(line):
            found.append(number)
            inside = False
    return found


def blamed_frame(end: LogEnd, number: int) -> str | None:
    """Return the deepest frame above an exception's line that is the program's own: ``train.py, line 12``."""
    for line in reversed(end.bare[max(0, number - _FRAMES_LOOKED_AT) : number]):
        if _TRACEBACK in line:
            return None
        frame = _FRAME.match(line)
        if frame is not None and not any(mark in frame["file"] for mark in _FOREIGN):
            return f"{frame['file']}, line {frame['line']}"
    return None
