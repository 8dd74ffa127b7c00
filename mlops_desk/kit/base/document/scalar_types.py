"""How single values of a document are written: what is wanted, how it is read, and how it is written again.

Here is what every kind of document has: names, words, numbers; ``durations.py`` has lengths of time.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from mlops_desk.kit.base.text import plain

NAME_LIMIT = 100  # chosen: it heads a page and a row of a table
_EXACT = 1 << 53  # a float holds whole numbers exactly up to here
_WORD = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_FLOAT = re.compile(r"[+-]?([0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?", re.ASCII)
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Unfit(ValueError):  # noqa: N818 - reads as a sentence where it is raised
    """A text is not what it should be; ``wanted`` says what would have been."""

    def __init__(self, wanted: str) -> None:
        super().__init__(wanted)
        self.wanted = wanted


def whole_pattern(pattern: re.Pattern[str]) -> str:
    """Return a pattern for all of a text, as a schema writes it."""
    return f"^({pattern.pattern})$"


class Forbidden(Unfit):
    """A text that is of the right form and will not be taken; ``text`` says why."""

    def __init__(self, text: str, wanted: str) -> None:
        super().__init__(wanted)
        self.text = text


@dataclass(frozen=True, slots=True)
class Form:
    """How a value is written. ``read`` makes it of its text and raises Unfit; ``write`` makes what YAML shows of it.

    ``types`` are JSON's words for what other programs may send, of which the text counts; ``pattern`` is what a schema
    says of its text.
    """

    wanted: str
    read: Callable[[str], Any] = str
    write: Callable[[Any], str | int | float] = str
    empty: bool = False
    types: tuple[str, ...] = ("string",)
    pattern: str | None = None


def fits(pattern: re.Pattern[str], text: str, wanted: str) -> str:
    """Return ``text`` if it fits. Raises Unfit."""
    if not pattern.fullmatch(text):
        raise Unfit(wanted)
    return text


def _name(text: str) -> str:
    if text != text.strip() or len(text) > NAME_LIMIT or plain(text) != text:
        raise Unfit(NAME.wanted)
    return text


def _word(text: str) -> str:
    return fits(_WORD, text, WORD.wanted)


def _flag(text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise Unfit(FLAG.wanted)
    return _FLAGS[text.lower()]


def _number(text: str) -> float:
    number = float(fits(_FLOAT, text, NUMBER.wanted))
    if not math.isfinite(number):
        raise Unfit(NUMBER.wanted)
    return number


def _written_number(number: Any) -> int | float:
    return int(number) if float(number).is_integer() and abs(number) < _EXACT else float(number)


def whole(wanted: str) -> Form:
    """Return the form of a whole number; ``wanted`` says which are taken."""

    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text):
            raise Unfit(wanted)
        return int(text)

    return Form(wanted, read, _int, types=("integer", "string"))


def _int(number: Any) -> int:
    return int(number)


NAME = Form(f"a name of up to {NAME_LIMIT} visible characters, without blanks around it", _name)
WORD = Form("a word in small letters, with digits, _ and -", _word, pattern=whole_pattern(_WORD))
FLAG = Form("true or false", _flag, bool, types=("boolean", "string"))
NUMBER = Form("a number such as 0.1, 3 or 1e-5", _number, _written_number, types=("number", "string"))
WHOLE = whole("a whole number")


# Lengths of time as a document writes them: ``90m``, ``1h30m``, ``2d``; a bare number could be anything.

_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_AMOUNT = r"[0-9]{1,9}(?:\.[0-9]{1,3})?"
_LENGTH = re.compile("".join(rf"(?:(?P<{unit}>{_AMOUNT}){unit})?" for unit in _UNITS), re.ASCII)
BARE = re.compile(_AMOUNT, re.ASCII)
_LONGEST_SECONDS = 366 * 86_400  # chosen: a year, beyond which nobody plans


def read_length(text: str) -> float:
    """Return the seconds that ``text`` (``1h30m``) names. Raises Unfit."""
    if BARE.fullmatch(text):
        raise Unfit(f"{text}s (seconds), {text}m (minutes) or {text}h (hours)")
    found = _LENGTH.fullmatch(text)
    if found is None or not text:
        raise Unfit(LENGTH.wanted)
    seconds = sum(Fraction(found[unit]) * factor for unit, factor in _UNITS.items() if found[unit])
    if seconds > _LONGEST_SECONDS:
        raise Unfit(f"{LENGTH.wanted}, at most a year")
    return float(seconds)


def written_length(seconds: float) -> str:
    """Return a length of time as ``read_length`` takes it, to the millisecond."""
    left, parts = Fraction(round(seconds * 1000), 1000), []
    for unit, factor in _UNITS.items():
        whole = left // factor if unit != "s" else left
        if whole:
            parts.append(f"{float(whole):.15g}{unit}")
            left -= whole * factor
    return "".join(parts) or "0s"


_LENGTH_PATTERN = "^(?=[0-9])" + "".join(f"({_AMOUNT}{unit})?" for unit in _UNITS) + "$"
LENGTH = Form("a length of time such as 90m, 1h30m, 2d or 45s", read_length, written_length, pattern=_LENGTH_PATTERN)
