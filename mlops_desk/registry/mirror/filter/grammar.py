"""MLflow's filter strings, refused where MLflow refuses them, with the place.

MLflow has them cut up by sqlparse, and what it takes depends on what sqlparse makes of the text: ``metrics.a/b > 1`` is
a division there. So the same library cuts them up here, and the rules below are MLflow's own (search_utils.py).
"""

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlparse
from sqlparse import tokens as kinds
from sqlparse.sql import Comparison, Identifier, Parenthesis

from mlops_desk.kit.base.errors import Invalid, Place
from mlops_desk.kit.base.text import plain

# Conditions that a run has to fulfil, all of them, whichever form they were written in.
#
# A clause on what a run does not have is not fulfilled, whatever it compares; only ``IS NULL`` is then.


class Of(StrEnum):
    """What a clause is about. The last two are of the short form alone."""

    METRIC = "metrics"
    PARAM = "params"
    TAG = "tags"
    ATTRIBUTE = "attributes"
    DATASET = "datasets"
    NAMED = "named"
    """A metric or a parameter, whichever there is of that name; a parameter is compared as a number where it is one."""
    WORD = "word"
    """Somewhere in the run's name, or at the beginning of its id."""


NUMBER_COMPARATORS = frozenset({">", ">=", "!=", "=", "<", "<="})
TEXT_COMPARATORS = frozenset({"!=", "=", "LIKE", "ILIKE"})
NULL_COMPARATORS = frozenset({"IS NULL", "IS NOT NULL"})
LIST_COMPARATORS = frozenset({"IN", "NOT IN"})
LARGEST = 1.7976931348623157e308
"""The largest float: MLflow's databases have it for infinity, so that no metric equals ``1e400`` there, or is above."""
HAS = "HAS"
"""The text stands somewhere in it, capital letters or not: the short form's ``~``."""
NUMBER_ATTRIBUTES = frozenset({"start_time", "end_time", "duration"})
"""The duration is of the short form alone: MLflow knows none."""

Value = float | int | str | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Clause:
    """``place`` is where it begins in the text, from 1. Times are Unix milliseconds, the duration is in seconds."""

    of: Of
    key: str
    comparator: str
    value: Value
    place: int = 1


Filter = tuple[Clause, ...]


def refused(text: str, place: int, hint: str | None = None) -> Invalid:
    """Return the error about a filter, with the place in it (from 1)."""
    return Invalid(f"Character {place} of the filter: {text}", hint, place=Place(1, place))


KINDS = {
    "metric": Of.METRIC, "metrics": Of.METRIC,
    "parameter": Of.PARAM, "parameters": Of.PARAM, "param": Of.PARAM, "params": Of.PARAM,
    "tag": Of.TAG, "tags": Of.TAG,
    "attribute": Of.ATTRIBUTE, "attributes": Of.ATTRIBUTE, "attr": Of.ATTRIBUTE, "run": Of.ATTRIBUTE,
    "dataset": Of.DATASET, "datasets": Of.DATASET,
}  # fmt: skip
_ALIASES = {"created": "start_time", "Created": "start_time"} | dict.fromkeys(
    ("run name", "Run name", "Run Name"), "run_name"
)
ATTRIBUTES = ("run_id", "run_name", "user_id", "status", "start_time", "end_time", "artifact_uri")
_TIMES = frozenset({"start_time", "end_time"})
_DATASET_KEYS = frozenset({"name", "digest", "context"})
_NUMBERS = (kinds.Literal.Number.Integer, kinds.Literal.Number.Float)
_INTEGERS = range(-(1 << 63), 1 << 63)  # what a database takes
_LONGEST_PATTERN_BYTES = 50_000  # SQLITE_MAX_LIKE_PATTERN_LENGTH
_LONGEST_CHARACTERS = 20_000  # chosen: longer than anybody types, and cut up in a moment
_HINT = "Write it as metrics.auc > 0.9 and params.model = 'cnn'. Texts stand in quotes, odd names in backticks."


@dataclass(frozen=True, slots=True)
class _Word:
    """Two keywords that are one comparison, beside sqlparse's own tokens."""

    value: str


@dataclass(frozen=True, slots=True)
class _Placed:
    """A token (or some, joined to a comparison) with its place in the text, from 1."""

    token: Any
    place: int
    parts: tuple["_Placed", ...] = ()


def parse_filter(text: str) -> Filter:
    """Read a filter string as MLflow does; an empty one is fulfilled by all. Raises Invalid, with the place."""
    if not text:
        return ()
    if len(text) > _LONGEST_CHARACTERS:
        raise refused(f"it is longer than {_LONGEST_CHARACTERS:,} characters.", _LONGEST_CHARACTERS)
    try:
        statements = sqlparse.parse(text)
    except (ValueError, RecursionError, sqlparse.exceptions.SQLParseError) as error:
        raise refused(f"it can't be read: {plain(str(error))}.", 1, _HINT) from error
    if not statements:
        raise refused("there is nothing in it.", 1, "Leave it out to have all runs.")
    if len(statements) > 1:
        place = len(str(statements[0])) + 1
        raise refused("another statement begins.", place, "Join conditions with AND.")
    return tuple(_conditions(list(_placed(statements[0].tokens, 1))))


