"""Processes of one's own as a runtime: they wait at a gate, are leased their GPUs, and begin.

The process is there before its job is, so a lease is bound to it from its first moment and holds as long as it lives,
whatever becomes of the agent. Whoever waits for its end writes how it ended, as the wrapper in a container does.
"""

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from signal import Signals

from mlops_desk.engines.images.tasks import ImageClaim
from mlops_desk.gpus.records.gpu_status import GpuCard
from mlops_desk.jobs.records.job import Attempt, ImageProgress, Job, JobState
from mlops_desk.jobs.records.job_shell import JobShell
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobKind, JobSpec
from mlops_desk.jobs.runtimes.bare.process_files import ENVIRONMENT, OUTCOME, BareProcess, ProcessPapers
from mlops_desk.jobs.runtimes.local.held_gpus import HeldGpus
from mlops_desk.jobs.runtimes.local.network import LOGIN_USER
from mlops_desk.jobs.runtimes.local.ports import GpuLeases
from mlops_desk.jobs.runtimes.runtime import (
    Abilities,
    AboutToStart,
    Aftermath,
    Displaced,
    MakeTicket,
    Makings,
    NotStarted,
    Phase,
    RunTicket,
    Sighting,
    Stray,
)
from mlops_desk.kit.base.errors import Hint, NotFound, Refused, Unavailable
from mlops_desk.kit.base.process import start_ticks

# Ending a process with all that it has started: TERM to itself, and after the grace KILL to whatever is left.
_LOOK_SECONDS = 0.1  # chosen: somebody waits for the GPU
_KILLED_SECONDS = 5.0  # what the kernel needs at most to end who is not stuck in a driver


def end(process: BareProcess, grace_seconds: float) -> None:
    """Ask it to end, and end it by force after ``grace_seconds``. No error when it is gone, or stays."""
    family = {pid: ticks for pid in (process.pid, *_below(process.pid)) if (ticks := start_ticks(pid)) is not None}
    send(process.pid, process.start_ticks, signal.SIGTERM)
    if _gone(process, grace_seconds):
        return
    family |= {pid: ticks for pid in _below(process.pid) if (ticks := start_ticks(pid)) is not None}
    for pid, ticks in family.items():
        send(pid, ticks, signal.SIGKILL)
    _gone(process, _KILLED_SECONDS)


