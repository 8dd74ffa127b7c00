"""What a job was asked to be, beside its image, its command and its resources, as text."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mlops_desk.gpus.records.usage import JobUsage
from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.records.group import GroupMember, JobGroup
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.job_activity import LiveUse, Progress
from mlops_desk.jobs.records.parameter_substitution import INDEX
from mlops_desk.jobs.records.spec import JobKind
from mlops_desk.jobs.records.staging import StagingProgress
from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import moment, number, size, span, step, table


def named(job: Job | JobBrief) -> str:
    """Return a job's name, with its place in its array or sweep."""
    return job.name if job.group_index is None else f"{job.name} [{job.group_index}]"


def asked_beside(job: Job) -> dict[str, str]:
    """Return the lines about what a job's file says, in order; what it does not say has none."""
    return {name: text for name, text in _lines(job) if text}


def lived(job: Job) -> dict[str, str]:
    """Return the lines about how long a job ran and what it used, its attempts if several, and what is kept of them."""
    told = {}
    if job.started_at is not None and job.ended_at is not None:
        told["took"] = span(max(0.0, job.ended_at - job.started_at))
    used = ", ".join(_used(job.usage or JobUsage()))
    if used:
        told["used"] = used
    if len(job.attempts) > 1:
        told["attempts"] = ", ".join(
            f"{one.number} {one.state}" + (f" ({one.reason.class_})" if one.reason else "") for one in job.attempts
        )
    if job.attempts and (lent_by := job.attempts[-1].lent_by):
        told["GPUs lent by"] = f"{', '.join(lent_by)}, which may ask for them back"
    kept = {one.path: one.target for attempt in job.attempts for one in attempt.kept}
    if kept:
        told["keeps"] = ", ".join(f"{target} in {path}" for path, target in kept.items())
    return told


def _lines(job: Job) -> Iterator[tuple[str, str]]:
    spec = job.spec
    yield "sort", "" if spec.kind is JobKind.TRAINING else spec.kind
    yield "parameters", _pairs(spec.params)
    yield "seed", "" if spec.seed is None else str(spec.seed)
    yield "group", "" if job.group is None else f"{job.group}, number {job.group_index}"
    yield "priority", str(job.priority or "")
    yield "preemptible", "yes" if spec.preemptible else ""
    yield "time limit", _span(spec.time_limit_seconds)
    yield "grace", _span(spec.grace_seconds)
    yield "starts", "" if spec.begin_at is None else f"at {moment(spec.begin_at)} at the earliest"
    yield "after", " ".join(spec.after)
    yield "after success of", " ".join(spec.after_success)
    yield "retries", _pairs({name: str(count) for name, count in spec.retries.items()})
    if spec.source is not None:
        yield "code", " ".join(filter(None, (spec.source.folder or spec.source.git, spec.source.ref)))
    yield "staging", _staging(job.staging)
    copies = () if job.capsule is None else job.capsule.staged
    yield "copies", ", ".join(f"{one.target} of {one.source} ({size(one.size_bytes)})" for one in copies)
    yield "secrets", ", ".join(spec.secrets)
    yield "ports", ", ".join(str(port) for port in spec.ports)
    yield "relaxed", ", ".join(spec.relax)


def _used(usage: JobUsage) -> Iterator[str]:
    """Say what is known, and of GPUs only where it had some."""
    if usage.gpu_seconds:
        yield f"{step(usage.gpu_seconds)} of GPUs"
        if usage.energy_joules is not None:
            yield f"{usage.energy_joules / 3.6e6:.3g} kWh{'' if usage.energy_measured else ' (from power over time)'}"
        if usage.gpu_memory_peak_bytes is not None:
            yield f"{size(usage.gpu_memory_peak_bytes)} of a GPU at most"
        if usage.gpu_utilization_mean is not None:
            yield f"GPUs {usage.gpu_utilization_mean:.0%} busy"
        if usage.throttled_seconds:
            yield f"GPUs slowed down for {step(usage.throttled_seconds)}"
    if usage.cpu_seconds is not None:
        yield f"{step(usage.cpu_seconds)} of processor"
    if usage.memory_peak_bytes is not None:
        yield f"{size(usage.memory_peak_bytes)} memory at most"


