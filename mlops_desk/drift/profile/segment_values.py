"""By which values of a column rows are told apart, frozen by the reference: so windows of it add up part by part.

The parts are the reference's ten most frequent values, all its other values together, no value, and what the reference
does not have. The last one is never compared, for there is nothing to hold it against. Pure.
"""

from dataclasses import dataclass
from enum import StrEnum

from mlops_desk.drift.records.columns import ColumnKind, FrozenColumn
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

MOST = 10
"""Chosen: as many lines as one compares by eye; each costs a report on its rows."""
KNOWN = 10_000
"""As many other values of the reference as a column of categories tells apart, two megabytes of the longest."""
UNKNOWN_NAMED = 100  # chosen: more names nobody reads; the rows of all are counted


class PartKind(StrEnum):
    """What a part is: the rows of one value, of rarer ones together, of none, or of values the reference lacks."""

    VALUE = "value"
    OTHERS = "others"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SegmentCut:
    """By which values of ``column`` rows are told apart.

    ``values`` are those that have a part of their own, ``others`` the rest of the reference's. ``has_more``: it has so
    many that not all are listed, and a value which is not may be one of them.
    """

    column: FrozenColumn
    values: tuple[str, ...]
    others: tuple[str, ...] = ()
    has_more: bool = False

    @property
    def parts(self) -> tuple[tuple[PartKind, str | None], ...]:
        """Return what each part is, with its value where it has one, in their order."""
        named = [(PartKind.VALUE, value) for value in self.values]
        return (*named, (PartKind.OTHERS, None), (PartKind.MISSING, None), (PartKind.UNKNOWN, None))

    def place(self, kind: PartKind) -> int:
        """Return the place of a part that has no value of its own."""
        return self.parts.index((kind, None))


def check_kind(column: FrozenColumn) -> None:
    """Refuse a column whose values make no segments. Raises Invalid."""
    if column.kind in {None, ColumnKind.TIME}:
        what = "moments" if column.kind is ColumnKind.TIME else "values that are compared as a whole, if at all"
        text = f"Column {plain(column.name)!r} holds {what}, and can't cut rows into segments."
        raise Invalid(text, "Choose a column whose values repeat: a category, true and false, a whole number.")
