"""Blocks to chunks, chunks to coarser tiers, and what is too old away: one small step after the other.

``work`` is a generator: between two steps it holds no lock and no transaction, so that a flush and a reader come
through, and it may be left at any step, also by kill -9 (``chunk_writer`` says why nothing is lost or doubled).
Everything is counted in the order it was written, so a clock that jumps deletes nothing.

Chunks of one tier to one chunk of the next: a day of full rate to minutes, a month of minutes to quarters.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sqlalchemy import delete, func, select, update

from mlops_desk.kit.storage.history import chunk_writer
from mlops_desk.kit.storage.history.blocks import Coded, held
from mlops_desk.kit.storage.history.chunk_writer import CHUNKS, FRAMES
from mlops_desk.kit.storage.history.chunks import (
    CURVES_A_FRAME,
    FIRST,
    FRAMES_A_CHUNK,
    HOLDERS,
    TIER_SECONDS,
    TIMES,
    frame_of,
    get_curve,
    get_rolled,
    get_times,
    put_curves,
    put_rolled,
    put_times,
)
from mlops_desk.kit.storage.history.holders import MEBIBYTE, gather, get_list, put_holders
from mlops_desk.kit.storage.history.integers import Codes, DamagedBlock, get_group
from mlops_desk.kit.storage.history.layouts import Layout
from mlops_desk.kit.storage.history.rollup import Floats, Rolled, join, roll, stretches
from mlops_desk.kit.storage.history.scales import decode, encode
from mlops_desk.kit.storage.history.store import BLOCKS, PROCESSES, TelemetryStore, unpack_block
from mlops_desk.kit.storage.history.tables import KEPT, StoredBlock, StoredChunk, StoredProcess

_log = logging.getLogger(__name__)

CHUNKS_A_ROLL = (96, 30)  # a day of quarters of an hour, a month of days
CHUNKS_LEFT = (4, 0)  # chosen: the newest hour stays, for what is still shown at full rate
_CURVES_A_STEP = 2  # chosen: a flush and a reader get their turn between two steps

Times = tuple[Floats, Codes]


class ChunkSource(NamedTuple):
    """A chunk, and the layout of its columns."""

    id: int
    layout: int


def roll_up(store: TelemetryStore, tier: int) -> Iterator[None]:
    """Roll the oldest chunks of ``tier`` up into the next one, while there are enough; a step between two yields."""
    while (begun := _begin(store, tier)) is not None:
        yield
        yield from _roll(store, tier, *begun)


def _begin(store: TelemetryStore, tier: int) -> tuple[list[ChunkSource], dict[int, Layout], Layout, int] | None:
    with store.database.transaction() as connection:
        mine = (CHUNKS.c.tier == tier) & (CHUNKS.c.state == KEPT) & CHUNKS.c.rolled.is_(False)
        query = select(CHUNKS.c.id, CHUNKS.c.layout).where(mine).order_by(CHUNKS.c.id)
        found = connection.execute(query.limit(CHUNKS_A_ROLL[tier] + CHUNKS_LEFT[tier]))
        sources = [ChunkSource(row.id, row.layout) for row in found]
        if len(sources) < CHUNKS_A_ROLL[tier] + CHUNKS_LEFT[tier]:
            return None
        sources = sources[: CHUNKS_A_ROLL[tier]]
        layouts = {
            number: store.layouts.get(connection, number) for number in dict.fromkeys(row.layout for row in sources)
        }
        columns = {
            series: scale for item in layouts.values() for series, scale in zip(item.series, item.scales, strict=True)
        }
        layout = store.layouts.make(connection, list(columns), list(columns.values()))
        chunk = chunk_writer.begin(connection, tier + 1, layout, (sources[0].id, sources[-1].id))
    return sources, layouts, layout, chunk


def _roll(
    store: TelemetryStore, tier: int, sources: list[ChunkSource], layouts: dict[int, Layout], layout: Layout, chunk: int
) -> Iterator[None]:
    roller = _Roller(store, tier, sources, layouts)
    yield
    for first in range(0, len(layout.series), CURVES_A_FRAME):
        part = range(first, min(first + CURVES_A_FRAME, len(layout.series)))
        frames = roller.frames([layout.series[column] for column in part])
        yield
        curves: list[Rolled] = []
        for column in part:
            curves.append(roller.curve(frames, layout.series[column]))
            if len(curves) % _CURVES_A_STEP == 0:
                yield
        data = put_rolled(curves, roller.counts, [layout.scales[column] for column in part])
        with store.database.transaction() as connection:
            chunk_writer.fill(connection, chunk, [(FIRST + first // CURVES_A_FRAME, data)])
    yield
    roller.finish(chunk)


class _Roller:
    """Reads curves of the sources and makes them coarser."""

    def __init__(
        self, store: TelemetryStore, tier: int, sources: Sequence[ChunkSource], layouts: dict[int, Layout]
    ) -> None:
        self._store = store
        self._tier = tier
        self._sources = sources
        self._layouts = layouts
        self._seconds = TIER_SECONDS[tier + 1]
        found = self._read([source.id * FRAMES_A_CHUNK + TIMES for source in sources])
        self._times: dict[int, Times] = {}
        for source in sources:
            try:
                self._times[source.id] = get_times(found[source.id * FRAMES_A_CHUNK + TIMES])
            except (DamagedBlock, KeyError):
                self._times[source.id] = (np.empty(0), np.empty(0, np.int64))
        every = np.concatenate([times for times, _ in self._times.values()])
        places = stretches(every, self._seconds)
        counts = np.concatenate([counts for _, counts in self._times.values()])
        self.counts: Codes = np.add.reduceat(counts, places) if len(places) else np.empty(0, np.int64)
        self._starts = np.floor(every[places] / self._seconds) * self._seconds

    def frames(self, series: Sequence[int]) -> dict[int, list[bytes]]:
        """Return the frames that have these curves, taken apart; damaged ones are not among them."""
        wanted = {
            source.id * FRAMES_A_CHUNK + frame_of(self._layouts[source.layout].places[number])
            for source in self._sources
            for number in series
            if number in self._layouts[source.layout].places
        }
        apart = {}
        for number, data in self._read(sorted(wanted)).items():
            try:
                apart[number] = get_group(data)
            except DamagedBlock:
                continue  # its rows become a gap; reading says so in the log
        return apart

    def curve(self, frames: dict[int, list[bytes]], series: int) -> Rolled:
        """Return one curve of the next tier."""
        return roll(join([self._part(frames, source, series) for source in self._sources]), self._seconds)

    def finish(self, chunk: int) -> None:
        """Make the new chunk visible and its sources known as rolled up."""
        started, ended = (float(self._starts.min()), float(self._starts.max())) if len(self._starts) else (0.0, 0.0)
        first, last = self._sources[0].id, self._sources[-1].id
        with self._store.database.transaction() as connection:
            times = put_times(np.rint(self._starts * 1000).astype(np.int64), self.counts)
            chunk_writer.fill(connection, chunk, [(TIMES, times)])
            chunk_writer.finish(connection, chunk, started, ended + self._seconds, len(self._starts))
            mine = (CHUNKS.c.tier == self._tier) & CHUNKS.c.id.between(first, last) & (CHUNKS.c.state == KEPT)
            connection.execute(update(StoredChunk).where(mine).values(rolled=True))
        self._store.generation += 1

    def _part(self, frames: dict[int, list[bytes]], source: ChunkSource, series: int) -> Rolled:
        layout, (times, counts) = self._layouts[source.layout], self._times[source.id]
        column = layout.places.get(series)
        mine = frames.get(source.id * FRAMES_A_CHUNK + frame_of(column)) if column is not None else None
        if column is not None and mine is not None:
            place, scale = column % CURVES_A_FRAME, layout.scales[column]
            try:
                if self._tier == 0:
                    return get_curve(mine, place, times, scale)
                return get_rolled(mine, place, times, counts, scale)
            except DamagedBlock:
                pass
        nothing = np.full(len(times), np.nan)
        return Rolled(times, nothing, nothing, nothing, np.zeros(len(times)))

    def _read(self, numbers: Sequence[int]) -> dict[int, bytes]:
        with self._store.database.transaction() as connection:
            rows = connection.execute(select(FRAMES.c.id, FRAMES.c.data).where(FRAMES.c.id.in_(numbers)))
            return {row.id: row.data for row in rows}


BLOCKS_A_CHUNK = 90  # a quarter of an hour of flushes every 10 s
ROWS_A_CHUNK = 1800  # a quarter of an hour at two samples a second
BLOCKS_LEFT = 6  # chosen: the newest minute, which is read most, stays as it was flushed
CHUNKS_KEPT = (2880, 365, 61)  # a month of quarters of an hour, a year of days, five years of months
_SLICE = 8 * CURVES_A_FRAME
_HALF = 2  # chosen: what is rolled up late waits for half of what is kept, and goes then


def work(store: TelemetryStore) -> Iterator[None]:
    """Do what is to be done, a step between two yields. Raises Unavailable; then it is begun anew later.

    As long as no new chunk is due after a pass that came to its end, there is nothing else to do either.
    """
    if store.settled and store.unsealed is not None and _are_too_few(*store.unsealed):
        return
    sources = _blocks_due(store)
    if sources is None and store.settled:
        return
    store.settled = False
    with store.database.transaction() as connection:
        unfinished = chunk_writer.drop(connection, unfinished=True)
    while unfinished:
        yield
        with store.database.transaction() as connection:
            unfinished = chunk_writer.drop(connection, unfinished=True)
    while sources is not None:
        yield
        yield from _seal(store, sources)
        sources = _blocks_due(store)
    for tier in (0, 1):
        yield from roll_up(store, tier)
    for tier, kept in enumerate(CHUNKS_KEPT):
        yield
        while _expire(store, tier, kept):
            yield
    more = True
    while more:
        yield
        with store.database.transaction() as connection:
            more = chunk_writer.drop(connection, unfinished=False)
    store.settled = True


class _Block(NamedTuple):
    id: int
    layout: int
    rows: int


class _Packed(NamedTuple):
    layout: Layout
    rows: int
    data: bytes


@dataclass(frozen=True, slots=True)
class _Sources:
    """Blocks to be sealed: rows without their data, in the order they were written."""

    blocks: Sequence[_Block]

    @property
    def span(self) -> tuple[int, int]:
        return self.blocks[0].id, self.blocks[-1].id


def _are_too_few(blocks: int, rows: int) -> bool:
    """Tell whether so many blocks and rows make no chunk, however the rows are spread over the blocks."""
    return blocks - BLOCKS_LEFT < BLOCKS_A_CHUNK and rows < ROWS_A_CHUNK


def _blocks_due(store: TelemetryStore) -> _Sources | None:
    """Return the oldest blocks once there are enough for a chunk, the newest ones apart."""
    with store.database.transaction() as connection:
        query = select(BLOCKS.c.id, BLOCKS.c.layout, BLOCKS.c.rows).order_by(BLOCKS.c.id)
        rows_found = connection.execute(query.limit(BLOCKS_A_CHUNK + BLOCKS_LEFT))
        found = [_Block(row.id, row.layout, row.rows) for row in rows_found]
    everything = len(found) < BLOCKS_A_CHUNK + BLOCKS_LEFT
    store.unsealed = (len(found), sum(block.rows for block in found)) if everything else None
    taken, rows = 0, 0
    for block in found[: max(0, len(found) - BLOCKS_LEFT)]:
        if taken == BLOCKS_A_CHUNK or rows >= ROWS_A_CHUNK:
            break
        taken, rows = taken + 1, rows + block.rows
    return _Sources(found[:taken]) if taken == BLOCKS_A_CHUNK or rows >= ROWS_A_CHUNK else None


def _seal(store: TelemetryStore, sources: _Sources) -> Iterator[None]:
    with store.database.transaction() as connection:
        numbers = dict.fromkeys(block.layout for block in sources.blocks)
        layouts = {number: store.layouts.get(connection, number) for number in numbers}
        columns = {
            series: scale for item in layouts.values() for series, scale in zip(item.series, item.scales, strict=True)
        }
        layout = store.layouts.make(connection, list(columns), list(columns.values()))
        chunk = chunk_writer.begin(connection, 0, layout, sources.span)
        first, last = sources.span
        query = select(BLOCKS.c.layout, BLOCKS.c.rows, BLOCKS.c.data).where(BLOCKS.c.id.between(first, last))
        packed = [
            _Packed(layouts[row.layout], row.rows, row.data) for row in connection.execute(query.order_by(BLOCKS.c.id))
        ]
    times = np.empty(0, np.int64)
    for start in range(0, max(1, len(layout.series)), _SLICE):
        yield
        part = range(start, min(start + _SLICE, len(layout.series)))
        rows = _read_slice(packed, layout, part)
        times = rows.times_ms
        frames = []
        for column in range(0, len(part), CURVES_A_FRAME):
            some = slice(column, column + CURVES_A_FRAME)
            frames.append(
                (FIRST + (start + column) // CURVES_A_FRAME, put_curves(rows.codes[:, some], rows.states[:, some]))
            )
        with store.database.transaction() as connection:
            chunk_writer.fill(connection, chunk, frames)
    yield
    _finish(store, sources, chunk, times)


def _read_slice(packed: Sequence[_Packed], layout: Layout, part: range) -> Coded:
    """Return all rows of some columns; a damaged block is left out."""
    ways = {
        item.layout.id: _Way(item.layout, layout, part) for item in {item.layout.id: item for item in packed}.values()
    }
    parts = [rows for item in packed if (rows := ways[item.layout.id].take(item)) is not None]
    if not parts:
        width = len(part)
        return Coded(np.empty(0, np.int64), np.empty((0, width), np.int64), np.empty((0, width), np.uint8))
    states = np.vstack([item.states for item in parts])
    codes = held(np.vstack([item.codes for item in parts]), states)
    return Coded(np.concatenate([item.times_ms for item in parts]), codes, states)


class _Way:
    """How the columns of a block come into the columns ``part`` of the layout of a chunk."""

    def __init__(self, own: Layout, wanted: Layout, part: range) -> None:
        places = [own.places.get(series, -1) for series in wanted.series[part.start : part.stop]]
        self._width = len(part)
        self._targets = np.array([n for n, place in enumerate(places) if place >= 0], np.intp)
        self._places = np.array([place for place in places if place >= 0], np.intp)
        self._rescaled = [
            (target, own.scales[place], wanted.scales[part.start + target])
            for target, place in enumerate(places)
            if place >= 0 and own.scales[place] != wanted.scales[part.start + target]
        ]

    def take(self, item: _Packed) -> Coded | None:
        """Return a block's rows; a column that it does not have gets the state 0. None if it is damaged."""
        rows = unpack_block(item.data, item.layout, item.rows, self._places)
        if rows is None or (len(self._places) == self._width and not self._rescaled):
            return rows
        codes = np.zeros((len(rows.times_ms), self._width), np.int64)
        states = np.zeros(codes.shape, np.uint8)
        codes[:, self._targets], states[:, self._targets] = rows.codes, rows.states
        for column, before, after in self._rescaled:  # another version of the program was more, or less, exact
            codes[:, column] = encode(decode(codes[:, column], before), after)
        return Coded(rows.times_ms, codes, states)


