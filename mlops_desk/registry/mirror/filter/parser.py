"""A filter as it was typed, in either form.

Which texts are numbers: parameters are texts in every tracker, and most of them are meant as numbers.
"""

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.base.time_expressions import parse_length, parse_moment
from mlops_desk.registry.mirror.filter.grammar import (
    ATTRIBUTES,
    HAS,
    KINDS,
    NUMBER_ATTRIBUTES,
    Clause,
    Filter,
    Of,
    Value,
    parse_filter,
    refused,
)


def number_of(text: str) -> float | None:
    """Return the number that a text is; None where it is none. NaN and infinities are numbers too."""
    # Python takes 1_000 for a number; whoever wrote it into a parameter meant a name.
    if "_" in text or len(text) > _LONGEST_CHARACTERS:
        return None
    try:
        return float(text)
    except ValueError:
        return None


_LONGEST_CHARACTERS = 64  # chosen: no float has more digits that count


# The short form of a filter, as people type it: ``auc > 0.9 and lr < 0.01 resnet``.
# A bare name is an attribute where a run has one of that name, else a metric or a parameter, whichever there is.
# Texts need no quotes, ``~`` asks for a part, times may be ``-7d`` or a date, a duration ``1h``. A word that is
# compared with nothing is looked for in names and at the beginning of ids. ``and`` may be left out. What MLflow
# writes may stand beside it: ``params.`learning rate` = '0.1'``, ``tags.team IS NULL``.
_TOKEN = re.compile(
    r"""(?P<space>\s+) | (?P<comparator> <= | >= | != | == | [<>=~] )
      | (?P<quoted> "[^"]*" | '[^']*' | `[^`]*` ) | (?P<bare> (?: [^\s<>=!~"'`] | !(?!=) )+ )
      | (?P<other> . )""",
    re.VERBOSE | re.DOTALL,
)
_SHORT = {
    "name": "run_name",
    "id": "run_id",
    "user": "user_id",
    "started": "start_time",
    "created": "start_time",
    "ended": "end_time",
    "duration": "duration",
} | {name: name for name in ATTRIBUTES}
_LATE = {"or", "not"}
_HINT = "Write it as: auc > 0.9 and lr < 0.01, and words that stand in the name."


@dataclass(frozen=True, slots=True)
class _Word:
    kind: str
    text: str
    place: int


def parse_short(text: str, now: float | None = None) -> Filter:
    """Read a filter in the short form; ``now`` (Unix seconds) is what times are before. Raises Invalid."""
    words = list(_joined(_words(text)))
    found: list[Clause] = []
    at = 0
    while at < len(words):
        word = words[at]
        if word.kind == "comparator":
            raise refused(f"there is no name before {word.text}.", word.place, _HINT)
        if at + 1 < len(words) and words[at + 1].kind == "comparator":
            if at + 2 >= len(words) or words[at + 2].kind == "comparator":
                place = words[at + 2].place if at + 2 < len(words) else len(text) + 1
                raise refused(f"what {plain(word.text)} is compared with is missing.", place, _HINT)
            found.append(_comparison(word, words[at + 1].text, words[at + 2], time.time() if now is None else now))
            at += 3
            continue
        state = _state(words, at)
        if state is not None:
            found.append(Clause(*_column(word), state, None, word.place))
            at += len(state.split()) + 1
            continue
        if word.kind == "bare" and word.text.lower() in _LATE:
            text = f"{word.text!r} is not understood here: all conditions have to be fulfilled."
            raise refused(text, word.place, 'Put it in quotes if it is a part of the name: "or".')
        if word.kind == "quoted" or word.text.lower() != "and":
            found.append(Clause(Of.WORD, "", HAS, word.text, word.place))
        at += 1
    return tuple(found)


def _words(text: str) -> Iterator[_Word]:
    for match in _TOKEN.finditer(text):
        kind, written, place = match.lastgroup or "other", match[0], match.start() + 1
        if kind == "other":
            what = "this quote is never closed" if written in "'\"`" else f"{plain(written)!r} means nothing here"
            raise refused(f"{what}.", place, _HINT)
        if kind != "space":
            yield _Word(kind, written[1:-1] if kind == "quoted" else written, place)


