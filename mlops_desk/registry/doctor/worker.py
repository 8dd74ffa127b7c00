"""The worker that looks into a store and mends it: ``python -m mlops_desk.registry.doctor.worker``.

It may be killed at any moment: at its deadline, with the agent, or because a disk hangs.

Looks a database over: each check by itself, so that one that can't be made says so and the others are told.

How much each experiment takes in the database: runs, deleted ones, points of metrics.

Whether an SQLite store is sound: its structure, walked through without keeping any writer waiting.

What can be mended in an SQLite store: each act after a copy of it, each shorter than its writers wait.

MLflow's writers wait 20 s for one another and then fail. What takes longer than a moment is done only while nobody has
the store open. Whoever is ended in the midst of it leaves a store that SQLite brings back to how it was.
"""

import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, Invalid, Refused, Unavailable
from mlops_desk.kit.base.process import limit_memory, serve_one
from mlops_desk.kit.base.text import duration_text, plain, size_text
from mlops_desk.registry.doctor.backup import BusyStore, back_up, check_room, keep_statistics
from mlops_desk.registry.doctor.checks import (
    disk_space,
    files,
    indexes,
    journal,
    orphans,
    purge_candidates,
    schema,
    statistics,
)
from mlops_desk.registry.doctor.checks.findings import fine, trouble, unknown
from mlops_desk.registry.doctor.database import Rows
from mlops_desk.registry.doctor.sqlite_reader import QuietStore, UnfinishedStore, quiet, unlocked
from mlops_desk.registry.records.doctor import ExperimentSize, StoreFinding, StoreFixed, StoreReport

_BUSY_SECONDS = 15.0  # chosen: less than MLflow's own 20 s: whoever logs goes first
_SAMPLE_ROWS = 1000  # SQLite's manual recommends 100 to 1000 for large databases
_LONGEST_SECONDS = 8.0  # chosen: less than half of what MLflow's writers wait
_ROWS_A_SECOND = 300_000  # chosen: a slow disk; some million are indexed in a second from memory
_REPAIRS_STEPS = 10_000  # chosen: of SQLite's machine between two looks at the clock
_ALONE = "Stop what is open on it (registry doctor names it), then try again."


@dataclass(frozen=True, slots=True)
class Mended:
    """What was done, in words; ``made_copy`` whether what it was before lies beside it."""

    text: str
    copy: Path | None


def mend(path: Path, fix: str) -> StoreFixed:
    """Do one of the fixes that a report offers. Raises DeskErrors, Invalid for a word that is none."""
    act = _ACTS.get(fix)
    if act is None:
        raise Invalid(f"{plain(fix)!r} is no fix of a store in a file.", f"There are {', '.join(sorted(_ACTS))}.")
    began = time.monotonic()
    try:
        done = act(path)
    except sqlite3.Error as error:
        raise _told(path, error) from error
    return StoreFixed(fix, done.text, None if done.copy is None else str(done.copy), time.monotonic() - began)


def _told(path: Path, error: sqlite3.Error) -> Unavailable:
    name = getattr(error, "sqlite_errorname", "")
    text = f"{plain(str(path), 400)}: {plain(str(error))}. It is as it was."
    if name in {"SQLITE_BUSY", "SQLITE_LOCKED"}:
        return Unavailable(text, f"Others wrote to it for {duration_text(_BUSY_SECONDS)} without a pause. Try again.")
    return Unavailable(text, "Its copy, if one was made, lies beside it.")


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a store to write; it is there, and is not made."""
    with closing(
        sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
    ) as connection:
        yield connection


def _analyze(path: Path) -> Mended:
    """Count a sample of each table's rows, table by table, so that no lock is held for long."""
    try:
        copy = back_up(path, statistics.FIX)
    except BusyStore:
        copy = keep_statistics(path)  # all that changes
    longest = 0.0
    with _opened(path) as connection:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        names = [str(name) for (name,) in connection.execute(query).fetchall()]
        connection.execute(f"PRAGMA analysis_limit = {_SAMPLE_ROWS}")
        for name in names:
            began = time.monotonic()
            connection.execute(f"ANALYZE {_quoted(name)}")
            longest = max(longest, time.monotonic() - began)
    text = (
        f"The rows of {len(names)} tables were counted by samples; the longest took {1000 * longest:.0f} ms. What has "
    )
    return Mended(
        f"{text}the store open uses the counts when it opens it next: restart the server of MLflow's page.", copy
    )


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _log_writes(path: Path) -> Mended:
    network = journal.is_over_network(path)
    if network is not None:
        raise Refused(
            f"The store lies on {plain(network)}, where a log of writes does not work.", "Move it to a disk here."
        )
    copy = back_up(path, journal.FIX)
    with _opened(path) as connection:
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise Unavailable(
            f"SQLite kept the journal as it was ({plain(str(mode))}).", "Does its filesystem share memory?"
        )
    back = f"To set it back: sqlite3 {path} 'PRAGMA journal_mode=DELETE'."
    return Mended(f"Readers and writers no longer wait for one another. {back}", copy)