def _finish(store: TelemetryStore, sources: _Sources, chunk: int, times_ms: Codes) -> None:
    """Write times and processes, and swap the blocks for the chunk."""
    first, last = sources.span
    with store.database.transaction() as connection:
        query = (
            select(BLOCKS.c.ended_at, BLOCKS.c.holders).where(BLOCKS.c.id.between(first, last)).order_by(BLOCKS.c.id)
        )
        lists = [(round(row.ended_at * 1000), _list(row.holders)) for row in connection.execute(query)]
        table = gather([(at, sizes) for at, sizes in lists if sizes is not None])
        frames = [(TIMES, put_times(times_ms, np.ones(len(times_ms), np.int64)))]
        if len(table.ids):
            frames.append((HOLDERS, put_holders(table)))
            peaks = table.sizes.max(axis=0) * MEBIBYTE
            for column, number in enumerate(table.ids.tolist()):
                seen = table.times_ms[table.sizes[:, column] >= 0]
                connection.execute(
                    update(StoredProcess)
                    .where(PROCESSES.c.id == number)
                    .values(
                        last_at=float(seen.max()) / 1000,
                        peak_bytes=func.max(PROCESSES.c.peak_bytes, float(peaks[column])),
                        seen_chunk=chunk,
                    )
                )
        chunk_writer.fill(connection, chunk, frames)
        started, ended = (float(times_ms.min()) / 1000, float(times_ms.max()) / 1000) if len(times_ms) else (0.0, 0.0)
        chunk_writer.finish(connection, chunk, started, ended, len(times_ms))
        connection.execute(delete(StoredBlock).where(BLOCKS.c.id.between(first, last)))
        store.layouts.prune(connection)
    store.generation, store.unsealed = store.generation + 1, None


