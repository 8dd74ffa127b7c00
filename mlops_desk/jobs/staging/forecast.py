"""What would be done about a job's data before it is submitted: looked through as its person, within a short while.

What takes longer to be looked through is said to be not known. What was found is kept for a moment, as the window asks
again at each change of the file; and only a few look at once, so that nobody has a share walked by asking often.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mlops_desk.jobs.records.drift_words import size_words
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.jobs.records.staging import DataStanding, StagingForecast, StagingProgress
from mlops_desk.jobs.staging import words
from mlops_desk.jobs.staging.cache import StagingShelf, ranks_of, staged_mounts
from mlops_desk.jobs.staging.copies import CopyFacts
from mlops_desk.jobs.staging.copy_task import Asked, Making, SourceLook
from mlops_desk.jobs.staging.eviction import RoomPlan, plan_room
from mlops_desk.jobs.staging.worker import Given
from mlops_desk.kit.base.errors import DeskError, NotFound, Refused
from mlops_desk.kit.base.text import duration_text, plain

# What would be done about data before a job starts, in a sentence.
_SHOWN = 400  # chosen: a paragraph


def forecast_text(one: StagingForecast) -> str:
    """Return what would be done about the data of one mount."""
    if one.standing is DataStanding.THERE:
        return f"a copy of its {_holds(one)} is on the local disk already."
    if one.standing is DataStanding.COPIED:
        return f"{_copied(one)}{_made_room(one)}."
    if one.standing is DataStanding.UNKNOWN:
        seen = "" if one.files is None else f" More than {one.files:,} files were seen."
        why = f" {plain(one.text, _SHOWN)}" if one.text else ""
        return f"its data are copied to the local disk first; how much that is takes longer to find out.{seen}{why}"
    return plain(one.text, _SHOWN)


def _holds(one: StagingForecast) -> str:
    files = one.files or 0
    return f"{size_words(one.size_bytes or 0)} in {files:,} file{'' if files == 1 else 's'}"


def _copied(one: StagingForecast) -> str:
    copied, size = one.copy_bytes or 0, one.size_bytes or 0
    what = _holds(one) if copied >= size else f"{size_words(copied)} of {_holds(one)}"
    if one.seconds is None:
        return f"{what} are copied to the local disk first; how fast that goes is not known yet"
    speed = f" at {size_words(int(one.bytes_per_second))} a second" if one.bytes_per_second else ""
    return f"{what} are copied to the local disk first, about {duration_text(one.seconds)}{speed} as measured before"


def _made_room(one: StagingForecast) -> str:
    if not one.evicted_bytes:
        return ""
    return f"; {size_words(one.evicted_bytes)} of copies that no job before it uses make room"


# How fast data were copied, and how long others take at that. Pure.
# Large files go as fast as the share reads and the disk writes, small ones as many a second as the share answers: the
# slower of both counts. Earlier copies of the same source tell it best; without one the fastest of all others does.
_LEAST_SECONDS = 0.5  # chosen: of less most is the start of the process that copies (0.2 s)


@dataclass(frozen=True, slots=True)
class Pace:
    """What was reached when data were copied."""

    bytes_per_second: float
    files_per_second: float

    def seconds(self, files: int, size_bytes: int) -> float:
        """Return how long it takes to copy so much."""
        return max(_over(size_bytes, self.bytes_per_second), _over(files, self.files_per_second))


def pace_of(copies: Iterable[CopyFacts], source: str) -> Pace | None:
    """Return at what pace a source is likely to be copied; None: nothing was copied yet."""
    measured = [one for one in copies if one.copied_files and one.copy_seconds >= _LEAST_SECONDS]
    chosen = [one for one in measured if one.source == source] or measured
    if not chosen:
        return None
    return Pace(
        max(one.copied_bytes / one.copy_seconds for one in chosen),
        max(one.copied_files / one.copy_seconds for one in chosen),
    )


def _over(amount: float, speed: float) -> float:
    return amount / speed if speed > 0 else 0.0


LOOK_SECONDS = 2.0  # chosen: as long as one waits for a preview; a share lists some ten thousand files in it
_KEPT_SECONDS = 30.0  # chosen: a job file is written meanwhile, and data seldom are
_LOOKS_AT_ONCE = 2  # chosen: as many as copy at once
_MOST_KEPT = 50  # chosen: more sources than anybody previews in half a minute

_Found = SourceLook | DeskError | int
"""How a source stands, why it can't be told, or how many files were seen until time was up."""


