"""Recorded series on disk: a flush appends a batch; a merge puts the points into the pages of their series.

A batch is deleted only when all its series are merged, each in a transaction of its own. Merging a point twice changes
nothing (``rolling``), so kill -9 at any step neither loses nor doubles one.

How long a tier is kept is counted in days on which something was written: a clock that jumps deletes next to
nothing, and a machine that stood still for a month still has the month before.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from mlops_desk.kit.storage.database import Database
from mlops_desk.kit.storage.history.curve_reader import CurvesRequest
from mlops_desk.kit.storage.history.integers import DamagedBlock
from mlops_desk.kit.storage.history.points import pages
from mlops_desk.kit.storage.history.points.batches import (
    QUARTER,
    STEPS_A_SECOND,
    Batch,
    Since,
    changed,
    get_batch,
    joined,
    latest,
    over,
    put_batch,
    rows,
    steps_of,
)
from mlops_desk.kit.storage.history.points.pages import PAGES, PageSpan
from mlops_desk.kit.storage.history.rollup import Floats, Rolled, join
from mlops_desk.kit.storage.history.scales import CurveScale, decode, encode
from mlops_desk.kit.storage.history.tables import StoredBatch, StoredDay, StoredPage, StoredPointSeries, StoredTier
from mlops_desk.machine.records.history import SeriesName

_log = logging.getLogger(__name__)

BATCHES = StoredBatch.__table__
SERIES = StoredPointSeries.__table__
DAYS_KEPT = (30, 365, 1826)
"""Full rate, minutes, quarters of an hour: a month, a year, five years."""
BATCHES_A_MERGE = 90  # a quarter of an hour of flushes, as a chunk of the machine's own curves
ROWS_A_MERGE = 50_000  # chosen: a megabyte that each reader would have to look through
_DAY = 86_400
_KNOWN = 8192  # chosen: numbers of series that are remembered; each is looked up in a moment


class NamedPoints(NamedTuple):
    """Points of one series in the order they were recorded. Times are Unix seconds."""

    name: SeriesName
    unit: str
    scale: CurveScale
    times: Floats
    values: Floats


class KnownSeries(NamedTuple):
    """A series that has a number. Its codes are on ``scale``."""

    id: int
    unit: str
    scale: CurveScale


class PointStore:
    """Belongs to the telemetry database. Every method raises Unavailable when the disk does not play along."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._known: dict[SeriesName, KnownSeries] = {}
        self._waiting: tuple[int, int] | None = None
        self._tidied: int | None = None

    def append(self, points: Sequence[NamedPoints]) -> None:
        """Store points; whole or not at all."""
        if not points:
            return
        try:
            with self.database.transaction() as connection:
                parts = [self._coded(connection, item) for item in points]
                batch = joined(parts)
                values = {"rows": len(batch.series), "data": put_batch(batch)}
                connection.execute(insert(StoredBatch).values(values))
                today = int(time.time() // _DAY)
                connection.execute(upsert(StoredDay).values(day=today).on_conflict_do_nothing())
        except BaseException:
            self.forget()
            raise
        if self._waiting is not None:
            self._waiting = self._waiting[0] + 1, self._waiting[1] + len(batch.series)

    def forget(self) -> None:
        """Trust nothing that was looked up: the transaction it was numbered in may have been taken back."""
        self._known.clear()
        self._waiting = None

    def find(self, names: Sequence[SeriesName]) -> list[KnownSeries | None]:
        """Return what is known of each series; None where nothing of it was ever kept."""
        with self.database.transaction() as connection:
            return [self._look_up(connection, name) for name in names]

    def waiting(self, connection: Connection) -> Batch:
        """Return all points that are not merged yet, in the order they were recorded."""
        found = connection.execute(select(BATCHES.c.data).order_by(BATCHES.c.id)).scalars()
        return joined([batch for data in found if (batch := _batch(data)) is not None])

    def since(self, connection: Connection) -> Since:
        """Return how far back each tier goes."""
        known = {row.tier: row.since for row in connection.execute(select(StoredTier.tier, StoredTier.since))}
        nowhere = -np.inf
        return known.get(0, nowhere), known.get(1, nowhere), known.get(2, nowhere)

    def known_rows(self, connection: Connection, series: int, scale: CurveScale, tier: int, starts: Floats) -> Rolled:
        """Return the rows of all pages that touch the quarters of an hour beginning at ``starts``."""
        if not len(starts):
            return join([])
        steps = np.rint(starts * STEPS_A_SECOND).astype(np.int64)

        def touches(page: PageSpan) -> bool:
            at = int(np.searchsorted(steps, page.first - QUARTER * STEPS_A_SECOND, side="right"))
            return at < len(steps) and bool(steps[at] <= page.last)

        there = [page for page in pages.spans(connection, series, tier) if touches(page)]
        return pages.load(connection, there, tier, scale)

    def work(self) -> Iterator[None]:
        """Merge what is due and delete what is too old, a step between two yields."""
        today = int(time.time() // _DAY)
        if self._tidied != today:  # before the merge, which goes by how far back each tier reaches
            for tier in range(len(DAYS_KEPT)):
                yield
                self._expire(tier, today)
            self._tidied = today
        if self._is_due():
            yield from self._merge()

    def _is_due(self) -> bool:
        if self._waiting is None:
            with self.database.transaction() as connection:
                count = select(func.count(), func.total(BATCHES.c.rows)).select_from(StoredBatch)
                row = connection.execute(count).one()
            self._waiting = int(row[0]), int(row[1])
        return self._waiting[0] >= BATCHES_A_MERGE or self._waiting[1] >= ROWS_A_MERGE

    def _merge(self) -> Iterator[None]:
        with self.database.transaction() as connection:
            newest = connection.execute(select(func.max(BATCHES.c.id))).scalar()
            batch = latest(self.waiting(connection))
            every = select(SERIES.c.id, SERIES.c.scale)
            scales = {row.id: CurveScale.parse(row.scale) for row in connection.execute(every)}
        for number in np.unique(batch.series).tolist():
            yield
            if number in scales:  # else its name was lost with a damaged page of the file
                mine = batch.series == number
                values = decode(batch.codes[mine], scales[number])
                self._merge_one(number, scales[number], rows(batch.steps[mine], values))
        yield
        with self.database.transaction() as connection:
            connection.execute(delete(StoredBatch).where(BATCHES.c.id <= (newest or 0)))
        self._waiting = None

    def _merge_one(self, series: int, scale: CurveScale, new: Rolled) -> None:
        with self.database.transaction() as connection:
            made = changed(
                new,
                self.since(connection),
                lambda tier, starts: self.known_rows(connection, series, scale, tier, starts),
            )
            for tier, part in enumerate(made.tiers):
                pages.put(connection, series, tier, part, scale)
        if made.lost:
            _log.warning("%d points of a recorded series are older than all that is kept", made.lost)

    def _expire(self, tier: int, today: int) -> None:
        """Let a tier begin later, and delete the pages that lie before; then the series that have none any more."""
        with self.database.transaction() as connection:
            connection.execute(delete(StoredDay).where(StoredDay.day > today + 1))  # a clock was wrong
            connection.execute(delete(StoredTier).where(StoredTier.since > (today + 1) * _DAY))  # likewise
            days = select(StoredDay.day).order_by(StoredDay.day.desc()).offset(DAYS_KEPT[tier] - 1).limit(1)
            oldest = connection.execute(days).scalar()
            if oldest is None:
                return
            since = max(float(oldest * _DAY), self.since(connection)[tier])
            statement = upsert(StoredTier).values(tier=tier, since=since)
            connection.execute(statement.on_conflict_do_update(index_elements=["tier"], set_={"since": since}))
            gone = (PAGES.c.tier == tier) & (PAGES.c.last < since * STEPS_A_SECOND)
            connection.execute(delete(StoredPage).where(gone))
            if tier == len(DAYS_KEPT) - 1:
                waiting = np.unique(self.waiting(connection).series).tolist()
                lost = SERIES.c.id.not_in(select(PAGES.c.series)) & SERIES.c.id.not_in(waiting)
                connection.execute(delete(StoredPointSeries).where(lost))
                connection.execute(delete(StoredDay).where(StoredDay.day < oldest))
                self._known.clear()

    def _coded(self, connection: Connection, item: NamedPoints) -> Batch:
        known = self._look_up(connection, item.name) or self._number(connection, item)
        steps = np.rint(item.times * STEPS_A_SECOND).astype(np.int64)
        return Batch(np.full(len(steps), known.id, np.int64), steps, encode(item.values, known.scale))

    def _look_up(self, connection: Connection, name: SeriesName) -> KnownSeries | None:
        known = self._known.get(name)
        if known is None:
            mine = (SERIES.c.kind == name.kind) & (SERIES.c.key == name.key) & (SERIES.c.metric == name.metric)
            row = connection.execute(select(SERIES.c.id, SERIES.c.unit, SERIES.c.scale).where(mine)).first()
            if row is None:
                return None
            known = self._remembered(name, KnownSeries(row.id, row.unit, CurveScale.parse(row.scale)))
        return known

    def _number(self, connection: Connection, item: NamedPoints) -> KnownSeries:
        name = item.name
        row = insert(StoredPointSeries).values(
            kind=name.kind, key=name.key, metric=name.metric, unit=item.unit, scale=str(item.scale)
        )
        number = connection.execute(row.returning(StoredPointSeries.id)).scalar_one()
        return self._remembered(name, KnownSeries(int(number), item.unit, item.scale))

    def _remembered(self, name: SeriesName, known: KnownSeries) -> KnownSeries:
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[name] = known
        return known


def _batch(data: bytes) -> Batch | None:
    try:
        return get_batch(data)
    except DamagedBlock as error:
        _log.warning("A batch of recorded points is damaged and left out: %s", error)
        return None


# Recorded series out of the telemetry database: pages of the tier that has each time, and over them what is newer.
#
# Points that wait in memory or in batches are put over the pages the way a merge would put them there, so nobody sees
# when a merge happens. They are read first: a merge in between makes them be there twice, never not at all.

_PAGES_A_TURN = 96  # as many frames as a read of the machine's curves takes at a time


def read(
    store: PointStore, known: Mapping[SeriesName, KnownSeries], pending: Sequence[NamedPoints], request: CurvesRequest
) -> tuple[dict[SeriesName, Rolled], int]:
    """Return the rows of each series by time, and the coarsest tier used. Raises Unavailable, TimedOut."""
    with store.database.transaction() as connection:
        batch, since = latest(store.waiting(connection)), store.since(connection)
    found, used = {}, 0
    for name, series in known.items():
        newer = over(_of(batch, series), newest(pending, name, series.scale))
        parts = []
        for tier, (start, end) in enumerate(_bounds(request, since)):
            if start >= end:
                continue
            part = _tier(store, series, newer, since, tier, request).between(start, end)
            if len(part.times):
                used = max(used, tier)
                parts.append(part)
        found[name] = join(parts[::-1])
    return found, used


def newest(pending: Sequence[NamedPoints], name: SeriesName, scale: CurveScale) -> Rolled:
    """Return the points of a series that wait in memory, as exact as they will be kept."""
    mine = [item for item in pending if item.name == name]
    if not mine:
        return join([])
    steps = np.concatenate([steps_of(item.times) for item in mine])
    codes = encode(np.concatenate([item.values for item in mine]), scale)
    tidy = latest(Batch(np.zeros(len(steps), np.int64), steps, codes))
    return rows(tidy.steps, decode(tidy.codes, scale))


def listed(
    store: PointStore, kind: str | None, key: str | None, after: int, limit: int
) -> list[tuple[int, SeriesName, str, float, float]]:
    """Return number, name, unit, and Unix time of the oldest and newest row, of series with a number beyond ``after``.

    A series whose first points wait to be merged is told of with the time 0 for both.
    """
    first, last = func.min(PAGES.c.first), func.max(PAGES.c.last)
    query = select(SERIES.c.id, SERIES.c.kind, SERIES.c.key, SERIES.c.metric, SERIES.c.unit, first, last)
    query = query.select_from(StoredPointSeries).outerjoin(StoredPage, PAGES.c.series == SERIES.c.id)
    if kind is not None:
        query = query.where(SERIES.c.kind == kind)
    if key is not None:
        query = query.where(SERIES.c.key == key)
    query = query.where(SERIES.c.id > after).group_by(SERIES.c.id).order_by(SERIES.c.id).limit(limit)
    with store.database.transaction() as connection:
        found = connection.execute(query).all()
        waiting = latest(store.waiting(connection))
    told = []
    for number, kind_, key_, metric, unit, oldest, latest_ in found:
        steps = waiting.steps[waiting.series == number].tolist()
        steps += [step for step in (oldest, latest_) if step is not None]
        span = (min(steps), max(steps)) if steps else (0, 0)
        told.append((number, SeriesName(kind_, key_, metric), unit, *(step / STEPS_A_SECOND for step in span)))
    return told


def _bounds(request: CurvesRequest, since: Since) -> list[tuple[float, float]]:
    """Return which span each tier answers: the wanted one where it has its rows, before that the next coarser one."""
    spans, end = [], request.end
    for tier in range(len(since)):
        if tier < request.tier:
            spans.append((0.0, 0.0))
            continue
        start = max(request.start, since[tier])
        spans.append((start, end))
        end = min(end, start)
    return spans


def _of(batch: Batch, series: KnownSeries) -> Rolled:
    mine = batch.series == series.id
    return rows(batch.steps[mine], decode(batch.codes[mine], series.scale))


def _tier(
    store: PointStore, series: KnownSeries, newer: Rolled, since: Since, tier: int, request: CurvesRequest
) -> Rolled:
    """Return the rows of a tier that may lie in the span, the newer ones over the older."""
    first, last = request.start * STEPS_A_SECOND, request.end * STEPS_A_SECOND
    with store.database.transaction() as connection:
        known = pages.spans(connection, series.id, tier)
    wanted = [page for page in known if page.last >= first and page.first <= last]
    parts = []
    for place in range(0, len(wanted), _PAGES_A_TURN):
        request.check()
        with store.database.transaction() as connection:
            parts.append(pages.load(connection, wanted[place : place + _PAGES_A_TURN], tier, series.scale))
    there = join(parts)
    if not len(newer.times):
        return there
    with store.database.transaction() as connection:
        made = changed(
            newer, since, lambda of, starts: store.known_rows(connection, series.id, series.scale, of, starts)
        )
    return over(there, made.tiers[tier])
