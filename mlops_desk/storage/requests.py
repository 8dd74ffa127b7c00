# ruff: noqa: S608 - SQL for DuckDB in memory: names and paths are quoted by the functions below
"""The request log: what endpoints were asked and answered, one row for each row of input, as Parquet through DuckDB.

A folder holds parts, ``requests-MILLISECONDS.parquet``, and merged parts, ``requests-FIRST-LAST.parquet``;
a part within a merged range is left over from a crash and no longer counts. Features keep their names,
our own columns begin with an underscore. This module is free of SQLAlchemy: the gateway writes with it.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

META: dict[str, str] = {
    "_request_id": "VARCHAR",
    "_received_at": "DOUBLE",
    "_revision": "BIGINT",
    "_status": "BIGINT",
    "_latency_seconds": "DOUBLE",
    "_row": "BIGINT",
    "_prediction": "VARCHAR",
    "_extra": "VARCHAR",
}
_COLUMNS_LIMIT = 1000  # chosen: more columns than anybody reads a drift report of
_NAME_LIMIT = 200  # chosen: longer ones are values that stand where a name should
_TEXT_LIMIT = 4096  # chosen: longer texts are no categories to compare
_EXTRA_LIMIT = 65_536  # chosen: what fits no column is kept to be looked at, not to be measured
_MERGE_FROM = 32  # chosen: reading opens each file, and merging writes all of it again
_READ_TRIES = 3  # chosen: a merge takes files away while they are read, and seldom twice
_FIRST_ERROR_STATUS = 400  # RFC 9110, 15: client errors begin here
_FILE = re.compile(r"requests-(\d{13})(?:-(\d{13}))?\.parquet")


@dataclass(frozen=True, slots=True)
class LoggedFeature:
    """An input of a model: its name and its kind, ``number`` or ``text``."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class LoggedRow:
    """One row of one request. ``received_at`` is Unix seconds, ``row`` its place in the request."""

    request_id: str
    received_at: float
    revision: int
    status: int
    latency_seconds: float
    row: int
    prediction: str | None
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ArchivePart:
    """A file of the log and the moments (Unix milliseconds) between which it was rolled up."""

    path: Path
    first_ms: int
    last_ms: int

    @property
    def merged(self) -> bool:
        return self.path.stem.count("-") > 1


@dataclass(frozen=True, slots=True)
class LogWindow:
    """What ``newest`` exported: rows, and the Unix time of the oldest and the newest of them."""

    rows: int
    first_at: float | None
    last_at: float | None


def part_path(folder: Path, stamp_ms: int) -> Path:
    """Name the part that was rolled up at ``stamp_ms``; rolling it up again replaces it."""
    return folder / f"requests-{stamp_ms:013d}.parquet"


def write_part(rows: Sequence[LoggedRow], features: Sequence[LoggedFeature], target: Path) -> None:
    """Write rows as one Parquet file, whole or not at all. Raises OSError, duckdb.Error.

    What a row has beyond ``features``, or what does not fit them, goes into ``_extra`` as JSON; without
    features they are guessed from the values.
    """
    columns = usable(features or guess(rows))
    lines = target.with_suffix(".rows")
    written = target.with_suffix(".new")
    try:
        with lines.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(_document(row, columns), allow_nan=False) + "\n" for row in rows)
        kinds = {**META, **{feature.name: _KINDS[feature.kind] for feature in columns}}
        struct = ", ".join(f"{_quoted(name)}: '{kind}'" for name, kind in kinds.items())
        source = f"read_json({_pattern(lines)}, format = 'newline_delimited', columns = {{{struct}}})"
        with closing(_connect(target.parent)) as connection:
            connection.execute(f"COPY (SELECT * FROM {source}) TO {_quoted(str(written))} {_FORMAT}")
        written.replace(target)
    finally:
        lines.unlink(missing_ok=True)
        written.unlink(missing_ok=True)


def usable(features: Sequence[LoggedFeature]) -> list[LoggedFeature]:
    """Return the features that get a column of their own: no two alike in any case, none that looks like ours."""
    taken = set(META)
    kept = []
    for feature in features:
        key = feature.name.lower()
        if key and key not in taken and len(feature.name) <= _NAME_LIMIT and "\0" not in key and key.isprintable():
            taken.add(key)
            kept.append(feature)
    return kept[:_COLUMNS_LIMIT]


def guess(rows: Iterable[LoggedRow]) -> list[LoggedFeature]:
    """Read features from values: a name is a number while all its values are, else text."""
    kinds: dict[str, str] = {}
    for row in rows:
        for name, value in row.values.items():
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if value is not None and not is_number:
                kinds[name] = "text"
            elif name not in kinds and len(kinds) < _COLUMNS_LIMIT:
                kinds[name] = "number"
    return [LoggedFeature(name, kind) for name, kind in kinds.items()]


def parts(folder: Path) -> list[ArchivePart]:
    """Return the files that make up the log, oldest first, without those a merged file has taken the place of."""
    known = _all_parts(folder)
    return [part for part in known if not _is_covered(part, known)]


def newest(
    folder: Path,
    rows: int,
    target: Path,
    *,
    revision: int | None = None,
    since: float = 0.0,
    with_meta: bool = False,
) -> LogWindow:
    """Write the newest ``rows`` answered rows as one Parquet file, features only unless ``with_meta``.

    ``since`` is Unix seconds. Requests that were refused or failed are left out. An empty log writes nothing.
    Raises OSError, duckdb.Error.
    """
    import duckdb  # noqa: PLC0415 - 12 MB that an agent without endpoints does not need

    condition = f"_status < {_FIRST_ERROR_STATUS} AND _received_at >= {float(since)}"
    if revision is not None:
        condition += f" AND _revision = {int(revision)}"
    for attempt in range(_READ_TRIES):
        try:
            return _newest(folder, rows, target, condition, with_meta=with_meta)
        except duckdb.IOException:  # a part was merged away between listing and reading
            if attempt == _READ_TRIES - 1:
                raise
    raise AssertionError


