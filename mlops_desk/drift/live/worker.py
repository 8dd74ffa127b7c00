"""The worker that cuts windows: ``python -m mlops_desk.drift.live.worker``, one request on stdin.

It reads what is new in a source after a cursor, a batch at a time, until all is read or its time is up; cuts it, and
writes the windows into ``out`` as the store keeps them. It changes nothing else: whoever asked stores windows and
cursor together, so that a worker which is killed has read in vain and no more.

Request: ``CutRequest``. Answer: ``CutAnswer``.
"""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from mlops_desk.drift.data.table_alignment import renamed
from mlops_desk.drift.live.batch import sketch_pieces
from mlops_desk.drift.live.file_rows import FileCursor, read_files
from mlops_desk.drift.live.log_rows import LogCursor, LogPlace, read_log
from mlops_desk.drift.live.spans import RowBatch
from mlops_desk.drift.live.watermarks import QueryCursor, QueryPlace
from mlops_desk.drift.live.window_bounds import GrowingWindow, cut_rows
from mlops_desk.drift.predictions import as_reference
from mlops_desk.drift.profile.file_format import read_profile
from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.drift.records.monitors import WindowRule
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.store.blobs import WindowBlobs
from mlops_desk.drift.store.layout import WindowLayout
from mlops_desk.drift.store.sums import WindowSum
from mlops_desk.drift.workspace import database_in
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain

BATCH_ROWS = 100_000  # chosen: 50 columns are 60 MB in DuckDB's memory, and a column 1 MB as numbers
_NOTES = 5  # chosen: as many as one reads
_THREADS = 1  # the machine is busy with other people's trainings


@dataclass(frozen=True, slots=True)
class KeptPiece:
    """A window in the file of all: where its blobs lie, one after the other (bytes)."""

    start: float
    end: float
    n_rows: int
    at: int
    facts: int
    bins: int
    rest: int
    segments: int = 0


@dataclass(frozen=True, slots=True)
class CutRequest:
    """What to read: exactly one of ``log``, ``path`` and ``query``.

    ``growing`` is the window that is not full, in ``out``; ``reference`` is a profile. ``ends_growing``: whatever comes
    is another window's (another model version answers). ``seconds`` is how long it may begin another batch, ``now`` the
    Unix time of asking.
    """

    out: str
    reference: str
    rule: WindowRule
    now: float
    seconds: float
    log: LogPlace | None = None
    path: str | None = None
    query: QueryPlace | None = None
    time_column: str | None = None
    log_cursor: LogCursor | None = None
    file_cursor: FileCursor | None = None
    query_cursor: QueryCursor | None = None
    growing: KeptPiece | None = None
    ends_growing: bool = False
    renamed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CutAnswer:
    """What was cut: full windows and the one that grows, as pieces of the file ``windows`` in ``out``.

    ``n_late`` rows came too late, ``n_rejected`` lines are no rows; ``has_more``: there was no time for the rest.
    """

    windows: tuple[KeptPiece, ...] = ()
    growing: KeptPiece | None = None
    log_cursor: LogCursor | None = None
    file_cursor: FileCursor | None = None
    query_cursor: QueryCursor | None = None
    n_rows: int = 0
    n_late: int = 0
    n_rejected: int = 0
    has_more: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    start: float
    end: float
    blobs: WindowBlobs


