"""Which rows of a table are shown and in which order: sorted once, filtered by words, kept while values change. No Qt.

A new row goes where it belongs (by its value, or after the record before it); rows that are there stay.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mlops_desk.kit.base.text import NAME_LIMIT, plain

T = TypeVar("T")

_TOP = ""  # no row's key: what stands under no other
CELL_LIMIT = 2 * NAME_LIMIT


@dataclass(frozen=True, slots=True)
class Spark:
    """A curve in a cell: values at even steps, None is a gap, and the limit that they are held against."""

    values: tuple[float | None, ...]
    limit: float


@dataclass(frozen=True, slots=True)
class Cell:
    """A prepared cell: what is shown (made plain here, whatever it is), its sort key, colour and tool tip.

    ``bar`` (0-1) draws how full it is under the text, ``spark`` a curve in its place.
    """

    text: str
    sort: Any = None
    token: str | None = None
    tip: str = ""
    bar: float | None = None
    spark: Spark | None = None

    def __post_init__(self) -> None:
        if not (len(self.text) <= NAME_LIMIT and self.text.isprintable()):
            object.__setattr__(self, "text", plain(self.text, CELL_LIMIT))


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """A column: its key (remembered), its title, and how a record becomes its cell.

    ``stretch`` takes the room that is left; with ``whole``, for one of a table, never less than it needs. ``spare`` is
    left out where there is no room for it, the last one first; who chooses it has it all the same. ``order`` is what it
    is sorted by where that is cheaper than the whole cell; all its values have one type.
    """

    key: str
    title: str
    cell: Callable[[T], Cell]
    right: bool = False
    stretch: bool = False
    whole: bool = False
    fixed: bool = False
    hidden: bool = False
    spare: bool = False
    order: Callable[[T], Any] | None = None


class Order(Generic[T]):
    """The keys that are shown, in order; ``sort`` is a column and whether the largest come first.

    ``words`` have to be found in a row, and ``fits`` (None: every record does) has to say that it belongs there.
    """

    def __init__(self, columns: tuple[Column[T], ...], parent: Callable[[T], str | None] | None = None) -> None:
        """``parent`` returns the key of the row that a record stands under; such rows follow it, in the same order."""
        self._columns = columns
        self._parent = parent
        self.keys: list[str] = []
        self.words: list[str] = []
        self.fits: Callable[[T], bool] | None = None
        self.sort: tuple[int, bool] | None = None
        self._rows: dict[str, int] | None = None

    def show_columns(self, columns: tuple[Column[T], ...]) -> None:
        """Take other columns; what is sorted by is said anew after it."""
        self._columns = columns

    def arrange(self, records: Mapping[str, T], text: Callable[[str], str]) -> None:
        """Filter and sort everything anew; ``text`` returns a row's words in small letters."""
        keys = [key for key, record in records.items() if self._is_wanted(key, record, text)]
        if self.sort is not None:
            column, descending = self.sort
            values = {key: self._value(records[key], column) for key in keys}
            if len({type(value) for value in values.values()}) > 1:
                values = {key: str(value) for key, value in values.items()}
            keys.sort(key=values.__getitem__, reverse=descending)
        self.keys = keys if self._parent is None else self._nested(keys, records)
        self._rows = None

    def _nested(self, keys: list[str], records: Mapping[str, T]) -> list[str]:
        """Put what stands under another row behind it; what stands under one that is not shown stays by itself."""
        under: dict[str, list[str]] = {}
        shown = set(keys)
        for key in keys:
            parent = self._above(records[key])
            under.setdefault(parent if parent in shown else _TOP, []).append(key)
        return [key for top in under.get(_TOP, ()) for key in (top, *under.get(top, ()))]

    def _above(self, record: T) -> str:
        return _TOP if self._parent is None else self._parent(record) or _TOP

    def place_of(
        self, key: str, known: Mapping[str, T], order: Mapping[str, T], text: Callable[[str], str]
    ) -> int | None:
        """Return the row a new record belongs to, or None when the filter leaves it out."""
        if not self._is_wanted(key, known[key], text):
            return None
        if self._parent is not None:
            return self._nested_place(key, known, order)
        return self._sorted_place(key, known, self.keys) if self.sort is not None else self._place_after(key, order)

    def _nested_place(self, key: str, known: Mapping[str, T], order: Mapping[str, T]) -> int:
        """Return the row among those that stand under the same one."""
        parent = self._above(known[key])
        start = self.row_of(parent)
        if start is not None:
            end = start + 1
            while end < len(self.keys) and self._above(known[self.keys[end]]) == parent:
                end += 1
            beside = self.keys[start + 1 : end]
            return start + 1 + (self._sorted_place(key, known, beside) if self.sort is not None else len(beside))
        if self.sort is None:
            return self._place_after(key, order)
        shown = [(row, one) for row, one in enumerate(self.keys) if self.row_of(self._above(known[one])) is None]
        place = self._sorted_place(key, known, [one for _, one in shown])
        return shown[place][0] if place < len(shown) else len(self.keys)

    def _sorted_place(self, key: str, known: Mapping[str, T], keys: list[str]) -> int:
        column, descending = self.sort or (0, False)
        mine = self._value(known[key], column)
        low, high = 0, len(keys)
        while low < high:
            middle = (low + high) // 2
            other = self._value(known[keys[middle]], column)
            one, two = (mine, other) if type(mine) is type(other) else (str(mine), str(other))
            if (two <= one) if descending else (one < two):
                high = middle
            else:
                low = middle + 1
        return low

    def _place_after(self, key: str, order: Mapping[str, T]) -> int:
        """Return the row after that of the nearest record before ``key`` that is shown."""
        before: int | None = None
        for other in order:
            if other == key:
                break
            row = self.row_of(other)
            before = row if row is not None else before
        return 0 if before is None else before + 1

    def insert(self, row: int, key: str) -> None:
        self.keys.insert(row, key)
        self._rows = None

    def remove(self, row: int) -> None:
        del self.keys[row]
        self._rows = None

    def row_of(self, key: str) -> int | None:
        if self._rows is None:
            self._rows = {key: row for row, key in enumerate(self.keys)}
        return self._rows.get(key)

    def _is_wanted(self, key: str, record: T, text: Callable[[str], str]) -> bool:
        if self.fits is not None and not self.fits(record):
            return False
        if not self.words:
            return True
        found = text(key)
        return all(word in found for word in self.words)

    def _value(self, record: T, column: int) -> Any:
        order = self._columns[column].order
        if order is not None:
            return order(record)
        cell = self._columns[column].cell(record)
        return cell.text.lower() if cell.sort is None else cell.sort