def _list(data: bytes | None) -> list[tuple[int, int]] | None:
    if data is None:
        return None
    try:
        return get_list(data)
    except DamagedBlock as error:
        _log.warning("A list of processes in the telemetry history is damaged and left out: %s", error)
        return None


def _expire(store: TelemetryStore, tier: int, kept: int) -> bool:
    """Take the oldest chunks of a tier out of sight, all that one roll-up was made of; tell whether there were any."""
    mine = (CHUNKS.c.tier == tier) & (CHUNKS.c.state == KEPT)
    with store.database.transaction() as connection:
        count = connection.execute(select(func.count()).select_from(StoredChunk).where(mine)).scalar_one()
        if count <= kept:
            return False
        parents = (CHUNKS.c.tier == tier + 1) & (CHUNKS.c.state == KEPT) & CHUNKS.c.alone.is_(False)
        query = select(CHUNKS.c.id, CHUNKS.c.first_source, CHUNKS.c.last_source).where(parents).order_by(CHUNKS.c.id)
        parent = connection.execute(query.limit(1)).first()
        last = None if parent is None else parent.last_source
        if last is None and (tier == len(CHUNKS_KEPT) - 1 or count > _HALF * kept):
            last = connection.execute(select(func.min(CHUNKS.c.id)).where(mine)).scalar_one()
        if last is None:
            return False
        older = (CHUNKS.c.tier == tier) & (CHUNKS.c.id <= last)
        number = connection.execute(select(func.count()).select_from(StoredChunk).where(mine & older)).scalar_one()
        if count - number < kept and parent is not None:
            return False
        chunk_writer.condemn(connection, older)
        if parent is not None:
            connection.execute(update(StoredChunk).where(CHUNKS.c.id == parent.id).values(alone=True))
        if tier == 0:
            oldest = select(func.min(CHUNKS.c.id)).where(mine).scalar_subquery()
            connection.execute(delete(StoredProcess).where(PROCESSES.c.seen_chunk < oldest))
    store.generation += 1
    return True
