"""Conditions that a run has to fulfil, all of them, whichever form they were written in.

A clause on what a run does not have is not fulfilled, whatever it compares; only ``IS NULL`` is then.
"""

from dataclasses import dataclass
from enum import StrEnum

from mlops_desk.base.errors import Invalid, Place


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
