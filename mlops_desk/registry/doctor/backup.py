"""A copy of an SQLite store before anything in it is mended: made by SQLite's own means, checked, beside the store.

It is copied in short steps, between which writers write; each write makes SQLite begin anew. Where they write all the
time, the copy is made in one go at last, if that is sure to last shorter than a writer waits.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from mlops_desk.kit.base.disk.files import replace_durably, write_atomically
from mlops_desk.kit.base.disk.free_space import free_bytes
from mlops_desk.kit.base.errors import Refused, Unavailable
from mlops_desk.kit.base.text import duration_text, plain, size_text
from mlops_desk.registry.doctor.checks.disk_space import COPY

_STEP_BYTES = 4 << 20  # chosen: a few milliseconds from memory or a fast disk
_PAUSE_SECONDS = 0.002  # chosen: a writer that waits looks for the lock several times in it
_BEGINNINGS = 4  # chosen: a store that is written to each time is written to all the time
_HELD_SECONDS = 2.5  # chosen: twice that is a quarter of the 20 s after which MLflow's writers give up
_SPARE_BYTES = 64 << 20  # chosen: is left to whatever else writes meanwhile
_BUSY_SECONDS = 10.0  # chosen: half of what MLflow's writers wait
_HELD_PAGES = 1 << 14  # chosen: some ten milliseconds between two looks at the clock
_LATER = "Do it when less is logged."
_COUNTED = "analyze"
_STAMP = "%Y%m%dT%H%M%SZ"


class BusyStore(Refused):
    """The store is written to all the time, and too large for its writers to wait until it is copied."""


class _Begun(Exception):  # noqa: N818 - no error: the copy is made in another way
    """SQLite has begun the copy anew too often."""


class _Steps:
    """Follows a copy: how often it began, and how fast it went."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._beginnings, self._left = 0, 0
        self.seconds = 0.0

    def take(self, status: int, left: int, total: int) -> None:
        """Hear of a step. Raises _Begun."""
        del status
        if left > self._left:
            self._beginnings += 1
            if self._beginnings > _BEGINNINGS:
                raise _Begun
            self._began = time.monotonic()
        self._left = left
        done = max(1, total - left)
        self.seconds = (time.monotonic() - self._began) * total / done


def check_room(path: Path, needed_bytes: int | None = None) -> None:
    """Refuse to begin where the disk has no room. Raises Refused."""
    needed = (path.stat().st_size if needed_bytes is None else needed_bytes) + _SPARE_BYTES
    free = free_bytes(path.parent)
    if free is not None and free < needed:
        text = f"There is no room for a copy of {plain(str(path), 400)}: it takes {size_text(needed)}, and "
        raise Refused(f"{text}{size_text(free)} are free. Nothing was changed.", "Free some space on its disk.")


def back_up(path: Path, why: str) -> Path:
    """Copy a store; return the copy, which was checked. Raises Refused and Unavailable."""
    check_room(path)
    made = path.with_name(f"{path.name}.before-{why}-{datetime.now(UTC).strftime(_STAMP)}{COPY}")
    unfinished = path.with_name(f".{path.name}.unfinished{COPY}")
    unfinished.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as source:
            _copy(source, unfinished)
            _check(source, unfinished)
        _sync(unfinished)
        unfinished.chmod(path.stat().st_mode & 0o777)
        replace_durably(unfinished, made)
    except (sqlite3.Error, OSError) as error:
        text = f"{plain(str(path), 400)} can't be copied: {plain(str(error))}. Nothing was changed."
        raise Unavailable(text, "Without a copy nothing is mended.") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return made


def keep_statistics(path: Path) -> Path:
    """Write down a store's statistics, as SQL that puts them back: nothing else changes when it is counted."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as source:
        tables = source.execute("SELECT name FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchall()
        rows = (
            source.execute("SELECT quote(tbl), quote(idx), quote(stat) FROM sqlite_stat1").fetchall() if tables else []
        )
    lines = ["ANALYZE sqlite_schema;", "DELETE FROM sqlite_stat1;"]
    lines += [f"INSERT INTO sqlite_stat1 VALUES ({', '.join(row)});" for row in rows]  # noqa: S608 - quoted by SQLite
    made = path.with_name(f"{path.name}.before-{_COUNTED}-{datetime.now(UTC).strftime(_STAMP)}.sql")
    write_atomically(made, ("\n".join(lines) + "\n").encode())
    return made


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _copy(source: sqlite3.Connection, to: Path) -> None:
    steps = _Steps()
    page_bytes = int(source.execute("PRAGMA page_size").fetchone()[0])
    try:
        with _fresh(to) as target:
            source.backup(target, pages=max(1, _STEP_BYTES // page_bytes), progress=steps.take, sleep=_PAUSE_SECONDS)
    except _Begun:
        with _fresh(to) as target:
            _copy_at_once(source, target, steps.seconds)


@contextmanager
def _fresh(path: Path) -> Iterator[sqlite3.Connection]:
    """Open an empty copy, which is written to the disk when it is whole, and not while the store is held."""
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))  # others may not look meanwhile
    with closing(sqlite3.connect(path)) as target:
        target.execute("PRAGMA synchronous = OFF")
        target.execute("PRAGMA journal_mode = OFF")
        yield target


def _copy_at_once(source: sqlite3.Connection, target: sqlite3.Connection, seconds: float) -> None:
    """Copy without a pause, while writers wait. Raises Refused where that takes too long."""
    if seconds > _HELD_SECONDS:
        text = (
            f"The store is written to all the time, and a copy of it takes about {duration_text(seconds)}, for which "
        )
        raise BusyStore(f"{text}all that log to it would have to wait. Nothing was changed.", _LATER)
    began = time.monotonic()

    def keep_short(status: int, left: int, total: int) -> None:
        del status, total
        if left and time.monotonic() - began > 2 * _HELD_SECONDS:
            raise BusyStore("A copy took longer than writers may wait, and was given up. Nothing was changed.", _LATER)

    source.execute("BEGIN")
    source.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on nobody writes
    try:
        source.backup(target, pages=_HELD_PAGES, progress=keep_short, sleep=0.0)
    finally:
        source.rollback()


def _check(source: sqlite3.Connection, copy: Path) -> None:
    """See that a copy is whole. Raises Refused."""
    query = "SELECT version_num FROM alembic_version"
    with closing(sqlite3.connect(copy)) as target:
        target.execute("PRAGMA journal_mode = DELETE")  # one file, whatever the store has
        told = [str(text) for (text,) in target.execute("PRAGMA quick_check(1)")]
        same = target.execute(query).fetchall() == source.execute(query).fetchall()
    if told != ["ok"] or not same:
        text = f"The copy of the store is not whole ({plain('; '.join(told))}), so nothing was changed."
        raise Refused(text, "Is the store itself damaged? registry doctor tells.")
