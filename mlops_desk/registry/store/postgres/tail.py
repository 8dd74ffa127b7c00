"""What happened in a PostgreSQL store since one looked.

Each row tells the transaction that wrote it (``xmin``), so what is new is found by a scan, without a trace that anybody
would have to keep. A scan costs the server something; so each is made again only after forty times what it took, but
for the runs that still run, which an index finds. What is taken away leaves nothing: runs are counted, and tags
compared a part of the runs at a time (``fingerprint``), round and round for as long as somebody writes.

All runs of a PostgreSQL store by their time, which nobody has to wait for.

What is new in a PostgreSQL store: rows of transactions that a snapshot, taken before, does not see. Pure.

A row tells the last 32 bits of its transaction's number; all of it follows from how long ago two of them were, which
the server tells within one question.
"""

import re
import time
from collections.abc import Iterator, Sequence
from itertools import islice

from mlops_desk.registry.readers.batch import RunBatch, RunChanges
from mlops_desk.registry.store.batch_size import ReadPace
from mlops_desk.registry.store.columns import RunColumns
from mlops_desk.registry.store.postgres.connection import PostgresConnection
from mlops_desk.registry.store.run_fingerprints import RUNNING, STAGE, STATUS, SWEEP_SECONDS, fingerprint
from mlops_desk.registry.store.statements import FIRST_RUNS, MOST_RUNS, Seen, Statements, StoredRuns
from mlops_desk.registry.store.statements import TOLD_BY as MODEL_TABLES

SNAPSHOT = "SELECT txid_current_snapshot()::text"
NEW = (
    "age(t.xmin) <= age(?::text::xid) AND NOT txid_visible_in_snapshot("
    "?::bigint + age(?::text::xid) - age(t.xmin), ?::text::txid_snapshot)"
)
"""A condition on ``t``; what is bound comes from ``since``."""

_FORM = re.compile(r"(\d{1,19}):(\d{1,19}):[\d,]*")  # 64 bits have 19 digits
_LOW_BITS = 1 << 32  # what a row keeps of a number


def since(snapshot: str) -> tuple[str, int, str, str]:
    """Return what NEW binds."""
    first = int(snapshot.partition(":")[0])
    low = str(first % _LOW_BITS)
    return low, first, low, snapshot


def is_snapshot(text: str) -> bool:
    """Tell whether a text has the form of a snapshot."""
    return _FORM.fullmatch(text) is not None


def is_after(snapshot: str, other: str) -> bool:
    """Tell whether a snapshot can have been taken later than another: not, where the store was replaced by an older."""
    return int(snapshot.split(":")[1]) >= int(other.split(":")[1])


class PostgresRuns(StoredRuns):
    """Runs of a PostgreSQL store."""

    def newest_first(self, seen: Seen) -> Iterator[RunBatch]:
        """Yield all runs that are there when it begins to read, the first batch a screenful."""
        return self.in_order(self.ids(), seen)

    def ids(self) -> list[str]:
        """List the ids of all runs, the newest first."""
        return [run_id for (run_id,) in self.connection.rows(self.statements.ids_by_time())]

    def in_order(self, run_ids: Sequence[str], seen: Seen) -> Iterator[RunBatch]:
        """Yield these runs, the first batch a screenful."""
        return self.chosen(run_ids, seen, ReadPace(FIRST_RUNS, MOST_RUNS))


_SCANNED = ("latest_metrics", "params", "tags")
_SHARE = 40  # a scan is made again after so many times what it took
_ACTIVE_RUNS = 200  # chosen: the newest that say they run; those of dead programs say so for ever
_PART = 100  # runs compared at a time
_MOST_RUNS = 2000  # read in one look; more are read in the next ones
_ALL_ANEW = 20_000  # changed runs: from here on reading everything takes no longer


