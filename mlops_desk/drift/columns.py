"""What a reader hands over of one column: its usable values, and how many of the others were what.

A column's kind is frozen by the reference (or by a model's signature): the current data are read as
that kind and what does not fit is counted, never guessed anew.
"""

from dataclasses import dataclass

from mlops_desk.drift.pair import Counts, Floats

NUMERIC = "numeric"
CATEGORICAL = "categorical"
DATE = "date"
"""A moment, compared as the number of seconds since 1970; only a model's signature says that a column is one."""

_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}
_NUMBERS = _INTEGERS | {f"U{name}" for name in _INTEGERS} | {"FLOAT", "DOUBLE"}
_CATEGORIES = {"VARCHAR", "BOOLEAN", "UUID"}


@dataclass(frozen=True, slots=True)
class NumericSide:
    """One side of a numeric column: its finite values, and how many rows held none."""

    finite: Floats
    n_missing: int = 0
    n_infinite: int = 0
    n_wrong_type: int = 0

    @property
    def n_usable(self) -> int:
        return int(self.finite.size)

    @property
    def n_rows(self) -> int:
        return self.n_usable + self.n_missing + self.n_infinite + self.n_wrong_type


@dataclass(frozen=True, slots=True)
class CategoricalSide:
    """One side of a categorical column: rows of each category of the union, and rows without any."""

    counts: Counts
    n_missing: int = 0

    n_infinite = 0
    n_wrong_type = 0

    @property
    def n_usable(self) -> int:
        return int(self.counts.sum())

    @property
    def n_rows(self) -> int:
        return self.n_usable + self.n_missing


@dataclass(frozen=True, slots=True)
class NumericColumn:
    """Both sides of a column of numbers."""

    reference: NumericSide
    current: NumericSide


@dataclass(frozen=True, slots=True)
class CategoricalColumn:
    """Both sides of a column of categories: ``labels[i]`` belongs to ``counts[i]`` of either side.

    Labels are capped for display and may be fewer than the counts: the rest has no name here. ``n_unseen``
    counts current rows whose category the reference does not have.
    """

    reference: CategoricalSide
    current: CategoricalSide
    labels: tuple[str, ...] = ()
    n_unseen: int = 0


Column = NumericColumn | CategoricalColumn


def kind_of(database_type: str) -> str | None:
    """Return the kind of a column by its type in DuckDB's words.

    Ints and floats are numeric, text and booleans categorical; None is neither (times, lists, structures, bytes).
    """
    if database_type in _NUMBERS or database_type.startswith("DECIMAL"):
        return NUMERIC
    if database_type in _CATEGORIES or database_type.startswith("ENUM"):
        return CATEGORICAL
    return None