def _recover(path: Path) -> Mended:
    """Let SQLite take back what a dead writer left; the files are copied as they lie, for nothing can read them yet."""
    if journal.holders(path):
        raise Refused("A program has the store open, so nothing was left behind yet.", "Look again when it is done.")
    beside = [path, *(path.with_name(f"{path.name}{ending}") for ending in ("-journal", "-wal"))]
    check_room(path, sum(one.stat().st_size for one in beside if one.exists()))
    folder = path.with_name(f"{path.name}.before-{journal.RECOVER}-{int(time.time())}")
    folder.mkdir(mode=0o700)
    for one in beside:
        if one.exists():
            shutil.copyfile(one, folder / one.name)
    with _opened(path) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return Mended("What was not finished was taken back or finished. The files as they lay are kept.", folder)


def _make_indexes(path: Path) -> Mended:
    with quiet(path) as store:
        lacking = indexes.missing(indexes.names(store))
        n_rows = sum(int(store.value(f"SELECT max(rowid) FROM {one.table}") or 0) for one in lacking)  # noqa: S608 - our own names
    _refuse_if_long(path, n_rows / _ROWS_A_SECOND, "The indexes take about")
    copy = back_up(path, indexes.FIX)
    with _opened(path) as connection:
        for one in lacking:
            columns = ", ".join(_quoted(column) for column in one.columns)
            connection.execute(f"CREATE INDEX IF NOT EXISTS {one.ours} ON {one.table} ({columns})")
            connection.execute(f"PRAGMA analysis_limit = {_SAMPLE_ROWS}")
            connection.execute(f"ANALYZE {one.table}")
    return Mended(f"Made: {', '.join(one.ours for one in lacking) or 'nothing, all were there'}.", copy)


def _drop_indexes(path: Path) -> Mended:
    with quiet(path) as store:
        twice = indexes.doubled(indexes.names(store))
    copy = back_up(path, indexes.DROP)
    with _opened(path) as connection:
        for one in twice:
            connection.execute(f"DROP INDEX IF EXISTS {one.ours}")
    return Mended(f"Removed: {', '.join(one.ours for one in twice) or 'nothing'}.", copy)


def _refuse_if_long(path: Path, seconds: float, what: str) -> None:
    """Refuse what keeps writers waiting too long while somebody has the store open."""
    held = journal.holders(path)
    if held and seconds > _LONGEST_SECONDS:
        who = ", ".join(f"{one.name} ({one.pid})" for one in held[:3])
        text = f"{what} {duration_text(seconds)}, in which nobody can write, and {who} has the store open."
        raise Refused(f"{text} Nothing was changed.", _ALONE)


def _vacuum(path: Path) -> Mended:
    held = journal.holders(path)
    if held:
        who = ", ".join(f"{one.name} ({one.pid})" for one in held[:3])
        raise Refused(f"{who} has the store open, which is written anew as a whole. Nothing was changed.", _ALONE)
    before = path.stat().st_size
    with quiet(path) as store:
        check_room(path, disk_space.pages_of(store).vacuum_bytes)
    copy = back_up(path, disk_space.VACUUM)
    with _opened(path) as connection:
        connection.execute("VACUUM")
    return Mended(f"The file went from {size_text(before)} to {size_text(path.stat().st_size)}.", copy)


def _remove_copies(path: Path) -> Mended:
    old = disk_space.copies(path)[1:]
    freed = sum(one.stat().st_size for one in old)
    for one in old:
        one.unlink()
    return Mended(f"{len(old)} old copies were removed, {size_text(freed)}.", None)


