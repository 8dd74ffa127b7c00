"""Serves the queue of one runtime: what the scheduler decides is done, what it says is shown.

Each look makes the scheduler's view from the records and has it decide; nothing else here chooses anything. Runtimes
that give out the same GPUs decide on the same view, and each does what concerns its own jobs.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from mlops_desk.engines.images.tasks import ImageClaim, NotBuilt
from mlops_desk.gpus.records.gpu_status import GpuCard
from mlops_desk.jobs.ports import DataStaging, GroupWatch
from mlops_desk.jobs.queue import words
from mlops_desk.jobs.queue.plan import Plan
from mlops_desk.jobs.queue.queue_status import Board
from mlops_desk.jobs.queue.rules import QueueRules
from mlops_desk.jobs.queue.schedule import schedule
from mlops_desk.jobs.queue.usage import Usage
from mlops_desk.jobs.queue.view import QueueView, Wish
from mlops_desk.jobs.queue.view_builder import IN_QUEUE, QueueMoment, Views
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.repository import JobBook
from mlops_desk.jobs.run import times
from mlops_desk.jobs.run.attempts import Attempts
from mlops_desk.jobs.run.fair_queue import Pool
from mlops_desk.jobs.run.job_workers import Hands, Postponed
from mlops_desk.jobs.runtimes.runtime import Obstructed, Runtime
from mlops_desk.kit.base.errors import DeskError, NotFound
from mlops_desk.kit.base.text import plain

# Pins the images of queued jobs, pulling or building those that are not here; no GPU is held meanwhile.
PULLS_AT_ONCE = 2  # the engine itself fetches three layers of an image at once
# What a registry says that will say the same tomorrow. A host that no name server knows is asked for a few times.
_REFUSALS = ("denied", "unauthorized", "invalid reference format")
_NO_SUCH_HOST = "no such host"
_PULL_TRIES = 3  # a resolver that restarts is back by then


class Fetching:
    """``tries`` tells how often in a row the image of a job could not be fetched."""

    def __init__(self, book: JobBook, runtime: Runtime, tries: Callable[[str], int]) -> None:
        self._book = book
        self._runtime = runtime
        self._tries = tries

    def fetch(self, job_id: str) -> None:
        """Pin a job's image. Raises Postponed while it is not to be had, and DeskError."""
        job = self._book.get(job_id)
        if job.state.is_final:
            return
        try:
            pinned = self._built(job) if job.spec.build is not None else self._pulled(job)
        except Obstructed as obstructed:
            raise Postponed(obstructed.reason, blocked=True) from obstructed
        except NotBuilt as failed:
            self._fail(job, failed.reason)
            return
        except DeskError as error:
            self._judge(job, error)
            return

        def pin(now: Job) -> Job | None:
            if now.state.is_final:
                return None
            got = replace(now, image_id=pinned, reason=None)
            if now.spec.build is None or not now.spec.build.only:
                return got
            return replace(got, state=JobState.SUCCEEDED, ended_at=time.time())

        self._book.change(job_id, pin)

    def _pulled(self, job: Job) -> str:
        reference = job.spec.image
        pinned = self._runtime.image(reference, job.submitted_by)
        if pinned is not None:
            return pinned
        self._book.give_reason(job, Reason("image_pulling", f"The image {plain(reference)} is being pulled."))
        return self._runtime.fetch(reference, job.submitted_by, self._claim(job.id))

    def _built(self, job: Job) -> str:
        where = plain(job.spec.build.context) if job.spec.build is not None else ""
        self._book.give_reason(job, Reason("image_building", f"The image is being built of {where}."))
        return self._runtime.build(job, self._claim(job.id))

    def _claim(self, job_id: str) -> ImageClaim:
        def wanted() -> bool:
            now = self._book.get(job_id)
            return not now.state.is_final and not now.cancel_requested

        return ImageClaim(job_id, wanted)

    def _judge(self, job: Job, error: DeskError) -> None:
        """Fail a job whose image nobody has; one whose registry does not answer waits for it."""
        if job.spec.build is not None:
            text = f"The image can't be built now: {error.message}"
            raise Postponed(Reason("image_building", text, hint=error.hint)) from error
        text = f"The image {plain(job.spec.image)} is not on this machine"
        said = error.message.lower()
        nowhere = isinstance(error, NotFound) or any(mark in said for mark in _REFUSALS)
        if not nowhere and not (_NO_SUCH_HOST in said and self._tries(job.id) + 1 >= _PULL_TRIES):
            reason = Reason("image_missing", f"{text} and can't be pulled now.", error.message, error.hint)
            raise Postponed(reason) from error
        hint = error.hint or "Check the image's name and tag, or pull or build it first."
        reason = Reason(
            "image_missing", f"{text} and can't be pulled.", plain(error.message, 1000), hint, title="Image not found"
        )
        self._fail(job, reason)

    def _fail(self, job: Job, reason: Reason) -> None:
        self._book.change(
            job.id,
            lambda now: (
                None if now.state.is_final else replace(now, state=JobState.FAILED, reason=reason, ended_at=time.time())
            ),
        )


