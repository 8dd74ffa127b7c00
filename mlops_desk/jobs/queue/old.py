"""Who may start now. Pure: the queue in, decisions and reasons out.

First in, first out. The first job that waits for GPUs holds back every later GPU job, so that a large
job is not starved by small ones. Jobs without GPUs pass it as long as there is a slot for them. A job
that can never run on this machine is blocked, and a blocked job holds nobody back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mlops_desk.records.jobs.reason import Reason
from mlops_desk.runtimes.runtime import Outlook

WAITING_FOR_GPUS = "waiting_for_gpus"
WAITING_FOR_SLOT = "waiting_for_slot"
NEVER_ENOUGH_GPUS = "never_enough_gpus"

GpuOutlook = Callable[[int, int | None], Outlook]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A queued job and what it needs."""

    job_id: str
    gpus: int = 0
    gpu_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class QueueDecision:
    """Jobs to start, jobs that wait, jobs that can never start; the latter two with their reasons."""

    start: tuple[str, ...]
    waiting: Mapping[str, Reason] = field(default_factory=dict)
    blocked: Mapping[str, Reason] = field(default_factory=dict)


def decide(queue: Sequence[Wanted], outlook: GpuOutlook, free_slots: int, *, gpu_job_starting: bool) -> QueueDecision:
    """Decide about ``queue``, oldest first.

    ``outlook`` speaks of this moment, so at most one GPU job is started at a time: while
    ``gpu_job_starting`` has not yet leased its GPUs, nobody else is promised any.
    """
    start: list[str] = []
    waiting: dict[str, Reason] = {}
    blocked: dict[str, Reason] = {}
    ahead: str | None = "the job ahead of it is taking its GPUs" if gpu_job_starting else None
    for wanted in queue:
        if wanted.gpus == 0:
            if free_slots > 0:
                free_slots -= 1
                start.append(wanted.job_id)
            else:
                waiting[wanted.job_id] = Reason(WAITING_FOR_SLOT, "Waits until another job without GPUs has ended.")
            continue
        answer = outlook(wanted.gpus, wanted.gpu_memory_bytes)
        if answer.never:
            blocked[wanted.job_id] = Reason(NEVER_ENOUGH_GPUS, answer.text, hint="Ask for less, or cancel the job.")
        elif ahead is not None:
            waiting[wanted.job_id] = Reason(WAITING_FOR_GPUS, f"Waits its turn: {ahead}.")
        elif answer.free:
            start.append(wanted.job_id)
            ahead = "the job ahead of it is taking its GPUs"
        else:
            waiting[wanted.job_id] = Reason(WAITING_FOR_GPUS, answer.text)
            ahead = "an older job waits for GPUs"
    return QueueDecision(tuple(start), waiting, blocked)
