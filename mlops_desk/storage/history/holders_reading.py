"""GPU memory of processes out of the telemetry database, and who they were."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select

from mlops_desk.storage.history.chunk_writer import CHUNKS, FRAMES
from mlops_desk.storage.history.chunks import FRAMES_A_CHUNK, HOLDERS
from mlops_desk.storage.history.holders import MEBIBYTE, Holders, gather, get_holders, get_list
from mlops_desk.storage.history.integers import DamagedBlock
from mlops_desk.storage.history.reading import CurvesRequest
from mlops_desk.storage.history.rollup import Rolled, join, single
from mlops_desk.storage.history.store import BLOCKS, PROCESSES, TelemetryStore
from mlops_desk.storage.history.tables import KEPT

_log = logging.getLogger(__name__)
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
