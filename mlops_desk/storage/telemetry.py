"""The telemetry database: history in wide compressed blocks, one row for each flush, never a row for each sample.

``series`` names every curve once, ``layouts`` which curves a block's columns are, ``blocks`` holds the rows.
A damaged block costs its own seconds and nothing else.
"""

import logging
from pathlib import Path

from sqlalchemy import Connection, ForeignKey, Index, UniqueConstraint, delete, func, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mlops_desk.storage.blocks import Block, DamagedBlock, Key, pack, unpack
from mlops_desk.storage.database import Database

_log = logging.getLogger(__name__)


class TelemetryBase(DeclarativeBase):
    """All tables of the telemetry database."""


class StoredSeries(TelemetryBase):
    """One curve."""

    __tablename__ = "series"
    __table_args__ = (UniqueConstraint("device", "metric", "unit"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    device: Mapped[str]
    metric: Mapped[str]
    unit: Mapped[str]


class StoredLayout(TelemetryBase):
    """Which series a block's columns are, as ids with blanks between, in the order of the columns."""

    __tablename__ = "layouts"

    id: Mapped[int] = mapped_column(primary_key=True)
    series: Mapped[str] = mapped_column(unique=True)


class StoredBlock(TelemetryBase):
    """Some seconds of all series of a layout. Times are Unix seconds of the first and the last row."""

    __tablename__ = "blocks"
    __table_args__ = (Index("blocks_by_time", "ended_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    layout: Mapped[int] = mapped_column(ForeignKey("layouts.id"))
    started_at: Mapped[float]
    ended_at: Mapped[float]
    rows: Mapped[int]
    data: Mapped[bytes]


_SERIES = StoredSeries.__table__
_LAYOUTS = StoredLayout.__table__
_BLOCKS = StoredBlock.__table__


class TelemetryStore:
    """Appends, reads and forgets history. Every method raises Unavailable when the disk does not play along."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, "telemetry", "NORMAL")
        self.set_aside = self._database.set_aside
        self._layouts: dict[tuple[Key, ...], int] = {}

    def append(self, block: Block) -> None:
        """Store a block; whole or not at all."""
        if not len(block.times):
            return
        data = pack(block)
        layout = self._layouts.get(block.keys)
        with self._database.transaction() as connection:
            if layout is None:
                layout = self._layout(connection, block.keys)
            connection.execute(
                insert(StoredBlock).values(
                    layout=layout,
                    started_at=float(block.times[0]),
                    ended_at=float(block.times[-1]),
                    rows=len(block.times),
                    data=data,
                )
            )
        self._layouts[block.keys] = layout

    def read(self, start: float, end: float) -> list[Block]:
        """Return the blocks that have rows between two Unix times, oldest first; damaged ones are left out."""
        query = (
            select(_BLOCKS.c.layout, _BLOCKS.c.rows, _BLOCKS.c.data)
            .where(_BLOCKS.c.ended_at >= start, _BLOCKS.c.started_at <= end)
            .order_by(_BLOCKS.c.id)
        )
        with self._database.transaction() as connection:
            rows = connection.execute(query).all()
            keys = {layout: self._keys(connection, layout) for layout in {row.layout for row in rows}}
        blocks = []
        for row in rows:
            try:
                blocks.append(unpack(row.data, keys[row.layout], row.rows))
            except DamagedBlock as error:
                _log.warning("A block of the telemetry history is damaged and left out: %s", error)
        return blocks

    def forget(self, keep: int) -> int:
        """Delete all but the newest ``keep`` blocks; return how many.

        They are counted in the order they were written, so a clock that jumps can't delete history.
        """
        newest = select(func.max(_BLOCKS.c.id)).scalar_subquery()
        with self._database.transaction() as connection:
            return connection.execute(delete(StoredBlock).where(_BLOCKS.c.id <= newest - keep)).rowcount

    def size(self) -> tuple[int, int]:
        """Return how many blocks there are and how many bytes they take."""
        with self._database.transaction() as connection:
            row = connection.execute(select(func.count(), func.total(func.length(_BLOCKS.c.data)))).one()
        return int(row[0]), int(row[1])

    def close(self) -> None:
        self._database.close()

    def _layout(self, connection: Connection, keys: tuple[Key, ...]) -> int:
        ids = " ".join(str(self._series(connection, key)) for key in keys)
        found = connection.execute(select(_LAYOUTS.c.id).where(_LAYOUTS.c.series == ids)).scalar()
        if found is None:
            found = connection.execute(insert(StoredLayout).values(series=ids).returning(StoredLayout.id)).scalar_one()
        return int(found)

    def _series(self, connection: Connection, key: Key) -> int:
        device, metric, unit = key
        query = select(_SERIES.c.id).where(
            _SERIES.c.device == device, _SERIES.c.metric == metric, _SERIES.c.unit == unit
        )
        found = connection.execute(query).scalar()
        if found is None:
            row = insert(StoredSeries).values(device=device, metric=metric, unit=unit).returning(StoredSeries.id)
            found = connection.execute(row).scalar_one()
        return int(found)

    def _keys(self, connection: Connection, layout: int) -> tuple[Key, ...]:
        ids = connection.execute(select(_LAYOUTS.c.series).where(_LAYOUTS.c.id == layout)).scalar_one().split()
        rows = connection.execute(select(_SERIES.c.id, _SERIES.c.device, _SERIES.c.metric, _SERIES.c.unit))
        table = {str(row.id): (row.device, row.metric, row.unit) for row in rows}
        return tuple(table[number] for number in ids)
