"""All runs of a source. A run that has changed gets a new row, and its old one is dead: no column is ever patched.

Rows are numbered as they come. Once a quarter of them are dead they are cleared away, and all numbers change.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlops_desk.registry.mirror.filter.parser import number_of
from mlops_desk.registry.readers.batch import NO_TIME, RunBatch, TextCells
from mlops_desk.registry.readers.reader import TextOrder

# One column of the table: the rows that have a value, in order, and the values. Rows are only ever added.
#
# A column takes room for the runs that have it and no others: a store with ten thousand metrics has most of them on a
# few runs. Texts are kept once, and by their number: what is asked of them is asked once for each different one.
#
# An array that grows at its end.

Number = TypeVar("Number", bound=np.generic)

_FEWEST = 16  # chosen: most columns of a store with many of them are nearly empty


class Grown(Generic[Number]):
    """Numbers of one type. ``view`` is good until something is added."""

    def __init__(self, kind: type[Number]) -> None:
        self._room: NDArray[Number] = np.empty(_FEWEST, kind)
        self._n = 0

    def __len__(self) -> int:
        return self._n

    @property
    def view(self) -> NDArray[Number]:
        return self._room[: self._n]

    def add(self, values: ArrayLike) -> None:
        """Add values at the end."""
        added: NDArray[Any] = np.asarray(values, dtype=self._room.dtype)
        after = self._n + len(added)
        if after > len(self._room):
            # Half as much again: a column that was read whole wastes a third at most, not half.
            room = np.empty(max(after, self._n + (self._n >> 1), _FEWEST), self._room.dtype)
            room[: self._n] = self.view
            self._room = room
        self._room[self._n : after] = added
        self._n = after

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Keep some of the values, and no more room than they need."""
        self.fill(self.view[which])

    def fill(self, values: NDArray[Number]) -> None:
        """Hold these values instead, and no more room than they need."""
        self._room, self._n = values.copy(), len(values)


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


# The order that all others end in: the newest run first, a run without a start last, ties by id.
_FEW = 256  # chosen: so many are put in their places one by one, more are sorted with all others


class NaturalOrder:
    """Kept while rows are added: a few new ones are put in their places."""

    def __init__(self) -> None:
        self._rows: Rows = np.empty(0, np.int32)

    def rows(self, starts: NDArray[np.int64], run_ids: Sequence[str]) -> Rows:
        """Return all rows in this order."""
        n_new = len(run_ids) - len(self._rows)
        if n_new > _FEW:
            self._rows = _sorted(starts, run_ids)
        elif n_new:
            self._insert(starts, run_ids)
        return self._rows

    def _insert(self, starts: NDArray[np.int64], run_ids: Sequence[str]) -> None:
        def key(row: int) -> tuple[int, str]:
            return (~int(starts[row]), run_ids[row])

        added = sorted(range(len(self._rows), len(run_ids)), key=key)
        places = [bisect_left(self._rows, key(row), key=key) for row in added]
        self._rows = np.insert(self._rows, places, np.asarray(added, np.int32))


def _sorted(starts: NDArray[np.int64], run_ids: Sequence[str]) -> Rows:
    keys = ~starts  # turns the order round, and overflows for no number
    rows = np.argsort(keys, kind="stable").astype(np.int32)
    ordered = keys[rows]
    ties = np.flatnonzero(ordered[1:] == ordered[:-1])
    at = 0
    while at < len(ties):
        first = last = int(ties[at])
        while at < len(ties) and int(ties[at]) == last:
            last, at = last + 1, at + 1
        rows[first : last + 1] = sorted(rows[first : last + 1].tolist(), key=run_ids.__getitem__)
    return rows


_FEWEST_DEAD = 2000  # chosen: less is not worth a pause
_DEAD_SHARE = 0.25  # chosen: memory stays below a third more than what is needed
HEAD_BYTES = 8
"""So much of each run's id is kept beside it as bytes, to look for beginnings."""
TEXTS = ("run_name", "status", "user_id", "experiment_id", "artifact_uri")


