"""What happened in an SQLite store since one looked: cheap where nothing did, and seen at once where jobs log.

- Nothing: ``PRAGMA data_version`` stays what it was.
- CurvePoints, parameters and new tags are rows at the end of tables that only grow (``table_end.py``); so are new runs.
- What is changed in place (a status, a name, a tag) or taken away has no such trace. Runs that still run and the newest
  are compared each time, all others a part at a time (``KnownRuns``), round and round for as long as somebody writes.
- Models, versions, tags and aliases are few: they are compared whole, as often as that may cost.

All runs of an SQLite store by rowid, which grows with each run; to sort them by time all would have to be read.
"""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

from mlops_desk.registry.readers.batch import RunBatch, RunChanges
from mlops_desk.registry.store.batch_size import ReadPace
from mlops_desk.registry.store.columns import RunColumns, empty_batch
from mlops_desk.registry.store.run_fingerprints import SWEEP_SECONDS, KnownRuns
from mlops_desk.registry.store.sqlite.connection import SqliteConnection, TableEnd, end_at, end_of, is_there
from mlops_desk.registry.store.statements import FIRST_RUNS, MOST_RUNS, Seen, Statements, StoredRuns
from mlops_desk.registry.store.statements import TOLD_BY as MODEL_TABLES

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


_GROWING = ("metrics", "params", "tags")
_ACTIVE_RUNS = 200  # chosen: the newest that say they run; those of dead programs say so for ever
_NEWEST_RUNS = 100  # a screenful
_MODELS_SHARE = 40  # models are compared again after so many times what it took
_MOST_RUNS = 2000  # read in one look; more are read in the next ones
_ALL_ANEW = 20_000  # changed runs: from here on reading everything takes no longer
_POINTS = 50_000  # rows of a table's end at a time