class Foretelling:
    """``shelf`` has the copies."""

    def __init__(self, shelf: StagingShelf) -> None:
        self._shelf = shelf
        self._looking = threading.BoundedSemaphore(_LOOKS_AT_ONCE)
        self._lock = threading.Lock()
        self._found: dict[tuple[int, str], tuple[float, _Found]] = {}

    def of(self, spec: JobSpec, uid: int, active: Sequence[Job]) -> tuple[StagingForecast, ...]:
        """Tell what would be done about each mount that is to be copied."""
        ends_at, told, taken = time.monotonic() + LOOK_SECONDS, list[StagingForecast](), 0
        for mount in staged_mounts(spec):
            found = self._look(uid, mount.source, ends_at)
            if isinstance(found, SourceLook):
                told.append(self._forecast(mount, found, active, taken))
                taken += found.needs_bytes
            else:
                told.append(_not_known(mount, found))
        return tuple(replace(one, text=forecast_text(one)) for one in told)

    def _look(self, uid: int, source: str, ends_at: float) -> _Found:
        with self._lock:
            known = self._found.get((uid, source))
        if known is not None and time.monotonic() - known[0] < _KEPT_SECONDS:
            return known[1]
        if time.monotonic() >= ends_at or not self._looking.acquire(blocking=False):
            return 0
        try:
            found = self._looked(uid, source, ends_at)
        finally:
            self._looking.release()
        with self._lock:
            if len(self._found) >= _MOST_KEPT:
                self._found.clear()
            self._found[uid, source] = (time.monotonic(), found)
        return found

    def _looked(self, uid: int, source: str, ends_at: float) -> _Found:
        seen = 0

        def tell(progress: StagingProgress) -> None:
            nonlocal seen
            seen = progress.files

        asked = Asked(uid, source, "", lambda: time.monotonic() > ends_at, tell)
        try:
            return Making(self._shelf.copies, self._shelf.locked, lambda *_: None).look(asked)
        except Given:
            return seen
        except DeskError as error:
            return error

    def _forecast(self, mount: Mount, found: SourceLook, active: Sequence[Job], taken: int) -> StagingForecast:
        """Tell of a mount; ``taken`` is what those before it in the job file will have taken."""
        if found.is_there:
            told = StagingForecast(mount.target, mount.source, DataStanding.THERE)
            return _sized(told, found, seconds=0.0, speed=None)
        plan, freed = self._room(found, active, taken)
        with self._shelf.locked():
            pace = pace_of(self._shelf.copies.all().values(), mount.source)
        seconds = None if pace is None else pace.seconds(found.files, found.copy_bytes)
        speed = None if pace is None else pace.bytes_per_second
        if not plan.missing_bytes:
            told = StagingForecast(mount.target, mount.source, DataStanding.COPIED, evicted_bytes=freed)
            return _sized(told, found, seconds, speed)
        reason = words.no_room(mount.source, found.needs_bytes, plan, self._shelf.rules())
        standing = DataStanding.NO_ROOM if reason.class_ == words.NO_ROOM else DataStanding.LATER
        told = StagingForecast(
            mount.target, mount.source, standing, missing_bytes=plan.missing_bytes, text=reason.text, hint=reason.hint
        )
        return _sized(told, found, None, speed)

    def _room(self, found: SourceLook, active: Sequence[Job], taken: int) -> tuple[RoomPlan, int]:
        """Return what would have to go for it, asked by the last of the queue, and how much that is."""
        ranks = ranks_of(active)
        with self._shelf.locked():
            held, limits = self._shelf.held(), self._shelf.limits()
            used, base = self._shelf.copies.used_bytes(), () if found.base is None else (found.base,)
        plan = plan_room(found.needs_bytes + taken, held, used, limits, ranks.of_copy, len(ranks.of_job), base)
        return plan, sum(one.frees_bytes for one in held if one.id in plan.evict)


def _sized(told: StagingForecast, found: SourceLook, seconds: float | None, speed: float | None) -> StagingForecast:
    return replace(
        told, files=found.files, size_bytes=found.size_bytes, copy_bytes=found.copy_bytes, seconds=seconds,
        bytes_per_second=speed,
    )  # fmt: skip


def _not_known(mount: Mount, found: DeskError | int) -> StagingForecast:
    if isinstance(found, int):
        return StagingForecast(mount.target, mount.source, DataStanding.UNKNOWN, files=found or None)
    is_wrong = isinstance(found, (NotFound, Refused))
    standing = DataStanding.UNREADABLE if is_wrong else DataStanding.UNKNOWN
    hint = None if found.hint is None else str(found.hint)
    return StagingForecast(mount.target, mount.source, standing, text=found.message, hint=hint)
