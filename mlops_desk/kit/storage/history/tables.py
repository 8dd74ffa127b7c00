"""The tables of the telemetry database, as SQLAlchemy 2 typed mappings.

``series`` names every curve once; ``layouts`` which curves the columns of a block or chunk are, and on which
scale. ``blocks`` are the newest rows, one block for each flush; ``chunks`` with their ``frames`` are what blocks
are sealed into, and what chunks are rolled up into. ``processes`` says who held GPU memory, ``recordings`` which
minutes the flight recorder keeps. ``point_…`` hold the series that features record (``points/``).
"""

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

BUILDING, KEPT, DEAD = 0, 1, 2  # part of the format
RECORDING_TIER = -1  # part of the format


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
    """Which series the columns are, as ``ID@SCALE`` with blanks between; only ``ID`` in those of old blocks."""

    __tablename__ = "layouts"

    id: Mapped[int] = mapped_column(primary_key=True)
    series: Mapped[str] = mapped_column(unique=True)


class StoredBlock(TelemetryBase):
    """Some seconds of all series of a layout. Times are Unix seconds of the earliest and the latest row.

    ``holders``: GPU memory of processes at the end of the block.
    """

    __tablename__ = "blocks"

    id: Mapped[int] = mapped_column(primary_key=True)
    layout: Mapped[int] = mapped_column(ForeignKey("layouts.id"))
    started_at: Mapped[float]
    ended_at: Mapped[float]
    rows: Mapped[int]
    data: Mapped[bytes]
    holders: Mapped[bytes | None]


class StoredChunk(TelemetryBase):
    """Rows of one tier, in the order they were written; its data are ``frames``.

    ``tier``: 0 full rate, 1 minutes, 2 quarters of an hour, -1 a recording. ``state``: 0 being built, 1 kept,
    2 to be deleted. ``rolled``: it is part of a chunk of the next tier; ``alone``: what it was made of is gone.
    ``first_source`` and ``last_source``: ids of the blocks or chunks it was made of.
    """

    __tablename__ = "chunks"
    __table_args__ = (Index("chunks_by_tier", "tier", "state", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tier: Mapped[int]
    layout: Mapped[int] = mapped_column(ForeignKey("layouts.id"))
    started_at: Mapped[float]
    ended_at: Mapped[float]
    rows: Mapped[int]
    state: Mapped[int] = mapped_column(default=BUILDING)
    rolled: Mapped[bool] = mapped_column(default=False)
    alone: Mapped[bool] = mapped_column(default=False)
    first_source: Mapped[int]
    last_source: Mapped[int]


class StoredFrame(TelemetryBase):
    """Part of a chunk: its id is the chunk's times ``FRAMES_A_CHUNK`` plus the part's number (``chunks.py``)."""

    __tablename__ = "frames"

    id: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes]


class StoredProcess(TelemetryBase):
    """A process that held GPU memory. Times are Unix seconds; ``seen_chunk`` is the newest chunk that has it."""

    __tablename__ = "processes"
    __table_args__ = (UniqueConstraint("gpu", "pid", "start_ticks"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    gpu: Mapped[str]
    pid: Mapped[int]
    start_ticks: Mapped[int]
    user: Mapped[str | None]
    command: Mapped[str | None]
    container: Mapped[str | None]
    first_at: Mapped[float]
    last_at: Mapped[float]
    peak_bytes: Mapped[float]
    seen_chunk: Mapped[int | None]


class StoredRecording(TelemetryBase):
    """A span that the flight recorder keeps for one or more incidents. ``chunk`` is None until it is written."""

    __tablename__ = "recordings"

    id: Mapped[int] = mapped_column(primary_key=True)
    started_at: Mapped[float]
    ended_at: Mapped[float]
    chunk: Mapped[int | None]
    bytes: Mapped[int]


class StoredRecorded(TelemetryBase):
    """Which recording an incident is part of."""

    __tablename__ = "recorded"

    incident: Mapped[str] = mapped_column(primary_key=True)
    recording: Mapped[int] = mapped_column(index=True)


class StoredPointSeries(TelemetryBase):
    """A series that is recorded point by point; it keeps the scale that it began with."""

    __tablename__ = "point_series"
    __table_args__ = (UniqueConstraint("kind", "key", "metric"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    key: Mapped[str]
    metric: Mapped[str]
    unit: Mapped[str]
    scale: Mapped[str]


class StoredBatch(TelemetryBase):
    """Points of one flush that are not in their pages yet."""

    __tablename__ = "point_batches"

    id: Mapped[int] = mapped_column(primary_key=True)
    rows: Mapped[int]
    data: Mapped[bytes]


class StoredPage(TelemetryBase):
    """Rows of a series and tier by time; ``first`` and ``last`` are tenths of a second."""

    __tablename__ = "point_pages"
    __table_args__ = (Index("point_pages_by_series", "series", "tier", "first"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    series: Mapped[int]
    tier: Mapped[int]
    first: Mapped[int]
    last: Mapped[int]
    data: Mapped[bytes]


class StoredDay(TelemetryBase):
    """A day (since 1970, UTC) on which points were written."""

    __tablename__ = "point_days"

    day: Mapped[int] = mapped_column(primary_key=True)


class StoredTier(TelemetryBase):
    """From which Unix time on a tier has all rows; what is older is in the next one alone."""

    __tablename__ = "point_tiers"

    tier: Mapped[int] = mapped_column(primary_key=True)
    since: Mapped[float]
