"""A profile: what was decided of each column of some data, and its sketch."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import chain

from mlops_desk.drift.profile.bin_edges import FrozenBins
from mlops_desk.drift.profile.categories import CategorySketch, add_categories
from mlops_desk.drift.profile.numbers import NumericSketch, add_numbers
from mlops_desk.drift.profile.segment_values import UNKNOWN_NAMED, SegmentCut
from mlops_desk.drift.profile.texts import TextSketch, add_texts
from mlops_desk.drift.records.columns import ColumnRole, FrozenColumn
from mlops_desk.kit.base.errors import Invalid

Sketch = NumericSketch | CategorySketch | TextSketch


def rows_of(sketch: Sketch) -> int:
    """Return the rows that a sketch has seen, usable or not."""
    return sketch.lengths.n_rows if isinstance(sketch, TextSketch) else sketch.n_rows


@dataclass(frozen=True, slots=True, eq=False)
class ColumnProfile:
    """One column; ``sketch`` is None where it is not compared (``column.why_not`` says why).

    ``frame`` are the bins of its numbers, or of its texts' lengths.
    """

    column: FrozenColumn
    sketch: Sketch | None = None
    frame: FrozenBins | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DataProfile:
    """All columns in the data's order; roles are those that were chosen when it was made.

    ``notes`` say in words which lines of a file were no rows, ``n_rejected`` how many. ``segments``: the same rows once
    more, told apart by the values of a column. ``found_as`` tells where data without a readable source were found; it
    is not written down with a profile.
    """

    n_rows: int
    columns: tuple[ColumnProfile, ...]
    n_rejected: int = 0
    notes: tuple[str, ...] = ()
    segments: "SegmentedRows | None" = None
    found_as: str | None = None

    @property
    def answers(self) -> tuple[str, ...]:
        """Return the names of the columns that are a model's answers."""
        return tuple(one.column.name for one in self.columns if one.column.role is ColumnRole.PREDICTION)


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedRows:
    """A profile for each of ``cut.parts``, all in the same bins: added they are the whole.

    ``unknown`` counts the values that the reference does not have, the most frequent of them by name.
    """

    cut: SegmentCut
    parts: tuple[DataProfile, ...]
    unknown: CategorySketch = field(default_factory=CategorySketch)


def merged(profiles: Iterable[DataProfile]) -> DataProfile:
    """Add profiles that were made by the same reference, at least one. Raises Invalid where they were not."""
    some = list(profiles)
    first = some[0]
    for other in some[1:]:
        check_same(first, other)
    columns = [
        replace(one, sketch=_added([other.columns[at].sketch for other in some]))
        for at, one in enumerate(first.columns)
    ]
    return DataProfile(
        sum(one.n_rows for one in some),
        tuple(columns),
        sum(one.n_rejected for one in some),
        tuple(dict.fromkeys(chain.from_iterable(one.notes for one in some))),
        _merged_segments([one.segments for one in some if one.segments is not None]),
    )


def beside(first: DataProfile, second: DataProfile) -> DataProfile:
    """Put the columns of two profiles side by side; rows and notes are the first one's, and so is a name both have.

    Of its segments nobody knows the second one's columns: they have no sketch there.
    """
    known = {one.column.name for one in first.columns}
    others = tuple(one for one in second.columns if one.column.name not in known)
    segments = first.segments
    if segments is not None:
        unknown = tuple(replace(one, sketch=None) for one in others)
        parts = tuple(replace(part, columns=(*part.columns, *unknown)) for part in segments.parts)
        segments = replace(segments, parts=parts)
    return replace(first, columns=(*first.columns, *others), segments=segments)


def _merged_segments(some: list[SegmentedRows]) -> SegmentedRows | None:
    if not some:
        return None
    parts = (merged(one.parts[at] for one in some) for at in range(len(some[0].parts)))
    unknown = add_categories((one.unknown for one in some), UNKNOWN_NAMED)
    return SegmentedRows(some[0].cut, tuple(parts), unknown)


def _added(sketches: list[Sketch | None]) -> Sketch | None:
    numbers = [one for one in sketches if isinstance(one, NumericSketch)]
    categories = [one for one in sketches if isinstance(one, CategorySketch)]
    texts = [one for one in sketches if isinstance(one, TextSketch)]
    if numbers:
        return add_numbers(numbers)
    if categories:
        return add_categories(categories)
    return add_texts(texts) if texts else None


def check_same(first: DataProfile, second: DataProfile) -> None:
    """Refuse profiles whose columns or bins are not the same. Raises Invalid."""
    is_same = len(first.columns) == len(second.columns) and all(
        one.column.name == other.column.name
        and one.column.kind == other.column.kind
        and type(one.sketch) is type(other.sketch)
        and _is_same_frame(one.frame, other.frame)
        for one, other in zip(first.columns, second.columns, strict=True)
    )
    cuts = [None if one.segments is None else one.segments.cut for one in (first, second)]
    if not is_same or cuts[0] != cuts[1]:
        text = "These profiles can't be added: their columns or the bins of their numbers are not the same."
        raise Invalid(text, "Make them by one reference.")


def _is_same_frame(first: FrozenBins | None, second: FrozenBins | None) -> bool:
    if first is None or second is None or first is second:
        return first is second
    same_edges = first.edges.size == second.edges.size and bool((first.edges == second.edges).all())
    return same_edges and first.exponent == second.exponent and first.center == second.center
