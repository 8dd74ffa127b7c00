"""Rows that belong to nothing: metrics of runs that are gone, versions whose run is, inputs of nobody.

SQLite holds to no foreign key unless it is told to, and older programs were not careful. Nothing is removed here: a
row is told, with what it belonged to.
"""

from collections.abc import Iterator

from mlops_desk.kit.base.text import plain
from mlops_desk.registry.doctor.checks.findings import advice, fine
from mlops_desk.registry.doctor.database import Rows
from mlops_desk.registry.records.doctor import StoreFinding

CHECK, VERSIONS = "orphans", "versions_without_runs"
_OF_RUNS = (
    ("metrics", "index_metrics_run_uuid"),
    ("latest_metrics", "index_latest_metrics_run_uuid"),
    ("params", "index_params_run_uuid"),
    ("tags", "index_tags_run_uuid"),
)
_NAMED = 5  # chosen: as many as stand in a sentence


def look(store: Rows) -> list[StoreFinding]:
    """Count the rows that belong to a run or to a thing that is gone; PostgreSQL keeps its foreign keys by itself."""
    query = "SELECT run_uuid FROM runs WHERE run_uuid > :after ORDER BY run_uuid LIMIT :n"
    runs = {str(run) for (run,) in store.pieces(query)}
    rows = [_rows_of_nobody(store, runs)] if store.dialect == "sqlite" else []
    return [*rows, _versions(store, runs)]


def _rows_of_nobody(store: Rows, runs: set[str]) -> StoreFinding:
    found: dict[str, int] = {}
    gone: set[str] = set()
    for table, index in _OF_RUNS:
        for run in _owners(store, table, index):
            if run not in runs:
                gone.add(run)
                query = f"SELECT count(*) FROM {table} WHERE run_uuid = :run"  # noqa: S608 - our own names
                found[table] = found.get(table, 0) + int(store.value(query, run=run))
    found.update(_inputs(store, runs))
    n_rows = sum(found.values())
    if not n_rows:
        return fine(CHECK, "Orphans", "Every metric, parameter, tag and input belongs to something that is there.")
    what = ", ".join(f"{count:,} in {table}" for table, count in found.items() if count)
    some = f", the first {min(gone)}" if gone else ""
    text = f"{n_rows:,} rows belong to nothing that is there ({what}; {len(gone):,} runs are gone{some})."
    return advice(
        CHECK, "Orphans", f"{text} They take room and do no harm; MLflow has nothing that removes them.", n=n_rows
    )


def _owners(store: Rows, table: str, index: str) -> Iterator[str]:
    """Yield which runs a table has rows of, by steps along its index: not every row is read."""
    source = store.indexed(table, index)
    first = f"(SELECT min(run_uuid) FROM {source} WHERE run_uuid > :after)"  # noqa: S608 - our own names
    following = f"(SELECT min(run_uuid) FROM {source} WHERE run_uuid > one.run_uuid)"  # noqa: S608 - our own names
    query = (
        f"WITH RECURSIVE one(run_uuid) AS (SELECT {first} UNION ALL SELECT {following} FROM one"  # noqa: S608 - our own names
        " WHERE one.run_uuid IS NOT NULL LIMIT :n) SELECT run_uuid FROM one WHERE run_uuid IS NOT NULL"
    )
    for (run,) in store.pieces(query):
        yield str(run)


def _inputs(store: Rows, runs: set[str]) -> dict[str, int]:
    if not store.has("inputs"):
        return {}
    query = "SELECT destination_id, count(*) FROM inputs WHERE destination_type = 'RUN' GROUP BY destination_id"
    return {"inputs": sum(int(count) for run, count in store.rows(query) if str(run) not in runs)}


def _versions(store: Rows, runs: set[str]) -> StoreFinding:
    title = "Versions and their runs"
    rows = store.rows("SELECT name, version, run_id FROM model_versions WHERE run_id IS NOT NULL AND run_id <> ''")
    lost = [f"{plain(str(name), 60)}/{version}" for name, version, run in rows if str(run) not in runs]
    if not lost:
        return fine(VERSIONS, title, "Every version's run is there.")
    shown = ", ".join(lost[:_NAMED]) + (f" and {len(lost) - _NAMED:,} more" if len(lost) > _NAMED else "")
    text = f"{len(lost):,} versions name a run that is gone: {shown}. Their metrics and parameters went with it."
    return advice(VERSIONS, title, text, n=len(lost))