_log = logging.getLogger(__name__)

BEGIN = "begin"
_BOARD_SECONDS = 1.0  # chosen: as often as the queue itself is looked at


class Serving:
    """``rules`` returns the rules that hold now; ``usage`` is what all users have used, in all runtimes.

    ``pool`` is what runtimes of the same GPUs share; None: nobody shares them. ``staging`` brings data that are to be
    copied first; None: there are none.
    """

    def __init__(
        self,
        book: JobBook,
        runtime: Runtime,
        attempts: Attempts,
        hands: Hands,
        usage: Usage,
        rules: Callable[[], QueueRules],
        groups: GroupWatch | None = None,
        pool: Pool | None = None,
        staging: DataStaging | None = None,
    ) -> None:
        self._pool = pool or Pool([runtime.name])
        self._book = book
        self._runtime = runtime
        self._attempts = attempts
        self._hands = hands
        self._rules = rules
        self._groups = groups
        self._staging = staging
        self._fetching = Fetching(book, runtime, hands.tries)
        self._views = Views(usage, runtime.grace_seconds, book.known)
        self._boarding = threading.Lock()
        self._board: tuple[list[Job], float, Board] | None = None

    def serve(self) -> None:
        """Look at the queue once, and set to work whatever may start."""
        active = self._active()
        queue = [job for job in active if job.state in IN_QUEUE]
        if not queue:
            self.leave_line()
            return
        self._fetch(queue)
        self._stage(queue)
        jobs = {job.id: job for job in queue}
        with self._pool.lock:
            self._pool.keep(self._runtime.name, self._hands.busy_with(BEGIN))
            view = self.view()
            plan = schedule(view)
            if self._pool.line is not None:
                self._pool.line.follow(plan, self._is_queued)
            for job_id, gpus in plan.starts.items():
                if job_id in jobs:
                    self._begin(jobs[job_id], gpus, _lenders(view, gpus))
        own = {job.id for job in active}
        for one in plan.preempts:
            if one.job_id in own:
                self._preempt(one.job_id, one.by)
        self._tell(queue, plan)

    def leave_line(self) -> None:
        """Give up the places in the line of all agents that nobody of ours waits in any more."""
        if self._pool.line is not None:
            with self._pool.lock:
                self._pool.line.tidy(self._is_queued)

    def _is_queued(self, job_id: str) -> bool:
        job = self._book.current(job_id)
        return job is not None and job.state in IN_QUEUE

    def board(self) -> Board:
        """Return how the queue stands, as it is now or was a moment ago if no job has changed since."""
        with self._boarding:
            active = [*self._active(), *self._others()]
            known, earlier = self._board, None
            if known is not None:
                jobs, at, board = known
                if time.monotonic() - at < _BOARD_SECONDS and jobs == active:
                    return board
                earlier = board.foresight
            board = Board(self.view(), earlier)
            self._board = (active, time.monotonic(), board)
            return board

    def wish(self, job: Job) -> Wish:
        """Return what a job would wait for that nobody has submitted."""
        return self._views.made_up(job)

    def withheld(self, job: Job) -> Reason | None:
        """Return what is known to keep such a job from starting; None also where nobody can be asked about it now."""
        try:
            return self._runtime.withheld(job.spec)
        except DeskError as error:
            _log.info("What keeps jobs from starting on %s can't be told: %s", self._runtime.name, error.message)
            return None

    def with_image_progress(self, job: Job) -> Job:
        """Return a job with how far its image is, while it waits for that."""
        return job if job.image_id is not None else replace(job, fetching=self._runtime.image_progress(job.id))

    def view(self) -> QueueView:
        """Return the scheduler's view of this moment."""
        with self._pool.lock:
            promised = self._pool.promised(self._runtime.name, self._hands.busy_with(BEGIN))
            active = self._active()
            back = self._hands.held_back()
            unready = {job.id: _unready(job) for job in active if job.id in back and _is_queued(job, promised)}
            ready_by: Mapping[str, float] = {}
            if self._staging is not None:
                queue = [job for job in active if job.id not in unready and _is_queued(job, promised)]
                unready.update(self._staging.unready(queue))
                ready_by = self._staging.ready_by(queue)
            moment = QueueMoment(
                time.time(),
                self._cards(),
                self._runtime.abilities().slots,
                self._rules(),
                promised,
                self._pool.unready(self._runtime.name, unready),
                {} if self._groups is None else self._groups.held(active),
                _asked_ago(active),
                ready_by,
            )
            view = self._views.view(active, moment, self._others())
            line = self._pool.line
            return view if line is None else replace(view, waiters=line.waiters(promised))

    def _active(self) -> list[Job]:
        return [job for job in self._book.active() if job.runtime == self._runtime.name]

    def _others(self) -> list[Job]:
        """Return the jobs elsewhere that have, or wait for, the same GPUs."""
        elsewhere = self._pool.runtimes - {self._runtime.name}
        if not elsewhere:
            return []
        return [job for job in self._book.active() if job.runtime in elsewhere and job.spec.resources.gpus]

    def _cards(self) -> tuple[GpuCard, ...] | None:
        try:
            return self._runtime.cards()
        except DeskError as error:
            _log.debug("No GPU is given out: %s", error.message)  # at each look; who waits for one is told
            return None

    def _fetch(self, queue: Sequence[Job]) -> None:
        for job in queue:
            if job.image_id is None and len(self._hands.busy_with("fetch")) < PULLS_AT_ONCE:
                self._hands.set_to_work(job.id, "fetch", self._fetching.fetch)

    def _stage(self, queue: Sequence[Job]) -> None:
        if self._staging is not None:
            back = self._hands.held_back()
            for job_id in self._staging.due([job for job in queue if job.id not in back]):
                self._hands.set_to_work(job_id, "stage", self._staging.stage)

    def _preempt(self, job_id: str, by: str) -> None:
        other = self._book.get(by)
        reason = Reason("preempted", f"Made room for {plain(other.name)} ({by}), which has a higher priority.")
        self._attempts.preempt(job_id, reason)

    def _begin(self, job: Job, gpus: tuple[str, ...], lent_by: tuple[str, ...]) -> None:
        if self._hands.is_paused(job.id) or self._hands.is_busy(job.id):
            return
        if job.state is JobState.BLOCKED:
            self._book.give_reason(job, None, JobState.QUEUED)
        self._pool.promise(self._runtime.name, job.id, gpus)
        self._hands.set_to_work(job.id, BEGIN, partial(self._attempts.begin, gpus=gpus, lent_by=lent_by))

    def _tell(self, queue: Sequence[Job], plan: Plan) -> None:
        """Show of each job why it waits; that it is blocked, or is not any more, is written down as well."""
        back = self._hands.held_back()
        for job in queue:
            if job.id in plan.starts or job.id in back:
                continue
            reason = plan.blocked.get(job.id)
            if reason is not None:
                self._book.give_reason(job, reason, JobState.BLOCKED)
                continue
            reason = plan.wait_of(job.id).reason
            if job.state is JobState.BLOCKED:
                self._book.give_reason(job, reason, JobState.QUEUED)
            elif job.reason is not reason and not (reason is words.LATER and job.reason is not None):
                self._book.tell(job.id, reason)  # why it is to begin later, as after a failure, says more


def _lenders(view: QueueView, gpus: Sequence[str]) -> tuple[str, ...]:
    """Return the endpoints that lend some of these GPUs."""
    found = {card.lent_by for card in view.cards or () if card.uuid in gpus}
    return tuple(sorted(name for name in found if name is not None))


def _is_queued(job: Job, promised: Mapping[str, tuple[str, ...]]) -> bool:
    return job.state in IN_QUEUE and job.id not in promised


def _asked_ago(active: Sequence[Job]) -> dict[str, float]:
    """Return how many seconds ago jobs were asked to make room."""
    moment, found = times.now(), {}
    for job in active:
        asked = job.attempts[-1].asked if job.attempts and job.state not in IN_QUEUE else None
        ago = None if asked is None else times.passed(asked, moment)
        if ago is not None:
            found[job.id] = ago
    return found


def _unready(job: Job) -> Reason:
    """Say why a job is not started though there may be room: what its hand has said last."""
    return job.reason or Reason("postponed", "Is being looked after.")
