"""The way of a request into the log: one line in a spool file before it is answered, Parquet some seconds later.

A crash loses at most the spool's last, torn line. A spool is first renamed, with the moment in its name,
and then rolled up into the part of the same moment, so that rolling it up twice changes nothing; spools
left over from a dead gateway are rolled up by the next one.
"""

import json
import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import duckdb

from mlops_desk.base.disk.files import set_aside
from mlops_desk.serving.gateway import inputs
from mlops_desk.storage.requests import LoggedFeature, LoggedRow, guess, part_path, parts, write_part

_log = logging.getLogger(__name__)
_ROTATED = re.compile(r"spool-(\d{13})\.ndjson")
_TRIES = 3  # chosen: a disk that was full for a moment; a file that fails for good must not stop the others


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, as they came."""

    request_id: str
    received_at: float
    revision: int
    status: int
    latency_seconds: float
    content_type: str
    body: str
    answer: str


class Spool:
    """The spool of one endpoint. ``append`` is the event loop's, ``roll`` the roller's; a lock is between them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._file: FileIO | None = None
        self._torn = False
        self._features: dict[int, tuple[LoggedFeature, ...]] = {}
        self._is_described = False
        self._failures: dict[Path, int] = {}
        self.waiting = 0
        self.waiting_bytes = 0

    def describe(self, features: Mapping[int, tuple[LoggedFeature, ...]]) -> None:
        """Say which features each revision takes."""
        with self._lock:
            self._features.update(features)
            self._is_described = False

    def append(self, exchange: Exchange) -> None:
        """Write one exchange as a line. Raises OSError when the disk takes no more."""
        line = json.dumps(asdict(exchange)).encode() + b"\n"
        with self._lock:
            if self._file is None:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file = FileIO(self._current, "a")
                self._torn = self._file.tell() > 0
                self._is_described = False
            if not self._is_described:
                line = b"".join(map(_described, self._features.items())) + line
            self._write(line)
            self._is_described = True
            self.waiting += 1
            self.waiting_bytes += len(line)

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        with self._lock:
            self._close()

    def roll(self) -> None:
        """Turn what is spooled into Parquet; what fails is tried again next time, and set aside the third time.

        Raises OSError when the disk is the reason.
        """
        self._rotate()
        for path in sorted(self.folder.glob("spool-*.ndjson")):
            if name := _ROTATED.fullmatch(path.name):
                self._roll_up(path, int(name[1]))

    @property
    def _current(self) -> Path:
        return self.folder / "spool.ndjson"

    def _write(self, data: bytes) -> None:
        """Write all of ``data``; after a failure the next line starts afresh, so that only the torn one is lost."""
        if self._file is None or not data:
            return
        whole = b"\n" + data if self._torn else data
        self._torn = True
        written = self._file.write(whole)
        if written != len(whole):
            raise OSError(28, "No space left on device", str(self._current))
        self._torn = False

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _rotate(self) -> None:
        with self._lock:
            self.waiting = self.waiting_bytes = 0
            self._close()
            if self._current.exists():
                self._current.rename(self.folder / f"spool-{self._stamp_ms():013d}.ndjson")

    def _stamp_ms(self) -> int:
        """Return a moment later than that of every part and spool, whatever the clock says."""
        taken = [int(name[1]) for path in self.folder.iterdir() if (name := _ROTATED.fullmatch(path.name))]
        taken.extend(part.last_ms for part in parts(self.folder))
        return max(int(time.time() * 1000), max(taken, default=0) + 1)

    def _roll_up(self, path: Path, stamp_ms: int) -> None:
        try:
            rows, features = read_spool(path)
            if rows:
                write_part(rows, features, part_path(self.folder, stamp_ms))
            path.unlink()
        except (duckdb.Error, ValueError):
            self._failures[path] = self._failures.get(path, 0) + 1
            if self._failures[path] < _TRIES:
                raise
            _log.exception("The spool %s can't be rolled up; it is kept as %s", path, set_aside(path))
            del self._failures[path]


def read_spool(path: Path) -> tuple[list[LoggedRow], list[LoggedFeature]]:
    """Read a spool's rows and the features they have; lines that are torn or no lines of ours are passed over."""
    described: dict[int, tuple[LoggedFeature, ...]] = {}
    rows: list[LoggedRow] = []
    for line in _lines(path):
        if "features" in line:
            described[int(line["revision"])] = tuple(LoggedFeature(*found) for found in line["features"])
        else:
            exchange = Exchange(**line)
            rows.extend(rows_of(exchange, described.get(exchange.revision, ())))
    unknown = [row for row in rows if not described.get(row.revision)]
    return rows, _together([*(found for known in described.values() for found in known), *guess(unknown)])


def rows_of(exchange: Exchange, features: Sequence[LoggedFeature]) -> Iterator[LoggedRow]:
    """Yield the rows of one exchange."""
    found = inputs.rows_of(exchange.content_type, exchange.body, [feature.name for feature in features])
    predictions = inputs.predictions_of(exchange.answer, len(found))
    for index, (values, prediction) in enumerate(zip(found, predictions, strict=True)):
        yield LoggedRow(
            request_id=exchange.request_id,
            received_at=exchange.received_at,
            revision=exchange.revision,
            status=exchange.status,
            latency_seconds=exchange.latency_seconds,
            row=index,
            prediction=prediction,
            values=values,
        )


def _together(features: Sequence[LoggedFeature]) -> list[LoggedFeature]:
    """Join the features of several revisions: one name has one kind, and text holds both."""
    kinds: dict[str, str] = {}
    for feature in features:
        known = kinds.setdefault(feature.name, feature.kind)
        if known != feature.kind:
            kinds[feature.name] = "text"
    return [LoggedFeature(name, kind) for name, kind in kinds.items()]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            try:
                document = json.loads(line)
            except ValueError:
                continue
            if isinstance(document, dict):
                yield document


def _described(item: tuple[int, tuple[LoggedFeature, ...]]) -> bytes:
    revision, features = item
    document = {"revision": revision, "features": [[feature.name, feature.kind] for feature in features]}
    return json.dumps(document).encode() + b"\n"