_ACTS: dict[str, Callable[[Path], Mended]] = {
    statistics.FIX: _analyze,
    journal.FIX: _log_writes,
    journal.RECOVER: _recover,
    indexes.FIX: _make_indexes,
    indexes.DROP: _drop_indexes,
    disk_space.VACUUM: _vacuum,
    disk_space.CLEAR: _remove_copies,
}
"""All that is done to a store in a file, by the word that a report offers it with."""


CHECK = "integrity"
_TITLE = "Soundness"
_SECONDS = 25.0  # chosen: a few gigabytes from a disk; who waits for the report waits so long
_STEPS = 10_000  # chosen: of SQLite's machine between two looks at the clock, a few milliseconds
_FAULTS = 5  # chosen: the first faults tell where to look
_AGAIN = "Look again when nothing is logged to it."


def look(path: Path, mode: str, seconds: float = _SECONDS) -> StoreFinding:
    """Check a store's structure: in WAL mode as any reader, for whom no writer waits, else without a lock."""
    deadline = time.monotonic() + seconds

    def check(connection: sqlite3.Connection) -> list[str]:
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
        return [str(text) for (text,) in connection.execute(f"PRAGMA quick_check({_FAULTS})").fetchall()]

    ask = _read if mode == "wal" else unlocked
    try:
        told = ask(path, check)
        if told is not None and told != ["ok"]:
            told = ask(path, check)  # a fault is believed when it is found twice
    except sqlite3.OperationalError as error:
        if time.monotonic() > deadline:
            text = f"It is too large to be checked within {duration_text(seconds)}: sqlite3 {path} 'PRAGMA quick_check'"
            return unknown(CHECK, _TITLE, f"{text} does it, and keeps writers waiting meanwhile.")
        told = [str(error)]
    except sqlite3.Error as error:
        told = [str(error)]
    if told is None:
        return unknown(CHECK, _TITLE, f"It was written to each time that it was looked at. {_AGAIN}")
    if told == ["ok"]:
        return fine(CHECK, _TITLE, "Its structure is whole.")
    faults = "; ".join(plain(line.removeprefix("*** in database main *** ").strip(), 120) for line in told)
    text = f"The file is damaged: {faults}. Stop what logs to it, keep a copy, and bring back the last good backup;"
    return trouble(CHECK, _TITLE, f"{text} sqlite3's .recover reads what can be read.")


def _read(path: Path, ask: Callable[[sqlite3.Connection], list[str]]) -> list[str] | None:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return ask(connection)


def measured(store: Rows) -> list[ExperimentSize]:
    """Measure all experiments, those with the most points first."""
    runs: dict[str, tuple[str, bool]] = {}
    query = (
        "SELECT run_uuid, experiment_id, lifecycle_stage FROM runs WHERE run_uuid > :after ORDER BY run_uuid LIMIT :n"
    )
    for run, experiment, stage in store.pieces(query):
        runs[str(run)] = (str(experiment), stage == "deleted")
    n_points = _points(store, runs)
    n_runs = Counter(experiment for experiment, _ in runs.values())
    n_deleted = Counter(experiment for experiment, deleted in runs.values() if deleted)
    found = []
    for key, name in store.rows("SELECT experiment_id, name FROM experiments"):
        one = str(key)
        found.append(ExperimentSize(one, plain(str(name)), n_runs[one], n_deleted[one], n_points[one]))
    return sorted(found, key=lambda one: (-one.n_metric_points, -one.n_runs, one.name))


def _points(store: Rows, runs: dict[str, tuple[str, bool]]) -> Counter[str]:
    source = store.indexed("metrics", "index_metrics_run_uuid")
    query = (
        f"SELECT run_uuid, count(*) FROM {source} WHERE run_uuid > :after GROUP BY run_uuid ORDER BY run_uuid LIMIT :n"  # noqa: S608 - our own names
    )
    counted: Counter[str] = Counter()
    for run, count in store.pieces(query):
        if (known := runs.get(str(run))) is not None:
            counted[known[0]] += int(count)
    return counted


Found = StoreFinding | list[StoreFinding]


def file_report(path: Path, shown: str, *, is_ours: bool) -> StoreReport:
    """Look over an SQLite store. Raises DeskErrors where nothing of it can be read."""
    kind = "own" if is_ours else "sqlite"
    size = path.stat().st_size
    try:
        with quiet(path) as store:
            version = _revisions(store)
            findings = tuple(_each({**_of_file(store, path), **_of_any(store, shown, version, is_ours=is_ours)}))
            return StoreReport(shown, kind, _one(version), is_ours, size, findings, _experiments(store))
    except UnfinishedStore as error:
        return StoreReport(shown, kind, None, is_ours, size, (journal.unfinished(error.message),))


