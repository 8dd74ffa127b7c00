"""Which curve each column of a block or chunk is, and on which scale: numbered once, looked up from then on."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy import Connection, delete, insert, select

from mlops_desk.kit.storage.history.blocks import Key
from mlops_desk.kit.storage.history.scales import CurveScale, Groups, grouped
from mlops_desk.kit.storage.history.tables import StoredBlock, StoredChunk, StoredLayout, StoredSeries

_log = logging.getLogger(__name__)
_CACHED = 12  # chosen: layouts change when devices come and go, and a span has few of them
_SERIES = StoredSeries.__table__
_LAYOUTS = StoredLayout.__table__

ScaleOf: TypeAlias = Callable[[Key], CurveScale]


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns: their series' numbers, names and scales. ``places`` finds the column of a series."""

    id: int
    series: tuple[int, ...]
    keys: tuple[Key, ...]
    scales: tuple[CurveScale, ...]
    groups: Groups
    places: dict[int, int] = field(default_factory=dict)


class Layouts:
    """Numbers layouts; keeps the ones used last. All calls are made inside a transaction of the caller."""

    def __init__(self, scale_of: ScaleOf) -> None:
        self._scale_of = scale_of
        self._known: OrderedDict[int, Layout] = OrderedDict()
        self._newest: Layout | None = None
        self._asked: tuple[Key, ...] = ()

    def of(self, connection: Connection, keys: tuple[Key, ...]) -> Layout:
        """Return the layout whose columns are ``keys``, on the scales that hold today."""
        if self._newest is not None and self._asked == keys:  # mostly the same objects, which compare at once
            return self._newest
        series = _numbers(connection, keys)
        layout = self.make(connection, series, tuple(self._scale_of(key) for key in keys))
        self._newest, self._asked = (layout if layout.keys == keys else None), keys
        return layout

    def make(self, connection: Connection, series: Sequence[int], scales: Sequence[CurveScale]) -> Layout:
        """Return the layout of these columns, numbered now if it is new."""
        text = " ".join(f"{number}@{scale}" for number, scale in zip(series, scales, strict=True))
        found = connection.execute(select(_LAYOUTS.c.id).where(_LAYOUTS.c.series == text)).scalar()
        if found is None:
            found = connection.execute(insert(StoredLayout).values(series=text).returning(StoredLayout.id)).scalar_one()
        return self.get(connection, int(found))

    def get(self, connection: Connection, number: int) -> Layout:
        """Return a layout by its number; one that is damaged or lost has no columns."""
        known = self._known.get(number)
        if known is None:
            known = self._known[number] = self._read(connection, number)
            while len(self._known) > _CACHED:
                self._known.popitem(last=False)
        self._known.move_to_end(number)
        return known

    def prune(self, connection: Connection) -> None:
        """Delete the layouts that no block or chunk has any more: each device that comes or goes makes another.

        The names of curves stay. A number that was deleted is given out again, so nothing may be remembered by it.
        """
        used = [select(table.c.layout) for table in (StoredBlock.__table__, StoredChunk.__table__)]
        gone = delete(StoredLayout).where(*(_LAYOUTS.c.id.not_in(numbers) for numbers in used))
        for number in connection.execute(gone.returning(StoredLayout.id)).scalars().all():
            self._known.pop(number, None)
            if self._newest is not None and self._newest.id == number:
                self._newest = None

    def forget(self) -> None:
        """Trust nothing that was looked up: the transaction it was numbered in may have been taken back."""
        self._known.clear()
        self._newest = None

    def _read(self, connection: Connection, number: int) -> Layout:
        text = connection.execute(select(_LAYOUTS.c.series).where(_LAYOUTS.c.id == number)).scalar()
        rows = connection.execute(select(_SERIES.c.id, _SERIES.c.device, _SERIES.c.metric, _SERIES.c.unit))
        names: dict[int, Key] = {row.id: (row.device, row.metric, row.unit) for row in rows}
        try:
            columns = [column.partition("@") for column in (text or "").split()]
            series = tuple(int(column) for column, _, _ in columns)
            keys = tuple(names[column] for column in series)
            scales = tuple(
                CurveScale.parse(scale) if scale else self._scale_of(key)
                for (_, _, scale), key in zip(columns, keys, strict=True)
            )
        except (ValueError, KeyError) as error:
            _log.warning("Layout %d of the telemetry history is damaged: %s", number, error)
            series, keys, scales = (), (), ()
        if text is None:
            _log.warning("Layout %d of the telemetry history is lost", number)
        return Layout(
            number, series, keys, scales, grouped(scales), {column: place for place, column in enumerate(series)}
        )


def _numbers(connection: Connection, keys: Sequence[Key]) -> tuple[int, ...]:
    """Return the numbers of these curves, given now to those that have none. One question for all, not one for each.

    A new database numbers thousands at once, and whoever reads the history waits meanwhile.
    """
    known = _numbered(connection)
    new = [
        {"device": device, "metric": metric, "unit": unit}
        for device, metric, unit in dict.fromkeys(keys)
        if (device, metric, unit) not in known
    ]
    if new:
        connection.execute(insert(StoredSeries), new)
        known = _numbered(connection)
    return tuple(known[key] for key in keys)


def _numbered(connection: Connection) -> dict[Key, int]:
    rows = connection.execute(select(_SERIES.c.id, _SERIES.c.device, _SERIES.c.metric, _SERIES.c.unit))
    return {(row.device, row.metric, row.unit): row.id for row in rows}