def tidy(folder: Path, now: float, days: int, limit_bytes: int) -> None:
    """Merge small parts, and delete what is older than ``days`` or, oldest first, beyond ``limit_bytes``."""
    known = _all_parts(folder)
    for part in known:
        if _is_covered(part, known):
            part.path.unlink(missing_ok=True)
    small = [part for part in parts(folder) if not part.merged]
    if len(small) >= _MERGE_FROM:
        _merge(folder, small)
    oldest_ms = (now - days * 86_400) * 1000
    for part in parts(folder):
        if part.last_ms < oldest_ms:
            part.path.unlink(missing_ok=True)
    trim(folder, limit_bytes)


def trim(folder: Path, limit_bytes: int) -> None:
    """Delete what is beyond ``limit_bytes``, oldest first; the newest part stays, however large it is."""
    left = limit_bytes
    for number, part in enumerate(reversed(parts(folder))):
        left -= part.path.stat().st_size
        if left < 0 and number > 0:
            part.path.unlink(missing_ok=True)


def _newest(folder: Path, rows: int, target: Path, condition: str, *, with_meta: bool) -> LogWindow:
    with closing(_connect(target.parent)) as connection:
        chosen, found = [], 0
        for part in reversed(parts(folder)):
            count = f"SELECT count(*) FROM read_parquet({_pattern(part.path)}) WHERE {condition}"
            found += connection.execute(count).fetchall()[0][0]
            chosen.append(part.path)
            if found >= rows:
                break
        if found == 0:
            return LogWindow(0, None, None)
        order = f"WHERE {condition} ORDER BY _received_at DESC, _request_id, _row LIMIT {int(rows)}"
        connection.execute(f"CREATE TEMP TABLE newest AS SELECT * FROM {_parquet(chosen)} {order}")
        window = connection.execute("SELECT count(*), min(_received_at), max(_received_at) FROM newest").fetchall()[0]
        leave = "" if with_meta else f"EXCLUDE ({', '.join(META)})"
        connection.execute(f"COPY (SELECT * {leave} FROM newest) TO {_quoted(str(target))} {_FORMAT}")
    return LogWindow(*window)


def _merge(folder: Path, small: list[ArchivePart]) -> None:
    target = folder / f"requests-{small[0].first_ms:013d}-{small[-1].last_ms:013d}.parquet"
    written = target.with_suffix(".new")
    try:
        with closing(_connect(folder)) as connection:
            source = _parquet([part.path for part in small])
            connection.execute(f"COPY (SELECT * FROM {source}) TO {_quoted(str(written))} {_FORMAT}")
        written.replace(target)
    finally:
        written.unlink(missing_ok=True)
    for part in small:
        part.path.unlink(missing_ok=True)


def _all_parts(folder: Path) -> list[ArchivePart]:
    found = [
        ArchivePart(path, int(name[1]), int(name[2] or name[1]))
        for path in folder.glob("requests-*.parquet")
        if (name := _FILE.fullmatch(path.name))
    ]
    return sorted(found, key=lambda part: (part.first_ms, part.last_ms))


def _is_covered(part: ArchivePart, known: list[ArchivePart]) -> bool:
    return not part.merged and any(
        other.merged and other.first_ms <= part.first_ms and part.last_ms <= other.last_ms for other in known
    )


def _document(row: LoggedRow, columns: Sequence[LoggedFeature]) -> dict[str, Any]:
    """Return a row as JSON holds it: NaN and infinities as the words that DuckDB reads back as numbers."""
    values, extra = {}, dict(row.values)
    for feature in columns:
        if feature.name in extra:
            fits, value = _FITS[feature.kind](extra[feature.name])
            if fits:
                values[feature.name] = value
                del extra[feature.name]
    return {
        "_request_id": row.request_id,
        "_received_at": row.received_at,
        "_revision": row.revision,
        "_status": row.status,
        "_latency_seconds": row.latency_seconds,
        "_row": row.row,
        "_prediction": None if row.prediction is None else _clean(row.prediction),
        "_extra": json.dumps(extra)[:_EXTRA_LIMIT] if extra else None,
        **values,
    }


def _number(value: Any) -> tuple[bool, float | str | None]:
    if value is None:
        return True, None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return False, None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return False, None
    return True, number if math.isfinite(number) else str(number)


def _text(value: Any) -> tuple[bool, str | None]:
    if value is None:
        return True, None
    return True, _clean(value if isinstance(value, str) else json.dumps(value))


def _clean(text: str) -> str:
    """Cap a text and replace what is no Unicode (half a surrogate pair), which Parquet can't hold."""
    return text[:_TEXT_LIMIT].encode("utf-8", "replace").decode()


_FITS = {"number": _number, "text": _text}
_KINDS = {"number": "DOUBLE", "text": "VARCHAR"}
_FORMAT = "(FORMAT parquet, COMPRESSION zstd)"


def _connect(folder: Path) -> Any:
    """Open a database in memory that stays small, spills beside the log and downloads nothing."""
    import duckdb  # noqa: PLC0415 - likewise

    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "memory_limit": "512MB",
        "temp_directory": str(folder / ".spill"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    return duckdb.connect(":memory:", config=settings)


def _parquet(paths: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(_pattern(path) for path in paths)}], union_by_name = true)"


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def _pattern(path: Path) -> str:
    """Quote a path for DuckDB's readers, which take it for a pattern."""
    return _quoted(re.sub(r"[*?\[]", r"[\g<0>]", str(path)))
