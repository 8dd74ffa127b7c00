"""What can be mended in an SQLite store: each act after a copy of it, each shorter than its writers wait.

MLflow's writers wait 20 s for one another and then fail. What takes longer than a moment is done only while nobody has
the store open. Whoever is ended in the midst of it leaves a store that SQLite brings back to how it was.
"""

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.base.errors import Invalid, Refused, Unavailable
from mlops_desk.base.text import duration_text, plain, size_text
from mlops_desk.records.registry.doctor import StoreFixed
from mlops_desk.registry.doctor.backup import BusyStore, back_up, check_room, keep_statistics
from mlops_desk.registry.doctor.checks import indexes, journal, room, statistics
from mlops_desk.registry.doctor.quiet import quiet

_BUSY_SECONDS = 15.0  # chosen: less than MLflow's own 20 s: whoever logs goes first
_SAMPLE_ROWS = 1000  # SQLite's manual recommends 100 to 1000 for large databases
_LONGEST_SECONDS = 8.0  # chosen: less than half of what MLflow's writers wait
_ROWS_A_SECOND = 300_000  # chosen: a slow disk; some million are indexed in a second from memory
_STEPS = 10_000  # chosen: of SQLite's machine between two looks at the clock
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
        check_room(path, room.pages_of(store).vacuum_bytes)
    copy = back_up(path, room.VACUUM)
    with _opened(path) as connection:
        connection.execute("VACUUM")
    return Mended(f"The file went from {size_text(before)} to {size_text(path.stat().st_size)}.", copy)


def _remove_copies(path: Path) -> Mended:
    old = room.copies(path)[1:]
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
    room.VACUUM: _vacuum,
    room.CLEAR: _remove_copies,
}
"""All that is done to a store in a file, by the word that a report offers it with."""
