"""History that was made elsewhere, put in whole: the chunk of a span's curves, and who held GPU memory in it.

It is there with the transaction that writes it, or not at all; then ``gaps`` tells the span again. What is made of a
coarse tier stands alone: nothing finer was ever there.

History that was made and not measured, as it is handed to the database. Without SQL: a worker makes it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from mlops_desk.kit.storage.history import chunk_writer
from mlops_desk.kit.storage.history.blocks import Key
from mlops_desk.kit.storage.history.chunk_writer import CHUNKS, FRAMES
from mlops_desk.kit.storage.history.chunks import (
    FIRST,
    FRAMES_A_CHUNK,
    HOLDERS,
    TIER_SECONDS,
    TIMES,
    get_times,
    put_times,
)
from mlops_desk.kit.storage.history.holders import Holders, put_holders
from mlops_desk.kit.storage.history.integers import DamagedBlock
from mlops_desk.kit.storage.history.rollup import Floats
from mlops_desk.kit.storage.history.store import BLOCKS, PROCESSES, TelemetryStore
from mlops_desk.kit.storage.history.tables import KEPT, StoredChunk, StoredProcess


@dataclass(frozen=True, slots=True)
class MadeProcess:
    """A process on a GPU (UUID), and the MiB it held: from row ``first_row`` of its table on, -1 where it was away."""

    gpu: str
    pid: int
    start_ticks: int
    user: str | None
    command: str | None
    container: str | None
    first_row: int
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MadeHolders:
    """Who held GPU memory at some Unix times, in milliseconds."""

    times_ms: tuple[int, ...]
    processes: tuple[MadeProcess, ...]


@dataclass(frozen=True, slots=True)
class MadeHistory:
    """A chunk's worth of one tier: its rows begin in ``started_at`` ≤ t < ``ended_at`` (Unix seconds).

    ``times`` and ``frames`` (the curves of ``keys``) are as a chunk has them, on the scales that the history gives
    those keys.
    """

    tier: int
    started_at: float
    ended_at: float
    rows: int
    keys: tuple[Key, ...]
    times: bytes
    frames: tuple[bytes, ...]
    holders: tuple[MadeHolders, ...]


_CHUNKS_A_TURN = 64  # chosen: a read that no flush has to wait for
_PROCESSES_A_TURN = 64  # chosen: likewise, a few milliseconds of writing
_NO_SOURCES = (0, 0)  # ids begin with 1
_NONE = -1
"""How ``Holders`` says that a process was not there."""

Gap = tuple[float, float]
T = TypeVar("T")


def put_in(store: TelemetryStore, made: MadeHistory) -> None:
    """Keep ``made``, whole or not at all. Raises Unavailable."""
    tables = [(held, _numbered(store, held)) for held in made.holders if held.processes]
    try:
        with store.database.transaction() as connection:
            layout = store.layouts.of(connection, made.keys)
            chunk = chunk_writer.begin(connection, made.tier, layout, _NO_SOURCES)
            frames = [(TIMES, made.times), *enumerate(made.frames, FIRST)]
            chunk_writer.fill(connection, chunk, frames)
            chunk_writer.finish(connection, chunk, made.started_at, made.ended_at, made.rows)
            connection.execute(update(StoredChunk).where(CHUNKS.c.id == chunk).values(alone=made.tier > 0))
            for held, numbers in tables:
                _put_holders(store, connection, held, numbers)
    except BaseException:
        store.layouts.forget()
        raise
    store.generation += 1


def gaps(store: TelemetryStore, start: float, end: float, shortest: float) -> list[Gap]:
    """Return the stretches between two Unix times of which no row is kept, oldest first.

    Those below ``shortest`` seconds are none. Raises Unavailable.
    """
    found, reached = [], start
    for first, last in sorted(_covered(store, start, end, shortest)):
        if first - reached > shortest:
            found.append((reached, first))
        reached = max(reached, last)
    return [*found, (reached, end)] if end - reached > shortest else found


def _covered(store: TelemetryStore, start: float, end: float, shortest: float) -> Iterator[Gap]:
    """Yield the stretches of which there are rows, in any order."""
    inside = (BLOCKS.c.ended_at >= start) & (BLOCKS.c.started_at <= end)
    mine = (CHUNKS.c.state == KEPT) & (CHUNKS.c.tier >= 0) & (CHUNKS.c.rows > 0)
    mine &= (CHUNKS.c.ended_at >= start) & (CHUNKS.c.started_at <= end)
    with store.database.transaction() as connection:
        blocks = connection.execute(select(BLOCKS.c.started_at, BLOCKS.c.ended_at).where(inside)).all()
        tiers = {row.id: row.tier for row in connection.execute(select(CHUNKS.c.id, CHUNKS.c.tier).where(mine))}
    yield from ((row.started_at, row.ended_at) for row in blocks)
    for some in _turns([*tiers], _CHUNKS_A_TURN):
        numbers = [chunk * FRAMES_A_CHUNK + TIMES for chunk in some]
        with store.database.transaction() as connection:
            frames = connection.execute(select(FRAMES.c.id, FRAMES.c.data).where(FRAMES.c.id.in_(numbers))).all()
        for frame in frames:
            try:
                times, _ = get_times(frame.data)
            except DamagedBlock:
                continue  # its rows are a gap; reading says so in the log
            yield from _runs(np.sort(times), TIER_SECONDS[tiers[frame.id // FRAMES_A_CHUNK]], shortest)


def _runs(times: Floats, seconds: float, shortest: float) -> Iterator[Gap]:
    """Yield from where to where rows of ``seconds`` each follow one another."""
    if not len(times):
        return
    breaks = np.flatnonzero(np.diff(times) > seconds + shortest)
    firsts, lasts = np.concatenate([[0], breaks + 1]), np.concatenate([breaks, [len(times) - 1]])
    yield from zip(times[firsts].tolist(), (times[lasts] + seconds).tolist(), strict=True)


def _numbered(store: TelemetryStore, held: MadeHolders) -> list[int]:
    """Return the numbers of processes, given now to those that have none."""
    numbers: list[int] = []
    for some in _turns(held.processes, _PROCESSES_A_TURN):
        with store.database.transaction() as connection:
            numbers += [_number(connection, process, held.times_ms) for process in some]
    return numbers


def _number(connection: Connection, process: MadeProcess, times_ms: Sequence[int]) -> int:
    rows = times_ms[process.first_row : process.first_row + len(process.sizes)]
    statement = upsert(StoredProcess).values(
        gpu=process.gpu, pid=process.pid, start_ticks=process.start_ticks, user=process.user, command=process.command,
        container=process.container, first_at=rows[0] / 1000, last_at=rows[-1] / 1000,
        peak_bytes=float(max(process.sizes) << 20),
    )  # fmt: skip
    new = statement.excluded
    wider = {
        "first_at": func.min(PROCESSES.c.first_at, new.first_at),
        "last_at": func.max(PROCESSES.c.last_at, new.last_at),
        "peak_bytes": func.max(PROCESSES.c.peak_bytes, new.peak_bytes),
    }
    statement = statement.on_conflict_do_update(index_elements=["gpu", "pid", "start_ticks"], set_=wider)
    return int(connection.execute(statement.returning(StoredProcess.id)).scalar_one())


def _put_holders(store: TelemetryStore, connection: Connection, held: MadeHolders, numbers: Sequence[int]) -> None:
    """Write a table of processes as a chunk without curves. It is no source of a roll-up: there is nothing to roll."""
    columns = sorted(zip(numbers, held.processes, strict=True), key=lambda column: column[0])
    sizes = np.full((len(held.times_ms), len(columns)), _NONE, np.int64)
    for place, (_, process) in enumerate(columns):
        sizes[process.first_row : process.first_row + len(process.sizes), place] = process.sizes
    ids = np.array([number for number, _ in columns], np.int64)
    chunk = chunk_writer.begin(connection, 0, store.layouts.make(connection, (), ()), _NO_SOURCES)
    frame = put_holders(Holders(np.array(held.times_ms, np.int64), ids, sizes))
    empty = np.empty(0, np.int64)
    chunk_writer.fill(connection, chunk, [(TIMES, put_times(empty, empty)), (HOLDERS, frame)])
    chunk_writer.finish(connection, chunk, held.times_ms[0] / 1000, held.times_ms[-1] / 1000, 0)
    connection.execute(update(StoredChunk).where(CHUNKS.c.id == chunk).values(rolled=True))
    _seen(connection, numbers, chunk)


def _seen(connection: Connection, numbers: Sequence[int], chunk: int) -> None:
    """Note in which chunk processes are, so that they are forgotten with it; a later one stays noted."""
    newest = func.max(func.coalesce(PROCESSES.c.seen_chunk, chunk), chunk)
    for some in _turns(numbers, _PROCESSES_A_TURN):
        connection.execute(update(StoredProcess).where(PROCESSES.c.id.in_(some)).values(seen_chunk=newest))


def _turns(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[first : first + size] for first in range(0, len(items), size))
