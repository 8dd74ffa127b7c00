"""The log kept small: parts are merged, and deleted when they are too old or too many."""

import contextlib
import os
from contextlib import closing
from pathlib import Path

from mlops_desk.governance.records.data.retention import RowsKeep
from mlops_desk.kit.storage.data_files import quoted
from mlops_desk.kit.storage.request_log.files import FORMAT, connect, united
from mlops_desk.kit.storage.request_log.layout import (
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


def tidy(folder: Path, now: float, keep: RowsKeep, limit_bytes: int) -> None:
    """Merge small parts, and delete what is not to be kept any more or, oldest first, is beyond ``limit_bytes``.

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
    for part in parts(folder):
        ends = part.last_ms / 1000 if part.hour is None else part.ends_at
        if not keep.keeps(_begins(part), ends, now):
            part.path.unlink(missing_ok=True)
    trim(folder, limit_bytes, keep)
    _drop_empty(folder)


def trim(folder: Path, limit_bytes: int, keep: RowsKeep) -> None:
    """Delete what is beyond ``limit_bytes``, oldest first, and what is held last: the limit guards the disk.

    The newest part stays, however large it is.
    """
    left = limit_bytes
    newest_first = [*reversed(parts(folder))]
    rest = sorted(newest_first[1:], key=lambda part: not keep.holds(_begins(part), part.ends_at))
    for number, part in enumerate([*newest_first[:1], *rest]):
        left -= part.path.stat().st_size
        if left < 0 and number > 0:
            part.path.unlink(missing_ok=True)


def _begins(part: ArchivePart) -> float:
    """Return when the oldest request of a part may have come: one of an older version has any."""
    return 0.0 if part.hour is None else float(part.hour)


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
