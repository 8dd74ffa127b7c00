"""Which cause an end had: every sign is looked for, and the weightiest that did not pass without harm is told.

A sign after which the program went on (it logged further steps) did it no harm, whatever it said. A line that calls
itself a warning is faint. Of equal causes the first is told: what fails first takes the others down.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from mlops_desk.jobs.failure_causes.cause import EndCause, Sign, Weight
from mlops_desk.jobs.failure_causes.table import CAUSES
from mlops_desk.jobs.records.failure_facts import EndFacts
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.runtimes.start_failures import START_CLASSES, START_FAILED
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import plain

# The end of a log as it is judged: bounded, without what ranks and schedulers put before each line.
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


EVIDENCE_LIMIT = 500  # chosen: one long line of a log
_FIELD_LIMIT = 200  # chosen: as long as any name here; a path may have 4,096 characters
_GENERAL = "exit_nonzero"
_FINER = frozenset(cause.class_ for cause in CAUSES) - {"oom_kernel", "oom_cuda"}
"""What was an ``exit_nonzero`` before it had a word of its own; lack of memory has always had one."""
_BEFORE_ALL = -1  # what is known from elsewhere stands before the first line


@dataclass(frozen=True, slots=True, order=True)
class _Rank:
    """How a finding stands to others; the least is told."""

    harmless: bool
    weight: Weight
    line: int
    row: int


@dataclass(frozen=True, slots=True)
class _Finding:
    rank: _Rank
    cause: EndCause | None
    evidence: str
    groups: Mapping[str, str]


def why(facts: EndFacts) -> Reason:
    """Say why a command that did not end well ended so; what nothing explains is told as its exit code."""
    end = end_of(facts.log)
    best = min(_findings(facts, end), key=lambda found: found.rank, default=None)
    if best is not None and best.cause is not None:
        return _told(best.cause, best, facts)
    if best is not None:
        return _general(facts, best.evidence)
    last = next((line for line in reversed(facts.log) if line.strip()), None)
    return _general(facts, None if last is None else f"Its last line: {plain(last, EVIDENCE_LIMIT)}")


def _general(facts: EndFacts, evidence: str | None) -> Reason:
    text = f"The command ended with exit code {facts.exit_code}."
    return Reason(_GENERAL, text, evidence, title=f"Exit code {facts.exit_code}")


def words_for(class_: str) -> tuple[str, ...]:
    """Return the words by which a class of failure may be named, the narrowest first.

    What a command's own end was found to mean is still an end with an exit code other than 0; whatever kept a job from
    starting, it was not started.
    """
    if class_ in START_CLASSES:
        return class_, START_FAILED
    if class_ == "oom_machine":  # the kernel's kill all the same, and told as its exit code before there was this word
        return class_, "oom_kernel", _GENERAL
    return (class_, _GENERAL) if class_ in _FINER else (class_,)


def _findings(facts: EndFacts, end: LogEnd) -> Iterator[_Finding]:
    taken = set()
    for row, cause in enumerate(CAUSES):
        judged = None if cause.judge is None else cause.judge(facts)
        if judged is not None:
            yield _Finding(_Rank(False, cause.weight, _BEFORE_ALL, row), cause, judged, {})
        if facts.exit_code in cause.codes:
            yield _Finding(_Rank(False, Weight.CODE, len(end.lines), row), cause, _of_code(facts), {})
        for sign in cause.signs:
            for number, groups in _hits(sign, end):
                rank = _ranked(cause, sign, end, number, row)
                if rank.weight < Weight.FAINT:
                    taken.add(number)
                yield _Finding(rank, cause, plain(end.lines[number].strip(), EVIDENCE_LIMIT), groups)
    for number in exceptions(end):
        if number not in taken:
            rank = _Rank(end.passed(number), Weight.GENERAL, number, len(CAUSES))
            yield _Finding(rank, None, _quoted(end, number), {})


def _hits(sign: Sign, end: LogEnd) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the first line of the sign, and the first after which the program did not go on."""
    place = end.searched.find(sign.key)
    found_before = False
    while place >= 0:
        number, following = end.number_at(place)
        match = None if sign.pattern is None else sign.pattern.search(end.bare[number])
        if sign.pattern is None or match is not None:
            harmless = end.passed(number)
            if not (harmless and found_before):
                groups = {} if match is None else match.groupdict()
                yield number, {key: value for key, value in groups.items() if value}
            if not harmless:
                return
            found_before = True
        place = end.searched.find(sign.key, following)


def _ranked(cause: EndCause, sign: Sign, end: LogEnd, number: int, row: int) -> _Rank:
    weight = cause.weight if sign.weight is None else sign.weight
    if not sign.in_warnings and "warn" in end.bare[number].lower() and weight < Weight.FAINT:
        weight = Weight.FAINT
    return _Rank(end.passed(number), weight, number, row)


def _quoted(end: LogEnd, number: int) -> str:
    frame = blamed_frame(end, number)
    quoted = plain(end.bare[number].strip(), EVIDENCE_LIMIT)
    return quoted if frame is None else f"{quoted} ({plain(frame)})"


def _of_code(facts: EndFacts) -> str:
    last = next((line for line in reversed(facts.log) if line.strip()), None)
    quoted = "" if last is None else f" Its last line: {plain(last, EVIDENCE_LIMIT)}"
    return f"Its exit code is {facts.exit_code}.{quoted}"


def _told(cause: EndCause, found: _Finding, facts: EndFacts) -> Reason:
    fields = dict(found.groups)
    if cause.fields is not None:
        fields |= cause.fields(facts, found.groups)
    shown = {key: plain(value, _FIELD_LIMIT) for key, value in fields.items()}
    hint = cause.hint if isinstance(cause.hint, Hint) else _filled(cause.hint, shown)
    beside = None if cause.beside is None else cause.beside(facts)
    evidence = found.evidence if beside is None else f"{found.evidence} {beside}"
    return Reason(cause.class_, _filled(cause.text, shown), evidence, hint, title=_filled(cause.title, shown))


def _filled(text: str, fields: Mapping[str, str]) -> str:
    for key, value in fields.items():
        text = text.replace(f"{{{key}}}", value)
    return text
