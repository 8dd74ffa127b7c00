"""Labels and answers as they come: numbers, booleans, texts, all of them mixed, and what stands for nothing.

``1``, ``1.0`` and ``"1"`` are one class, and so are ``True``, ``"true"`` and ``"TRUE"``; a text with a leading zero
stays one. Where all columns hold nothing but true and false, 0 and 1 among them are those two.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_desk.drift.data.value_parsers import MARKS_OF_MISSING
from mlops_desk.drift.pair import Floats

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_PADDED = re.compile(r"[+-]?0\d")
_WHOLE_LIMIT = 2.0**53  # up to here each whole number has one double
_WORD_LIMIT = 200  # characters; as categories are cut


@dataclass(frozen=True, slots=True)
class Cells:
    """One column, row by row: which rows are missing, its numbers (NaN where it holds none), and its words.

    ``words`` is None for numbers alone, which are only spelled where somebody needs classes.
    """

    missing: NDArray[np.bool_]
    numbers: Floats
    words: tuple[str | None, ...] | None = None

    @property
    def are_numbers(self) -> bool:
        """Tell whether nearly all values are numbers, and none of them is a word for true or false."""
        held = ~self.missing
        if self.words is not None and any(word in {"true", "false"} for word in self.words):
            return False
        n = int(np.count_nonzero(held))
        return n > 0 and int(np.count_nonzero(~np.isnan(self.numbers[held]))) >= _NUMERIC_SHARE * n


_NUMERIC_SHARE = 0.9  # as for a column of texts in a file


def cells_of(values: "Iterable[Any] | Cells") -> Cells:
    """Read a column of anything; nothing is refused, and what is read already stays as it is."""
    if isinstance(values, Cells):
        return values
    array: Any = values if isinstance(values, np.ndarray) else None
    if array is not None and array.ndim == 1 and array.dtype.kind in "fiu":
        numbers = np.ma.filled(np.ma.asarray(array).astype(np.float64), np.nan)
        return Cells(np.isnan(numbers), numbers)
    listed = list(values if array is None else array.tolist())  # a masked one gives None
    known: dict[tuple[type, Any], tuple[str | None, float]] = {}
    read = [_read(value, known) for value in listed]
    words = tuple(word for word, _ in read)
    missing = np.array([word is None for word in words], dtype=bool)
    return Cells(missing, np.array([number for _, number in read], dtype=np.float64), words)


def _read(value: Any, known: dict[tuple[type, Any], tuple[str | None, float]]) -> tuple[str | None, float]:
    """Return the spelling and the number of a value, the spelling None for nothing; each value is looked at once."""
    try:
        key = (type(value), value)
        found = known.get(key)
    except TypeError:  # a list or the like: not to be kept as a key
        return _spelled(value)
    if found is None:
        found = known[key] = _spelled(value)
    return found


def _spelled(value: Any) -> tuple[str | None, float]:
    if value is None:
        return None, math.nan
    if isinstance(value, (bool, np.bool_)):
        return ("true", 1.0) if value else ("false", 0.0)
    if isinstance(value, (int, float, np.integer, np.floating)):
        return _of_number(value)
    return _of_text(value.strip()) if isinstance(value, str) else _of_other(value)


def _of_text(text: str) -> tuple[str | None, float]:
    lowered = text.lower()
    if lowered in MARKS_OF_MISSING:
        return None, math.nan
    if _NUMBER.fullmatch(text) and not _PADDED.match(text):
        return _of_number(float(text))
    if _INFINITE.fullmatch(text):
        return lowered, -math.inf if text.startswith("-") else math.inf
    return (lowered if lowered in {"true", "false"} else text[:_WORD_LIMIT]), math.nan


def _of_other(value: Any) -> tuple[str | None, float]:
    """Read decimals and the like as numbers, moments and lists by what they look like."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return str(value)[:_WORD_LIMIT], math.nan
    return _of_number(number)


def _of_number(value: Any) -> tuple[str | None, float]:
    try:
        number = float(value)
    except OverflowError:
        return str(value)[:_WORD_LIMIT], math.inf if value > 0 else -math.inf
    if math.isnan(number):
        return None, math.nan
    return spelled(number), number


def spelled(number: float) -> str:
    """Return a number's one spelling: without a point where it is whole."""
    whole = math.isfinite(number) and number == math.floor(number) and abs(number) < _WHOLE_LIMIT
    return str(int(number)) if whole else repr(number)


def classes_of(columns: Sequence[Cells]) -> tuple[tuple[str, ...], list[NDArray[np.int64]]]:
    """Return the classes that any of the columns hold, in order, and each column as places among them, -1 for nothing.

    Numbers are in their own order, before words in theirs.
    """
    words = [_words(column) for column in columns]
    held = {word for column in words for word in column if word is not None}
    truths = _truths(held)
    names = sorted({truths.get(word, word) for word in held}, key=_order)
    places = {name: at for at, name in enumerate(names)}
    codes = [
        np.array([-1 if word is None else places[truths.get(word, word)] for word in column], dtype=np.int64)
        for column in words
    ]
    return tuple(names), codes


def _words(column: Cells) -> Sequence[str | None]:
    if column.words is not None:
        return column.words
    values, back = np.unique(column.numbers, return_inverse=True)
    named = [None if math.isnan(value) else spelled(float(value)) for value in values]
    return [named[at] for at in back]


def _truths(held: set[str]) -> dict[str, str]:
    """Return what 0, 1, true and false are called, where there are no others; 0 and 1 alone stay numbers."""
    if held <= {"0", "1"} or not held <= {"0", "1", "true", "false"}:
        return {}
    return {word: "true" if word in {"1", "true"} else "false" for word in held}


def _order(name: str) -> tuple[bool, float, str]:
    is_number = bool(_NUMBER.fullmatch(name)) and not _PADDED.match(name)
    return (not is_number, float(name) if is_number else 0.0, name)