class PostgresTail:
    """Follows one store: ``mark`` begins anew, then all runs are read by ``batches``."""

    def __init__(self, connection: PostgresConnection, statements: Statements, runs: PostgresRuns) -> None:
        self._connection = connection
        self._statements = statements
        self._runs = runs
        self._mark = 0
        self._snapshot = ""
        self._old: dict[str, bool] = {}
        self._unread: set[str] = set()
        self._begin()

    def mark(self) -> str:
        self._begin()
        return str(self._mark)

    def seen(self, rows: Sequence[RunColumns]) -> None:
        for row in rows:
            self._known[row[1]] = fingerprint(row)
            self._unread.discard(row[1])
            if row[STATUS] in RUNNING and row[STAGE] != "deleted":
                self._active[row[1]] = None
            else:
                self._active.pop(row[1], None)

    def batches(self) -> Iterator[RunBatch]:
        """Yield all runs, the newest first, and remember them."""
        ids = self._runs.ids()
        self._unread = set(ids)
        yield from self._runs.in_order(ids, self.seen)
        self._unread = set()

    def changes(self, mark: str) -> RunChanges:
        """Return what happened since ``mark``; an old mark is as good as none."""
        if mark != str(self._mark):
            return RunChanges(self.mark(), everything=True)
        now = self._connection.value(SNAPSHOT)
        if now != self._snapshot:
            self._snapshot = now
            self._left = len(self._known)
            self._old = dict.fromkeys(self._old, True)
        self._note_active(now)
        self._note_runs(now)
        for table in _SCANNED:
            self._note_scanned(table, now)
        self._sweep()
        if len(self._pending) >= _ALL_ANEW:
            return RunChanges(self.mark(), everything=True, models_changed=True)
        return self._told()

    def _begin(self) -> None:
        self._mark += 1
        self._known: dict[str, int] = {}
        self._active: dict[str, None] = {}
        self._pending: dict[str, None] = {}
        self._gone: list[str] = []
        self._unread = set()
        self._swept: list[str] = []
        self._left = 0
        self._snapshot = self._connection.value(SNAPSHOT)
        looked_at = ("active", "runs", "models", *_SCANNED)
        self._since = dict.fromkeys(looked_at, self._snapshot)
        self._old = dict.fromkeys(looked_at, False)
        self._after = dict.fromkeys(looked_at, 0.0)
        self._models = self._models_now()

    def _is_due(self, what: str) -> bool:
        return self._old[what] and time.monotonic() >= self._after[what]

    def _done(self, what: str, begin: float, now: str) -> None:
        end = time.monotonic()
        self._old[what] = False
        self._since[what] = now
        self._after[what] = end + _SHARE * (end - begin)

    def _note_active(self, now: str) -> None:
        """Note runs that still run and have a new value, parameter, tag or state."""
        if not self._old["active"] or not self._active:
            return
        active = list(islice(reversed(self._active), _ACTIVE_RUNS))
        for table in ("latest_metrics", "params"):
            sql = f"SELECT DISTINCT t.run_uuid FROM {table} t WHERE t.run_uuid = ANY(?) AND {NEW}"  # noqa: S608 - our own words
            self._note(run_id for (run_id,) in self._connection.rows(sql, (active, *since(self._since["active"]))))
        rows = self._connection.rows(self._statements.runs(self._statements.ids, with_params=False), (active,))
        self._note(row[1] for row in rows if self._known.get(row[1]) != fingerprint(row))
        self._done("active", time.monotonic(), now)

    def _note_runs(self, now: str) -> None:
        """Note runs whose own row is new, and those that are no more."""
        if not self._is_due("runs"):
            return
        begin = time.monotonic()
        sql = f"SELECT count(*), array_agg(t.run_uuid) FILTER (WHERE {NEW}) FROM runs t WHERE true"  # noqa: S608 - our own words
        count, new = self._connection.rows(sql + self._statements.of_workspace("t"), since(self._since["runs"]))[0]
        self._note(new or ())
        if not self._unread and count < len(self._known.keys() | set(new or ())):
            there = {run_id for (run_id,) in self._connection.rows("SELECT run_uuid FROM runs")}
            for run_id in [one for one in self._known if one not in there]:
                self._gone.append(run_id)
                del self._known[run_id]
                self._active.pop(run_id, None)
        self._done("runs", begin, now)

    def _note_scanned(self, table: str, now: str) -> None:
        if not self._is_due(table):
            return
        begin = time.monotonic()
        sql = f"SELECT DISTINCT t.run_uuid FROM {table} t WHERE {NEW}"  # noqa: S608 - our own words
        self._note(run_id for (run_id,) in self._connection.rows(sql, since(self._since[table])))
        self._done(table, begin, now)

    def _note(self, run_ids: Iterator[str] | Sequence[str]) -> None:
        """Note runs that changed; while all are read, one that wasn't read yet is read in its turn, as it is then."""
        self._pending.update((run_id, None) for run_id in run_ids if run_id not in self._unread)

    def _sweep(self) -> None:
        """Compare some of the runs with what they were, on from where the last look ended."""
        until = time.monotonic() + SWEEP_SECONDS
        while self._left > 0 and time.monotonic() < until:
            if not self._swept:
                self._swept = list(self._known)
            part, self._swept = self._swept[-_PART:], self._swept[:-_PART]
            rows = self._connection.rows(self._statements.runs(self._statements.ids, with_params=False), (part,))
            self._note([row[1] for row in rows if self._known.get(row[1]) != fingerprint(row)])
            self._left -= len(part)

    def _told(self) -> RunChanges:
        now = list(islice(self._pending, _MOST_RUNS))
        batches = tuple(self._runs.of(now, self.seen))
        for run_id in now:
            del self._pending[run_id]
        gone, self._gone = tuple(self._gone), []
        return RunChanges(str(self._mark), batches, gone, models_changed=self._models_changed())

    def _models_changed(self) -> bool:
        if not self._is_due("models"):
            return False
        begin = time.monotonic()
        before, self._models = self._models, self._models_now()
        self._done("models", begin, self._since["models"])
        return before != self._models

    def _models_now(self) -> tuple[int, ...]:
        tables = MODEL_TABLES.items()
        return tuple(hash(frozenset(self._connection.table(columns, table, "true"))) for table, columns in tables)
