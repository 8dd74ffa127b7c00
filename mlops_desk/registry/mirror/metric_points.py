"""The least, largest and first values of metrics, and those at a step: asked of the source and kept.

For the rows on screen they are asked at once; to sort by them, all runs are asked for step by step, and what is not
known yet stands last until it is.
"""

from collections.abc import Sequence

import numpy as np

from mlops_desk.registry.mirror.column import ColumnKey, Which
from mlops_desk.registry.mirror.table.runs import NumberColumn, Rows, RunTable
from mlops_desk.registry.readers.reader import Reader

_AT_ONCE = 500  # a reader's own limit (Reader.metric_values)
_MOST_COLUMNS = 40  # chosen: more columns than anybody shows; the oldest are forgotten
_UNKNOWN, _NONE, _THERE = 0, 1, 2  # what is known of a row


class Spots:
    """Of one table, which is told anew where another has taken its place."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[ColumnKey, _Spot] = {}
        self._wanted: dict[ColumnKey, Rows] = {}
        self._of: tuple[int, int] | None = None

    @property
    def is_behind(self) -> bool:
        """Tell whether values are still to be asked for."""
        return bool(self._wanted)

    def ask(self, table: RunTable, keys: Sequence[ColumnKey], rows: Rows) -> None:
        """Make known what these rows have; raises what the reader raises."""
        self._keep_to(table)
        for key in keys:
            if key.which is not Which.LAST:
                self._spot(key, table).learn(self._reader, table, key, rows)

    def want(self, table: RunTable, keys: Sequence[ColumnKey], rows: Rows) -> bool:
        """Note that these rows are to be known, step by step; tell whether they all are."""
        self._keep_to(table)
        for key in keys:
            if key.which is not Which.LAST and len(missing := self._spot(key, table).missing(rows)):
                self._wanted[key] = missing
        return not any(key in self._wanted for key in keys)

    def step(self, table: RunTable) -> None:
        """Ask for some of what is wanted."""
        self._keep_to(table)
        if not self._wanted:
            return
        key, rows = next(iter(self._wanted.items()))
        self._spot(key, table).learn(self._reader, table, key, rows[:_AT_ONCE])
        if len(rows) > _AT_ONCE:
            self._wanted[key] = rows[_AT_ONCE:]
        else:
            del self._wanted[key]

    def give_up(self) -> None:
        """Want nothing any more: the source can't be asked."""
        self._wanted.clear()

    def column(self, key: ColumnKey) -> NumberColumn:
        """Return what is known of a column."""
        spot = self._known.get(key)
        return NumberColumn() if spot is None else spot.column()

    def _spot(self, key: ColumnKey, table: RunTable) -> "_Spot":
        spot = self._known.pop(key, None) or _Spot()
        self._known[key] = spot  # the last asked for is the last to be forgotten
        if len(self._known) > _MOST_COLUMNS:
            oldest = next(iter(self._known))
            self._known.pop(oldest)
            self._wanted.pop(oldest, None)
        spot.grow(len(table))
        return spot

    def _keep_to(self, table: RunTable) -> None:
        of = (id(table), table.generation)
        if of != self._of:
            self._of = of
            self._known.clear()
            self._wanted.clear()


class _Spot:
    """One column: a value for each row, and whether it is known."""

    def __init__(self) -> None:
        self._values = np.empty(0)
        self._states = np.empty(0, np.int8)
        self._column: NumberColumn | None = None

    def grow(self, n_rows: int) -> None:
        more = n_rows - len(self._states)
        if more > 0:
            self._values = np.concatenate([self._values, np.zeros(more)])
            self._states = np.concatenate([self._states, np.full(more, _UNKNOWN, np.int8)])

    def missing(self, rows: Rows) -> Rows:
        unknown: Rows = rows[self._states[rows] == _UNKNOWN]
        return unknown

    def learn(self, reader: Reader, table: RunTable, key: ColumnKey, rows: Rows) -> None:
        missing = self.missing(rows)
        for at in range(0, len(missing), _AT_ONCE):
            some = missing[at : at + _AT_ONCE]
            ids = [table.run_ids[row] for row in some.tolist()]
            told = reader.metric_values(ids, key.key, key.which.value, key.step)
            self._column = None
            self._states[some] = [_THERE if run_id in told else _NONE for run_id in ids]
            self._values[some] = [told.get(run_id, 0.0) for run_id in ids]

    def column(self) -> NumberColumn:
        if self._column is None:
            rows = np.flatnonzero(self._states == _THERE).astype(np.int32)
            self._column = NumberColumn()
            self._column.add(rows, self._values[rows])
        return self._column
