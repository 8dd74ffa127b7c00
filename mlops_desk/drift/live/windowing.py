"""Windows of a monitor, cut from what is new in its source: the worker reads, the store keeps windows and cursor.

Each row is in one window, whoever is killed when: the worker changes nothing, and the store takes its windows, the one
that still grows and the cursor in one transaction. Whoever asks next goes on from there.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_desk.drift.live.file_rows import FileCursor
from mlops_desk.drift.live.log_rows import LogCursor, LogPlace
from mlops_desk.drift.live.reference_capture import MODULE as PIN_WORKER
from mlops_desk.drift.live.reference_capture import PinRequest
from mlops_desk.drift.live.watermarks import QueryCursor, QueryPlace
from mlops_desk.drift.live.worker import CutAnswer, CutRequest, KeptPiece, read_piece, write_piece
from mlops_desk.drift.profile.file_format import read_profile, to_bytes
from mlops_desk.drift.profile.profile import DataProfile, beside
from mlops_desk.drift.records.monitors import Monitor
from mlops_desk.drift.records.sources import SourceKind
from mlops_desk.drift.store.layout import WindowLayout
from mlops_desk.drift.store.sums import add_windows
from mlops_desk.drift.store.windows import CutProfile, CutWindow, WindowHead, WindowStore
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.scratch import scratch
from mlops_desk.kit.base.errors import Invalid, NotFound, TimedOut, Unavailable
from mlops_desk.kit.base.process import run_worker

WORKER = "mlops_desk.drift.live.worker"
WORKER_SECONDS = 120.0  # chosen: a batch of 100,000 rows takes one to ten, on a busy machine
_READ_SECONDS = 20.0  # chosen: after these no other batch is begun, so that what was read is kept
WAIT_SECONDS = 150.0  # longer than one look may take, so that the next one in line gets its turn

Run = Callable[[str, Mapping[str, Any], float], Any]


@dataclass(frozen=True, slots=True)
class FollowedSource:
    """How far a monitor's source was read, and what was seen since it was begun; kept as the store's cursor."""

    log: LogCursor | None = None
    files: FileCursor | None = None
    query: QueryCursor | None = None
    n_rows: int = 0
    n_late: int = 0
    n_rejected: int = 0


@dataclass(frozen=True, slots=True)
class TakenWindows:
    """What a look at a source brought: ``windows`` that are full now, oldest first.

    ``pending_rows`` wait for theirs to be full (None: not known). Of all rows since the monitor began ``n_late`` came
    too late for their window and ``n_rejected`` were no rows: they are in none. ``has_more``: there was no time for
    all, look again.
    """

    windows: tuple[WindowHead, ...] = ()
    pending_rows: int | None = None
    n_rows: int = 0
    n_late: int = 0
    n_rejected: int = 0
    has_more: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceDoors:
    """What only the rest of the house knows of sources; all of them raise DeskError.

    ``log_place`` tells where the request log of a monitor's endpoint lies. ``fetched`` brings data of a run into a
    folder and returns their path, None where they are as they were the last time. ``password`` is that of a database,
    None where the monitor names none. ``settled`` is told that all of what was fetched is kept: until then it counts as
    not fetched, so that what a full disk refused is read again.
    """

    log_place: Callable[[Monitor], LogPlace]
    fetched: Callable[[Monitor, Path], Path | None]
    password: Callable[[Monitor], str | None]
    settled: Callable[[Monitor], None] = lambda _monitor: None


@dataclass(frozen=True, slots=True, eq=False)
class PinnedAnswers:
    """A monitor's reference with its digest, now that it has answers: ``columns`` are their names, of so many rows."""

    digest: str
    reference: DataProfile
    columns: tuple[str, ...]
    n_rows: int


