"""Trackio's projects: one SQLite file each, read only, a thousand rows at a time and never in one long read.

Its own package would bring a web server along; the file's tables are three, and what they hold is JSON. Older files
know a run by its name alone.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from mlops_desk.kit.base.disk.files import check_sqlite
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.foreign.files import below
from mlops_desk.registry.foreign.history import ForeignRun, Stamp, flattened, from_json, id_of, number, param, whole
from mlops_desk.registry.foreign.walk import files_below, stamp_of

_ROWS = 1000  # chosen: some milliseconds, in which a writer waits at most
_BUSY_SECONDS = 2.0  # chosen: Trackio's own writes take less
_TABLES = (("metrics", "step"), ("system_metrics", "NULL"))


class TrackioLogs:
    """The projects in a folder, or the one of a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def root(self) -> Path:
        return self._path.parent if self._path.is_file() else self._path

    def stamps(self) -> Mapping[str, Stamp]:
        if self._path.is_file():
            return {str(self._path): _stamp(self._path)}
        return {
            entry.path: (*_stamp(Path(entry.path))[:-1], stamp_of(entry)[1])
            for entry in files_below(self.root(), lambda name: name.endswith(".db"))
        }

    def open(self, name: str) -> "TrackioLog":
        return TrackioLog(Path(name))


def _stamp(path: Path) -> Stamp:
    """Return sizes and times: a write may be in the file or in the log beside it (WAL)."""
    facts = path.stat()
    beside = path.with_name(f"{path.name}-wal")
    wal = beside.stat() if beside.exists() else None
    told = (0, 0) if wal is None else (wal.st_size, wal.st_mtime_ns)
    return (*told, facts.st_size, facts.st_mtime_ns)


class TrackioLog:
    """One project."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._runs: dict[str, ForeignRun] = {}
        self._last = dict.fromkeys((name for name, _ in _TABLES), 0)

    def runs(self) -> list[ForeignRun]:
        return list(self._runs.values())

    def read_on(self) -> Iterator[None]:
        """Read the new rows. Raises Unavailable."""
        try:
            check_sqlite(self._path)
            with contextlib.closing(self._connected()) as connection:
                columns = {table: _columns(connection, table) for table in ("metrics", "system_metrics", "configs")}
                self._configs(connection, columns["configs"])
                for table, step in _TABLES:
                    if columns[table]:
                        yield from self._rows(connection, table, step, columns[table])
        except (sqlite3.Error, OSError) as error:
            text = f"{plain(str(self._path), 400)} can't be read as a project of Trackio: {plain(str(error))}."
            raise Unavailable(text, "Is it whole, and may this user read it?") from error

    def _connected(self) -> sqlite3.Connection:
        uri = f"file:{quote(str(self._path))}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)
        connection.text_factory = lambda data: data.decode("utf-8", "replace")  # one wrong byte costs no project
        connection.execute("PRAGMA query_only = 1")
        return connection

    def _rows(self, connection: sqlite3.Connection, table: str, step: str, columns: set[str]) -> Iterator[None]:
        key = _key(columns)
        query = (
            f"SELECT id, {key}, run_name, timestamp, {step}, metrics FROM {table}"  # noqa: S608 - our own words alone
            f" WHERE id > ? ORDER BY id LIMIT {_ROWS}"
        )
        while rows := connection.execute(query, (self._last[table],)).fetchall():
            for row_id, run, name, stamp, at_step, text in rows:
                self._last[table] = row_id
                self._row(self._run(str(run), str(name)), _ms(stamp), at_step, text, "system/" * (table != "metrics"))
            yield

    def _row(self, run: ForeignRun, at: int, step: int | None, text: str, prefix: str) -> None:
        told = from_json(text)
        if not isinstance(told, Mapping):
            run.skip("unreadable")
            return
        for name, value in flattened(told).items():
            found = number(value)
            if found is None:
                run.skip(name)
                continue
            known = run.metrics.get(prefix + name)
            run.point(prefix + name, whole(step, len(known.steps) if known else 0), at, found)

    def _run(self, key: str, name: str) -> ForeignRun:
        run = self._runs.get(key)
        if run is None:
            project = self._path.stem
            folder = below(self._path.parent / "media" / project, name)
            run = self._runs[key] = ForeignRun(id_of("trackio", f"{self._path}:{key}"), name, project, folder)
        return run

    def _configs(self, connection: sqlite3.Connection, columns: set[str]) -> None:
        if not columns:
            return
        query = f"SELECT {_key(columns)}, run_name, config, created_at FROM configs"  # noqa: S608 - our own words
        for key, name, text, made in connection.execute(query).fetchall():
            run = self._run(str(key), str(name))
            run.seen(_ms(made))
            told = from_json(text)
            if isinstance(told, Mapping):
                values = flattened(told)
                run.user = param(values["_Username"]) if values.get("_Username") else run.user
                run.params = {one: param(value) for one, value in values.items() if not one.startswith("_")}


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})").fetchall()}


def _key(columns: set[str]) -> str:
    return "run_id" if "run_id" in columns else "run_name"


def _ms(stamp: object) -> int:
    """Return Unix milliseconds; Trackio writes UTC, older versions without saying so. What can't be read is 0."""
    try:
        at = datetime.fromisoformat(str(stamp))
        return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):  # the second at the ends of what a date can be
        return 0
