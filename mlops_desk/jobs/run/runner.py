"""Compares what is wanted (the database) with what a runtime runs, and acts on the difference.

Every second one survey of what is ours there is held against its jobs that are not over. What needs doing
is done by hands: one thread for each job that needs something, never two on the same job, so that a
slow pull, a grace or a call that hangs holds up nobody else. Each runtime has a runner of its own, so that
one that does not answer holds up the jobs of no other.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from mlops_desk.base.errors import DeskError, NotFound, Unavailable
from mlops_desk.base.pauses import pause_after
from mlops_desk.base.text import plain
from mlops_desk.jobs.book import JobBook
from mlops_desk.jobs.queue.old import Wanted, decide
from mlops_desk.jobs.run.attempts import Attempts, Postponed
from mlops_desk.jobs.run.orphans import OrphanJobs
from mlops_desk.jobs.run.runs import JobRuns
from mlops_desk.records.jobs.job import Job, JobState
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.runtimes.runtime import Outlook, Runtime, Sighting

_log = logging.getLogger(__name__)

Hand = Callable[[str, Callable[[], None]], object]

_TICK_SECONDS = 1.0  # chosen: how late an end is noticed; a look costs one listing of the engine's
_IDLE_SECONDS = 5.0
"""Without a job nothing is waited for but the next sweep: whoever adds one wakes the runner."""
_SWEEP_SECONDS = 30.0
"""Chosen: what it finds (containers without a record) is left over from crashes, and does not hurry."""
_PULLS_AT_ONCE = 2  # the engine itself fetches three layers of an image at once
# What a registry says that will say the same tomorrow. A host that no name server knows is asked for a few times.
_REFUSALS = ("denied", "unauthorized", "invalid reference format")
_NO_SUCH_HOST = "no such host"
_PULL_TRIES = 3  # a resolver that restarts is back by then
_PAUSES_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
"""Chosen: an engine that restarts is back within seconds, one that is down is asked once a minute."""
_ENDLESS = 1_000_000
"""Slots of a runtime that queues by itself: more than jobs that ever wait."""
_UNDER_WAY = frozenset({JobState.STARTING, JobState.RUNNING})
_IN_QUEUE = frozenset({JobState.QUEUED, JobState.BLOCKED})


class Runner:
    """``hand`` runs a piece of work, in a thread of its own or at once."""

    def __init__(self, book: JobBook, runtime: Runtime, runs: JobRuns, hand: Hand) -> None:
        self._book = book
        self._runtime = runtime
        self._runs = runs
        self._hand = hand
        self._attempts = Attempts(book, runtime, runs)
        self._orphans = OrphanJobs(book, runtime)
        self._lock = threading.Lock()
        self._ticking = threading.Lock()
        self._busy: dict[str, str] = {}
        self._pauses: dict[str, tuple[int, float]] = {}
        self._sweep_due = 0.0
        self._wake = threading.Event()
        self._stopped = threading.Event()

    def run(self, ending: threading.Event) -> None:
        """Tick until ``ending`` or ``stop``, at once after each ``wake``."""
        while not (ending.is_set() or self._stopped.is_set()):
            try:
                self.tick()
            except DeskError as error:
                _log.warning("Jobs wait: %s", error.message)
            except Exception:  # noqa: BLE001 - a bug in one tick must not end the queue
                _log.exception("A look at the jobs failed")
            self._wake.wait(_TICK_SECONDS if self._active() or self._runs.owing else _IDLE_SECONDS)
            self._wake.clear()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        self._wake.set()

    def wake(self) -> None:
        """Look again now."""
        self._wake.set()

    def tick(self) -> None:
        """Look once at everything, and set to work whatever needs it."""
        with self._ticking:
            if self._runs.owing:
                self._set_to_work("runs", "settle", lambda _key: self._runs.settle())
            active = self._active()
            if not active and time.monotonic() < self._sweep_due:
                return
            try:
                listed = self._runtime.survey()
            except DeskError as error:
                self._runtime_is_away(active, error)
                return
            if self._orphans.take_up(listed):
                active = self._active()
            # What is left over goes first, before a hand makes anything that looks like it.
            if time.monotonic() >= self._sweep_due:
                self._sweep_due = time.monotonic() + _SWEEP_SECONDS
                self._sweep(listed)
            seen = {sighting.handle: sighting for sighting in listed}
            for job in active:
                if job.state in _UNDER_WAY:
                    self._look_after_one(job, seen)
            self._serve([job for job in active if job.state in _IN_QUEUE])

    def _active(self) -> list[Job]:
        """Return the jobs of this runtime that are not over, oldest first."""
        return [job for job in self._book.active() if job.runtime == self._runtime.name]

    def cancel(self, job_id: str) -> Job:
        """Wish a job's end: at once while it is queued, else through its runtime."""

        def ask(job: Job) -> Job | None:
            if job.state.is_final:
                return None
            if job.state not in _IN_QUEUE:
                return replace(job, cancel_requested=True)
            reason = Reason("cancelled", "The job was cancelled before it started.")
            return replace(job, state=JobState.CANCELLED, cancel_requested=True, reason=reason, ended_at=time.time())

        changed = self._book.change(job_id, ask)
        if changed is not None and changed.state.is_final:
            self._runs.owe(changed.mlflow_run_id, JobState.CANCELLED)
        self._pauses.pop(job_id, None)
        self.wake()
        return self._book.get(job_id)

    # -- under way -----------------------------------------------------------------------------

    def _look_after_one(self, job: Job, seen: Mapping[str, Sighting]) -> None:
        try:
            self._look_after(job, seen)
        except DeskError as error:  # a disk that takes no write about one job must not hide the others from us
            _log.warning("What is seen of %s can't be written down: %s", job.id, error.message)

    def _look_after(self, job: Job, seen: Mapping[str, Sighting]) -> None:
        sighting = seen.get(job.attempts[-1].handle)
        if sighting is None or self._attempts.saw(job, sighting):
            self._set_to_work(job.id, "attend", self._attempts.attend)
        if self._attempts.counts_room(job):
            self._set_to_work(f"room-{job.id}", "count", lambda _key: self._attempts.count_room(job.id))

    def _runtime_is_away(self, active: list[Job], error: DeskError) -> None:
        self._attempts.lost_sight()
        self._sweep_due = 0.0
        for job in active:
            running = "The job may go on; its state is not known. " if job.state in _UNDER_WAY else ""
            self._give_reason(job, Reason("engine_unavailable", f"{running}{error.message}", hint=error.hint))

    def _give_reason(self, job: Job, reason: Reason | None, state: JobState | None = None) -> None:
        def put(current: Job) -> Job | None:
            if current.state.is_final or (state is not None and current.state not in _IN_QUEUE):
                return None
            return replace(current, reason=reason, state=state or current.state)

        if job.reason != reason or (state is not None and job.state is not state):
            self._book.change(job.id, put)

    # -- the queue -----------------------------------------------------------------------------

    def _serve(self, queue: list[Job]) -> None:
        ready = []
        for job in queue:
            if self._is_busy(job.id) or self._is_paused(job.id) or (job.not_before or 0.0) > time.time():
                continue
            if job.image_id is None:
                if self._count_busy("fetch") < _PULLS_AT_ONCE:
                    self._set_to_work(job.id, "fetch", self._fetch)
            else:
                ready.append(job)
        if not ready:
            return
        busy = self._beginning()
        decision = decide(
            [_wanted(job) for job in ready],
            self._outlook_of_this_tick(),
            self._free_slots(busy),
            gpu_job_starting=any(job.spec.resources.gpus for job in busy),
        )
        for job in ready:
            if job.id in decision.start:
                self._give_reason(job, None, JobState.QUEUED)
                self._set_to_work(job.id, "begin", self._attempts.begin)
            elif job.id in decision.waiting:
                self._give_reason(job, decision.waiting[job.id], JobState.QUEUED)
            else:
                self._give_reason(job, decision.blocked[job.id], JobState.BLOCKED)

    def _beginning(self) -> list[Job]:
        """Return the jobs that hands are taking out of the queue just now."""
        with self._lock:
            ids = [job_id for job_id, work in self._busy.items() if work == "begin"]
        return [job for job in map(self._book.get, ids) if job.state in _IN_QUEUE]

    def _free_slots(self, beginning: list[Job]) -> int:
        slots = self._runtime.abilities().slots
        if slots is None:
            return _ENDLESS
        under_way = [job for job in self._active() if job.state in _UNDER_WAY]
        return slots - sum(not job.spec.resources.gpus for job in (*under_way, *beginning))

    def _outlook_of_this_tick(self) -> Callable[[int, int | None], Outlook]:
        known: dict[tuple[int, int | None], Outlook] = {}

        def outlook(count: int, memory_bytes: int | None) -> Outlook:
            if (count, memory_bytes) not in known:
                try:
                    known[count, memory_bytes] = self._runtime.outlook(count, memory_bytes)
                except DeskError as error:
                    known[count, memory_bytes] = Outlook(free=False, text=error.message)
            return known[count, memory_bytes]

        return outlook

    def _fetch(self, job_id: str) -> None:
        """Pin a job's image, pulling it if it is not here; no GPU is held meanwhile."""
        job = self._book.get(job_id)
        if job.state.is_final:
            return
        reference = job.spec.image
        pinned = self._runtime.image(reference)
        if pinned is None:
            self._give_reason(job, Reason("image_pulling", f"The image {plain(reference)} is being pulled."))
            try:
                pinned = self._runtime.fetch(reference)
            except DeskError as error:
                self._judge_pull(job, error)
                return
        self._book.change(
            job_id, lambda now: None if now.state.is_final else replace(now, image_id=pinned, reason=None)
        )

    def _judge_pull(self, job: Job, error: DeskError) -> None:
        """Fail a job whose image nobody has; one whose registry does not answer waits for it."""
        text = f"The image {plain(job.spec.image)} is not on this machine"
        tries, _ = self._pauses.get(job.id, (0, 0.0))
        said = error.message.lower()
        nowhere = isinstance(error, NotFound) or any(mark in said for mark in _REFUSALS)
        if not nowhere and not (_NO_SUCH_HOST in said and tries + 1 >= _PULL_TRIES):
            reason = Reason("image_missing", f"{text} and can't be pulled now.", error.message, error.hint)
            raise Postponed(reason) from error
        hint = error.hint or "Check the image's name and tag, or pull or build it first."
        reason = Reason("image_missing", f"{text} and can't be pulled.", plain(error.message, 1000), hint)
        self._book.change(
            job.id,
            lambda now: (
                None if now.state.is_final else replace(now, state=JobState.FAILED, reason=reason, ended_at=time.time())
            ),
        )

    # -- tidying -------------------------------------------------------------------------------

    def _sweep(self, listed: list[Sighting]) -> None:
        """Remove attempts of ours that no job needs any more; what belongs to no known job is left alone."""
        self._runtime.settle()
        self._runs.keep_tickets(self._book.is_current)
        for sighting in listed:
            try:
                self._tidy_up(sighting)
            except DeskError as error:  # one that can't be removed now must not hold up the jobs
                _log.warning("The container %s is left over for now: %s", plain(sighting.handle), error.message)
                if isinstance(error, Unavailable):
                    return

    def _tidy_up(self, sighting: Sighting) -> None:
        try:
            job = self._book.get(sighting.job_id)
        except NotFound:
            return
        attempt = next((one for one in job.attempts if one.id == sighting.attempt_id), None)
        if attempt is None:
            return
        newest = attempt.id == job.attempts[-1].id
        if attempt.state.is_final or not newest:
            self._attempts.tidy(job, attempt, finished=newest and attempt.started_at is not None)

    # -- hands ---------------------------------------------------------------------------------

    def _set_to_work(self, key: str, name: str, work: Callable[[str], None]) -> None:
        """Let a hand do ``work(key)``, unless one is at it already or the last one asked for a pause."""
        if self._is_paused(key):
            return
        with self._lock:
            if key in self._busy:
                return
            self._busy[key] = name

        before = self._known(key)

        def do() -> None:
            done = False
            try:
                work(key)
                done = True
            except Postponed as postponed:
                self._excuse(key, postponed.reason)
            except DeskError as error:
                self._excuse(key, Reason("postponed", error.message, hint=error.hint))
            finally:
                self._put_down(key, done=done)
                if self._known(key) != before:
                    self.wake()

        self._hand(f"job-{key}-{name}", do)

    def _put_down(self, key: str, *, done: bool) -> None:
        with self._lock:
            self._busy.pop(key, None)
            if done:
                self._pauses.pop(key, None)
            else:
                tries = self._pauses.get(key, (0, 0.0))[0]
                pause = pause_after(tries, _PAUSES_SECONDS)
                self._pauses[key] = (tries + 1, time.monotonic() + pause)

    def _excuse(self, key: str, reason: Reason) -> None:
        _log.info("%s has to wait: %s", key, reason.text)
        job = self._known(key)
        if job is None:
            return
        try:
            self._give_reason(job, reason)
        except DeskError as error:
            _log.warning("Why %s waits can't be written down: %s", key, error.message)
            self._book.tell(key, reason)

    def _known(self, key: str) -> Job | None:
        """Return the job that a hand works on; some hands work on something else."""
        return next((job for job in self._book.active() if job.id == key), None)

    def _is_busy(self, key: str) -> bool:
        with self._lock:
            return key in self._busy

    def _count_busy(self, name: str) -> int:
        with self._lock:
            return sum(work == name for work in self._busy.values())

    def _is_paused(self, key: str) -> bool:
        with self._lock:
            return time.monotonic() < self._pauses.get(key, (0, 0.0))[1]


def _wanted(job: Job) -> Wanted:
    return Wanted(job.id, job.spec.resources.gpus, job.spec.resources.gpu_memory_bytes)