class _Cutter:
    """Takes batch after batch and writes full windows down."""

    def __init__(self, request: CutRequest, reference: DataProfile) -> None:
        self._request = request
        self._layout = WindowLayout(reference)
        self._file = Path(request.out) / "windows"
        self._windows: list[KeptPiece] = []
        self._growing: _Part | None = None
        if request.growing is not None:
            blobs = read_piece(Path(request.out) / "growing", request.growing)
            self._growing = _Part(request.growing.start, request.growing.end, blobs)
        if request.ends_growing:
            self._end()

    @property
    def reference(self) -> DataProfile:
        return self._layout.reference

    def take(self, connection: Any, batch: RowBatch | None, over_before: float | None) -> int:
        """Cut a batch; return how many rows were late."""
        moments = np.zeros(0) if batch is None else batch.moments
        known = None
        if self._growing is not None:
            known = GrowingWindow(self._growing.start, self._growing.end, self._growing.blobs.n_rows)
        cut = cut_rows(moments, self._request.rule, known, over_before)
        if cut.ends_growing:
            self._end()
        if batch is None:
            return cut.n_late
        profiles = sketch_pieces(connection, batch, self._layout.reference, cut.pieces)
        for piece, profile in zip(cut.pieces, profiles, strict=True):
            ends = float(moments[piece.first]), float(moments[piece.last - 1])
            part = _Part(*ends, self._layout.write(profile))
            self._growing = part if self._growing is None else self._joined(self._growing, part)
            if piece.is_full:
                self._end()
        return cut.n_late

    def answer(self) -> CutAnswer:
        growing = None if self._growing is None else self._write(self._growing)
        return CutAnswer(tuple(self._windows), growing)

    def _joined(self, first: _Part, second: _Part) -> _Part:
        total = WindowSum(self._layout)
        total.add(first.blobs)
        total.add(second.blobs)
        return _Part(min(first.start, second.start), max(first.end, second.end), self._layout.write(total.profile()))

    def _end(self) -> None:
        if self._growing is not None:
            self._windows.append(self._write(self._growing))
        self._growing = None

    def _write(self, part: _Part) -> KeptPiece:
        return write_piece(self._file, part.start, part.end, part.blobs)


def write_piece(file: Path, start: float, end: float, blobs: WindowBlobs) -> KeptPiece:
    """Append a window to a file. Raises OSError."""
    with file.open("ab") as opened:
        at = opened.tell()
        opened.write(blobs.facts + blobs.bins + blobs.rest + blobs.segments)
    sizes = len(blobs.facts), len(blobs.bins), len(blobs.rest), len(blobs.segments)
    return KeptPiece(start, end, blobs.n_rows, at, *sizes)


def read_piece(file: Path, piece: KeptPiece) -> WindowBlobs:
    """Read a window of a file. Raises OSError, Unavailable where the file is shorter."""
    with file.open("rb") as opened:
        opened.seek(piece.at)
        sizes = piece.facts, piece.bins, piece.rest, piece.segments
        blobs = [opened.read(size) for size in sizes]
    if tuple(map(len, blobs)) != sizes:
        raise Unavailable("The windows that were cut are not whole.", "They are cut again at the next look.")
    return WindowBlobs(piece.n_rows, *blobs)


def cut_windows(request: CutRequest) -> CutAnswer:
    """Read and cut. Raises DeskError with what is wrong."""
    ends_at = time.monotonic() + request.seconds
    folder = Path(request.out) / "read"
    folder.mkdir(exist_ok=True)
    cutter = _Cutter(request, read_profile(Path(request.reference)))
    read = _reading(request, folder)
    try:
        with database_in(folder, _THREADS) as connection:
            while True:
                batch, over_before, has_more = read.next(connection)
                if batch is not None:
                    table = renamed(batch.table, DriftOptions(renamed=_known(request.renamed, batch)))
                    if request.log is not None:
                        table = as_reference(table, cutter.reference.answers)
                    batch = replace(batch, table=table)
                    read.n_rows += batch.moments.size
                read.n_late += cutter.take(connection, batch, over_before)
                if not has_more or time.monotonic() >= ends_at:
                    break
    except duckdb.Error as error:
        text = f"New rows can't be read: {plain(str(error).splitlines()[0], 300)}"
        raise Unavailable(text, "Is there room on the disk for temporary files?") from error
    return replace(
        cutter.answer(),
        log_cursor=read.log_cursor,
        file_cursor=read.file_cursor,
        query_cursor=read.query_cursor,
        n_rows=read.n_rows,
        n_late=read.n_late,
        n_rejected=read.n_rejected,
        has_more=has_more,
        notes=tuple(dict.fromkeys(read.notes))[:_NOTES],
    )


