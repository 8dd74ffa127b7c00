"""The scheduler's view, made of the records of jobs. What has not changed since the last time is not made again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.gpus.records.gpu_status import GpuCard
from mlops_desk.jobs.queue import dependencies
from mlops_desk.jobs.queue.plan import PREEMPTED
from mlops_desk.jobs.queue.queue_order import line_up
from mlops_desk.jobs.queue.rules import QueueRules
from mlops_desk.jobs.queue.usage import HeldSpan, Usage
from mlops_desk.jobs.queue.view import QueueLine, QueuePolicy, QueueView, RunningJob, Wish
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.reason import Reason

UNDER_WAY = frozenset({JobState.STARTING, JobState.RUNNING})
IN_QUEUE = frozenset({JobState.QUEUED, JobState.BLOCKED})
NO_IMAGE = Reason("image_pulling", "Its image is not here yet, and is pulled first.")
NOT_BUILT = Reason("image_building", "Its image is built first.")


@dataclass(frozen=True, slots=True)
class QueueMoment:
    """What is so at ``now`` (Unix seconds), besides the jobs.

    ``promised`` are the GPUs of jobs that are being taken out of the queue; ``unready`` says of jobs why they can't be
    started though there may be room, and ``ready_by`` until when, as far as that is known; ``stopped`` why they won't
    be, as those of a group that fails; ``asked_ago`` how many seconds ago they were asked to stop.
    """

    now: float
    cards: tuple[GpuCard, ...] | None
    slots: int | None
    rules: QueueRules
    promised: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unready: Mapping[str, Reason] = field(default_factory=dict)
    stopped: Mapping[str, Reason] = field(default_factory=dict)
    asked_ago: Mapping[str, float] = field(default_factory=dict)
    ready_by: Mapping[str, float] = field(default_factory=dict)


class Views:
    """Makes the views of one runtime's queue. ``grace_seconds`` is what a job is given to end, ``find`` any job."""

    def __init__(self, usage: Usage, grace_seconds: Callable[[Job], float], find: Callable[[str], Job | None]) -> None:
        self._usage = usage
        self._grace_seconds = grace_seconds
        self._find = find
        self._wishes: dict[str, tuple[Job, Wish]] = {}
        self._lines: dict[tuple[int, int], tuple[list[Wish], tuple[QueueLine, ...]]] = {}
        self._ended: dict[str, JobState] = {}
        self._running: dict[str, str] = {}

    def view(self, active: Sequence[Job], moment: QueueMoment, others: Sequence[Job] = ()) -> QueueView:
        """Return how everything stands. ``active`` are the runtime's jobs that are not over, the oldest first.

        ``others`` are those of other runtimes that have, or wait for, the same GPUs.
        """
        self._count_ended(active)
        if others:
            active = sorted([*active, *others], key=attrgetter("submitted_at", "id"))
        waiting, held = self._queued(active, moment)
        policy = QueuePolicy(
            self._usage.by_user(moment.now, moment.rules.half_life_seconds),
            self._usage.last_starts,
            moment.rules.gpus_per_user,
            moment.rules.spared_seconds,
            moment.rules.patience_seconds,
            moment.rules.weights,
        )
        running = tuple(
            self._under_way(job, moment) for job in active if job.state in UNDER_WAY or job.id in moment.promised
        )
        return QueueView(
            moment.now,
            self._lined_up(waiting),
            tuple(held),
            running,
            moment.cards,
            moment.slots,
            policy,
            self._usage.expected,
        )

    def _wish(self, job: Job) -> Wish:
        """Return what a job waits for, apart from other jobs."""
        known = self._wishes.get(job.id)
        if known is not None and known[0] is job:
            return known[1]
        wish = _wish(job, self._grace_seconds(job))
        self._wishes[job.id] = (job, wish)
        return wish

    def made_up(self, job: Job) -> Wish:
        """Return what a job would wait for that is not in the queue."""
        wish = _wish(job, self._grace_seconds(job))
        if job.image_id is None:
            wish = replace(wish, unready=_no_image(job))
        if job.spec.after or job.spec.after_success:
            return _tied(wish, job, lambda one: self._state(one, {}), in_circle=False)
        return wish

    # -- who waits -----------------------------------------------------------------------------

    def _queued(self, active: Sequence[Job], moment: QueueMoment) -> tuple[list[Wish], list[Wish]]:
        waiting: list[Wish] = []
        held: list[Wish] = []
        queued = [job for job in active if job.state in IN_QUEUE and job.id not in moment.promised]
        tied = {job.id: job for job in queued if job.spec.after or job.spec.after_success}
        circles = dependencies.circles(tied) if tied else frozenset()
        states = {job.id: job.state for job in active} if tied else {}
        for job in queued:
            wish = self._wish(job)
            if job.id in tied:
                wish = _tied(wish, job, lambda one: self._state(one, states), in_circle=job.id in circles)
            if job.id in moment.stopped:
                wish = replace(wish, hopeless=moment.stopped[job.id])
            if job.id in moment.unready or job.image_id is None:
                ready_by = None if job.image_id is None else moment.ready_by.get(job.id)
                wish = replace(wish, unready=moment.unready.get(job.id, _no_image(job)), ready_by=ready_by)
            is_held = wish.after or wish.hopeless or wish.unready or (wish.begin_at or 0.0) > moment.now
            (held if is_held else waiting).append(wish)
        if len(self._wishes) > 2 * len(queued) + _KEPT:
            ids = {job.id for job in queued}
            self._wishes = {name: known for name, known in self._wishes.items() if name in ids}
        return waiting, held

    def _state(self, job_id: str, states: Mapping[str, JobState]) -> JobState | None:
        found = states.get(job_id) or self._ended.get(job_id)
        if found is None:
            job = self._find(job_id)
            found = None if job is None else job.state
            if found is not None and found.is_final:
                self._ended[job_id] = found
        return found

    def _lined_up(self, waiting: Sequence[Wish]) -> tuple[QueueLine, ...]:
        """Line up those of each user and priority; where nobody came or went, as they stood."""
        found: dict[tuple[int, int], list[Wish]] = {}
        owner = attrgetter("uid", "priority")
        for wish in waiting:
            found.setdefault(owner(wish), []).append(wish)
        known, self._lines = self._lines, {}
        for key, wishes in found.items():
            before = known.get(key)
            self._lines[key] = before if before is not None and before[0] == wishes else (wishes, line_up(wishes))
        return tuple(line for _, lines in self._lines.values() for line in lines)

    # -- who runs ------------------------------------------------------------------------------

    def _under_way(self, job: Job, moment: QueueMoment) -> RunningJob:
        attempt = job.attempts[-1] if job.state in UNDER_WAY else None
        since = None if attempt is None else attempt.started_at
        ending = job.cancel_requested or (attempt is not None and attempt.stopped_for is not None)
        limit, grace = job.spec.time_limit_seconds, self._grace_seconds(job)
        until = None if limit is None else (moment.now if since is None else since) + limit + grace
        if ending:
            if attempt is not None and attempt.grace_seconds is not None:
                grace = min(grace, attempt.grace_seconds)
            ends = moment.now + max(0.0, grace - moment.asked_ago.get(job.id, 0.0))
            until = ends if until is None else min(until, ends)
        needs = job.spec.resources
        return RunningJob(
            job.id,
            job.submitted_by,
            moment.promised.get(job.id, ()) if attempt is None else attempt.gpus,
            since,
            until,
            self._expected_end(job, since),
            job.priority,
            job.spec.preemptible,
            ending,
            None if needs.exclusive else needs.share_bytes,
            job.name,
            job.user,
            grace,
            sum(one.reason is not None and one.reason.class_ == PREEMPTED for one in job.attempts[:-1]),
        )

    def _expected_end(self, job: Job, since: float | None) -> float | None:
        """Return when a job says that it is done, or else when its kind is done usually."""
        if job.progress is not None and job.progress.left_seconds is not None:
            return job.progress.seen_at + job.progress.left_seconds
        lasts = self._usage.expected.get((job.submitted_by, job.name))
        return None if lasts is None or since is None else since + lasts

    def _count_ended(self, active: Sequence[Job]) -> None:
        """Count what attempts have used that were under way the last time and are over now."""
        running = {job.attempts[-1].id: job.id for job in active if job.state in UNDER_WAY}
        for attempt_id, job_id in self._running.items():
            if attempt_id not in running:
                job = self._find(job_id)
                ended = () if job is None else tuple(one for one in job.attempts if one.id == attempt_id)
                for one in ended:
                    count(self._usage, job, one)
        self._running = running


