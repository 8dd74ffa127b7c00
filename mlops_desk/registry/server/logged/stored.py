"""How much of the store is a run's and its children's, in bytes: counted by short reads, which no writer waits for."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

ROW_BYTES = 300
"""Measured: 5.0 million points of metrics, each in its table and three indexes, took 1.5 GB."""
MADE_BYTES = 64 << 10
"""Chosen: what a run, logged model or version counts beside its rows, as each is a line of lists and lies in the memory
of whoever looks at them: 65,000 of them are the default limit."""
_BUSY_SECONDS = 5.0  # chosen: longer than an ordinary transaction of MLflow on this file
_AT_ONCE_ROWS = 50_000  # some 10 ms of an index in memory: who writes waits no longer
_OWN = (
    "WITH RECURSIVE own(id) AS (SELECT ? UNION SELECT tags.run_uuid FROM tags JOIN own ON tags.value = own.id"
    " WHERE tags.key = 'mlflow.parentRunId')"
)
_MODELS = "SELECT model_id FROM logged_models WHERE source_run_id IN (SELECT id FROM own)"
_TEXTS = (
    ("params", "length(key) + length(value)", "run_uuid IN (SELECT id FROM own)"),
    ("tags", "length(key) + length(value)", "run_uuid IN (SELECT id FROM own)"),
    ("logged_model_params", "length(param_key) + length(param_value)", f"model_id IN ({_MODELS})"),
    ("logged_model_tags", "length(tag_key) + length(tag_value)", f"model_id IN ({_MODELS})"),
    (
        "datasets", "length(dataset_schema) + length(dataset_profile)",
        "dataset_uuid IN (SELECT source_id FROM inputs WHERE destination_id IN (SELECT id FROM own))",
    ),
    ("logged_models", str(MADE_BYTES), "source_run_id IN (SELECT id FROM own)"),
    ("model_versions", str(MADE_BYTES), "run_id IN (SELECT id FROM own)"),
)  # fmt: skip
"""Table, what a row takes beside ``ROW_BYTES``, and which rows are a job's."""


class StoredAmounts:
    """Counts in the SQLite file ``store``, in MLflow's own tables."""

    def __init__(self, store: Path) -> None:
        self._uri = f"file:{quote(str(store))}?mode=ro"

    def bytes_of(self, run_id: str) -> int:
        """Return what a run and those below it take of the store. Raises sqlite3.Error."""
        with closing(sqlite3.connect(self._uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)) as store:
            own = [found for (found,) in store.execute(_OWN + " SELECT id FROM own", (run_id,)).fetchall()]  # noqa: S608 - a constant
            points = sum(sum(_points(store, one)) for one in own)
            texts = sum(_texts(store, run_id, *about) for about in _TEXTS)
        return points * ROW_BYTES + texts + (len(own) - 1) * MADE_BYTES


def _points(store: sqlite3.Connection, run_id: str) -> Iterator[int]:
    """Yield how many points of metrics a run has, piece by piece."""
    query = (
        "SELECT count(*), max(rowid) FROM (SELECT rowid FROM metrics INDEXED BY index_metrics_run_uuid"
        " WHERE run_uuid = ? AND rowid > ? ORDER BY rowid LIMIT ?)"
    )
    count, last = _AT_ONCE_ROWS, -1
    while count == _AT_ONCE_ROWS:
        count, last = store.execute(query, (run_id, last, _AT_ONCE_ROWS)).fetchone()
        yield count


def _texts(store: sqlite3.Connection, run_id: str, table: str, each: str, which: str) -> int:
    query = f"{_OWN} SELECT coalesce(sum({ROW_BYTES} + coalesce({each}, 0)), 0) FROM {table} WHERE {which}"  # noqa: S608 - from the table above
    found: int = store.execute(query, (run_id,)).fetchone()[0]
    return found
