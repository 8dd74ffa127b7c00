"""A row of the table: what a cause is called, how it is known, what it says and what to do about it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from mlops_desk.jobs.records.failure_facts import EndFacts


class Weight(IntEnum):
    """Which of several causes that show themselves is told: the first of these, and of equals what came first.

    What takes others down with it is a ``ROOT``; what befalls the others then is a ``CONSEQUENCE``. ``GENERAL`` is any
    other exception. What a program says in passing may have nothing to do with its end (``FAINT``).
    """

    ROOT = 0
    SPECIFIC = 1
    GENERAL = 2
    CONSEQUENCE = 3
    FAINT = 4
    CODE = 5


@dataclass(frozen=True, slots=True)
class Sign:
    """A line that shows a cause: ``key`` (lower case) is in it, and ``pattern``, where there is one, is found.

    Named groups of the pattern may stand in the cause's text and hint as ``{name}``.
    """

    key: str
    pattern: re.Pattern[str] | None = None
    weight: Weight | None = None
    in_warnings: bool = False


@dataclass(frozen=True, slots=True)
class EndCause:
    """``title`` names the cause in a few words for people, ``class_`` for programs, for ever.

    ``judge`` tells from facts other than the log what shows the cause, as evidence; None: nothing does.

    ``title``, ``text`` and ``hint`` may name what was found as ``{name}``; ``fields`` makes more of it.
    ``beside`` is evidence that is told with it, and decides nothing. ``codes`` are exit codes that stand for the cause
    where nothing else tells one.
    """

    class_: str
    title: str
    weight: Weight
    text: str
    hint: str
    signs: tuple[Sign, ...] = ()
    judge: Callable[[EndFacts], str | None] | None = None
    codes: tuple[int, ...] = ()
    fields: Callable[[EndFacts, Mapping[str, str]], Mapping[str, str]] | None = None
    beside: Callable[[EndFacts], str | None] | None = None


def said(*phrases: str, weight: Weight | None = None, in_warnings: bool = False) -> tuple[Sign, ...]:
    """Return signs for phrases, in whatever case they are written."""
    return tuple(Sign(phrase.lower(), None, weight, in_warnings) for phrase in phrases)


def found(key: str, pattern: str, *, weight: Weight | None = None, in_warnings: bool = False) -> tuple[Sign, ...]:
    """Return a sign for a pattern; ``key`` is a piece of whatever it finds."""
    return (Sign(key.lower(), re.compile(pattern, re.IGNORECASE), weight, in_warnings),)


def faint(*phrases: str) -> tuple[Sign, ...]:
    """Return signs that tell a cause only where nothing better does: such lines come in healthy logs as well."""
    return said(*phrases, weight=Weight.FAINT)