class WindowCutter:
    """Looks at sources, one at a time."""

    def __init__(self, store: WindowStore, doors: SourceDoors, run: Run = run_worker) -> None:
        self._store = store
        self._doors = doors
        self._run = run
        self._looking = threading.Lock()

    def take(self, monitor: Monitor, now: float) -> TakenWindows:
        """Cut what is new in the monitor's source since the last look, and store it; ``now`` is Unix time.

        Raises NotFound without a reference, and DeskError where the source can't be read or the store can't be written:
        then nothing has changed, and the next look reads the same rows.
        """
        if not self._looking.acquire(timeout=WAIT_SECONDS):
            raise TimedOut("The windows of another monitor are still being cut.", "Try again in a moment.")
        try:
            with scratch("cut") as folder:
                return self._take(monitor, now, Path(folder))
        except OSError as error:
            text = f"Windows can't be cut: {error.strerror}."
            raise Unavailable(text, "Is there room on the disk for temporary files?") from error
        finally:
            self._looking.release()

    def pin_answers(self, monitor: Monitor, start: float, end: float) -> PinnedAnswers:
        """Hold the answers of a monitor's endpoint against those of a span of its log (Unix times), from now on.

        What is compared already stays, and the window that grows goes on with them. Raises NotFound without a
        reference or requests, Invalid where the answers can't be compared, TimedOut, Unavailable; nothing has changed
        then.
        """
        if not self._looking.acquire(timeout=WAIT_SECONDS):
            raise TimedOut("The windows of another monitor are still being cut.", "Try again in a moment.")
        try:
            with scratch("pin") as folder:
                return self._pinned(monitor, start, end, Path(folder))
        except OSError as error:
            text = f"Answers can't be pinned: {error.strerror}."
            raise Unavailable(text, "Is there room on the disk for temporary files?") from error
        finally:
            self._looking.release()

    def _pinned(self, monitor: Monitor, start: float, end: float, folder: Path) -> PinnedAnswers:
        known = self._store.reference(monitor.id)
        if known is None:
            raise NotFound("This monitor has no reference yet.", "Make its reference first.")
        _, reference = known
        growing = self._store.growing(monitor.id)
        request = PinRequest(
            self._doors.log_place(monitor), start, end, str(folder), str(folder / "pinned"), str(folder / "grown"),
            tuple(one.column.name for one in reference.columns), self._followed(monitor.id).log,
            *((0, 0.0) if growing is None else (growing.blobs.n_rows, growing.start)),
        )  # fmt: skip
        n_rows = int(self._run(PIN_WORKER, wire.to_builtins(request), WORKER_SECONDS)["rows"])
        answers = read_profile(folder / "pinned")
        grown = None
        if growing is not None:
            of_inputs = add_windows(WindowLayout(reference), [growing.blobs])
            of_answers = read_profile(folder / "grown")
            grown = CutProfile(growing.start, growing.end, beside(of_inputs, of_answers))
        whole = beside(reference, answers)
        digest = self._store.extend(monitor.id, whole, grown)
        names = tuple(one.column.name for one in answers.columns if one.sketch is not None)
        return PinnedAnswers(digest, whole, names, n_rows)

    def standing(self, monitor_id: str) -> TakenWindows:
        """Return what the last look left: rows that wait, and the counts. Raises Unavailable."""
        followed, growing = self._followed(monitor_id), self._store.growing(monitor_id)
        pending = growing.blobs.n_rows if growing is not None else 0
        return TakenWindows((), pending, followed.n_rows, followed.n_late, followed.n_rejected)

    def _take(self, monitor: Monitor, now: float, folder: Path) -> TakenWindows:
        known = self._store.reference(monitor.id)
        if known is None:
            raise NotFound(
                "This monitor has no reference yet, so its rows can't be counted.", "Make its reference first."
            )
        digest, reference = known
        profile = folder / "reference"
        profile.write_bytes(to_bytes(reference))
        followed = self._followed(monitor.id)
        request = self._request(monitor, followed, now, folder)
        if request is None:
            return self.standing(monitor.id)
        answer = wire.from_builtins(self._run(WORKER, wire.to_builtins(request), WORKER_SECONDS), CutAnswer)
        after = FollowedSource(
            answer.log_cursor,
            answer.file_cursor,
            answer.query_cursor,
            followed.n_rows + answer.n_rows,
            followed.n_late + answer.n_late,
            followed.n_rejected + answer.n_rejected,
        )
        file = folder / "windows"
        windows = [_window(file, piece) for piece in answer.windows]
        growing = None if answer.growing is None else _window(file, answer.growing)
        heads = self._store.keep(monitor.id, digest, windows, growing, wire.dumps(after))
        if not answer.has_more:
            self._doors.settled(monitor)
        pending = growing.blobs.n_rows if growing is not None else 0
        counted = after.n_rows, after.n_late, after.n_rejected
        return TakenWindows(tuple(heads), pending, *counted, answer.has_more, answer.notes)

    def _followed(self, monitor_id: str) -> FollowedSource:
        cursor = self._store.cursor(monitor_id)
        return FollowedSource() if cursor is None else wire.loads(cursor, FollowedSource)

    def _request(self, monitor: Monitor, followed: FollowedSource, now: float, folder: Path) -> CutRequest | None:
        """Return what the worker is asked; None where nothing is new. Raises DeskError."""
        source = monitor.source
        growing, piece = self._store.growing(monitor.id), None
        if growing is not None:
            piece = write_piece(folder / "growing", growing.start, growing.end, growing.blobs)
        request = CutRequest(
            str(folder), str(folder / "reference"), monitor.window, now, _READ_SECONDS, growing=piece,
            renamed=dict(monitor.renamed), time_column=source.time_column,
            log_cursor=followed.log, file_cursor=followed.files, query_cursor=followed.query,
        )  # fmt: skip
        if source.kind is SourceKind.FILE:
            return replace(request, path=source.place)
        if source.kind is SourceKind.SQL:
            return replace(request, query=self._query(monitor))
        if source.kind is SourceKind.MLFLOW:
            (folder / "fetched").mkdir()
            found = self._doors.fetched(monitor, folder / "fetched")
            return None if found is None else replace(request, path=str(found))
        place = self._doors.log_place(monitor)
        before = followed.log.revisions if followed.log is not None else ()
        is_another = bool(before) and not set(before) & set(place.revisions)
        return replace(request, log=place, ends_growing=is_another)

    def _query(self, monitor: Monitor) -> QueryPlace:
        source = monitor.source
        watermark = source.watermark or source.time_column
        if source.query is None or watermark is None:  # as an earlier version may have kept one
            text = "This monitor's database is asked by no query, or no column tells which of its rows are new."
            raise Invalid(text, "Make the monitor again, with --query and --watermark.")
        return QueryPlace(source.place, source.query, watermark, source.time_column, self._doors.password(monitor))


def _window(file: Path, piece: KeptPiece) -> CutWindow:
    return CutWindow(piece.start, piece.end, read_piece(file, piece))
