"""All runs of an SQLite store by rowid, which grows with each run; to sort them by time all would have to be read."""

from collections.abc import Iterator, Sequence
from functools import partial

from mlops_desk.registry.reading.batch import RunBatch
from mlops_desk.registry.store.columns import RunColumns, empty_batch
from mlops_desk.registry.store.pace import ReadPace
from mlops_desk.registry.store.runs import FIRST_RUNS, MOST_RUNS, Seen, StoredRuns

_LAST_ROWID = (1 << 63) - 1  # the largest that SQLite has


class SqliteRuns(StoredRuns):
    """Runs of an SQLite store."""

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

    def _below(self, below: int, size: int, limited: bool) -> tuple[int | None, Sequence[RunColumns], RunBatch]:
        rowids = self.connection.part(
            "SELECT rowid FROM runs WHERE rowid < ? ORDER BY rowid DESC LIMIT ?", (below, size), limited=limited
        )
        if not rowids:
            return None, (), empty_batch()
        lowest = rowids[-1][0]
        return lowest, *self.read("r.rowid >= ? AND r.rowid < ?", (lowest, below), limited=limited)