class SqliteTail:
    """Follows one store: ``mark`` begins anew, then all runs are read by ``batches``."""

    def __init__(self, connection: SqliteConnection, statements: Statements, runs: SqliteRuns) -> None:
        self._connection = connection
        self._statements = statements
        self._runs = runs
        self._mark = 0
        self._version: int | None = None
        self._begin()

    def mark(self) -> str:
        self._begin()
        return str(self._mark)

    def seen(self, rows: Sequence[RunColumns]) -> None:
        self._known.learn(rows)

    def batches(self) -> Iterator[RunBatch]:
        """Yield all runs, the newest first, and remember them."""
        self._is_loading = True
        yield from self._runs.newest_first(self.seen)
        self._is_loading = False

    def changes(self, mark: str) -> RunChanges:
        """Return what happened since ``mark``; an old mark is as good as none."""
        if mark != str(self._mark):
            return RunChanges(self.mark(), everything=True)
        version = self._connection.value("PRAGMA data_version")
        if version != self._version:
            self._version = version
            if not self._note_changes():
                return RunChanges(self.mark(), everything=True, models_changed=True)
        self._sweep()
        return self._told()

    def _begin(self) -> None:
        self._mark += 1
        self._known = KnownRuns()
        self._version = self._connection.value("PRAGMA data_version")
        self._ends: dict[str, TableEnd] = {table: end_of(self._connection, table) for table in _GROWING}
        self._top = int(self._connection.value("SELECT max(rowid) FROM runs") or 0)
        self._is_loading = False
        self._new: set[str] = set()
        self._pending: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        self._place = self._left = 0
        self._models_are_old = False
        self._models_after = 0.0
        self._models = self._models_now()

    def _note_changes(self) -> bool:
        """Note the runs that changed where that is seen at once. False: nothing that was remembered holds any more."""
        for table in _GROWING:
            if not is_there(self._connection, table, self._ends[table]):
                if table != "tags" or self._ends[table].schema != end_of(self._connection, table).schema:
                    return False
                self._ends[table] = end_of(self._connection, table)  # a tag was taken away: the sweep finds whose
            self._note_rows(table)
        last = max(self._known.last_rowid, self._top)
        new = self._connection.rows(
            "SELECT run_uuid FROM runs WHERE rowid > ? ORDER BY rowid LIMIT ?", (last, _ALL_ANEW)
        )
        self._new = {run_id for (run_id,) in new}
        self._pending.update(dict.fromkeys(self._new))
        active = list(islice(reversed(self._known.active), _ACTIVE_RUNS))
        rows = self._connection.rows(
            self._statements.runs(self._statements.ids, with_params=False), (self._connection.listed(active),)
        )
        self._pending.update((run_id, None) for run_id in self._known.differing(rows))
        self._left = len(self._known)
        self._models_are_old = True
        return len(self._pending) < _ALL_ANEW

    def _note_rows(self, table: str) -> None:
        """Note the runs that rows at the end of a table belong to."""
        pace = ReadPace(_POINTS, _POINTS)
        sql = f"SELECT run_uuid, max(rowid) FROM {table} NOT INDEXED WHERE rowid > ? AND rowid <= ? GROUP BY run_uuid"  # noqa: S608 - our own words
        last = end_of(self._connection, table).rowid
        place = self._ends[table].rowid
        while place < last:
            upper, rows = pace.read(partial(self._behind, sql, place))
            self._pending.update((run_id, None) for run_id, _ in rows)
            if rows:
                self._ends[table] = end_at(self._connection, table, max(rowid for _, rowid in rows))
            place = upper

    def _behind(self, sql: str, place: int, size: int, limited: bool) -> tuple[int, list[tuple[str, int]]]:
        return place + size, self._connection.part(sql, (place, place + size), limited=limited)

    def _sweep(self) -> None:
        """Compare some of the runs with what they were: the newest first, then on from where the last look ended."""
        if self._left <= 0:
            return
        until = time.monotonic() + SWEEP_SECONDS
        self._compare(len(self._known), _NEWEST_RUNS)
        while self._left > 0 and time.monotonic() < until:
            if self._place <= 0:
                self._place = len(self._known)
            if self._place == 0:
                self._left = 0
                return
            done = self._compare(self._place, _NEWEST_RUNS)
            self._place -= done
            self._left -= done

    def _compare(self, end: int, size: int) -> int:
        """Compare the runs before a place; return how many that were."""
        end = min(end, len(self._known))
        if end == 0:
            return 0
        pace = ReadPace(size, size)
        sql = self._statements.runs("r.rowid >= ? AND r.rowid < ?", with_params=False) + " ORDER BY r.rowid"

        def ask(count: int, limited: bool) -> tuple[int, int, int, list[RunColumns]]:
            lower, upper = self._known.part(end, count)
            return count, lower, upper, self._connection.part(sql, (lower, upper), limited=limited)

        count, lower, upper, rows = pace.read(ask)
        found = self._known.compare(rows, lower, upper)
        self._pending.update((run_id, None) for run_id in found.changed)
        self._gone.update((run_id, None) for run_id in found.gone)
        return min(count, end)

    def _told(self) -> RunChanges:
        batches: list[RunBatch] = []
        if self._pending and self._is_loading:
            # What is not read yet is read in its turn, as it is then.
            held = zip(self._pending, self._known.holds(list(self._pending)), strict=True)
            self._pending = {run_id: None for run_id, is_held in held if is_held or run_id in self._new}
        if self._pending:
            now = list(islice(self._pending, _MOST_RUNS))
            batches += self._runs.of(now, self.seen)
            for run_id in now:
                del self._pending[run_id]
        gone = tuple(self._gone)
        self._gone.clear()
        return RunChanges(str(self._mark), tuple(batches), gone, models_changed=self._models_changed())

    def _models_changed(self) -> bool:
        begin = time.monotonic()
        if not self._models_are_old or begin < self._models_after:
            return False
        before, self._models = self._models, self._models_now()
        self._models_are_old = False
        self._models_after = begin + _MODELS_SHARE * (time.monotonic() - begin)
        return before != self._models

    def _models_now(self) -> tuple[int, ...]:
        tables = MODEL_TABLES.items()
        return tuple(hash(tuple(self._connection.table(columns, table, "1 = 1"))) for table, columns in tables)
