"""Chunks of one tier to one chunk of the next: a day of full rate to minutes, a month of minutes to quarters."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from sqlalchemy import select, update

from mlops_desk.storage.history import chunk_writer
from mlops_desk.storage.history.chunk_writer import CHUNKS, FRAMES
from mlops_desk.storage.history.chunks import (
    CURVES_A_FRAME,
    FIRST,
    FRAMES_A_CHUNK,
    TIER_SECONDS,
    TIMES,
    frame_of,
    get_curve,
    get_rolled,
    get_times,
    put_rolled,
    put_times,
)
from mlops_desk.storage.history.integers import Codes, DamagedBlock, get_group
from mlops_desk.storage.history.layouts import Layout
from mlops_desk.storage.history.rollup import Floats, Rolled, join, roll, stretches
from mlops_desk.storage.history.store import TelemetryStore
from mlops_desk.storage.history.tables import KEPT, StoredChunk

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
