"""Writing a chunk: begun, filled frame by frame in transactions of its own, and made visible in the last one.

Until then nobody reads it, and its sources stay. Whoever is killed in between leaves a chunk that was begun;
the next sealing drops it and starts over, so nothing is lost and nothing is there twice.
"""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from mlops_desk.kit.storage.history.chunks import FRAMES_A_CHUNK
from mlops_desk.kit.storage.history.layouts import Layout
from mlops_desk.kit.storage.history.tables import BUILDING, DEAD, KEPT, RECORDING_TIER, StoredChunk, StoredFrame

CHUNKS = StoredChunk.__table__
FRAMES = StoredFrame.__table__


def begin(connection: Connection, tier: int, layout: Layout, sources: tuple[int, int]) -> int:
    """Begin a chunk; return its number."""
    row = insert(StoredChunk).values(
        tier=tier, layout=layout.id, started_at=0.0, ended_at=0.0, rows=0, state=BUILDING, rolled=False, alone=False,
        first_source=sources[0], last_source=sources[1],
    )  # fmt: skip
    return int(connection.execute(row.returning(StoredChunk.id)).scalar_one())


def fill(connection: Connection, chunk: int, frames: Iterable[tuple[int, bytes]]) -> int:
    """Write frames of a chunk, each with its number; return how many bytes they take."""
    rows = [{"id": chunk * FRAMES_A_CHUNK + number, "data": data} for number, data in frames]
    if rows:
        connection.execute(insert(StoredFrame), rows)
    return sum(len(data) for data in (row["data"] for row in rows) if isinstance(data, bytes))


def finish(connection: Connection, chunk: int, started_at: float, ended_at: float, rows: int) -> None:
    """Make a chunk visible, in the transaction that takes its sources away."""
    values = {"started_at": started_at, "ended_at": ended_at, "rows": rows, "state": KEPT}
    connection.execute(update(StoredChunk).where(CHUNKS.c.id == chunk).values(**values))


def drop(connection: Connection, *, unfinished: bool) -> bool:
    """Delete one chunk that is no longer wanted, or (``unfinished``) that nobody builds any more; tell whether."""
    states = [DEAD, BUILDING] if unfinished else [DEAD]
    found = connection.execute(select(CHUNKS.c.id).where(CHUNKS.c.state.in_(states)).limit(1)).scalar()
    if found is None:
        return False
    frames = (FRAMES.c.id >= found * FRAMES_A_CHUNK) & (FRAMES.c.id < (found + 1) * FRAMES_A_CHUNK)
    connection.execute(delete(StoredFrame).where(frames))
    connection.execute(delete(StoredChunk).where(CHUNKS.c.id == found))
    return True


def condemn(connection: Connection, which: ColumnElement[bool]) -> None:
    """Take chunks out of sight; ``drop`` deletes them, one at a time. Recordings stay."""
    kept = (CHUNKS.c.state == KEPT) & (CHUNKS.c.tier != RECORDING_TIER)
    connection.execute(update(StoredChunk).where(which & kept).values(state=DEAD))
