"""Whole runs of a store, some at a time, each read short. Which come first each database has in a file of its own."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from mlops_desk.registry.reading.batch import RunBatch
from mlops_desk.registry.store.columns import RunColumns, run_batch
from mlops_desk.registry.store.database import StoreDatabase
from mlops_desk.registry.store.pace import ReadPace
from mlops_desk.registry.store.statements import Statements

FIRST_RUNS = 100  # a screenful
MOST_RUNS = 2000  # chosen: runs with few metrics, of which a step takes no more memory than a picture

Seen = Callable[[Sequence[RunColumns]], None]
"""Is told the rows of runs that were read, with their tags, for later comparison."""


class StoredRuns:
    """Runs of either database."""

    def __init__(self, connection: StoreDatabase, statements: Statements) -> None:
        self.connection = connection
        self.statements = statements
        self._pace = ReadPace(FIRST_RUNS, MOST_RUNS)

    def of(self, run_ids: Sequence[str], seen: Seen) -> Iterator[RunBatch]:
        """Yield those of these runs that are there, in no certain order."""
        yield from self.chosen(run_ids, seen, self._pace)

    def chosen(self, run_ids: Sequence[str], seen: Seen, pace: ReadPace) -> Iterator[RunBatch]:
        at = 0
        while at < len(run_ids):
            at, rows, batch = pace.read(partial(self._named, run_ids, at))
            seen(rows)
            if rows:
                yield batch

    def _named(
        self, run_ids: Sequence[str], at: int, size: int, limited: bool
    ) -> tuple[int, Sequence[RunColumns], RunBatch]:
        named = self.connection.listed(run_ids[at : at + size])
        return at + size, *self.read(self.statements.ids, (named,), limited=limited)

    def read(self, where: str, values: Sequence[Any], *, limited: bool) -> tuple[Sequence[RunColumns], RunBatch]:
        with collecting_later():
            rows = self.connection.part(self.statements.runs(where), values, limited=limited)
            rows.reverse()
            metrics = self.connection.part(self.statements.metrics(where), values, limited=limited) if rows else []
            return rows, run_batch(rows, metrics, self.statements.separators)


@contextmanager
def collecting_later() -> Iterator[None]:
    """Keep Python from looking for circles among ten thousand new rows, again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
