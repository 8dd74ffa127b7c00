"""How two jobs differ, what a job is the repetition of, and GPU-hours, as text."""

from collections.abc import Callable
from typing import Any

from mlops_desk.base.text import plain
from mlops_desk.records.jobs.capsule import Difference, Exported
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.jobs.usage import GpuHours

_CELL = 120  # chosen: most of a line


def told(job: Job) -> dict[str, str]:
    """Return the lines about what a job repeats, in order; none for one that is its own."""
    if job.repeat is None:
        return {}
    differs = [f"{_shown(one.path)}: {_shown(one.a)} -> {_shown(one.b)}" for one in job.repeat.differs]
    again = "the same as the first one, as far as is known" if not differs else "; ".join(differs)
    return {
        "repeats": job.repeat.of,
        "differs": again,
        **({"note": " ".join(job.repeat.notes)} if job.repeat.notes else {}),
    }


def _shown(text: str | None) -> str:
    return "–" if text is None else plain(text, _CELL)


_HOURS = "{:.2f}"  # chosen: half a minute is seen


def _exported(item: Exported) -> str:
    return f"Job {item.job_id} was written to {plain(item.path, _CELL)} ({item.size_bytes >> 10} KiB)."


FORMS: dict[type, Callable[[Any], str]] = {Exported: _exported}

TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    Difference: {
        "WHAT": lambda one: _shown(one.path),
        "A": lambda one: _shown(one.a),
        "B": lambda one: _shown(one.b),
    },
    GpuHours: {
        "WHO": lambda row: plain(row.name, _CELL) or "–",
        "ACTIVE H": lambda row: _HOURS.format(row.active),
        "HELD, NOT USED H": lambda row: _HOURS.format(row.idle_held),
        "NOBODY'S H": lambda row: _HOURS.format(row.idle),
        "NOT MEASURED H": lambda row: _HOURS.format(row.unknown),
    },
}