_KEPT = 100  # chosen: so many are remembered for nothing before it is looked who is gone


def _no_image(job: Job) -> Reason:
    return NO_IMAGE if job.spec.build is None else NOT_BUILT


def count(usage: Usage, job: Job | None, attempt: Attempt) -> None:
    """Add what an attempt that is over has used; one that never ran has used nothing."""
    if job is None or attempt.started_at is None or attempt.ended_at is None:
        return
    kind = job.name if attempt.state is JobState.SUCCEEDED else ""
    usage.add(HeldSpan(job.submitted_by, len(attempt.gpus), attempt.started_at, attempt.ended_at, job.priority, kind))


def _wish(job: Job, grace_seconds: float) -> Wish:
    needs, limit = job.spec.resources, job.spec.time_limit_seconds
    begin = [at for at in (job.not_before, job.spec.begin_at) if at is not None]
    return Wish(
        job.id,
        job.submitted_by,
        job.submitted_at,
        Need(needs.gpus, needs.gpu_memory_bytes, needs.gpu_model, needs.gpu_uuids, needs.exclusive, needs.share_bytes),
        job.priority,
        max(begin, default=None),
        seconds=None if limit is None else limit + grace_seconds,
        preemptible=job.spec.preemptible,
        name=job.name,
        user=job.user,
        kind=job.name,
        grace_seconds=grace_seconds,
    )


def _tied(wish: Wish, job: Job, state_of: dependencies.StateOf, *, in_circle: bool) -> Wish:
    if in_circle:
        return replace(wish, hopeless=dependencies.circle(job))
    return replace(wish, after=dependencies.unmet(job, state_of), hopeless=dependencies.hopeless(job, state_of))