def _placed(tokens: Sequence[Any], place: int) -> Iterator[_Placed]:
    for token in tokens:
        inner = tuple(_placed(token.tokens, place)) if isinstance(token, Comparison) else ()
        yield _Placed(token, place, tuple(one for one in inner if not one.token.is_whitespace))
        place += len(token.value)


def _conditions(placed: list[_Placed]) -> Iterator[Clause]:
    for one in _joined([found for found in placed if not found.token.is_whitespace]):
        if one.parts:
            yield _condition(one)
        elif not one.token.match(kinds.Keyword, ["AND"]):
            raise refused(f"{_shown(one)} does not belong here.", one.place, _HINT)


def _joined(placed: list[_Placed]) -> Iterator[_Placed]:
    """Join what sqlparse takes for no comparison: IN, NOT IN, IS NULL, IS NOT NULL. MLflow goes by three and four."""
    at = 0
    while at < len(placed):
        first = placed[at]
        if len(placed) - at < 3:
            yield from placed[at:]
            return
        if not isinstance(first.token, Identifier):
            yield first
            at += 1
            continue
        taken, comparison = _comparison(placed[at : at + 4])
        if comparison is not None:
            yield comparison
        else:
            yield from placed[at : at + taken]
        at += taken


def _comparison(four: list[_Placed]) -> tuple[int, _Placed | None]:
    """Return how many tokens are used up, and the comparison that they make."""
    first, second, third = four[:3]
    if second.token.match(kinds.Keyword, ["IN"]) and isinstance(third.token, Parenthesis):
        return 3, _made(first, (first, second, third))
    if second.token.match(kinds.Keyword, ["IS"]):
        word = third.token.value.upper() if third.token.ttype == kinds.Keyword else ""
        if word in {"NULL", "NOT NULL"}:
            return 3, _made(first, (first, _keyword(second, f"IS {word}")))
    if len(four) < 4:
        return 3, None
    if (
        second.token.match(kinds.Keyword, ["NOT"])
        and third.token.match(kinds.Keyword, ["IN"])
        and isinstance(four[3].token, Parenthesis)
    ):
        return 4, _made(first, (first, _keyword(second, "NOT IN"), four[3]))
    return 4, None


def _made(first: _Placed, parts: tuple[_Placed, ...]) -> _Placed:
    return _Placed(first.token, first.place, parts)


def _keyword(at: _Placed, word: str) -> _Placed:
    return replace(at, token=_Word(word))


def _condition(comparison: _Placed) -> Clause:
    """Return what a comparison asks for."""
    name = comparison.parts[0]
    if not isinstance(name.token, Identifier):
        raise refused(f"{_shown(name)} is no name of a column.", name.place, _HINT)
    of, key = _column(name)
    comparator = comparison.parts[1]
    if len(comparison.parts) == 2 and comparator.token.value in NULL_COMPARATORS:
        if of not in {Of.PARAM, Of.TAG}:
            raise refused(f"{comparator.token.value} is for params and tags alone.", comparator.place)
        return Clause(of, key, comparator.token.value, None, name.place)
    if len(comparison.parts) != 3:
        raise refused("this is not a column, a comparison and a value.", name.place, _HINT)
    word = comparator.token.value.upper()
    value = _value(of, key, comparison.parts[2])
    _check(of, key, word, value, comparator.place)
    return Clause(of, key, word, value, name.place)


def _column(name: _Placed) -> tuple[Of, str]:
    written = name.token.value
    kind, dot, key = written.partition(".")
    if not dot:
        kind, key = "attribute", written
    of = KINDS.get(_without(kind, "`"))
    if of is None:
        text = f"{plain(repr(kind))} is no kind of column."
        raise refused(text, name.place, "There are metrics, params, tags, attributes and datasets.")
    key = _without(_without(key, "'", '"'), "`")
    if of is Of.ATTRIBUTE:
        key = _ALIASES.get(key, key)
        if key not in ATTRIBUTES:
            hint = f"There are {', '.join(ATTRIBUTES)}; a metric is metrics.{plain(key)}."
            raise refused(f"a run has no attribute {plain(repr(key))}.", name.place, hint)
    if of is Of.DATASET and key not in _DATASET_KEYS:
        raise refused(f"a dataset has no {plain(repr(key))}.", name.place, "It has a name, a digest and a context.")
    return of, key


def _value(of: Of, key: str, given: _Placed) -> Value:
    token = given.token
    if of is Of.METRIC or (of is Of.ATTRIBUTE and key in _TIMES):
        return _number(of, given)
    if token.ttype == kinds.Literal.String.Single or isinstance(token, Identifier):
        written: str = token.value
        if not any(len(written) >= 2 and written[0] == written[-1] == quote for quote in "'\""):
            raise refused(f"{_shown(given)} is a text and needs quotes.", given.place, _HINT)
        return written[1:-1]
    if isinstance(token, Parenthesis) and (of is Of.DATASET or (of is Of.ATTRIBUTE and key == "run_id")):
        return _list(given)
    raise refused(f"a text in quotes is wanted, not {_shown(given)}.", given.place, _HINT)


