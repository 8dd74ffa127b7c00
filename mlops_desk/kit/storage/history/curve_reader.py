"""Curves out of the telemetry database: from the tier that was asked for, and from the others where it has nothing.

What is too new to be rolled up comes from finer chunks and from blocks, what is too old for a fine tier from the
coarser ones. Reads are short: a few dozen frames in a transaction, so that a flush never waits long, and a
deadline for the whole.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import ColumnElement, and_, or_, select

from mlops_desk.kit.base.errors import TimedOut
from mlops_desk.kit.storage.history.blocks import OK
from mlops_desk.kit.storage.history.chunk_writer import CHUNKS, FRAMES
from mlops_desk.kit.storage.history.chunks import (
    CURVES_A_FRAME,
    FRAMES_A_CHUNK,
    HOLDERS,
    TIMES,
    frame_of,
    get_curve,
    get_rolled,
    get_times,
)
from mlops_desk.kit.storage.history.holders import MEBIBYTE, Holders, gather, get_holders, get_list
from mlops_desk.kit.storage.history.integers import DamagedBlock, get_group
from mlops_desk.kit.storage.history.layouts import Layout
from mlops_desk.kit.storage.history.rollup import Rolled, join, single
from mlops_desk.kit.storage.history.scales import decode
from mlops_desk.kit.storage.history.store import BLOCKS, PROCESSES, TelemetryStore, unpack_block
from mlops_desk.kit.storage.history.tables import KEPT, StoredSeries

_log = logging.getLogger(__name__)

_FRAMES_A_TURN = 96  # chosen: a day of one curve; between two turns a flush comes through
_DEVICES_A_TURN = 500  # chosen: far below SQLite's limit of bound values
_SERIES = StoredSeries.__table__


@dataclass(slots=True)
class FoundCurves:
    """What there is of some curves, in the order it was written: pieces by series; ``tier`` is the coarsest used."""

    pieces: dict[int, list[Rolled]]
    tier: int = 0


@dataclass(frozen=True, slots=True)
class CurvesRequest:
    """Which series are wanted from ``start`` to ``end`` (Unix seconds), and of which tier.

    ``newest_left_out``: so many rows, the last ones written, are had from elsewhere. ``deadline`` is monotonic.
    """

    series: tuple[int, ...]
    start: float
    end: float
    tier: int
    newest_left_out: int
    deadline: float

    def check(self) -> None:
        """Raise TimedOut past the deadline."""
        if time.monotonic() > self.deadline:
            raise TimedOut("The history did not answer in time.", "Ask for a shorter span, or for fewer curves.")


@dataclass(frozen=True, slots=True)
class _Chunk:
    id: int
    tier: int
    layout: Layout
    rows: int


def find_series(store: TelemetryStore, names: Sequence[tuple[str, str]]) -> list[tuple[int, str] | None]:
    """Return number and unit of each curve (device, metric); None where nothing of it was ever kept."""
    # All series of their devices at once: a question for each of a thousand names takes a third of a second.
    wanted = sorted({device for device, _ in names})
    columns = (_SERIES.c.id, _SERIES.c.unit, _SERIES.c.device, _SERIES.c.metric)
    newest: dict[tuple[str, str], tuple[int, str]] = {}
    with store.database.transaction() as connection:
        for first in range(0, len(wanted), _DEVICES_A_TURN):
            some = wanted[first : first + _DEVICES_A_TURN]
            for row in connection.execute(select(*columns).where(_SERIES.c.device.in_(some)).order_by(_SERIES.c.id)):
                newest[row.device, row.metric] = int(row.id), str(row.unit)
    return [newest.get(name) for name in names]


def devices(store: TelemetryStore) -> list[str]:
    """Return every device of which something was ever kept."""
    with store.database.transaction() as connection:
        return list(connection.execute(select(_SERIES.c.device).distinct()).scalars())


def read(store: TelemetryStore, request: CurvesRequest) -> FoundCurves:
    """Return what is kept; it is whole if ``generation`` did not change meanwhile. Raises Unavailable, TimedOut."""
    found = FoundCurves({number: [] for number in request.series})
    blocks, cut = _newest(store, request.newest_left_out)
    for turn in _turns(_chunks(store, request), request.series):
        request.check()
        frames = _fetch(store, [number for _, numbers in turn for number in numbers])
        for chunk, _ in turn:
            rows = chunk.rows if chunk.tier else min(chunk.rows, cut.get(chunk.id, chunk.rows))
            _take_chunk(request, chunk, frames, rows, found)
    request.check()
    _read_blocks(store, request, blocks, found)
    return found


def _newest(store: TelemetryStore, left_out: int) -> tuple[dict[int, int], dict[int, int]]:
    """Return how many rows of each block, and of the newest chunks, are left when the newest rows are left out."""
    with store.database.transaction() as connection:
        blocks = connection.execute(select(BLOCKS.c.id, BLOCKS.c.rows).order_by(BLOCKS.c.id.desc())).all()
        mine = (CHUNKS.c.tier == 0) & (CHUNKS.c.state == KEPT) & (CHUNKS.c.rows > 0)
        newest = select(CHUNKS.c.id, CHUNKS.c.rows).where(mine).order_by(CHUNKS.c.id.desc()).limit(4)
        chunks = connection.execute(newest).all()
    kept: list[dict[int, int]] = [{}, {}]
    for place, rows in enumerate((blocks, chunks)):
        for row in rows:
            kept[place][row.id] = max(0, row.rows - left_out)
            left_out = max(0, left_out - row.rows)
    return kept[0], kept[1]


def _chunks(store: TelemetryStore, request: CurvesRequest) -> list[_Chunk]:
    """Return the chunks that together have each row once, as near to the wanted tier as can be."""
    tier, alone, fresh = CHUNKS.c.tier, CHUNKS.c.alone.is_(True), CHUNKS.c.rolled.is_(False)
    choice: tuple[ColumnElement[bool], ...] = (
        or_(tier == 0, and_(tier > 0, alone)),
        or_(tier == 1, and_(tier == 0, fresh), and_(tier > 1, alone)),
        or_(tier == 2, and_(tier >= 0, tier < 2, fresh)),
    )
    inside = (CHUNKS.c.ended_at >= request.start) & (CHUNKS.c.started_at <= request.end)
    query = select(CHUNKS.c.id, CHUNKS.c.tier, CHUNKS.c.layout, CHUNKS.c.rows)
    query = query.where(CHUNKS.c.state == KEPT, choice[request.tier], inside)
    with store.database.transaction() as connection:
        rows = connection.execute(query.order_by(CHUNKS.c.tier.desc(), CHUNKS.c.id)).all()
        return [_Chunk(row.id, row.tier, store.layouts.get(connection, row.layout), row.rows) for row in rows]


Turn = list[tuple[_Chunk, list[int]]]


def _turns(chunks: Sequence[_Chunk], series: Sequence[int]) -> Iterator[Turn]:
    """Yield chunks with the numbers of the frames that are needed of them, some at a time."""
    turn: Turn = []
    size = 0
    for chunk in chunks:
        places = {frame_of(chunk.layout.places[number]) for number in series if number in chunk.layout.places}
        if not places:
            continue
        numbers = [chunk.id * FRAMES_A_CHUNK + place for place in (TIMES, *sorted(places))]
        if turn and size + len(numbers) > _FRAMES_A_TURN:
            yield turn
            turn, size = [], 0
        turn.append((chunk, numbers))
        size += len(numbers)
    if turn:
        yield turn


def _fetch(store: TelemetryStore, numbers: Sequence[int]) -> dict[int, bytes]:
    with store.database.transaction() as connection:
        rows = connection.execute(select(FRAMES.c.id, FRAMES.c.data).where(FRAMES.c.id.in_(numbers)))
        return {row.id: row.data for row in rows}


def _take_chunk(request: CurvesRequest, chunk: _Chunk, frames: dict[int, bytes], rows: int, found: FoundCurves) -> None:
    """Add the pieces of one chunk; what is damaged is left out and said in the log."""
    base = chunk.id * FRAMES_A_CHUNK
    try:
        times, counts = get_times(frames[base + TIMES])
    except (DamagedBlock, KeyError) as error:
        _log.warning("Chunk %d of the telemetry history is damaged and left out: %s", chunk.id, error)
        return
    apart: dict[int, list[bytes]] = {}
    for series in request.series:
        column = chunk.layout.places.get(series)
        if column is None:
            continue
        number = base + frame_of(column)
        try:
            if number not in apart:
                apart[number] = get_group(frames[number])
            place, scale = column % CURVES_A_FRAME, chunk.layout.scales[column]
            if chunk.tier:
                piece = get_rolled(apart[number], place, times, counts, scale)
            else:
                piece = get_curve(apart[number], place, times, scale)
        except (DamagedBlock, KeyError) as error:
            _log.warning("Frame %d of the telemetry history is damaged and left out: %s", number, error)
            apart.setdefault(number, [])
            continue
        _add(request, series, piece, rows, found)
    found.tier = max(found.tier, chunk.tier)


def _read_blocks(store: TelemetryStore, request: CurvesRequest, kept: dict[int, int], found: FoundCurves) -> None:
    """Add what is not sealed yet."""
    inside = (BLOCKS.c.ended_at >= request.start) & (BLOCKS.c.started_at <= request.end)
    query = select(BLOCKS.c.id, BLOCKS.c.layout, BLOCKS.c.rows, BLOCKS.c.data).where(inside).order_by(BLOCKS.c.id)
    numbers = [number for number, rows in sorted(kept.items()) if rows]
    for first in range(0, len(numbers), _FRAMES_A_TURN):
        request.check()
        some = numbers[first : first + _FRAMES_A_TURN]
        with store.database.transaction() as connection:
            rows = connection.execute(query.where(BLOCKS.c.id.in_(some))).all()
            layouts = {number: store.layouts.get(connection, number) for number in {row.layout for row in rows}}
        for row in rows:
            layout = layouts[row.layout]
            there = [series for series in request.series if series in layout.places]
            columns = np.array([layout.places[series] for series in there], np.intp)
            unpacked = unpack_block(row.data, layout, row.rows, columns) if there else None
            if unpacked is None:
                continue
            times = unpacked.times_ms / 1000
            for place, (series, column) in enumerate(zip(there, columns.tolist(), strict=True)):
                values = decode(unpacked.codes[:, place], layout.scales[column])
                values = np.where(unpacked.states[:, place] == OK, values, np.nan)
                _add(request, series, single(times, values), kept[row.id], found)


def _add(request: CurvesRequest, series: int, piece: Rolled, rows: int, found: FoundCurves) -> None:
    if rows < len(piece.times):
        piece = piece.first(rows)
    piece = piece.between(request.start, request.end)
    if len(piece.times):
        found.pieces[series].append(piece)


# GPU memory of processes out of the telemetry database, and who they were.

_CHUNKS_A_TURN = 64  # chosen: so few frames are in memory at once
_PROCESSES_LIMIT = 5000  # chosen: more lines than a chart has pixels for


@dataclass(frozen=True, slots=True)
class MemoryHolder:
    """A process that held GPU memory: when it was seen first and last, and the most it held."""

    id: int
    gpu: str
    pid: int
    user: str | None
    command: str | None
    container: str | None
    first_at: float
    last_at: float
    peak_bytes: float


def memory_of(store: TelemetryStore, gpu: str, pid: int, request: CurvesRequest) -> Rolled:
    """Return what the processes that had this pid held of a GPU. Raises Unavailable, TimedOut."""
    with store.database.transaction() as connection:
        query = select(PROCESSES.c.id).where(PROCESSES.c.gpu == gpu, PROCESSES.c.pid == pid)
        ids = frozenset(connection.execute(query).scalars())
    if not ids:
        return join([])
    pieces = []
    for table in _tables(store, ids, request):
        held = table.sizes.max(axis=1, initial=-1)
        values = np.where(held >= 0, held * MEBIBYTE, np.nan)
        pieces.append(single(table.times_ms / 1000, values).between(request.start, request.end))
    return join(pieces)


def holders_in(store: TelemetryStore, request: CurvesRequest) -> list[MemoryHolder]:
    """Return who held GPU memory in a span of time, those who held most first. Raises Unavailable, TimedOut."""
    seen: dict[int, tuple[float, float]] = {}
    for table in _lists(store, request):
        for column, number in enumerate(table.ids.tolist()):
            there = table.sizes[:, column] >= 0
            last, peak = float(table.times_ms[there].max()) / 1000, float(table.sizes[:, column].max()) * MEBIBYTE
            before = seen.get(number, (0.0, 0.0))
            seen[number] = (max(before[0], last), max(before[1], peak))
    with store.database.transaction() as connection:
        query = select(PROCESSES).where(PROCESSES.c.first_at <= request.end)
        rows = connection.execute(query.order_by(PROCESSES.c.first_at.desc()).limit(_PROCESSES_LIMIT)).all()
    found = []
    for row in rows:
        last, peak = seen.get(row.id, (0.0, 0.0))
        last, peak = max(last, row.last_at), max(peak, row.peak_bytes)
        if last >= request.start:
            found.append(
                MemoryHolder(row.id, row.gpu, row.pid, row.user, row.command, row.container, row.first_at, last, peak)
            )
    return sorted(found, key=lambda item: -item.peak_bytes)


def _tables(store: TelemetryStore, ids: frozenset[int], request: CurvesRequest) -> Iterator[Holders]:
    """Yield the tables that have some of these processes, from chunks and then from blocks."""
    inside = (CHUNKS.c.ended_at >= request.start) & (CHUNKS.c.started_at <= request.end)
    with store.database.transaction() as connection:
        query = select(CHUNKS.c.id).where(CHUNKS.c.tier == 0, CHUNKS.c.state == KEPT, inside).order_by(CHUNKS.c.id)
        chunks = list(connection.execute(query).scalars())
    for first in range(0, len(chunks), _CHUNKS_A_TURN):
        request.check()
        numbers = [chunk * FRAMES_A_CHUNK + HOLDERS for chunk in chunks[first : first + _CHUNKS_A_TURN]]
        with store.database.transaction() as connection:
            rows = connection.execute(select(FRAMES.c.data).where(FRAMES.c.id.in_(numbers)).order_by(FRAMES.c.id))
            data = list(rows.scalars())
        for item in data:
            try:
                yield get_holders(item, ids)
            except DamagedBlock as error:
                _log.warning("A table of processes in the telemetry history is damaged and left out: %s", error)
    yield from _lists(store, request, ids)


def _lists(store: TelemetryStore, request: CurvesRequest, ids: frozenset[int] | None = None) -> Iterator[Holders]:
    """Yield one table of what is not sealed yet."""
    inside = (BLOCKS.c.ended_at >= request.start) & (BLOCKS.c.started_at <= request.end)
    query = select(BLOCKS.c.ended_at, BLOCKS.c.holders).where(inside, BLOCKS.c.holders.is_not(None))
    with store.database.transaction() as connection:
        rows = connection.execute(query.order_by(BLOCKS.c.id)).all()
    lists = []
    for row in rows:
        try:
            sizes = [item for item in get_list(row.holders) if ids is None or item[0] in ids]
        except DamagedBlock as error:
            _log.warning("A list of processes in the telemetry history is damaged and left out: %s", error)
            continue
        lists.append((round(row.ended_at * 1000), sizes))
    if lists:
        yield gather(lists)
