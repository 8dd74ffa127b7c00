"""Job files as text: those that were made of something else, with what was lost, and those to begin with."""

from collections.abc import Callable
from typing import Any

from mlops_desk.jobs.records.job_import import ImportedJobs
from mlops_desk.jobs.records.template import JobTemplate
from mlops_desk.kit.base.text import plain

_VALUE = 80  # chosen: most of a line


def imported(answer: ImportedJobs) -> str:
    """Return the job files, parted as YAML parts documents where there are several."""
    if len(answer.jobs) == 1:
        return answer.jobs[0].spec.rstrip("\n")
    return "\n".join(f"--- # {plain(job.name)}\n{job.spec.rstrip(chr(10))}" for job in answer.jobs)


def losses(answer: Any) -> str | None:
    """Return the report of what was lost or changed, for stderr; None for every other answer."""
    if not isinstance(answer, ImportedJobs):
        return None
    lines = []
    for job in answer.jobs:
        lost = sum(note.lost for note in job.notes)
        lines.append(f"{plain(job.name)} (from {answer.kind}): {lost} lost, {len(job.notes) - lost} changed.")
        for note in job.notes:
            value = f" {plain(note.value, _VALUE)}" if note.value else ""
            lines.append(f"  {'lost   ' if note.lost else 'changed'} {note.option}{value}: {note.why}")
    return "\n".join(lines)


FORMS: dict[type, Callable[[Any], str]] = {
    ImportedJobs: imported,
    JobTemplate: lambda template: template.spec.rstrip("\n"),
}

TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    JobTemplate: {
        "NAME": lambda template: template.name,
        "WHOSE": lambda template: "one's own" if template.own else "comes along",
        "WHAT": lambda template: template.title,
    }
}
