"""One column of the table: the rows that have a value, in order, and the values. Rows are only ever added.

A column takes room for the runs that have it and no others: a store with ten thousand metrics has most of them on a
few runs. Texts are kept once, and by their number: what is asked of them is asked once for each different one.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from mlops_desk.registry.mirror.filter.numbers import number_of
from mlops_desk.registry.mirror.table.grown import Grown
from mlops_desk.registry.reading.reader import TextOrder

Rows = NDArray[np.int32]
Mask = NDArray[np.bool_]
NO_TEXT = -1  # no place in any list


class NumberColumn:
    """Values of a metric: NaN is a value, and a run without any has no row here."""

    def __init__(self) -> None:
        self._rows: Grown[np.int32] = Grown(np.int32)
        self._values: Grown[np.float64] = Grown(np.float64)

    @property
    def rows(self) -> Rows:
        return self._rows.view

    @property
    def values(self) -> NDArray[np.float64]:
        return self._values.view

    def add(self, rows: Rows, values: NDArray[np.float64]) -> None:
        """Add values of rows that lie behind all those that are here, in any order."""
        if len(rows) > 1 and not (rows[1:] > rows[:-1]).all():
            order = np.argsort(rows, kind="stable")
            rows, values = rows[order], values[order]
        self._rows.add(rows)
        self._values.add(values)

    def kept(self, new_rows: Rows) -> "NumberColumn":
        """Return this column with each row as the one that ``new_rows`` has at its place (-1: none)."""
        moved = new_rows[self.rows]
        column = NumberColumn()
        column._rows.fill(moved[moved >= 0])
        column._values.fill(self.values[moved >= 0])
        return column

    def places(self, rows: Rows) -> NDArray[np.intp]:
        """Return where the values of these rows stand here; -1 where a row has none."""
        return places_of(self.rows, rows)


class TextColumn:
    """Texts of a parameter, a tag or an attribute."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._known: dict[str, int] = {}
        self._rows: Grown[np.int32] = Grown(np.int32)
        self._codes: Grown[np.int32] = Grown(np.int32)
        self._sorted: list[int] = []
        self._lowered: list[str] = []
        self._ranks: NDArray[np.int32] = np.empty(0, np.int32)
        self._numbers: Grown[np.float64] = Grown(np.float64)
        self._is_number: Grown[np.bool_] = Grown(np.bool_)

    @property
    def rows(self) -> Rows:
        return self._rows.view

    @property
    def codes(self) -> NDArray[np.int32]:
        """The number of each row's text in ``words``."""
        return self._codes.view

    def add(self, rows: Rows, texts: Sequence[str]) -> None:
        """Add texts of rows that lie behind all those that are here, in any order."""
        codes = np.asarray(self._coded(texts), np.int32)
        if len(rows) > 1 and not (rows[1:] > rows[:-1]).all():
            order = np.argsort(rows, kind="stable")
            rows, codes = rows[order], codes[order]
        self._rows.add(rows)
        self._codes.add(codes)

    def _coded(self, texts: Sequence[str]) -> list[int]:
        known, words = self._known, self.words
        codes = [known.get(text, NO_TEXT) for text in texts]
        for place, code in enumerate(codes):
            if code == NO_TEXT:
                text = texts[place]
                if text not in known:
                    known[text] = len(words)
                    words.append(text)
                codes[place] = known[text]
        return codes

    def kept(self, new_rows: Rows) -> "TextColumn":
        """Return this column with each row as the one that ``new_rows`` has at its place (-1: none)."""
        moved = new_rows[self.rows]
        used, codes = np.unique(self.codes[moved >= 0], return_inverse=True)
        column = TextColumn()
        column.words = [self.words[code] for code in used]
        column._known = {word: code for code, word in enumerate(column.words)}
        column._rows.fill(moved[moved >= 0])
        column._codes.fill(codes.astype(np.int32))
        return column

    def code(self, text: str) -> int:
        """Return the number of a text; NO_TEXT where no row ever had it."""
        return self._known.get(text, NO_TEXT)

    def places(self, rows: Rows) -> NDArray[np.intp]:
        return places_of(self.rows, rows)

    def where(self, test: Callable[[str], bool]) -> Mask:
        """Tell for each of ``rows`` whether its text passes a test, which is made once for each different text."""
        passes = np.fromiter(map(test, self.words), np.bool_, len(self.words))
        return passes[self.codes]

    def has(self, part: str) -> Mask:
        """Tell for each of ``rows`` whether a text stands somewhere in its text, capitals or not."""
        self._lowered += [word.lower() for word in self.words[len(self._lowered) :]]
        lowered = part.lower()
        return np.asarray([lowered in word for word in self._lowered], np.bool_)[self.codes]

    def ranks(self, text_order: TextOrder | None = None) -> NDArray[np.int32]:
        """Return for each of ``words`` its place in their order (None: by code points, as SQLite's BINARY has it)."""
        if len(self._sorted) < len(self.words):
            if text_order is None:
                # What was sorted is one run for the sort, so that a few new words cost a look at each, and no more.
                codes = [*self._sorted, *range(len(self._sorted), len(self.words))]
                self._sorted = sorted(codes, key=self.words.__getitem__)
            else:
                self._sorted = [self._known[word] for word in text_order(self.words)]
            self._ranks = np.empty(len(self.words), np.int32)
            self._ranks[self._sorted] = np.arange(len(self.words), dtype=np.int32)
        return self._ranks

    def numbers(self) -> tuple[NDArray[np.float64], Mask]:
        """Return for each of ``words`` the number that it is, and whether it is one."""
        found = [number_of(word) for word in self.words[len(self._numbers) :]]
        self._numbers.add([0.0 if number is None else number for number in found])
        self._is_number.add([number is not None for number in found])
        return self._numbers.view, self._is_number.view


def places_of(sorted_rows: Rows, rows: Rows) -> NDArray[np.intp]:
    """Return where each of ``rows`` stands among ``sorted_rows``, -1 where it does not."""
    if not len(sorted_rows):
        return np.full(len(rows), -1, np.intp)
    places = np.minimum(np.searchsorted(sorted_rows, rows), len(sorted_rows) - 1)
    return np.where(sorted_rows[places] == rows, places, -1)
