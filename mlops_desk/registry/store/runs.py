"""Whole runs of a store, some at a time, each read short: the newest first, or those that are named.

On SQLite runs are taken by rowid, which grows with each run; sorting them by time would mean a read of all of them.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from mlops_desk.registry.reading.batch import RunBatch
from mlops_desk.registry.store.columns import RunColumns, run_batch
from mlops_desk.registry.store.pace import ReadPace
from mlops_desk.registry.store.sqlite import SqliteConnection
from mlops_desk.registry.store.statements import Statements

FIRST_RUNS = 100  # a screenful
MOST_RUNS = 2000  # chosen: runs with few metrics, of which a step takes no more memory than a picture
_LAST_ROWID = (1 << 63) - 1  # the largest that SQLite has

Seen = Callable[[Sequence[RunColumns]], None]
"""Is told the rows of runs that were read, with their tags, for later comparison."""


class SqliteRuns:
    """Runs of an SQLite store."""

    def __init__(self, connection: SqliteConnection, statements: Statements) -> None:
        self._connection = connection
        self._statements = statements
        self._pace = ReadPace(FIRST_RUNS, MOST_RUNS)

    def newest_first(self, seen: Seen) -> Iterator[RunBatch]:
        """Yield all runs that are there when it begins to read, the first batch a screenful."""
        below = _LAST_ROWID
        pace = ReadPace(FIRST_RUNS, MOST_RUNS)
        while True:
            lowest, rows, batch = pace.read(partial(self._below, below))
            if lowest is None:
                return
            below = lowest
            seen(rows)
            yield batch

    def of(self, run_ids: Sequence[str], seen: Seen) -> Iterator[RunBatch]:
        """Yield those of these runs that are there."""
        at = 0
        while at < len(run_ids):
            rest = run_ids[at:]
            count, rows, batch = self._pace.read(partial(self._named, rest))
            at += count
            seen(rows)
            if rows:
                yield batch

    def _below(self, below: int, size: int, limited: bool) -> tuple[int | None, Sequence[RunColumns], RunBatch]:
        rowids = self._connection.part(
            "SELECT rowid FROM runs WHERE rowid < ? ORDER BY rowid DESC LIMIT ?", (below, size), limited=limited
        )
        if not rowids:
            return None, (), run_batch((), (), self._statements.separators)
        lowest = rowids[-1][0]
        rows, batch = self._read("r.rowid >= ? AND r.rowid < ?", (lowest, below), limited=limited)
        return lowest, rows, batch

    def _named(self, run_ids: Sequence[str], size: int, limited: bool) -> tuple[int, Sequence[RunColumns], RunBatch]:
        run_ids = run_ids[:size]
        rows, batch = self._read(self._statements.ids, (self._connection.listed(run_ids),), limited=limited)
        return len(run_ids), rows, batch

    def _read(self, where: str, values: Sequence[Any], *, limited: bool) -> tuple[Sequence[RunColumns], RunBatch]:
        with collecting_later():
            rows = self._connection.part(self._statements.runs(where), values, limited=limited)
            rows.reverse()
            metrics = self._connection.part(self._statements.metrics(where), values, limited=limited) if rows else []
            return rows, run_batch(rows, metrics, self._statements.separators)


@contextmanager
def collecting_later() -> Iterator[None]:
    """Keep Python from looking for circles among ten thousand new rows, again and again: a fifth of a read's time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
