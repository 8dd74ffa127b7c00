"""The verbs behind ``mlops-desk exec``: processes of people's own that wait in the queue like any job."""

import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from mlops_desk.jobs.file.fields import API_VERSION
from mlops_desk.jobs.file.spec import parse_spec
from mlops_desk.jobs.queue.plan import NEVER_ENOUGH_GPUS
from mlops_desk.jobs.records.claim import ProcessClaim
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.spec import JobKind, JobSpec
from mlops_desk.jobs.verbs.bare import LONGEST_WAIT_SECONDS
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import Caller, current_caller
from mlops_desk.kit.base.errors import Invalid, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import owner_uid
from mlops_desk.machine.records.event import JobChanged

_NO_IMAGE = "none"  # a job file has to name one, and nobody looks at this one
_DECISION_SECONDS = 10.0  # chosen: a queue that has not decided by then is not going to let it begin at once
_LOOK_SECONDS = 5.0  # chosen: what was given up is out of the queue before anybody wonders why it stands there

Until = Callable[[Job], bool]


class BarePlaces(Protocol):
    """What the runtime of bare processes keeps of them."""

    @property
    def name(self) -> str: ...

    def register(self, job_id: str, pid: int) -> None:
        """Note whose process a job is about to be. Raises Invalid, Unavailable."""
        ...

    def waits(self, job_id: str) -> bool:
        """Tell whether the process of a queued job is still there."""
        ...

    def papers(self, job: Job, attempt: Attempt) -> tuple[str, str]:
        """Return the files with what the process begins with, and for how it ended."""
        ...


class JobQueue(Protocol):
    """What the queue of jobs does for them."""

    def queue_process(self, spec: JobSpec, job_id: str, runtime: str) -> Job: ...

    def show(self, job_id: str) -> Job: ...

    def cancel(self, job_id: str) -> Job: ...

    def waiting(self, runtime: str) -> list[Job]:
        """Return the jobs of a runtime that are in the queue."""
        ...

    def look(self, job_id: str) -> None:
        """Look at a job now rather than in a moment."""
        ...


class BareService:
    """``verbs.bare.Bare``."""

    def __init__(self, queue: JobQueue, places: BarePlaces, bus: Bus) -> None:
        self._queue = queue
        self._places = places
        self._changed = threading.Condition()
        bus.subscribe(JobChanged, self._heard)

    # -- verbs ---------------------------------------------------------------------------------

    def claim(
        self, spec: str, pid: int, folder: str = "/", wait_seconds: float = 0.0, *, now: bool = False
    ) -> ProcessClaim:
        _check_owner(pid, current_caller())
        wanted = _process_spec(spec, folder)
        job_id = secrets.token_hex(6)
        self._places.register(job_id, pid)
        job = self._queue.queue_process(wanted, job_id, self._places.name)
        if now:
            return self._at_once(job)
        found = self._wait(job.id, wait_seconds, lambda one: _is_over_or_runs(one) or one.reason is not None)
        self._refuse_hopeless(found)
        return self._claim(found)

    def seen(self, job_id: str, wait_seconds: float = 0.0) -> ProcessClaim:
        before = self._queue.show(job_id)

        def tells_more(job: Job) -> bool:
            return _is_over_or_runs(job) or (job.state, job.reason) != (before.state, before.reason)

        return self._claim(self._wait(job_id, wait_seconds, tells_more))

    def ended(self, job_id: str) -> ProcessClaim:
        job = self._queue.show(job_id)
        self._queue.look(job.id)
        return self._claim(job)

    # -- for the house -------------------------------------------------------------------------

    def start(self, loop: Loop) -> None:
        """Look now and then for processes that were ended while they waited."""
        loop.repeat("bare", _LOOK_SECONDS, self.tidy)

    def tidy(self) -> None:
        """Take out of the queue what nobody waits for any more."""
        for job in self._queue.waiting(self._places.name):
            if not self._places.waits(job.id):
                self._queue.cancel(job.id)

    # -- inside --------------------------------------------------------------------------------

    def _at_once(self, job: Job) -> ProcessClaim:
        """Return a claim that was granted. Raises Refused, the job being taken back, when it has to wait."""
        found = self._wait(job.id, _DECISION_SECONDS, lambda one: _is_over_or_runs(one) or one.reason is not None)
        self._refuse_hopeless(found)
        if not _is_over_or_runs(found):
            self._queue.cancel(job.id)
            why = "The queue has not decided yet." if found.reason is None else found.reason.text
            raise Refused(f"It can't begin now: {why}", "Leave out --now, and it waits for its turn.")
        return self._claim(found)

    def _refuse_hopeless(self, job: Job) -> None:
        """Take a job back that asks for more GPUs than the machine has. Raises Refused."""
        if job.state is JobState.BLOCKED and job.reason is not None and job.reason.class_ == NEVER_ENOUGH_GPUS:
            self._queue.cancel(job.id)
            raise Refused(job.reason.text, "Ask for less.")

    def _wait(self, job_id: str, seconds: float, until: Until) -> Job:
        deadline = time.monotonic() + min(max(0.0, seconds), LONGEST_WAIT_SECONDS)
        with self._changed:
            while not until(job := self._queue.show(job_id)):
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return self._queue.show(job_id)
            return job

    def _heard(self, _event: JobChanged) -> None:
        with self._changed:
            self._changed.notify_all()

    def _claim(self, job: Job) -> ProcessClaim:
        granted = job.state is JobState.RUNNING
        attempt = job.attempts[-1] if granted else None
        environment, outcome = (None, None) if attempt is None else self._places.papers(job, attempt)
        return ProcessClaim(
            job.id, job.state, granted, job.submitted_by, job.user, job.gpus, environment, outcome,
            None if attempt is None else attempt.id, job.reason, job.position, job.forecast_start,
        )  # fmt: skip


def _is_over_or_runs(job: Job) -> bool:
    return job.state is JobState.RUNNING or job.state.is_final


def _check_owner(pid: int, caller: Caller) -> None:
    """Refuse a process of somebody else's: a lease on it would hold GPUs for as long as it lives."""
    uid = owner_uid(pid)
    if uid is None:
        raise Invalid(f"There is no process {pid}.", "It ended meanwhile.")
    if caller.uid not in {0, uid}:
        raise Refused(f"Process {pid} belongs to somebody else.", "ProcessClaim GPUs for a process of your own.")


def _process_spec(text: str, folder: str) -> JobSpec:
    """Read what a process wishes for: a job file as JSON, without an image. Raises Invalid."""
    try:
        given: Any = json.loads(text)
    except ValueError as error:
        raise Invalid(f"What the process wishes for is no JSON: {error}.") from error
    if not isinstance(given, dict):
        raise Invalid("What the process wishes for is no table.", "Send the keys of a job file.")
    document = {"apiVersion": API_VERSION, "kind": "Job", "image": _NO_IMAGE, **given}
    return replace(parse_spec(json.dumps(document), folder), image="", kind=JobKind.PROCESS)
