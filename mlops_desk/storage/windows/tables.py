"""The tables of the database of windows, as SQLAlchemy 2 typed mappings.

``drift_windows`` holds one row for each window and each roll-up, ``window_profiles`` what froze their bins, by its
digest; ``window_references`` which of these a monitor's windows are held against, ``window_followed`` how far a
monitor's source was read. What is in the blobs is the business of ``drift.store``.
"""

from sqlalchemy import Index
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

OPEN, RAW, HOUR, DAY, MONTH = -1, 0, 1, 2, 3  # part of the format


class WindowsBase(DeclarativeBase):
    """All tables of the database of windows."""


class StoredProfile(WindowsBase):
    """A profile in its own form, by its SHA-256."""

    __tablename__ = "window_profiles"

    digest: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[bytes]


class StoredReference(WindowsBase):
    """What a monitor's windows are held against now."""

    __tablename__ = "window_references"

    monitor: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]


class StoredWindow(WindowsBase):
    """A window (``RAW``), the one that still grows (``OPEN``), or the sum of those that began in a period.

    ``period`` is the Unix second in which the hour (of windows too), day or month began, UTC. ``layout`` is the digest
    of the profile that froze the bins. ``is_rolled``: it is part of its hour's sum. ``segments`` is
    empty where rows are not told apart; it stands last, so that who does not ask for it reads none of it.
    """

    __tablename__ = "drift_windows"
    __table_args__ = (
        Index("drift_windows_by_time", "monitor", "level", "is_rolled", "start"),
        Index("drift_windows_by_period", "level", "is_rolled", "period"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    monitor: Mapped[str]
    level: Mapped[int]
    period: Mapped[int]
    layout: Mapped[str]
    start: Mapped[float]
    end: Mapped[float]
    n_rows: Mapped[int]
    is_rolled: Mapped[bool]
    size_bytes: Mapped[int]
    facts: Mapped[bytes]
    rest: Mapped[bytes]
    bins: Mapped[bytes]
    segments: Mapped[bytes]


class StoredCursor(WindowsBase):
    """How far a monitor's source was read, in the words of who reads it."""

    __tablename__ = "window_followed"

    monitor: Mapped[str] = mapped_column(primary_key=True)
    cursor: Mapped[str]
