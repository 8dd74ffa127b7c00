"""What a column is to a drift report: its kind, its role, and why it is not compared where it is not.

A kind is decided once, by the first that knows: what the caller says (``DriftOptions.kinds``, from a model's
signature), the type in the reference's file, and where the file has texts alone (CSV, JSON lines) what all of the
reference's values are. Then it is frozen: the current data are read as that kind, in whatever spelling they come, and
what does not fit is counted. ``DriftReport.frozen`` holds what was decided of all columns of the reference, in its
order. Whoever compares with the same reference again, or keeps sketches of it, stores that tuple (``base.wire`` makes
JSON of it) and hands it back as ``DriftOptions.frozen``; then nothing is inferred anew. What somebody chooses (columns,
targets, what is ignored) is no part of it: that is said each time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

WORDS = "words"
"""What a signature knows of texts: a category, a text or an identifier, whichever the reference's values are."""


class ColumnKind(StrEnum):
    """How a column is compared.

    ``NUMERIC``     as numbers; durations and times of day as seconds
    ``CATEGORICAL`` by the shares of its values
    ``BOOLEAN``     by the shares of true and false, however they are spelled
    ``TIME``        as numbers: seconds since 1970, zones taken into account, without one as UTC
    ``TEXT``        by words and lengths: values of several words that hardly repeat
    ``IDENTIFIER``  not at all unless it is asked for, and then as text: one word, nearly all values distinct
    """

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    TIME = "time"
    TEXT = "text"
    IDENTIFIER = "identifier"


KINDS_OF_SIGNATURES: Mapping[str, str] = dict.fromkeys(
    ("number", "integer", "long", "float", "double"), str(ColumnKind.NUMERIC)
) | {"boolean": str(ColumnKind.BOOLEAN), "datetime": str(ColumnKind.TIME), "text": WORDS}
"""By the kind of a logged feature; arrays, objects and bytes are what the reference's file has them for."""


class ColumnRole(StrEnum):
    """What a column is for. A target or a prediction that the current data lack is no fault of theirs."""

    FEATURE = "feature"
    TARGET = "target"
    PREDICTION = "prediction"
    ID = "id"
    IGNORED = "ignored"

    @property
    def may_lack(self) -> bool:
        """Tell whether nobody misses it in the current data."""
        return self is not ColumnRole.FEATURE


EMPTY_WORD = '""'
"""How a person writes the empty text where words that are values are declared."""


def real_values_of(given: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return by column which words are values of it, from words parted by commas."""
    return {
        column: tuple("" if word.strip() == EMPTY_WORD else word.strip() for word in text.split(","))
        for column, text in given.items()
    }


@dataclass(frozen=True, slots=True)
class FrozenColumn:
    """What was decided of a column of the reference, once and for all.

    ``why_not`` says in a sentence why it is not compared, and is None where it is; ``kind`` is None for arrays, objects
    and bytes. ``is_binary``: the reference's numbers are 0 and 1 alone, so that the words for true and false are
    numbers too. ``is_duration``: its numbers are seconds of durations, so that texts like ``1 days 00:00:00`` are.
    ``day_first``: of its dates like 01/02/2024 the first number is the day; None where it has none, or nobody can tell.
    ``real_values`` are words like NA that somebody has declared to be values of it, and not the lack of one.
    """

    name: str
    kind: ColumnKind | None
    role: ColumnRole = ColumnRole.FEATURE
    why_not: str | None = None
    is_binary: bool = False
    is_duration: bool = False
    day_first: bool | None = None
    real_values: tuple[str, ...] = ()
