"""Data that are copied to a fast local disk before a job starts: how far a copy is, which there are, what they take."""

from dataclasses import dataclass
from enum import StrEnum

from mlops_desk.kit.records.owner import Owner


@dataclass(frozen=True, slots=True)
class StagingProgress:
    """How far the data of one mount (``target``) are.

    ``phase``: ``waiting``, ``listing``, ``copying``, or ``checking`` whether the source has changed meanwhile.
    ``files`` and ``size_bytes`` are done, of ``files_total`` and ``total_bytes`` (None but while it is copied).
    What lies in the cache already counts as done. ``seen_at`` is Unix time.
    """

    target: str
    source: str
    phase: str
    seen_at: float
    files: int = 0
    size_bytes: int = 0
    files_total: int | None = None
    total_bytes: int | None = None
    bytes_per_second: float | None = None
    left_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class StagedData:
    """Which copy a job's mount shows: ``copy`` names it in the cache, ``sha256`` is of the manifest of its files."""

    target: str
    source: str
    copy: str
    sha256: str
    files: int
    size_bytes: int


class DataStanding(StrEnum):
    """How data that are to be copied stand before a job is submitted.

    THERE: a copy of them as they are now is here. COPIED: they are copied first. NO_ROOM: they don't fit, LATER: not
    before jobs that use other data are over. UNREADABLE: they can't be read. UNKNOWN: not found out in time.
    """

    THERE = "there"
    COPIED = "copied"
    NO_ROOM = "no_room"
    LATER = "later"
    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StagingForecast:
    """What would be done about the data of one mount (``target``) before a job starts; None: not known.

    ``files`` and ``size_bytes`` is all that there is (of UNKNOWN ``files`` is how many were seen), ``copy_bytes`` what
    of it has to be copied, as an earlier copy has the rest; ``seconds`` how long that takes by the pace of earlier
    copies, and ``bytes_per_second`` that pace. ``missing_bytes`` is what lacks of room, ``evicted_bytes`` what unused
    copies make room. ``text`` says all of it to people, ``hint`` what to do where it can't be done.
    """

    target: str
    source: str
    standing: DataStanding
    files: int | None = None
    size_bytes: int | None = None
    copy_bytes: int | None = None
    seconds: float | None = None
    bytes_per_second: float | None = None
    missing_bytes: int | None = None
    evicted_bytes: int = 0
    text: str = ""
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class StagedCopy:
    """A copy in the cache. ``taken_bytes`` is what goes with it, as what it shares with another one stays.

    ``whole``: all of it was copied and verified. ``jobs`` are those that are not over and use it, ``waits`` those that
    wait for such data; ``progress`` is how far it is while it is made. Times are Unix seconds.
    """

    id: str
    source: str
    uid: int
    user: str
    files: int
    size_bytes: int
    taken_bytes: int
    whole: bool
    made_at: float
    used_at: float
    sha256: str | None = None
    jobs: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()
    progress: StagingProgress | None = None

    @property
    def owner(self) -> Owner:
        return Owner(self.uid, self.user)


@dataclass(frozen=True, slots=True)
class StagingCache:
    """The cache of data. ``free_bytes`` is what its disk has left (None: not known); ``reserve_bytes`` stay free."""

    folder: str
    used_bytes: int
    budget_bytes: int
    free_bytes: int | None
    reserve_bytes: int
    copies: tuple[StagedCopy, ...] = ()


@dataclass(frozen=True, slots=True)
class ClearedCopies:
    """Copies that went, or that would go (``preview``), and the room that they take; ``kept`` are used by jobs."""

    copies: tuple[StagedCopy, ...]
    freed_bytes: int
    kept: tuple[StagedCopy, ...] = ()
    preview: bool = False


@dataclass(frozen=True, slots=True)
class GoesNext:
    """What has to go first where a part of the disk budget is used up; ``at`` is when it ended or was used last.

    ``job_id`` is whose it is (of logs), ``copy`` a copy's id (of data), ``size_bytes`` what goes with it (None: what
    it shares with others is not told apart).
    """

    name: str
    at: float
    size_bytes: int | None = None
    job_id: str | None = None
    copy: str | None = None


@dataclass(frozen=True, slots=True)
class DiskPart:
    """What one kind of thing takes of the disk budget of jobs. ``setting`` is what decides its part.

    ``next`` is what goes first when that is used up; None: nothing can, as all of it is in use.
    """

    name: str
    folder: str
    used_bytes: int
    budget_bytes: int
    setting: str
    next: GoesNext | None = None


@dataclass(frozen=True, slots=True)
class DiskRoom:
    """A disk on which parts (``parts``, by name) of the budget lie.

    ``allowed_bytes`` is what they may still take, ``reserve_bytes`` what copies of data leave free; ``lacks_bytes`` is
    how much of the former the disk has no room for. ``free_bytes`` None: not known.
    """

    folder: str
    parts: tuple[str, ...]
    free_bytes: int | None
    allowed_bytes: int
    reserve_bytes: int = 0

    @property
    def lacks_bytes(self) -> int:
        if self.free_bytes is None:
            return 0
        return max(0, self.allowed_bytes - max(0, self.free_bytes - self.reserve_bytes))


@dataclass(frozen=True, slots=True)
class JobDisk:
    """The one disk budget for the logs of jobs, snapshots of their code and staged data, its parts, and their disks."""

    budget_bytes: int
    used_bytes: int
    parts: tuple[DiskPart, ...] = ()
    disks: tuple[DiskRoom, ...] = ()
