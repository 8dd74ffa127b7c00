"""What a reader hands over of one column: its usable values, and how many of the others were what.

A column's kind is frozen by the reference (or by a model's signature): the current data are read as
that kind and what does not fit is counted, never guessed anew.
"""

from dataclasses import dataclass

from mlops_desk.drift.pair import Counts, Floats
from mlops_desk.drift.records.columns import ColumnKind


@dataclass(frozen=True, slots=True)
class NumericSide:
    """One side of a numeric column: its finite values, and how many rows held none.

    ``n_future`` counts moments after that of comparing; None where the values are no moments.
    """

    finite: Floats
    n_missing: int = 0
    n_infinite: int = 0
    n_wrong_type: int = 0
    n_future: int | None = None

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
    n_wrong_type: int = 0

    n_infinite = 0

    @property
    def n_usable(self) -> int:
        return int(self.counts.sum())

    @property
    def n_rows(self) -> int:
        return self.n_usable + self.n_missing + self.n_wrong_type


@dataclass(frozen=True, slots=True)
class WordsSide:
    """One side of a column of texts: a sample of them in the file's order, each cut, and how many rows there were."""

    texts: tuple[str, ...]
    n_usable: int
    n_missing: int = 0

    n_infinite = 0
    n_wrong_type = 0

    @property
    def n_rows(self) -> int:
        return self.n_usable + self.n_missing


@dataclass(frozen=True, slots=True)
class NumericColumn:
    """Both sides of a column of numbers, or of moments in seconds since 1970."""

    reference: NumericSide
    current: NumericSide
    kind: ColumnKind = ColumnKind.NUMERIC


@dataclass(frozen=True, slots=True)
class CategoricalColumn:
    """Both sides of a column of categories: ``labels[i]`` belongs to ``counts[i]`` of either side.

    Labels are capped for display and may be fewer than the counts: the rest has no name here. ``n_unseen``
    counts current rows whose category the reference does not have, ``n_single`` categories that it has once.
    """

    reference: CategoricalSide
    current: CategoricalSide
    labels: tuple[str, ...] = ()
    n_unseen: int = 0
    n_single: int = 0
    kind: ColumnKind = ColumnKind.CATEGORICAL


@dataclass(frozen=True, slots=True)
class WordsColumn:
    """Both sides of a column of texts, or of identifiers that somebody wants compared."""

    reference: WordsSide
    current: WordsSide
    kind: ColumnKind = ColumnKind.TEXT


Column = NumericColumn | CategoricalColumn | WordsColumn
