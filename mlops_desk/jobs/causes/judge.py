"""Which cause an end had: every sign is looked for, and the weightiest that did not pass without harm is told.

A sign after which the program went on (it logged further steps) did it no harm, whatever it said. A line that calls
itself a warning is faint. Of equal causes the first is told: what fails first takes the others down.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlops_desk.base.errors import Hint
from mlops_desk.base.text import plain
from mlops_desk.jobs.causes.cause import EndCause, Sign, Weight
from mlops_desk.jobs.causes.facts import EndFacts
from mlops_desk.jobs.causes.lines import LogEnd, blamed_frame, end_of, exceptions
from mlops_desk.jobs.causes.table import CAUSES
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.runtimes.starting.telling import START_CLASSES, START_FAILED

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
