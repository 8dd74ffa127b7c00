"""GPUs in words, the same on every page and in the tray: who uses one, and its one state that matters most. No Qt."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.records.job import JobState
from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.words import alerts, marks, numbers
from mlops_desk.kit.window.words import jobs as words
from mlops_desk.kit.window.words.numbers import Mark, value_of
from mlops_desk.machine.records.gpu import KEPT, Gpu, GpuProcess, GpuState, LeaseInfo, slowdowns_of
from mlops_desk.machine.records.history import ProcessMemory
from mlops_desk.machine.records.status import Diagnosis

_LEASE_MARKS = {
    "leased": Mark("ok", numbers.OK, "leased"),
    "shared": Mark("ok", numbers.OK, "shared"),
    "reserved": Mark("paused", numbers.PAUSED, "reserved"),
    "draining": Mark("paused", numbers.PAUSED, "draining"),
    KEPT: Mark("paused", numbers.PAUSED, "kept"),
    "faulted": Mark("alert", numbers.ALERT, "faulted"),
    "external": Mark("info", numbers.INFO, "outside job"),
    "unknown": Mark("unknown", numbers.UNKNOWN, "unknown"),
}

_TOLD = frozenset({"shared", "reserved", "faulted", KEPT})
"""States of which the ledger's own words say more than who is on it."""

_MEMORY_KIND = re.compile(r"(\d+ ?GB) (HBM|GDDR)\w*")

_FREE = Mark("muted", numbers.IDLE, "free")

_NOBODYS = Mark("warning", numbers.WARNING, "held by nobody")

_BUSY = Mark("info", numbers.INFO, "in use")

BUSY_RATIO = 0.05  # chosen: a desktop that draws takes less

_THROTTLED = Mark("warning", numbers.WARNING, "throttled")


def gpu_mark(gpu: Gpu) -> Mark:
    """Return the one state of a GPU that matters most to a person."""
    if gpu.state is not GpuState.OK:
        return marks.GPU_MARKS[gpu.state]
    if slowed(gpu):
        return _THROTTLED
    if is_held_by_nobody(gpu):
        return _NOBODYS
    if gpu.lease is not None:
        return _LEASE_MARKS.get(gpu.lease.state, _LEASE_MARKS["unknown"])
    if any(process.kind != "graphics" for process in gpu.processes):
        return _LEASE_MARKS["external"]
    return _BUSY if busy(gpu) else _FREE


def is_held_by_nobody(gpu: Gpu) -> bool:
    """Tell whether memory is in use that nobody is seen to hold, and no lease explains it."""
    held_by_lease = gpu.lease is not None and gpu.lease.state in {"leased", "shared", "draining"}
    return not gpu.processes and not held_by_lease and gpu.held_by_nobody_bytes is not None


def judged_mark(gpu: Gpu, verdict: Diagnosis | None) -> Mark:
    """Return a GPU's state, or why it is not busier than it is where nothing is wrong with the GPU itself."""
    told = alerts.diagnosis_mark(verdict)
    if told is None or gpu.state is not GpuState.OK or slowed(gpu):
        return gpu_mark(gpu)
    return told


def busy(gpu: Gpu) -> bool:
    """Tell whether a GPU works although no process is seen on it."""
    return (value_of(gpu.metrics.get("hw.gpu.utilization")) or 0.0) >= BUSY_RATIO


def slowed(gpu: Gpu) -> bool:
    """Tell whether heat or a power brake holds the GPU back (idling and its power limit do not count)."""
    return bool(slowdowns_of(gpu))


def who(gpu: Gpu) -> str:
    """Return who uses a GPU: the lease's label, a container, or a process, the user, and for how long."""
    if gpu.state is not GpuState.OK and gpu.note:
        return plain(gpu.note)
    lease = gpu.lease
    if lease is not None and (lease.label or lease.user):
        return " · ".join(
            plain(part) for part in (lease.label or "a job", lease.user, _age(gpu) or _held(lease)) if part
        )
    compute = [process for process in gpu.processes if process.kind != "graphics"] or list(gpu.processes)
    if not compute and is_held_by_nobody(gpu):
        return f"{numbers.size(gpu.held_by_nobody_bytes)} by no process that is seen"
    if lease is not None and lease.text and (not compute or lease.state in _TOLD):
        return plain(lease.text)
    if not compute:
        idle = "no process is seen" if busy(gpu) else "nobody"
        return idle if gpu.state is GpuState.OK else ""
    first = compute[0]
    name = process_name(first)
    more = f" +{len(compute) - 1}" if len(compute) > 1 else ""
    return " · ".join(plain(part) for part in (name, first.user, _age(gpu)) if part) + more


