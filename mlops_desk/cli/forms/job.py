"""What a job was asked to be, beside its image, its command and its resources, as text."""

from collections.abc import Iterator, Mapping

from mlops_desk.cli.cells import moment, size, span, step
from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.jobs.spec import JobKind
from mlops_desk.records.jobs.staging import StagingProgress
from mlops_desk.records.jobs.usage import JobUsage


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
