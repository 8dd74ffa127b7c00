"""The flight recorder's table: which minutes are kept at full rate, for which incidents, and their chunks.

A recording is noted when its incident is told, and written once its last second has passed; whoever is killed in
between finds the note. Its chunk is of no tier, so that nothing rolls it up or forgets it with the others.
"""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from mlops_desk.kit.storage.history import chunk_writer
from mlops_desk.kit.storage.history.blocks import Block, Key, coded
from mlops_desk.kit.storage.history.chunk_writer import CHUNKS, FRAMES
from mlops_desk.kit.storage.history.chunks import (
    CURVES_A_FRAME,
    FIRST,
    FRAMES_A_CHUNK,
    TIMES,
    frame_of,
    get_curve,
    get_times,
    put_curves,
    put_times,
)
from mlops_desk.kit.storage.history.integers import DamagedBlock, get_group
from mlops_desk.kit.storage.history.rollup import Rolled
from mlops_desk.kit.storage.history.store import TelemetryStore
from mlops_desk.kit.storage.history.tables import (
    DEAD,
    RECORDING_TIER,
    StoredChunk,
    StoredRecorded,
    StoredRecording,
    StoredSeries,
)

KEPT_RECORDINGS = 200  # chosen: the grave events of months
KEPT_BYTES = 200 << 20  # chosen: small beside the history's own size
BEFORE_SECONDS = 300.0  # chosen: what led to an error shows within minutes
AFTER_SECONDS = 120.0  # chosen: what came of it shows sooner
LONGEST_SECONDS = 840.0  # two recordings in a row, so that a storm of events makes no endless one
_RECORDINGS = StoredRecording.__table__
_RECORDED = StoredRecorded.__table__
_SERIES = StoredSeries.__table__


@dataclass(frozen=True, slots=True)
class Recording:
    """A kept span (Unix seconds); ``chunk`` is None until it is written."""

    id: int
    started_at: float
    ended_at: float
    chunk: int | None


def note(store: TelemetryStore, incident: str, at: float) -> None:
    """Keep the minutes around ``at`` for an incident; incidents whose minutes overlap share a recording.

    One that is written, or would get too long, is shared only by what it has all of the two minutes of.
    """
    ends = at + AFTER_SECONDS
    with store.database.transaction() as connection:
        inside = (_RECORDINGS.c.started_at <= at) & (_RECORDINGS.c.ended_at >= at)
        found = connection.execute(select(_RECORDINGS).where(inside).order_by(_RECORDINGS.c.id.desc()).limit(1)).first()
        if found is not None and ends <= found.ended_at:
            number = int(found.id)
        elif found is not None and found.chunk is None and ends <= found.started_at + LONGEST_SECONDS:
            number = int(found.id)
            connection.execute(update(StoredRecording).where(_RECORDINGS.c.id == number).values(ended_at=ends))
        else:
            row = insert(StoredRecording).values(started_at=at - BEFORE_SECONDS, ended_at=ends, chunk=None, bytes=0)
            number = int(connection.execute(row.returning(StoredRecording.id)).scalar_one())
        statement = upsert(StoredRecorded).values(incident=incident, recording=number)
        connection.execute(statement.on_conflict_do_nothing(index_elements=["incident"]))


def of_incident(store: TelemetryStore, incident: str) -> Recording | None:
    """Return the recording that an incident is part of."""
    query = select(_RECORDINGS).join(_RECORDED, _RECORDED.c.recording == _RECORDINGS.c.id)
    with store.database.transaction() as connection:
        row = connection.execute(query.where(_RECORDED.c.incident == incident)).first()
    return None if row is None else Recording(row.id, row.started_at, row.ended_at, row.chunk)


def unwritten(store: TelemetryStore) -> list[Recording]:
    """Return the recordings that are not written yet, whether their last second has passed or not."""
    with store.database.transaction() as connection:
        query = select(_RECORDINGS).where(_RECORDINGS.c.chunk.is_(None))
        rows = connection.execute(query.order_by(_RECORDINGS.c.id)).all()
    return [Recording(row.id, row.started_at, row.ended_at, row.chunk) for row in rows]


