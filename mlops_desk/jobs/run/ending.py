"""How an attempt's end is told, and what comes after it: its job is over, or goes back into the queue.

The verdict is written before anything is tidied, and what can't be tidied now is tidied later; so nothing that an
agent does not live to finish is done twice.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from mlops_desk.jobs.book import JobBook, with_attempt
from mlops_desk.jobs.causes.facts import SeenFacts
from mlops_desk.jobs.ports import GpuEnd, nothing_seen
from mlops_desk.jobs.run import times
from mlops_desk.jobs.run.outcome import AttemptVerdict, Ending
from mlops_desk.jobs.run.runs import JobRuns
from mlops_desk.jobs.run.stops import comes_back, verdict_of
from mlops_desk.records.jobs.job import Attempt, Job, JobState
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.runtimes.runtime import Runtime, Sighting

HasSaved = Callable[[Attempt, Sequence[str]], bool]
"""Whether an attempt that gave way says in its last lines that it saved its work."""


class Endings:
    """Ends the attempts of one runtime. ``gpu_end`` tells what was seen of their GPUs."""

    def __init__(
        self, book: JobBook, runtime: Runtime, runs: JobRuns, has_saved: HasSaved, gpu_end: GpuEnd = nothing_seen
    ) -> None:
        self._gpu_end = gpu_end
        self._book = book
        self._runtime = runtime
        self._runs = runs
        self._has_saved = has_saved
        self._lock = threading.Lock()
        self._watched: set[str] = set()

    def watch(self, attempt: Attempt) -> bool:
        """Note that this agent has an eye on an attempt from now on; True when it had none before."""
        with self._lock:
            first = attempt.id not in self._watched
            self._watched.add(attempt.id)
        return first

    def lost_sight(self) -> None:
        """Note that the runtime does not answer: an end from now on was not watched."""
        with self._lock:
            self._watched.clear()

    def finish(self, job: Job, attempt: Attempt, seen: Sighting | None) -> None:
        """Tell how an attempt ended that is over, or gone (None). Raises Unavailable: look again."""
        left = self._runtime.aftermath(job, attempt, seen)
        job = self._book.get(job.id)
        newest = job.attempts[-1]
        outcome = left.outcome
        watched = outcome is None and seen is not None and self._was_watched(attempt, seen)
        asked, tail = job.cancel_requested, left.log_tail
        started_at, ended_at = times.span(newest, outcome, seen, times.now())
        went_well = outcome is not None and outcome.exit_code == 0
        facts = SeenFacts() if went_well else self._gpu_end(newest, ended_at)
        peak = None if job.live is None else job.live.memory_peak_bytes
        ending = Ending(
            outcome,
            seen,
            watched,
            asked,
            tail,
            attempt.gpus,
            newest.stopped_for,
            job.spec,
            facts,
            memory_peak_bytes=peak,
        )
        verdict = verdict_of(ending, job, newest, lambda: self._has_saved(newest, left.log_tail))
        proof = newest.proof or (self._runtime.proof(job, newest) if newest.gpus else None)
        self.conclude(job, replace(newest, started_at=started_at, proof=proof), verdict, ended_at)

    def _was_watched(self, attempt: Attempt, seen: Sighting) -> bool:
        """Tell whether this agent, or the runtime without a break, saw the end. Raises Unavailable."""
        if seen.exit_code is None:
            return False
        with self._lock:
            if attempt.id in self._watched:
                return True
        return self._runtime.saw_end(attempt, seen)

    def conclude(self, job: Job, attempt: Attempt, verdict: AttemptVerdict, ended_at: float | None = None) -> None:
        """Write the verdict, then tidy up. What can't be tidied now is left to ``tidy``."""
        ended = time.time() if ended_at is None else ended_at
        final = replace(
            attempt, state=verdict.state, exit_code=verdict.exit_code, reason=verdict.reason, ended_at=ended
        )
        if not self._came_back(job, final):
            self._runs.owe(self._book.get(job.id).mlflow_run_id, verdict.state)
            self._book.change(job.id, lambda current: with_attempt(current, final))
        with self._lock:
            self._watched.discard(attempt.id)
        self.tidy(job, final, finished=attempt.started_at is not None)

    def _came_back(self, job: Job, final: Attempt) -> bool:
        """Queue a job again whose attempt is over and whose work is not, unless its user has cancelled it."""
        again = comes_back(job, final, time.time())
        if again is None:
            return False

        def requeue(current: Job) -> Job | None:
            if current.cancel_requested:
                return None
            return replace(queued_again(current, final, again.reason), not_before=again.not_before)

        return self._book.change(job.id, requeue) is not None

    def tidy(self, job: Job, attempt: Attempt, *, finished: bool) -> None:
        """Remove what an attempt that is over has left, its secrets, and what was reserved. Raises DeskError."""
        try:
            self._runs.keep_tickets(lambda other: other != attempt.id)
            self._runtime.clear(job, attempt, finished=finished)
        finally:
            self._runtime.release(attempt)


def queued_again(job: Job, attempt: Attempt, reason: Reason | None) -> Job:
    """Return a job whose newest attempt is over at the place in the queue that its submit gave it."""
    return replace(
        with_attempt(job, attempt),
        state=JobState.QUEUED,
        gpus=(),
        container=None,
        handle=None,
        exit_code=None,
        reason=reason,
        started_at=None,
        ended_at=None,
    )