class _Reading:
    """How far it was read, and what was seen on the way."""

    def __init__(self, request: CutRequest) -> None:
        self.request = request
        self.log_cursor, self.file_cursor = request.log_cursor, request.file_cursor
        self.query_cursor = request.query_cursor
        self.n_rows = self.n_late = self.n_rejected = 0
        self.notes: list[str] = []

    def next(self, connection: Any) -> tuple[RowBatch | None, float | None, bool]:
        """Read the next rows: with them, before which moment none will come any more, and whether there are others."""
        raise NotImplementedError


class _LogReading(_Reading):
    def next(self, connection: Any) -> tuple[RowBatch | None, float | None, bool]:
        place = self.request.log
        assert place is not None  # noqa: S101 - chosen by it
        try:
            found = read_log(connection, place, self.log_cursor, self.request.now, BATCH_ROWS)
        except OSError as error:
            text = f"The request log can't be read: {error.strerror}."
            raise Unavailable(text, "Check its folder and its permissions.") from error
        self.log_cursor = found.cursor
        self.n_late += found.n_late
        return found.batch, found.over_before, found.has_more


class _FileReading(_Reading):
    def __init__(self, request: CutRequest, folder: Path) -> None:
        super().__init__(request)
        self._folder = folder

    def next(self, connection: Any) -> tuple[RowBatch | None, float | None, bool]:
        request = self.request
        if request.path is None:
            raise Invalid("There is nothing to read.", "Name a source.")
        try:
            found = read_files(
                connection, Path(request.path), self.file_cursor, request.time_column, request.now, BATCH_ROWS,
                self._folder,
            )  # fmt: skip
        except OSError as error:
            text = f"{plain(request.path, 1000)} can't be read: {error.strerror}."
            raise Unavailable(text, "Check its permissions.") from error
        self.file_cursor = found.cursor
        self.n_rejected += found.n_rejected
        self.notes += found.notes
        return found.batch, None, found.has_more


class _QueryReading(_Reading):
    def __init__(self, request: CutRequest, place: QueryPlace, folder: Path) -> None:
        super().__init__(request)
        self._place = place
        self._folder = folder

    def next(self, connection: Any) -> tuple[RowBatch | None, float | None, bool]:
        from mlops_desk.drift.live.query_rows import read_query  # noqa: PLC0415 - SQLAlchemy, which only it needs

        try:
            found = read_query(connection, self._place, self.query_cursor, self.request.now, BATCH_ROWS, self._folder)
        except OSError as error:
            text = f"The rows of a database can't be kept: {error.strerror}."
            raise Unavailable(text, "Is there room on the disk for temporary files?") from error
        self.query_cursor = found.cursor
        self.n_late += found.n_late
        self.n_rejected += found.n_rejected
        self.notes += found.notes
        return found.batch, None, found.has_more


def _reading(request: CutRequest, folder: Path) -> _Reading:
    if request.log is not None:
        return _LogReading(request)
    return _FileReading(request, folder) if request.query is None else _QueryReading(request, request.query, folder)


def _known(names: dict[str, str], batch: RowBatch) -> dict[str, str]:
    """Leave out names that a batch does not have: a column of a log is there once a request has had it."""
    return {name: other for name, other in names.items() if name in batch.table.columns}


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    try:
        return wire.to_builtins(cut_windows(wire.from_builtins(request, CutRequest)))
    except OSError as error:
        text = f"The windows that were cut can't be written: {error.strerror}."
        raise Unavailable(text, "Is there room on the disk for temporary files?") from error


if __name__ == "__main__":
    serve_one(answer)