def write(store: TelemetryStore, recording: Recording, block: Block) -> None:
    """Store the rows of a recording, whole or not at all, and forget the oldest ones when there are too many."""
    try:
        with store.database.transaction() as connection:
            layout = store.layouts.of(connection, block.keys)
            rows = coded(block, layout.groups)
            chunk = chunk_writer.begin(connection, RECORDING_TIER, layout, (recording.id, recording.id))
            frames = [(TIMES, put_times(rows.times_ms, np.ones(len(rows.times_ms), np.int64)))]
            for first in range(0, len(block.keys), CURVES_A_FRAME):
                some = slice(first, first + CURVES_A_FRAME)
                data = put_curves(rows.codes[:, some], rows.states[:, some])
                frames.append((FIRST + first // CURVES_A_FRAME, data))
            size = chunk_writer.fill(connection, chunk, frames)
            chunk_writer.finish(connection, chunk, recording.started_at, recording.ended_at, len(rows.times_ms))
            mine = _RECORDINGS.c.id == recording.id
            connection.execute(update(StoredRecording).where(mine).values(chunk=chunk, bytes=size))
            _forget(connection)
    except BaseException:
        store.layouts.forget()
        raise


def _forget(connection: Connection) -> None:
    """Let the oldest recordings go while there are too many of them, or they take too much."""
    rows = connection.execute(select(_RECORDINGS).order_by(_RECORDINGS.c.id.desc())).all()
    size = 0
    for place, row in enumerate(rows):
        size += row.bytes
        if place >= KEPT_RECORDINGS or (size > KEPT_BYTES and place):
            connection.execute(delete(StoredRecorded).where(_RECORDED.c.recording == row.id))
            connection.execute(delete(StoredRecording).where(_RECORDINGS.c.id == row.id))
            connection.execute(update(StoredChunk).where(CHUNKS.c.id == row.chunk).values(state=DEAD))


def read(store: TelemetryStore, chunk: int, device: str | None) -> list[tuple[Key, Rolled]]:
    """Return the curves of a recording, or those of one device and its parts. A damaged frame is left out."""
    base = chunk * FRAMES_A_CHUNK
    with store.database.transaction() as connection:
        number = connection.execute(select(CHUNKS.c.layout).where(CHUNKS.c.id == chunk)).scalar()
        if number is None:
            return []
        layout = store.layouts.get(connection, number)
        wanted = [
            column
            for column, (name, _, _) in enumerate(layout.keys)
            if device is None or name == device or name.startswith(f"{device}/")
        ]
        numbers = {base + frame_of(column) for column in wanted} | {base + TIMES}
        query = select(FRAMES.c.id, FRAMES.c.data).where(FRAMES.c.id.in_(numbers))
        data = {row.id: row.data for row in connection.execute(query)}
    curves = []
    try:
        times, _ = get_times(data[base + TIMES])
        apart = {place: get_group(item) for place, item in data.items() if place != base + TIMES}
        for column in wanted:
            frame = apart[base + frame_of(column)]
            curve = get_curve(frame, column % CURVES_A_FRAME, times, layout.scales[column])
            curves.append((layout.keys[column], curve))
    except (DamagedBlock, KeyError):
        return curves
    return curves


def names(store: TelemetryStore) -> list[tuple[str, str]]:
    """Return device and metric of every curve that was ever kept."""
    with store.database.transaction() as connection:
        rows = connection.execute(select(_SERIES.c.device, _SERIES.c.metric).order_by(_SERIES.c.id)).all()
    return [(row.device, row.metric) for row in rows]


def total(store: TelemetryStore) -> tuple[int, int]:
    """Return how many recordings are written, and how many bytes they take."""
    written = _RECORDINGS.c.chunk.is_not(None)
    query = select(func.count(), func.total(_RECORDINGS.c.bytes)).where(written)
    with store.database.transaction() as connection:
        row = connection.execute(query).one()
    return int(row[0]), int(row[1])
