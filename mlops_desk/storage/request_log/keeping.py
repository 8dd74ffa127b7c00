"""The log kept small: parts are merged, and deleted when they are too old or too many."""

import contextlib
import os
from contextlib import closing
from pathlib import Path

from mlops_desk.storage.data_files import quoted
from mlops_desk.storage.request_log.files import FORMAT, connect, united
from mlops_desk.storage.request_log.layout import (
    HOUR_SECONDS,
    ArchivePart,
    hour_folder,
    hours,
    merged_path,
    parts,
    parts_in,
)

_MERGE_FROM = 32  # chosen: reading opens each file, and merging writes all of it again
_MERGED_BYTES = 256 << 20  # chosen: an hour of more stays in several files, each written twice at most
_LATE_SECONDS = 600  # chosen: an hour that ended so long ago gets no more requests


def tidy(folder: Path, now: float, days: float, limit_bytes: int) -> None:
    """Merge small parts, and delete what is older than ``days`` or, oldest first, beyond ``limit_bytes``.

    Raises OSError, duckdb.Error.
    """
    for place, hour in [(folder, None), *((hour_folder(folder, hour), hour) for hour in hours(folder))]:
        known, covered = parts_in(place, hour)
        for part in covered:
            part.path.unlink(missing_ok=True)
        is_over = hour is not None and hour + HOUR_SECONDS + _LATE_SECONDS < now
        small = known if is_over else [part for part in known if not part.merged]
        size = sum(part.path.stat().st_size for part in small)
        if size <= _MERGED_BYTES and len(small) >= (2 if is_over else _MERGE_FROM):
            _merge(place, small)
    oldest = now - days * 86_400
    for part in parts(folder):
        if (part.last_ms / 1000 if part.hour is None else part.ends_at) < oldest:
            part.path.unlink(missing_ok=True)
    trim(folder, limit_bytes)
    _drop_empty(folder)


def trim(folder: Path, limit_bytes: int) -> None:
    """Delete what is beyond ``limit_bytes``, oldest first; the newest part stays, however large it is."""
    left = limit_bytes
    for number, part in enumerate(reversed(parts(folder))):
        left -= part.path.stat().st_size
        if left < 0 and number > 0:
            part.path.unlink(missing_ok=True)


def _merge(place: Path, small: list[ArchivePart]) -> None:
    target = merged_path(small)
    written = target.with_suffix(f".{os.getpid()}.new")
    try:
        with closing(connect(place)) as connection:
            source = united(connection, [part.path for part in small])
            connection.execute(f"COPY ({source}) TO {quoted(str(written))} {FORMAT}")
        written.replace(target)
    finally:
        written.unlink(missing_ok=True)
    for part in small:
        part.path.unlink(missing_ok=True)


def _drop_empty(folder: Path) -> None:
    for place in (*folder.glob("????-??-??/??"), *folder.glob("????-??-??")):
        with contextlib.suppress(OSError):  # it is not empty
            place.rmdir()
