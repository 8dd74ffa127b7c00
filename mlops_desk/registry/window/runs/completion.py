"""What can stand next in a filter of runs: names, operators, words that join. Pure, no Qt here.

It does not judge a filter, which the agent alone does; it looks at the last words before the caret.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

MOST_OFFERED = 40  # chosen: more are not read; one types another letter
_NUMBER_OPERATORS = (">", ">=", "<", "<=", "=", "!=")
_TEXT_OPERATORS = ("=", "!=", "LIKE", "ILIKE", "IN", "IS NULL", "IS NOT NULL")
_STATUSES = ("'FINISHED'", "'RUNNING'", "'FAILED'", "'KILLED'", "'SCHEDULED'")
_ATTRIBUTES = ("status", "start_time", "end_time", "run_name", "run_id", "user_id", "artifact_uri")
_WORD = re.compile(r"""'(?:[^']|'')*'?|"[^"]*"?|`[^`]*`?|[^\s'"`<>=!()]*`[^`]*`?|[<>=!]+|[()]|[^\s'"`<>=!()]+""")
_PLAIN = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)
_OPERATORS = frozenset({*_NUMBER_OPERATORS, *(word.lower() for word in ("like", "ilike", "in", "is", "not"))})


@dataclass(frozen=True, slots=True)
class Names:
    """What the runs have, and what was typed before."""

    metrics: Sequence[str] = ()
    params: Sequence[str] = ()
    tags: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """What may stand from ``start`` to ``end`` of the text instead of what stands there."""

    start: int
    end: int
    words: tuple[str, ...]


def offers(text: str, caret: int, names: Names) -> Offer:
    """Return what can be put where the caret is."""
    before = text[:caret]
    words = [match.group() for match in _WORD.finditer(before)]
    begun = words.pop() if words and not before[-1:].isspace() and words[-1] not in "()" else ""
    if begun and set(begun) <= set("<>=!") and begun not in {">", "<", "!"}:
        words, begun = [*words, begun], ""
    start = caret - len(begun)
    fitting = _fitting(_next(words, names), begun)
    return Offer(start, caret, tuple(fitting[:MOST_OFFERED]))


def _fitting(candidates: Sequence[str], begun: str) -> list[str]:
    """Return those that go on as was begun, before those that have it inside; without those that are typed whole."""
    small = begun.lower()
    starts = [one for one in candidates if _bare(one).startswith(small) or one.lower().startswith(small)]
    inside = [one for one in candidates if one not in starts and small in one.lower()]
    return [one for one in [*starts, *inside] if one.lower() != small]


def _bare(candidate: str) -> str:
    """Return a name without the word before its point, as people begin to type it."""
    return candidate.partition(".")[2].strip("`").lower() or candidate.lower()


def _next(words: Sequence[str], names: Names) -> list[str]:
    """Return what may follow these words."""
    last = words[-1].lower() if words else ""
    if last in {"", "and", "("}:
        return _named(names)
    if last in _OPERATORS:
        subject = _subject(words)
        return list(_STATUSES) if subject in {"status", "attributes.status", "attribute.status"} else []
    if len(words) > 1 and words[-2].lower() in _OPERATORS:
        return ["and"]
    return [*_operators_for(words[-1], names), "and"]


def _subject(words: Sequence[str]) -> str:
    """Return the name that the last operators are about."""
    return next((word.lower() for word in reversed(words) if word.lower() not in _OPERATORS), "")


def _operators_for(word: str, names: Names) -> Sequence[str]:
    small = word.lower()
    if small.startswith("metrics.") or small in {"start_time", "end_time"}:
        return _NUMBER_OPERATORS
    if small.startswith(("params.", "tags.", "attributes.")) or small in _ATTRIBUTES:
        return _TEXT_OPERATORS
    if word.strip("`") in names.metrics:
        return _NUMBER_OPERATORS
    return (*_NUMBER_OPERATORS, *_TEXT_OPERATORS[2:])


def _named(names: Names) -> list[str]:
    return [
        *(f"metrics.{_quoted(one)}" for one in names.metrics),
        *(f"params.{_quoted(one)}" for one in names.params),
        *_ATTRIBUTES,
        *(f"tags.{_quoted(one)}" for one in names.tags),
    ]


def _quoted(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else f"`{name}`"


def put(text: str, offer: Offer, word: str) -> tuple[str, int]:
    """Return the text with a word put in, and where the caret stands then."""
    behind = text[offer.end :]
    space = "" if behind.startswith(" ") else " "
    whole = text[: offer.start] + word + space + behind
    return whole, offer.start + len(word) + 1
