"""The data of queued jobs, brought to the local disk before they get GPUs: who is next, what is there, who uses it.

A copy is good for a job if its source was looked at after the job could have started as far as other jobs are
concerned: after its submit, and after the end of those that it waits for, which may have made the data. So the jobs of
a sweep share one look and one copy. Copies are each person's own: no other's job ever gets one.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.records.provenance import Capsule
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.jobs.records.staging import StagedData, StagingProgress
from mlops_desk.jobs.repository import JobBook
from mlops_desk.jobs.run.job_workers import Postponed
from mlops_desk.jobs.staging import words
from mlops_desk.jobs.staging.cache import StagingShelf, ranks_of, staged_mounts
from mlops_desk.jobs.staging.copy_task import ROUNDS, Asked, Changing, MakeRoom, Making
from mlops_desk.jobs.staging.eviction import plan_room
from mlops_desk.jobs.staging.worker import CacheFull, Given
from mlops_desk.kit.base.disk.free_space import available_bytes
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, Unavailable

_log = logging.getLogger(__name__)

COPIES_AT_ONCE = 2  # chosen: two shares are read side by side; of one, two copies would take turns
AHEAD = 8  # chosen: as many jobs have their data brought ahead of their turn as a machine has GPUs
_SOON_SECONDS = 3600.0  # chosen: data for a job that begins later would lie there for nothing


class Stager:
    """``check`` looks once more whether a job may mount what it names, and returns its spec as it really lies.

    ``ending`` tells that the agent ends.
    """

    def __init__(
        self,
        book: JobBook,
        shelf: StagingShelf,
        check: Callable[[Job], JobSpec],
        ending: Callable[[], bool] = lambda: False,
    ) -> None:
        self._book = book
        self._shelf = shelf
        self._check = check
        self._ending = ending
        self._lock = threading.Lock()
        self._progress: dict[tuple[int, str], StagingProgress] = {}
        self._sharing: dict[tuple[int, str], list[str]] = {}

    # -- for the queue -------------------------------------------------------------------------

    def unready(self, queue: Iterable[Job]) -> dict[str, Reason]:
        """Return which jobs of the queue can't start as their data are not here, each with what is done about it."""
        return {job.id: self._why(job, missing) for job in queue if (missing := self._missing(job))}

    def ready_by(self, queue: Iterable[Job]) -> dict[str, float]:
        """Return when the data of jobs are expected here, of which all that lacks is being copied."""
        with self._lock:
            known = dict(self._progress)
        ends: dict[str, float] = {}
        for job in queue if known else ():
            found = [known.get((job.submitted_by, mount.source)) for mount in self._missing(job)]
            at = [one.seen_at + one.left_seconds for one in found if one is not None and one.left_seconds is not None]
            if at and len(at) == len(found):
                ends[job.id] = max(at)
        return ends

    def due(self, queue: Sequence[Job]) -> list[str]:
        """Return the jobs whose data are to be brought now; what is here already is given to its job at once."""
        waiting = [job for job in queue if self._missing(job) and self._may_begin(job)]
        waiting.sort(key=lambda job: (-job.priority, job.submitted_at, job.id))
        found: list[str] = []
        sharing: dict[tuple[int, str], list[str]] = {}
        with self._lock:
            taken = set(self._progress)
        for job in waiting[:AHEAD]:
            missing = [mount for mount in self._missing(job) if not self._adopted(job, mount)]
            keys = {(job.submitted_by, mount.source) for mount in missing}
            for key in keys:
                sharing.setdefault(key, []).append(job.id)
            if keys and taken.isdisjoint(keys) and len(taken) < COPIES_AT_ONCE:
                found.append(job.id)
                taken |= keys
        self._sharing = sharing
        return found

    def _missing(self, job: Job) -> list[Mount]:
        mounts = staged_mounts(job.spec)
        if not mounts:
            return []
        capsule = job.capsule or Capsule()
        have = {one.target for one in capsule.staged if self._shelf.is_usable(one.copy)}
        return [mount for mount in mounts if mount.target not in have]

    def _may_begin(self, job: Job) -> bool:
        """Tell whether nothing but room and data keeps a job: those before it may be making its data."""
        begin = max(job.not_before or 0.0, job.spec.begin_at or 0.0)
        return begin < time.time() + _SOON_SECONDS and self._ready_at(job) is not None

    def _ready_at(self, job: Job) -> float | None:
        """Return since when a job waits for no other; None while it does."""
        at = job.submitted_at
        for name in (*job.spec.after, *job.spec.after_success):
            other = self._book.known(name)
            if other is not None and not other.state.is_final:
                return None
            at = max(at, (None if other is None else other.ended_at) or 0.0)
        return at

    def _why(self, job: Job, missing: Sequence[Mount]) -> Reason:
        with self._lock:
            found = [one for mount in missing if (one := self._progress.get((job.submitted_by, mount.source)))]
        if found:
            return words.going_on(found[0], time.time())
        told = job.reason
        return told if told is not None and told.class_ in words.CLASSES else words.WAITS

    # -- the work of a hand --------------------------------------------------------------------

    def stage(self, job_id: str) -> None:
        """Bring a job's data. Raises Postponed, DeskError."""
        job = self._book.get(job_id)
        if job.state.is_final:
            return
        try:
            self._look_again(job)
            for mount in self._missing(job):
                if not self._adopted(job, mount):
                    self._bring(self._book.get(job_id), mount)
        except Given:
            return
        except Unavailable as error:
            raise Postponed(words.later(error)) from error
        except (Refused, Invalid) as error:
            self._book.fail(job, words.refused(error))

    def _look_again(self, job: Job) -> None:
        """See that a job may still have what it names, where it was. Raises Refused, Unavailable."""
        if self._check(job).mounts != job.spec.mounts:
            raise Refused("A mount source has become a link since the job was submitted.", "Submit the job again.")

    def _bring(self, job: Job, mount: Mount) -> None:
        key = (job.submitted_by, mount.source)
        with self._lock:
            if key in self._progress:
                raise Postponed(words.WAITS)
            self._progress[key] = StagingProgress(mount.target, mount.source, "waiting", time.time())
        try:
            asked = Asked(*key, mount.target, lambda: self._given_up(job), lambda now: self._tell(key, now))
            making = Making(self._shelf.copies, self._shelf.locked, self._room_for(job, mount.source))
            self._give(job, mount, making.make(asked))
        except Changing as error:
            self._book.fail(job, words.changing(mount.source, error.paths, ROUNDS))
            raise Given from error
        except NotFound as error:
            raise Postponed(words.source_missing(error), blocked=True) from error
        except CacheFull as error:
            raise Postponed(words.disk_full(self._shelf.rules()), blocked=True) from error
        finally:
            with self._lock:
                self._progress.pop(key, None)
            self._shelf.drop_superseded(key, self._book.active())

    def _tell(self, key: tuple[int, str], progress: StagingProgress) -> None:
        with self._lock:
            self._progress[key] = progress
        reason = words.going_on(progress)
        for job_id in self._sharing.get(key, ()):
            self._book.tell(job_id, reason, progress)

    def _given_up(self, job: Job) -> bool:
        """Tell whether nobody waits for a copy any more. Raises Postponed where the disk has become too full."""
        rules = self._shelf.rules()
        free = available_bytes(rules.folder)
        if free is not None and free < rules.reserve_bytes:
            raise Postponed(words.disk_full(rules), blocked=True)
        now = self._book.current(job.id)
        return self._ending() or now is None or now.cancel_requested

    def _room_for(self, job: Job, source: str) -> MakeRoom:
        def make_room(need_bytes: int, kept: Sequence[str]) -> None:
            while True:
                with self._lock:
                    making = list(self._progress)
                ranks = ranks_of(self._book.active())
                asking = ranks.of_job.get(job.id, len(ranks.of_job))
                with self._shelf.locked():
                    held = self._shelf.held()
                    keep = {*kept, *self._shelf.of_keys(making)}
                    limits, used = self._shelf.limits(), self._shelf.copies.used_bytes()
                    plan = plan_room(need_bytes, held, used, limits, ranks.of_copy, asking, keep)
                    for copy in plan.evict:
                        _log.info("The copy %s goes: job %s needs its room", copy, job.id)
                        self._shelf.copies.remove(copy)
                if plan.missing_bytes:
                    reason = words.no_room(source, need_bytes, plan, self._shelf.rules())
                    raise Postponed(reason, blocked=reason.class_ == words.NO_ROOM)
                if not plan.evict:
                    return
                self._shelf.copies.sweep()

        return make_room

    # -- what comes of it ----------------------------------------------------------------------

    def _adopted(self, job: Job, mount: Mount) -> bool:
        """Give a job a copy that is good for it, if there is one."""
        ready_at = self._ready_at(job)
        copy = None if ready_at is None else self._shelf.good(job.submitted_by, mount.source, ready_at)
        if copy is not None:
            self._give(job, mount, copy)
        return copy is not None

    def _give(self, job: Job, mount: Mount, copy: str) -> None:
        facts = self._shelf.use(copy)
        data = StagedData(mount.target, mount.source, copy, facts.sha256 or "", facts.files, facts.size_bytes)

        def take(current: Job) -> Job | None:
            if current.state.is_final:
                return None
            capsule = current.capsule or Capsule()
            others = tuple(one for one in capsule.staged if one.target != mount.target)
            return replace(current, capsule=replace(capsule, staged=(*others, data)), reason=None, staging=None)

        self._book.change(job.id, take)