def _staging(item: StagingProgress | None) -> str:
    """Say how far the copy of a job's data is."""
    if item is None:
        return ""
    if item.total_bytes is None:
        return f"{item.phase} {item.source}: {item.files:,} files"
    told = [f"{size(item.size_bytes)} of {size(item.total_bytes)}", f"{item.files:,} of {item.files_total:,} files"]
    if item.bytes_per_second:
        told.append(f"{size(int(item.bytes_per_second))} a second")
    if item.left_seconds is not None:
        told.append(f"{span(item.left_seconds)} left")
    return f"{item.source}: {', '.join(told)}"


def _span(seconds: float | None) -> str:
    return "" if seconds is None else step(seconds)


def _pairs(pairs: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in pairs.items())


# What is seen of a running job as text: how far it is, what it takes now, and that it is stuck.

_TEXT = 80  # chosen: a line of a terminal


def told(job: Job) -> dict[str, str]:
    """Return the lines about a job that runs, in order; what is not known has none."""
    lines = {}
    if job.progress is not None:
        lines["progress"] = how_far(job.progress)
    if job.live is not None and (taken := _taken(job.live)):
        lines["takes"] = taken
    if job.stuck is not None:
        lines["stuck"] = f"since {moment(job.stuck.since)}: {job.stuck.text}"
        lines["signs"] = " ".join(sign.text for sign in job.stuck.signs) or "–"
        lines["look at"] = job.stuck.hint
    return lines


def how_far(progress: Progress) -> str:
    """Say ``62 % · epoch 7/10 · 14 min left · loss 0.31``."""
    parts = [] if progress.ratio is None else [f"{progress.ratio:.0%}".replace("%", " %")]
    parts.append(plain(progress.text, _TEXT))
    if progress.left_seconds is not None:
        gone = agent_clock.now() - progress.seen_at
        parts.append(f"{span(max(0.0, progress.left_seconds - max(0.0, gone)))} left")
    if progress.loss_broken is not None:
        parts.append(f"loss is {progress.loss_broken}")
    elif progress.loss is not None:
        parts.append(f"loss {progress.loss:.4g}")
    return " · ".join(part for part in parts if part)


def in_a_list(job: Job | JobBrief) -> str:
    """Return how far a job is, as a cell of a table: that it is stuck stands before it."""
    far = "" if job.progress is None else how_far(job.progress)
    return " · ".join(part for part in ("stuck" if job.stuck is not None else "", far) if part)


def _taken(live: LiveUse) -> str:
    parts = [] if live.cpus is None else [f"{live.cpus:.1f} CPUs"]
    if live.memory_bytes is not None:
        of = "" if live.memory_limit_bytes is None else f" of {size(live.memory_limit_bytes)}"
        parts.append(f"{size(live.memory_bytes)}{of} memory")
    if live.processes is not None:
        parts.append(f"{live.processes} processes")
    return ", ".join(parts)


# The jobs of a sweep or an array as a table, the best of them marked.

_REASON = 60  # chosen: half of a line


def group(item: JobGroup) -> str:
    """Return a group as a line about it and a table of its jobs."""
    names = sorted({name for member in item.members for name in member.params if name != INDEX})
    names = [name for name in names if len({member.params.get(name) for member in item.members}) > 1]
    heads = ["#", "JOB", "STATE", *map(plain, names), *([] if item.metric is None else [plain(item.metric)]), "WHY"]
    rows = [_row(item, member, names) for member in item.members]
    ended = sum(member.state.is_final for member in item.members)
    head = f"{plain(item.name)} ({item.id}) of {plain(item.user)}: {ended} of {len(item.members)} jobs are over"
    return "\n".join([head, table(heads, rows), *_after(item)])


def _row(item: JobGroup, member: GroupMember, names: list[str]) -> list[str]:
    best = " (best)" if member.id == item.best else ""
    metric = [] if item.metric is None else [f"{number(member.metric)}{best}"]
    why = "" if member.reason is None or member.state is JobState.SUCCEEDED else plain(member.reason.brief, _REASON)
    place = "–" if member.index is None else str(member.index)
    return [place, member.id, member.state, *(plain(member.params.get(name, "–")) for name in names), *metric, why]


def _after(item: JobGroup) -> list[str]:
    stopped = item.stopped
    if stopped is None:
        return []
    return [part for part in (stopped.text, stopped.evidence, stopped.hint) if part]


FORMS: dict[type, Callable[[Any], str]] = {JobGroup: group}
