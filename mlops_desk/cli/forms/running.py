"""What is seen of a running job as text: how far it is, what it takes now, and that it is stuck."""

from mlops_desk.base import agent_clock
from mlops_desk.base.text import plain
from mlops_desk.cli.cells import moment, size, span
from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.jobs.running import LiveUse, Progress

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