def _joined(words: Iterable[_Word]) -> Iterator[_Word]:
    """Put a kind and the name in backticks behind it together, as MLflow writes them: ``params.`a b```."""
    kind: _Word | None = None
    for word in words:
        is_name = word.kind == "quoted" and kind is not None and word.place == kind.place + len(kind.text)
        if kind is not None:
            yield _Word("named", kind.text + word.text, kind.place) if is_name else kind
        kind = word if word.kind == "bare" and word.text[-1] == "." and word.text[:-1] in KINDS else None
        if kind is None and not is_name:
            yield word
    if kind is not None:
        yield kind


def _state(words: list[_Word], at: int) -> str | None:
    """Return whether it is asked if a run has this at all; of a bare name it is not known what that is of."""
    dotted = words[at].kind in {"bare", "named"} and words[at].text.partition(".")[0] in KINDS
    following = " ".join(word.text.upper() for word in words[at + 1 : at + 4])
    found = next((one for one in ("IS NOT NULL", "IS NULL") if f"{following} ".startswith(f"{one} ")), None)
    return found if dotted and "." in words[at].text[:-1] else None


def _comparison(name: _Word, comparator: str, value: _Word, now: float) -> Clause:
    of, key = _column(name)
    comparator = "=" if comparator == "==" else comparator
    wanted: Value = value.text
    if of is Of.ATTRIBUTE:
        wanted = _attribute_value(key, comparator, value, now)
    elif of is Of.METRIC or (of is Of.NAMED and comparator != "~" and value.kind != "quoted"):
        number = number_of(value.text)
        if number is None and of is Of.METRIC:
            raise refused(f"a number is wanted, not {plain(value.text)!r}.", value.place, _HINT)
        wanted = value.text if number is None else number
    if isinstance(wanted, str):
        comparator, wanted = _text(comparator, wanted, name.place)
    elif comparator == "~":
        raise refused("~ asks for a part of a text, and this is a number.", name.place, _HINT)
    return Clause(of, key, comparator, wanted, name.place)


def _column(name: _Word) -> tuple[Of, str]:
    kind, dot, key = name.text.partition(".")
    if dot and kind in KINDS and key and name.kind in {"bare", "named"}:
        of = KINDS[kind]
        if of is Of.DATASET:
            raise refused("datasets are asked for as MLflow does: datasets.name = 'x'.", name.place)
        if of is not Of.ATTRIBUTE:
            return of, key
        name = _Word(name.kind, key, name.place)
        if key not in _SHORT:
            raise refused(f"a run has no attribute {plain(key)!r}.", name.place, f"There are {', '.join(ATTRIBUTES)}.")
    if name.kind == "bare" and name.text in _SHORT:
        return Of.ATTRIBUTE, _SHORT[name.text]
    return Of.NAMED, name.text


def _attribute_value(key: str, comparator: str, value: _Word, now: float) -> Value:
    if key not in NUMBER_ATTRIBUTES:
        return value.text.upper() if key == "status" and comparator != "~" else value.text
    try:
        if key == "duration":
            return parse_length(value.text)
        number = number_of(value.text)
        return round(number if number is not None else parse_moment(value.text, now) * 1000)
    except (Invalid, OverflowError, ValueError) as error:
        form = "1h, 30m or seconds" if key == "duration" else "-7d, a date, or Unix milliseconds"
        raise refused(f"{plain(value.text)!r} is not understood as a time.", value.place, f"Write {form}.") from error


def _text(comparator: str, wanted: str, place: int) -> tuple[str, str]:
    if comparator == "~":
        return HAS, wanted
    if comparator not in {"=", "!="}:
        raise refused(f"{comparator} compares numbers, and {plain(wanted)!r} is none.", place, _HINT)
    return comparator, wanted


_MLFLOWS = re.compile(rf"\b({'|'.join(KINDS)})\s*\.")


def read_filter(text: str, now: float | None = None) -> Filter:
    """Read a filter: what MLflow takes is meant as MLflow means it, all else is the short form. Raises Invalid."""
    if not text.strip():
        return ()
    try:
        return parse_filter(text)
    except Invalid as as_mlflow:
        try:
            return parse_short(text, now)
        except Invalid as as_short:
            raise (as_mlflow if _MLFLOWS.search(text) else as_short) from None
