"""Recorded series out of the telemetry database: pages of the tier that has each time, and over them what is newer.

Points that wait in memory or in batches are put over the pages the way a merge would put them there, so nobody sees
when a merge happens. They are read first: a merge in between makes them be there twice, never not at all.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy import func, select

from mlops_desk.records.history import SeriesName
from mlops_desk.storage.history.points import pages
from mlops_desk.storage.history.points.batches import STEPS_A_SECOND, Batch, latest, over, rows, steps_of
from mlops_desk.storage.history.points.pages import PAGES
from mlops_desk.storage.history.points.rolling import Since, changed
from mlops_desk.storage.history.points.store import SERIES, KnownSeries, NamedPoints, PointStore
from mlops_desk.storage.history.reading import CurvesRequest
from mlops_desk.storage.history.rollup import Rolled, join
from mlops_desk.storage.history.scales import CurveScale, decode, encode
from mlops_desk.storage.history.tables import StoredPage, StoredPointSeries

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
            newer,
            since,
            lambda of, starts: store.known_rows(connection, series.id, series.scale, of, starts),
        )
    return over(there, made.tiers[tier])
