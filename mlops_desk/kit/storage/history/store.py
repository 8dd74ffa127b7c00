"""The telemetry database: history in wide compressed blocks, never a row for each sample.

A flush appends a block. ``sealing`` turns blocks into chunks and rolls chunks up into coarser tiers, in small
steps; ``reading`` gets curves back. A damaged block costs its own seconds and nothing else.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from mlops_desk.kit.storage.database import Database, DatabaseKind
from mlops_desk.kit.storage.history.blocks import OLD_VERSION, Block, Coded, coded, pack, uncoded, unpack, unpack_old
from mlops_desk.kit.storage.history.holders import MEBIBYTE, MemoryHolding, put_list
from mlops_desk.kit.storage.history.integers import DamagedBlock, Places
from mlops_desk.kit.storage.history.layouts import Layout, Layouts, ScaleOf
from mlops_desk.kit.storage.history.scales import CurveScale
from mlops_desk.kit.storage.history.tables import StoredBlock, StoredFrame, StoredProcess, TelemetryBase
from mlops_desk.kit.storage.salvage import AnyRow

_log = logging.getLogger(__name__)

BLOCKS = StoredBlock.__table__
FRAMES = StoredFrame.__table__
PROCESSES = StoredProcess.__table__
_INSERT_BLOCK = insert(TelemetryBase.metadata.tables[StoredBlock.__tablename__])
_FINEST = CurveScale(1e-6)
# Pages that were freed need no zeros written over them: there are no secrets here. And the longer the log is, the
# fewer pages of short-lived blocks ever reach the file.
_PRAGMAS = ("secure_delete=OFF", "wal_autocheckpoint=4000")
_PROCESSES_KNOWN = 4096  # chosen: what is forgotten costs a look into the table
_KIND = DatabaseKind(
    "telemetry", frozenset(TelemetryBase.metadata.tables), AnyRow(), "NORMAL", thorough=False, pragmas=_PRAGMAS
)


class TelemetryStore:
    """Appends and counts history. Every method raises Unavailable when the disk does not play along.

    ``generation`` changes with every change of what is kept where: who reads in several steps looks at it after.
    ``settled`` says that all packing was done when it was last looked at; ``unsealed`` how many blocks and rows wait
    to be sealed, None where that has to be looked up.
    """

    def __init__(self, path: Path, scale_of: ScaleOf = lambda _: _FINEST) -> None:
        self.database = Database(path, _KIND)
        self.repair = self.database.repair
        self.layouts = Layouts(scale_of)
        self.generation = 0
        self.settled = False
        self.unsealed: tuple[int, int] | None = None
        self._processes: dict[tuple[str, int, int], int] = {}

    def append(self, block: Block, holdings: Sequence[MemoryHolding] = ()) -> None:
        """Store a block, and who held GPU memory at its end; whole or not at all."""
        if not len(block.times):
            return
        try:
            with self.database.transaction() as connection:
                layout = self.layouts.of(connection, block.keys)
                at = float(block.times[-1])
                held = [(self._process(connection, item, at), round(item.size_bytes / MEBIBYTE)) for item in holdings]
                values = {
                    "layout": layout.id,
                    "started_at": float(block.times.min()),
                    "ended_at": float(block.times.max()),
                    "rows": len(block.times),
                    "data": pack(coded(block, layout.groups)),
                    "holders": put_list(held),
                }
                connection.execute(_INSERT_BLOCK, values)
        except BaseException:
            self.layouts.forget()
            self._processes.clear()
            raise
        self.generation += 1
        if self.unsealed is not None:
            blocks, rows = self.unsealed
            self.unsealed = blocks + 1, rows + len(block.times)

    def read(self, start: float, end: float) -> list[Block]:
        """Return the blocks that are not sealed yet and touch a span of Unix time, in the order they were written."""
        query = (
            select(BLOCKS.c.layout, BLOCKS.c.rows, BLOCKS.c.data)
            .where(BLOCKS.c.ended_at >= start, BLOCKS.c.started_at <= end)
            .order_by(BLOCKS.c.id)
        )
        with self.database.transaction() as connection:
            rows = connection.execute(query).all()
            layouts = {number: self.layouts.get(connection, number) for number in {row.layout for row in rows}}
        found = []
        for row in rows:
            layout = layouts[row.layout]
            unpacked = unpack_block(row.data, layout, row.rows)
            if unpacked is not None:
                found.append(uncoded(unpacked, layout.keys, layout.groups))
        return found

    def size(self) -> tuple[int, int]:
        """Return how many unsealed blocks there are, and how many bytes all data take."""
        with self.database.transaction() as connection:
            row = connection.execute(select(func.count(), func.total(func.length(BLOCKS.c.data)))).one()
            sealed = connection.execute(select(func.total(func.length(FRAMES.c.data)))).scalar_one()
        return int(row[0]), int(row[1] + sealed)

    def close(self) -> None:
        self.database.close()

    def _process(self, connection: Connection, item: MemoryHolding, at: float) -> int:
        """Return the number of a process. When it was last seen and what it held at most is noted by the sealing."""
        key = (item.gpu, item.pid, item.start_ticks)
        known = self._processes.get(key)
        if known is None:
            statement = upsert(StoredProcess).values(
                gpu=item.gpu, pid=item.pid, start_ticks=item.start_ticks, user=item.user, command=item.command,
                container=item.container, first_at=at, last_at=at, peak_bytes=float(item.size_bytes),
            )  # fmt: skip
            names = {
                name: func.coalesce(statement.excluded[name], PROCESSES.c[name])
                for name in ("user", "command", "container")
            }
            statement = statement.on_conflict_do_update(index_elements=["gpu", "pid", "start_ticks"], set_=names)
            known = int(connection.execute(statement.returning(StoredProcess.id)).scalar_one())
            if len(self._processes) >= _PROCESSES_KNOWN:
                self._processes.clear()
            self._processes[key] = known
        return known


def unpack_block(data: bytes, layout: Layout, rows: int, wanted: Places | None = None) -> Coded | None:
    """Return a block of any version in whole numbers, all columns or the ``wanted`` ones.

    When it is damaged: None, and a line in the log.
    """
    try:
        if data[:1] == OLD_VERSION:
            old = coded(unpack_old(data, layout.keys, rows), layout.groups)
            return old if wanted is None else Coded(old.times_ms, old.codes[:, wanted], old.states[:, wanted])
        return unpack(data, rows, len(layout.keys), wanted)
    except DamagedBlock as error:
        _log.warning("A block of the telemetry history is damaged and left out: %s", error)
        return None
