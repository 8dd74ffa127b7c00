"""How two jobs differ, what a job is the repetition of, and GPU-hours, as text."""

from collections.abc import Callable, Sequence
from typing import Any

from mlops_desk.gpus.records.usage import GpuHours
from mlops_desk.jobs.records.drift_words import verdict_text
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.records.job_import import ImportNote
from mlops_desk.jobs.records.provenance import (
    CapsuleImport,
    Difference,
    Exported,
    ImportedFrom,
    OutputFolder,
    RepeatPreview,
    Requirement,
    Standing,
)
from mlops_desk.kit.base.text import plain, size_text
from mlops_desk.kit.text.cells import moment

_CELL = 120  # chosen: most of a line
_SENTENCE = 400  # chosen: a paragraph


def told(job: Job) -> dict[str, str]:
    """Return the lines about what a job repeats, in order; none for one that is its own."""
    if job.imported is not None:
        origin = job.imported
        lost = " ".join(_lost(note) for note in origin.notes)
        found = {"imported": _origin(origin), "made of": verdict_text(origin.verdict, origin.drifts)}
        return {**found, **({"lost": lost} if lost else {})}
    if job.repeat is None:
        return {}
    # What the capsules differ in is said in words; the fields are in --json.
    fields = [one for one in job.repeat.differs if not one.path.startswith("capsule")]
    differs = [f"{_shown(one.path)}: {_shown(one.a)} -> {_shown(one.b)}" for one in fields]
    again = "; ".join(differs) or "nothing that was asked for"
    return {
        "repeats": job.repeat.of,
        "made of": verdict_text(job.repeat.verdict, job.repeat.drifts),
        "differs": again,
        **({"note": " ".join(job.repeat.notes)} if job.repeat.notes else {}),
    }


def _origin(origin: ImportedFrom) -> str:
    when = "" if origin.submitted_at is None else f", submitted {moment(origin.submitted_at)}"
    return f"from job {plain(origin.job_id)} of {plain(origin.user)} on {plain(origin.host)}{when}"


def _lost(note: ImportNote) -> str:
    return f"{_shown(note.option)}: {_shown(note.value)}. {note.why}"


def _shown(text: str | None) -> str:
    return "–" if text is None else plain(text, _CELL)


def _requirements(found: Sequence[Requirement]) -> list[str]:
    lines = []
    for one in found:
        name = f"{one.what} {plain(one.name, _CELL)}".strip()
        lines.append(f"{one.standing.value.ljust(8)} {name}: {plain(one.text, _SENTENCE)}")
        if one.hint and one.standing is not Standing.SAME:
            lines.append(f"{'':8} {plain(one.hint, _SENTENCE)}")
    return lines


def _fields(found: Sequence[Difference]) -> list[str]:
    return [f"changed  {_shown(one.path)}: {_shown(one.a)} -> {_shown(one.b)}" for one in found]


def before(preview: RepeatPreview) -> str:
    """Return in what a job would differ that is run once more, and how all that it needs stands."""
    lines = [*_requirements(preview.requirements), *_fields(preview.repeat.differs), *preview.repeat.notes]
    return "\n".join([f"Job {preview.repeat.of} once more:", *lines])


def _import(answer: CapsuleImport) -> str:
    """Return the job file, and above it as its comments whose it was and how all that it needs stands here."""
    lines = [
        f"Job {plain(answer.name)}, {_origin(answer.origin)}.",
        *_requirements(answer.requirements),
        *_fields(answer.differs),
        *(f"lost     {_lost(note)}" for note in answer.origin.notes),
        "Nothing was queued. With --submit it is."
        if answer.ready
        else "It would be refused as long as that is missing.",
    ]
    return "\n".join([*(f"# {line}" for line in lines), answer.spec.rstrip("\n")])


_HOURS = "{:.2f}"  # chosen: half a minute is seen


def _exported(item: Exported) -> str:
    return f"Job {item.job_id} was written to {plain(item.path, _CELL)} ({item.size_bytes >> 10} KiB)."


FORMS: dict[type, Callable[[Any], str]] = {Exported: _exported, RepeatPreview: before, CapsuleImport: _import}

TABLES: dict[type, dict[str, Callable[[Any], str]]] = {
    OutputFolder: {
        "FOLDER": lambda one: plain(one.target),
        "FILES": lambda one: f"{one.files:,}",
        "SIZE": lambda one: size_text(one.size_bytes),
        "PATH": lambda one: plain(one.path, _CELL),
    },
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
