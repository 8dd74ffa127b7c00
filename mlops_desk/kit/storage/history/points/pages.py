"""Pages: the rows of one series and one tier by time, some thousands to a page. Pure, but for the transaction.

The pages of a series never overlap. A row goes into the page before whose successor it lies, so that one that comes
late costs one page; a page that has grown too long is split.
"""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, delete, insert, select

from mlops_desk.kit.storage.history.blocks import OK
from mlops_desk.kit.storage.history.chunks import get_curve, get_rolled, get_times, put_curves, put_rolled, put_times
from mlops_desk.kit.storage.history.integers import DamagedBlock, get_group, put_group
from mlops_desk.kit.storage.history.points.batches import over, steps_of
from mlops_desk.kit.storage.history.rollup import Rolled, join
from mlops_desk.kit.storage.history.scales import CurveScale, encode
from mlops_desk.kit.storage.history.tables import StoredPage

_log = logging.getLogger(__name__)

PAGES = StoredPage.__table__
ROWS_A_PAGE = 4096  # chosen: an hour of points a second, about 2 kB, is what a merge each quarter of an hour rewrites


class PageSpan(NamedTuple):
    """Where a page lies: its first and last row in tenths of a second."""

    id: int
    first: int
    last: int


def spans(connection: Connection, series: int, tier: int) -> list[PageSpan]:
    """Return the pages of a series and tier by time."""
    query = select(PAGES.c.id, PAGES.c.first, PAGES.c.last).where(PAGES.c.series == series, PAGES.c.tier == tier)
    return [PageSpan(*row) for row in connection.execute(query.order_by(PAGES.c.first))]


def load(connection: Connection, pages: Sequence[PageSpan], tier: int, scale: CurveScale) -> Rolled:
    """Return the rows of some pages; one that is damaged is left out, and said in the log."""
    if not pages:
        return join([])
    query = select(PAGES.c.id, PAGES.c.data).where(PAGES.c.id.in_([page.id for page in pages]))
    data = {row.id: row.data for row in connection.execute(query)}
    return join([_unpacked(page, data.get(page.id, b""), tier, scale) for page in pages])


def put(connection: Connection, series: int, tier: int, rows: Rolled, scale: CurveScale) -> None:
    """Put rows (by time, each once) into the pages of a series; a row takes the place of one of the same time."""
    if not len(rows.times):
        return
    known = spans(connection, series, tier)
    firsts = np.array([page.first for page in known], np.int64)
    owners = np.maximum(np.searchsorted(firsts, steps_of(rows.times), side="right") - 1, 0)
    for owner in np.unique(owners).tolist():
        mine = [known[owner]] if known else []
        merged = over(load(connection, mine, tier, scale), rows.only(owners == owner))
        for page in mine:
            connection.execute(delete(StoredPage).where(PAGES.c.id == page.id))
        for first in range(0, len(merged.times), ROWS_A_PAGE):
            part = merged.only(slice(first, first + ROWS_A_PAGE))
            steps = steps_of(part.times)
            values = {
                "series": series, "tier": tier, "first": int(steps[0]), "last": int(steps[-1]),
                "data": pack(part, tier, scale),
            }  # fmt: skip
            connection.execute(insert(StoredPage).values(values))


def pack(rows: Rolled, tier: int, scale: CurveScale) -> bytes:
    """Return the bytes of a page."""
    times_ms, counts = np.rint(rows.times * 1000).astype(np.int64), np.rint(rows.count).astype(np.int64)
    if tier:
        return put_group([put_times(times_ms, counts), put_rolled([rows], counts, [scale])])
    states = np.full((len(times_ms), 1), OK, np.uint8)
    return put_group([put_times(times_ms, counts), put_curves(encode(rows.mean, scale)[:, None], states)])


def unpack(data: bytes, tier: int, scale: CurveScale) -> Rolled:
    """Return what ``pack`` got. Raises DamagedBlock."""
    parts = get_group(data)
    if len(parts) != 2:
        raise DamagedBlock(f"{len(parts)} parts instead of 2")
    times, counts = get_times(parts[0])
    column = get_group(parts[1])
    return get_rolled(column, 0, times, counts, scale) if tier else get_curve(column, 0, times, scale)


def _unpacked(page: PageSpan, data: bytes, tier: int, scale: CurveScale) -> Rolled:
    try:
        return unpack(data, tier, scale)
    except DamagedBlock as error:
        _log.warning("Page %d of the recorded series is damaged and left out: %s", page.id, error)
        return join([])