def _number(of: Of, given: _Placed) -> float | int:
    token = given.token
    if token.ttype not in _NUMBERS:
        raise refused(f"a number is wanted, not {_shown(given)}.", given.place, _HINT)
    if of is Of.METRIC or token.ttype == kinds.Literal.Number.Float:
        return float(token.value)
    number = int(token.value)
    if number not in _INTEGERS:
        raise refused(f"{_shown(given)} is too large.", given.place)
    return number


def _list(given: _Placed) -> tuple[str, ...]:
    try:
        found = ast.literal_eval(given.token.value)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise refused("this list can't be read.", given.place, "Write it as ('a', 'b').") from error
    texts = found if isinstance(found, tuple) else (found,)
    if not texts or not all(isinstance(one, str) for one in texts):
        raise refused("a list holds texts, and at least one.", given.place, "Write it as ('a', 'b').")
    return texts


def _check(of: Of, key: str, comparator: str, value: Value, place: int) -> None:
    if of is Of.METRIC or (of is Of.ATTRIBUTE and key in _TIMES):
        known = NUMBER_COMPARATORS
    elif of in {Of.PARAM, Of.TAG}:
        known = TEXT_COMPARATORS
    else:
        known = LIST_COMPARATORS if isinstance(value, tuple) else TEXT_COMPARATORS
    if comparator not in known:
        raise refused(f"{plain(comparator)} can't be asked of this.", place, f"There are {', '.join(sorted(known))}.")
    is_pattern = comparator in {"LIKE", "ILIKE"}
    if is_pattern and len(str(value).encode("utf-8", "surrogatepass")) > _LONGEST_PATTERN_BYTES:
        raise refused("the pattern is too long.", place)


def _without(text: str, *quotes: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in quotes:
        return text[1:-1]
    return text


def _shown(given: _Placed) -> str:
    return plain(repr(str(given.token.value)), 80)


# What a text has to be, by a comparison of a filter.

# LIKE and ILIKE as SQLite has them where MLflow is at work: ``%`` any text, ``_`` one character, no escapes.
# LIKE tells capitals apart (MLflow sets ``case_sensitive_like``), ILIKE compares what ``lower()`` makes of both,
# which knows the letters of ASCII alone.
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
Test = Callable[[str], bool]


def pattern_test(comparator: str, pattern: str) -> Test:
    """Return what tells whether a text is LIKE (or ILIKE) a pattern."""
    if comparator == "ILIKE":
        like = _like(pattern.translate(_LOWER))
        return lambda text: like(text.translate(_LOWER))
    return _like(pattern)


def _like(pattern: str) -> Test:
    """Return the test of a pattern; the usual ones need no search step by step."""
    body = pattern.strip("%")
    if "%" not in body and "_" not in body:
        return _simple(body, opened=pattern.startswith("%"), ends=pattern.endswith("%"), whole=pattern)
    return _walked(re.split("(%+)", pattern))


def _simple(body: str, *, opened: bool, ends: bool, whole: str) -> Test:
    if not body:
        return (lambda _text: True) if whole else (lambda text: text == "")
    if opened and ends:
        return lambda text: body in text
    if opened:
        return lambda text: text.endswith(body)
    if ends:
        return lambda text: text.startswith(body)
    return lambda text: text == body


def _walked(parts: list[str]) -> Test:
    """Find the parts between the ``%`` one after the other, each as early as possible: no backtracking is needed."""
    pieces = [re.compile(re.escape(part).replace("_", "."), re.DOTALL) for part in parts[::2]]
    lengths = [len(part) for part in parts[::2]]

    def test(text: str) -> bool:
        if len(pieces) == 1:
            return pieces[0].fullmatch(text) is not None
        if pieces[0].match(text) is None:
            return False
        at = lengths[0]
        for piece, length in zip(pieces[1:-1], lengths[1:-1], strict=True):
            found = piece.search(text, at)
            if found is None:
                return False
            at = found.start() + length
        begin = len(text) - lengths[-1]
        return begin >= at and pieces[-1].match(text, begin) is not None

    return test


def text_test(comparator: str, wanted: Value) -> Callable[[str], bool]:
    """Return what tells whether a text is as a clause wants it."""
    if isinstance(wanted, tuple):
        among = frozenset(wanted)
        return (lambda text: text in among) if comparator == "IN" else (lambda text: text not in among)
    sought = str(wanted)
    if comparator == HAS:
        lowered = sought.lower()
        return lambda text: lowered in text.lower()
    if comparator in {"LIKE", "ILIKE"}:
        return pattern_test(comparator, sought)
    return (lambda text: text == sought) if comparator == "=" else (lambda text: text != sought)