def _age(gpu: Gpu) -> str:
    """Return for how long the oldest process on a GPU that computes has been there; nothing where that is not told."""
    began = [process.started_at for process in gpu.processes if process.kind != "graphics" and process.started_at]
    return numbers.duration(agent_clock.now() - min(began)).split(" ", 1)[0] if began else ""


def _held(lease: LeaseInfo) -> str:
    """Return for how long somebody has had a GPU, where nothing of theirs is seen on it."""
    return "" if lease.since is None else numbers.duration(agent_clock.now() - lease.since).split(" ", 1)[0]


def process_name(process: GpuProcess) -> str:
    """Return what a process is known by: its job, its container, its program, or its pid."""
    return plain(
        process.job
        or process.container
        or (process.command or "").split(" ")[0].rsplit("/", 1)[-1]
        or f"pid {process.pid}"
    )


def process_holder(process: GpuProcess) -> str:
    """Return job, container and user of a process, as far as it has them."""
    return " · ".join(plain(part) for part in (process.job, process.container, process.user) if part)


def memory_name(process: ProcessMemory) -> str:
    """Return what a process of the past is known by: its container, its program, or its pid."""
    program = (process.command or "").split(" ")[0].rsplit("/", 1)[-1]
    return plain(process.container or program or f"pid {process.pid}")


def short_name(name: str) -> str:
    """Return a GPU's name without the words that all of them share."""
    return plain(name.removesuffix(" (simulated)").replace("NVIDIA ", "").replace("GeForce ", ""), 40)


def list_name(name: str) -> str:
    """Return a GPU's name for a narrow column: as much as tells it from others, without the kind of its memory."""
    return _MEMORY_KIND.sub(r"\1", short_name(name))


def process_title(process: GpuProcess) -> str:
    """Return how a process is called in a menu: its program, pid and user."""
    name = (process.command or "").split(" ", 1)[0].rsplit("/", 1)[-1] or "process"
    return f"{plain(name, 40)} {process.pid} ({plain(process.user or 'user unknown', 40)})"


# Who gets each GPU next, and when. No Qt here.
#
# A forecast is the scheduler's as to when; on which GPUs a waiting job will be is only guessed: those that are free
# then.

MOST_EXPECTED = 200  # chosen: more forecasts than there is room for anywhere
SLACK_SECONDS = 90.0  # chosen: a forecast and the end before it are reckoned a moment apart
_NAME_LIMIT = 40  # chosen: a name on a tile


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A job that is expected on a GPU, Unix seconds; ``end`` None: it names no time limit."""

    job: JobBrief
    start: float
    end: float | None


def upcoming(free_at: Mapping[str, float], jobs: Iterable[JobBrief], now: float) -> dict[str, list[Upcoming]]:
    """Put the waiting jobs whose start is forecast where there is room then, in the order of the queue.

    ``free_at`` tells when each GPU is free; infinity: nobody knows.
    """
    free_from = dict(free_at)
    found: dict[str, list[Upcoming]] = {uuid: [] for uuid in free_at}
    waiting = [job for job in jobs if job.state is JobState.QUEUED and job.forecast_start is not None]
    waiting.sort(key=lambda job: (job.forecast_start or 0.0, job.position or 0))
    for job in waiting[:MOST_EXPECTED]:
        start = max(job.forecast_start or now, now)
        free = [uuid for uuid, at in free_from.items() if at <= start + SLACK_SECONDS]
        if not 0 < job.gpus_asked <= len(free):
            continue
        end = None if job.time_limit_seconds is None else start + job.time_limit_seconds
        # The one that was free last: a longer gap elsewhere may fit one that is to come.
        for uuid in sorted(free, key=lambda uuid: -free_from[uuid])[: job.gpus_asked]:
            found[uuid].append(Upcoming(job, start, end))
            free_from[uuid] = math.inf if end is None else end
    return found


def next_on(known: Iterable[Gpu], jobs: Mapping[str, JobBrief], now: float) -> dict[str, Upcoming]:
    """Return who is expected next on each GPU, by what is told of the jobs that have them."""
    ends: dict[str, float] = {}
    for job in jobs.values():
        if job.state in words.ON:
            end = words.expected_end(job, now)
            for uuid in job.gpus:
                ends[uuid] = max(ends.get(uuid, now), math.inf if end is None else end)
    free_at = {gpu.uuid: ends.get(gpu.uuid, now if gpu_mark(gpu).word == "free" else math.inf) for gpu in known}
    return {uuid: expected[0] for uuid, expected in upcoming(free_at, jobs.values(), now).items() if expected}


def next_words(one: Upcoming, now: float) -> str:
    """Return it as a tile says it: ``next: llm-ft ~14:20``."""
    return f"next: {plain(one.job.name, _NAME_LIMIT)} {words.about(one.start, now)}"