class RunTable:
    """Appended by batches. ``revision`` grows with each change, ``generation`` when rows were numbered anew."""

    def __init__(self, revision: int = 0, text_order: TextOrder | None = None) -> None:
        self.revision = revision
        self.text_order = text_order
        self.generation = 0
        self.run_ids: list[str] = []
        self.attributes = {name: TextColumn() for name in TEXTS}
        self.metrics: dict[str, NumberColumn] = {}
        self.params: dict[str, TextColumn] = {}
        self.tags: dict[str, TextColumn] = {}
        self._heads: Grown[np.bytes_] = Grown(np.dtype(f"S{HEAD_BYTES}"))  # type: ignore[arg-type]  # a type of a length
        self._starts: Grown[np.int64] = Grown(np.int64)
        self._ends: Grown[np.int64] = Grown(np.int64)
        self._alive: Grown[np.bool_] = Grown(np.bool_)
        self._deleted: Grown[np.bool_] = Grown(np.bool_)
        self._row_of: dict[str, int] = {}
        self._natural = NaturalOrder()

    def __len__(self) -> int:
        return len(self.run_ids)

    @property
    def starts(self) -> NDArray[np.int64]:
        return self._starts.view

    @property
    def ends(self) -> NDArray[np.int64]:
        return self._ends.view

    def durations(self) -> NDArray[np.float64]:
        """Return how long each run took, in seconds; NaN where it has not begun or not ended."""
        known = (self.starts != NO_TIME) & (self.ends != NO_TIME)
        return np.where(known, (self.ends - self.starts) / 1000, np.nan)

    @property
    def heads(self) -> NDArray[np.bytes_]:
        return self._heads.view

    @property
    def active(self) -> Mask:
        """Tell of each row whether it is a run that is there, and not deleted."""
        return self._alive.view & ~self._deleted.view

    def natural(self) -> Rows:
        """Return all rows, the newest run first, ties by id."""
        return self._natural.rows(self.starts, self.run_ids)

    def row_of(self, run_id: str) -> int | None:
        """Return the row of a run, deleted or not; None where there is none."""
        return self._row_of.get(run_id)

    def texts(self, kind: str) -> Mapping[str, TextColumn]:
        """Return the columns of texts of a kind: params, tags or attributes."""
        return {"params": self.params, "tags": self.tags, "attributes": self.attributes}[kind]

    def append(self, batch: RunBatch) -> None:
        """Take in runs; those that are here already become what the batch says of them."""
        first = len(self.run_ids)
        alive = np.ones(len(batch.run_ids), np.bool_)
        for place, run_id in enumerate(batch.run_ids):
            self._bury(run_id)
            if run_id in self._row_of and self._row_of[run_id] >= first:
                alive[self._row_of[run_id] - first] = False  # twice in one batch: the later one counts
            self._row_of[run_id] = first + place
        self.run_ids.extend(batch.run_ids)
        self._heads.add([run_id.encode("utf-8", "replace")[:HEAD_BYTES] for run_id in batch.run_ids])
        self._starts.add(batch.start_times)
        self._ends.add(batch.end_times)
        self._alive.add(alive)
        self._deleted.add(batch.is_deleted)
        self._append_texts(batch, first)
        for name, cells in batch.metrics.items():
            self.metrics.setdefault(name, NumberColumn()).add(cells.rows + np.int32(first), cells.values)
        for columns, given in ((self.params, batch.params), (self.tags, batch.tags)):
            _append_cells(columns, given, first)
        self.revision += 1

    def _append_texts(self, batch: RunBatch, first: int) -> None:
        given: Mapping[str, Sequence[str | None]] = {
            "run_name": batch.names,
            "status": batch.statuses,
            "user_id": batch.users,
            "experiment_id": batch.experiment_ids,
            "artifact_uri": batch.artifact_uris,
        }
        for name, texts in given.items():
            places = [place for place, text in enumerate(texts) if text is not None]
            rows = np.asarray(places, np.int32) + np.int32(first)
            self.attributes[name].add(rows, [text for text in texts if text is not None])

    def remove(self, run_ids: Iterable[str]) -> None:
        """Forget runs that are gone for good."""
        for run_id in run_ids:
            self._bury(run_id)
            self._row_of.pop(run_id, None)
        self.revision += 1

    def _bury(self, run_id: str) -> None:
        row = self._row_of.get(run_id)
        if row is not None and row < len(self._alive):
            self._alive.view[row] = False

    def clear_away(self) -> bool:
        """Give the rows new numbers if many are dead; tell whether that was done."""
        alive = self._alive.view
        n_dead = len(alive) - int(alive.sum())
        if n_dead < _FEWEST_DEAD or n_dead < _DEAD_SHARE * len(alive):
            return False
        new_rows = np.where(alive, np.cumsum(alive) - 1, -1).astype(np.int32)
        self.run_ids = [run_id for run_id, is_alive in zip(self.run_ids, alive.tolist(), strict=True) if is_alive]
        self._row_of = {run_id: row for row, run_id in enumerate(self.run_ids)}
        self.attributes = {name: column.kept(new_rows) for name, column in self.attributes.items()}
        self.metrics = {name: column for name, was in self.metrics.items() if len((column := was.kept(new_rows)).rows)}
        self.params, self.tags = _kept(self.params, new_rows), _kept(self.tags, new_rows)
        self._heads.keep(alive)
        self._starts.keep(alive)
        self._ends.keep(alive)
        self._deleted.keep(alive)
        self._alive.fill(np.ones(len(self.run_ids), np.bool_))
        self._natural = NaturalOrder()
        self.generation += 1
        self.revision += 1
        return True


def _append_cells(columns: dict[str, TextColumn], given: Mapping[str, TextCells], first: int) -> None:
    for name, cells in given.items():
        columns.setdefault(name, TextColumn()).add(cells.rows + np.int32(first), cells.values)


def _kept(columns: Mapping[str, TextColumn], new_rows: Rows) -> dict[str, TextColumn]:
    kept = {name: column.kept(new_rows) for name, column in columns.items()}
    return {name: column for name, column in kept.items() if len(column.rows)}