def server_report(store: Rows, shown: str, size: int | None) -> StoreReport:
    """Look over a store in PostgreSQL. Raises DeskErrors where nothing of it can be read."""
    version = _revisions(store)
    counted = {statistics.CHECK: lambda: statistics.of_server(store)}
    findings = tuple(_each({**counted, **_of_any(store, shown, version, is_ours=False)}))
    return StoreReport(shown, "database", _one(version), False, size, findings, _experiments(store))


def _one(version: list[str]) -> str | None:
    return version[0] if len(version) == 1 else None


def _of_file(store: QuietStore, path: Path) -> dict[str, Callable[[], Found]]:
    """Return what only a store in a file has: in the order in which it is told."""
    mode = str(store.value("PRAGMA journal_mode"))
    held = journal.holders(path)
    pages = disk_space.pages_of(store)
    return {
        statistics.CHECK: lambda: statistics.of_file(store),
        journal.CHECK: lambda: journal.look(path, mode, held),
        disk_space.SIZE: lambda: disk_space.look(path, pages),
        CHECK: lambda: look(path, mode),
    }


def _of_any(store: Rows, shown: str, version: list[str], *, is_ours: bool) -> dict[str, Callable[[], Found]]:
    return {
        indexes.CHECK: lambda: indexes.look(store),
        "schema": lambda: schema.judged(version, schema.known(), is_ours=is_ours),
        purge_candidates.CHECK: lambda: purge_candidates.look(store, shown, is_ours=is_ours),
        orphans.CHECK: lambda: orphans.look(store),
    }


def _revisions(store: Rows) -> list[str]:
    return [str(row[0]) for row in store.rows("SELECT version_num FROM alembic_version")]


def _experiments(store: Rows) -> tuple[ExperimentSize, ...]:
    """Measure the experiments; where a table lacks, or time, there are none to tell."""
    try:
        return tuple(measured(store))
    except DeskError:
        return ()


def _each(checks: dict[str, Callable[[], Found]]) -> Iterator[StoreFinding]:
    for name, check in checks.items():
        try:
            found = check()
        except DeskError as error:
            yield unknown(name, name.replace("_", " ").capitalize(), error.message)
            continue
        yield from found if isinstance(found, list) else [found]


_MEMORY_BYTES = 2 << 30  # chosen: the ids of some million runs, and SQLite's own cache


def work(request: dict[str, Any]) -> Any:
    """Do one of: ``examine`` the database, look for its ``files``, ``mend`` it in one way."""
    limit_memory(_MEMORY_BYTES)
    return wire.to_builtins({"examine": _examine, "files": _files, "mend": _mend}[request["act"]](request))


def _path(request: dict[str, Any]) -> Path | None:
    return None if request["path"] is None else Path(request["path"])


def _examine(request: dict[str, Any]) -> StoreReport:
    path = _path(request)
    if path is not None:
        return file_report(path, request["shown"], is_ours=bool(request["is_ours"]))
    from mlops_desk.registry.doctor import postgres  # noqa: PLC0415 - a driver, for those alone who have such a store

    with closing(postgres.ServerStore(request["uri"], request["shown"])) as store:
        return server_report(store, request["shown"], store.size_bytes())


def _files(request: dict[str, Any]) -> dict[str, Any]:
    path = _path(request)
    if path is not None:
        with closing(QuietStore(path)) as store:
            known = files.known(store)
    else:
        from mlops_desk.registry.doctor import postgres  # noqa: PLC0415 - a driver, for those alone who have such a store

        with closing(postgres.ServerStore(request["uri"], request["shown"])) as server:
            known = files.known(server)
    own = path.parent / "artifacts" if path is not None and request["is_ours"] else None
    findings, sizes = files.look(known, own)
    return {"findings": findings, "sizes": sizes}


def _mend(request: dict[str, Any]) -> StoreFixed:
    path = _path(request)
    if path is not None:
        return mend(path, request["fix"])
    from mlops_desk.registry.doctor import postgres  # noqa: PLC0415 - a driver, for those alone who have such a store

    return postgres.mend(request["uri"], request["shown"], request["fix"])


if __name__ == "__main__":
    serve_one(work)