def _gone(process: BareProcess, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while process.lives():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def send(pid: int, ticks: int, number: signal.Signals) -> None:
    """Send a signal to this process and no other that has its number by now. No error when it is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if start_ticks(pid) == ticks:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


def _below(pid: int) -> Iterator[int]:
    """Yield the children of a process, and theirs."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and (parent := _parent(folder)) is not None:
            children.setdefault(parent, []).append(int(folder.name))
    waiting = [pid]
    while waiting:
        found = children.pop(waiting.pop(), [])
        waiting += found
        yield from found


def _parent(folder: Path) -> int | None:
    """Return the pid of a process's parent (field 4 of proc(5) stat); None when it has ended."""
    try:
        stat = (folder / "stat").read_bytes()
    except OSError:
        return None
    return int(stat[stat.rindex(b")") + 2 :].split()[1])


_log = logging.getLogger(__name__)

_ANY_NUMBER = 1_000_000  # they are there already, so what has no GPUs to wait for need not wait
BARE_RUNTIME = "bare"
"""What the runtime is called in the records of its jobs."""


class BareRuntime:
    """A ``Runtime`` of processes that registered themselves. ``root`` is the data folder's ``jobs``."""

    def __init__(self, leases: GpuLeases, root: Path, stop_grace_seconds: Callable[[], int]) -> None:
        self._leases = leases
        self._gpus = HeldGpus(leases, self.grace_seconds)
        self._papers = ProcessPapers(root)
        self._stop_grace_seconds = stop_grace_seconds
        self._lock = threading.Lock()
        self._begun: dict[str, tuple[Job, Attempt]] = {}

    @property
    def name(self) -> str:
        return BARE_RUNTIME

    def abilities(self) -> Abilities:
        return Abilities("bare", _ANY_NUMBER, self._leases.pool)

    # -- before anything is placed -------------------------------------------------------------

    def register(self, job_id: str, pid: int) -> None:
        """Note whose process a job is about to be. Raises Invalid, Unavailable."""
        self._papers.register(job_id, pid)

    def waits(self, job_id: str) -> bool:
        """Tell whether the process of a queued job is still there."""
        process = self._papers.process(job_id)
        return process is not None and process.lives()

    def papers(self, job: Job, attempt: Attempt) -> tuple[str, str]:
        """Return the files with what the process begins with, and for how it ended."""
        folder = self._papers.folder(job.id, attempt)
        return str(folder / ENVIRONMENT), str(folder / OUTCOME)

    def accept(self, spec: JobSpec, uid: int) -> JobSpec:  # noqa: ARG002 - it runs as whoever started it
        """Refuse what is no process, and what only a container can have."""
        if spec.kind is not JobKind.PROCESS:
            text = "A job runs in a container, on one of the engines."
            raise Refused(text, Hint("mlops-desk exec --gpus 1 -- COMMAND", before="A process of your own: "))
        if spec.mounts or spec.ports or spec.secrets or spec.source or spec.array or spec.sweep:
            text = "A process of one's own takes no mounts, ports, secrets or source, and is not several."
            raise Refused(text, "Leave them out, or submit a job.")
        return spec

    def withheld(self, spec: JobSpec) -> Reason | None:  # noqa: ARG002 - a process finds the GPUs by itself
        return None

    def image(self, reference: str, uid: int) -> str:  # noqa: ARG002 - there is none
        return BARE_RUNTIME

    def identity(self, reference: str) -> None:
        """Tell that a process has no image."""

    def fetch(self, reference: str, uid: int, claim: ImageClaim | None = None) -> str:  # noqa: ARG002 - there is none
        return BARE_RUNTIME

    def build(self, job: Job, claim: ImageClaim) -> str:  # noqa: ARG002 - there is none
        return BARE_RUNTIME

    def image_progress(self, job_id: str) -> ImageProgress | None:  # noqa: ARG002 - there is none
        return None

    def cards(self) -> tuple[GpuCard, ...]:
        return self._leases.cards()

    def draft(self, job: Job) -> Attempt:
        number = len(job.attempts) + 1
        handle = f"{BARE_RUNTIME}-{job.id}-a{number}"
        return Attempt(number, f"{job.id}-a{number}", "", JobState.STARTING, runtime=self.name, handle=handle)

    def reserve(self, job: Job, attempt: Attempt, gpus: tuple[str, ...]) -> tuple[str, ...] | str:
        return self._gpus.lease(job, attempt, gpus)

    # -- placing -------------------------------------------------------------------------------

    def place(self, job: Job, attempt: Attempt, ticket: MakeTicket, about_to_start: AboutToStart) -> Sighting:
        process = self._papers.process(job.id)
        if not self._papers.granted(job.id, attempt):
            if process is None or not process.lives():
                raise NotStarted(
                    Reason("process_gone", "The process ended while it waited, and never began.", title="Process gone")
                )
            if not self._gpus.still_held(job, attempt):
                raise Displaced(Reason("not_started", "The GPUs went to somebody else before the process began."))
            self._gpus.bind(job, attempt, process.pid)
            environment = _environment(job, attempt, ticket())
            about_to_start(None)
            self._papers.grant(job.id, attempt, environment, job.submitted_by)
        return self._seen(job, attempt, process)

    # -- looking -------------------------------------------------------------------------------

    def survey(self) -> list[Sighting]:
        with self._lock:
            begun = list(self._begun.values())
        return [_sighting(job, attempt, self._papers.process(job.id)) for job, attempt in begun]

    def look(self, job: Job, attempt: Attempt) -> Sighting | None:
        if not self._papers.granted(job.id, attempt):
            return None
        process = self._papers.process(job.id)
        seen = self._seen(job, attempt, process)
        if process is not None and seen.phase is Phase.RUNNING:
            self._gpus.bind(job, attempt, process.pid)
        return seen

    def _seen(self, job: Job, attempt: Attempt, process: BareProcess | None) -> Sighting:
        with self._lock:
            self._begun[attempt.id] = job, attempt
        return _sighting(job, attempt, process)

    def saw_end(self, attempt: Attempt, seen: Sighting) -> bool:  # noqa: ARG002 - nobody watches but who waits for it
        return False

    def describe(self, seen: Sighting) -> Stray | None:  # noqa: ARG002 - without its record nobody knows it
        return None

    def proof(self, job: Job, attempt: Attempt) -> str | None:  # noqa: ARG002 - one answer for all
        """Tell that nothing is proven: the process sees the machine, and its variables alone name its GPUs."""
        return "none"

    def overrun_due(self, attempt: Attempt) -> bool:  # noqa: ARG002 - it writes where it likes
        return False

    def overrun(self, job: Job, attempt: Attempt) -> Reason | None:  # noqa: ARG002 - likewise
        return None

    def shell(self, job: Job, attempt: Attempt) -> JobShell:  # noqa: ARG002 - one answer for all
        text = f"Job {job.id} is a process of {job.user}'s own, in no container."
        raise Refused(text, "Any terminal of theirs on this machine sees what it sees.")

    # -- ending --------------------------------------------------------------------------------

    def grace_seconds(self, job: Job) -> float:
        own = job.spec.grace_seconds
        return self._stop_grace_seconds() if own is None else own

    def signal(self, job: Job, attempt: Attempt, signal: str) -> None:  # noqa: ARG002 - a job is one process
        """Send a signal to the process alone: what it started itself may not expect one."""
        process = self._papers.process(job.id)
        if process is not None:
            send(process.pid, process.start_ticks, Signals[f"SIG{signal}"])

    def stop(self, job: Job, attempt: Attempt, grace_seconds: float | None = None) -> None:
        process = self._papers.process(job.id)
        if process is not None and process.lives():
            self._papers.note_stop(job.id, attempt)
            end(process, self.grace_seconds(job) if grace_seconds is None else grace_seconds)

    def aftermath(self, job: Job, attempt: Attempt, seen: Sighting | None) -> Aftermath:  # noqa: ARG002 - its papers tell
        outcome = self._papers.outcome(job.id, attempt)
        if outcome is not None and outcome.signal is None and self._papers.was_stopped(job.id, attempt):
            outcome = replace(outcome, signal="TERM")  # who waited for it did not see who sent it
        return Aftermath(outcome)

    def makings(self, job: Job, attempt: Attempt) -> Makings:  # noqa: ARG002 - it is made of what its owner has
        return Makings()

    def clear(self, job: Job, attempt: Attempt, *, finished: bool) -> None:  # noqa: ARG002 - nothing else is left
        with self._lock:
            self._begun.pop(attempt.id, None)
        try:
            self._papers.forget_secrets(job.id, attempt)
        except OSError as error:
            text = f"What the process of job {job.id} began with can't be removed: {error.strerror}."
            raise Unavailable(text, "Check the permissions of the data folder.") from error

    def release(self, attempt: Attempt) -> None:
        self._gpus.release(attempt)

    def settle(self) -> None:
        self._gpus.release_leftovers()
        self._leases.settle()

    # -- reading -------------------------------------------------------------------------------

    def glance(self, attempt: Attempt) -> None:
        """Return None: what it writes is heard by its own terminal alone."""

    def live(self, attempt: Attempt) -> None:
        """Return None: what it started itself is nobody's to count."""

    def logs(
        self,
        job: Job,
        attempt: Attempt,  # noqa: ARG002 - it has none
        *,
        follow: bool = False,  # noqa: ARG002 - likewise
        tail: int | None = None,  # noqa: ARG002 - likewise
        since: float | None = None,  # noqa: ARG002 - likewise
    ) -> Iterator[str]:
        text = f"Job {job.id} is a process of {job.user}'s own: what it writes stays in the terminal where it runs."
        raise NotFound(text, "Submit it as a job, and its output is kept.")


def _sighting(job: Job, attempt: Attempt, process: BareProcess | None) -> Sighting:
    lives = process is not None and process.lives()
    phase = Phase.RUNNING if lives else Phase.ENDED
    number = "" if process is None else str(process.pid)
    return Sighting(
        attempt.handle, phase, job.id, attempt.id, number, phase.value, ended_at=None if lives else time.time()
    )


def _environment(job: Job, attempt: Attempt, ticket: RunTicket | None) -> Mapping[str, str]:
    """Return what the command is given: its GPUs by UUID, so that no other index can mean another card."""
    gpus = ",".join(attempt.gpus)
    tags = {"mlops_desk.job_id": job.id, "mlops_desk.user": job.user, "mlops_desk.gpus": gpus}
    environment = {
        "CUDA_VISIBLE_DEVICES": gpus,
        "NVIDIA_VISIBLE_DEVICES": gpus or "void",
        "MLD_JOB_ID": job.id,
        "MLD_ATTEMPT": str(attempt.number),
        "MLFLOW_RUN_CONTEXT": json.dumps(tags),
    }
    if ticket is not None and job.spec.mlflow is not None:
        environment["MLFLOW_TRACKING_URI"] = ticket.tracking_uri
        environment["MLFLOW_RUN_ID"] = ticket.run_id
        environment["MLFLOW_EXPERIMENT_NAME"] = job.spec.mlflow.experiment
        environment |= {} if ticket.token is None else _login(ticket.token)
    return environment


def _login(token: str) -> Mapping[str, str]:
    """Return a login for this run alone, which is void once the process has ended.

    A file is no way: MLflow (3.17) reads none but ~/.mlflow/credentials, and that is the person's own. A user and a
    password in it would go before a bare token, and be sent to the desk's server; the environment's go before those.
    """
    return {"MLFLOW_TRACKING_TOKEN": token, "MLFLOW_TRACKING_USERNAME": LOGIN_USER, "MLFLOW_TRACKING_PASSWORD": token}
