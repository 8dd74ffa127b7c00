"""Words for a job: the facts beside its output, and the cells of its row."""

from mlops_desk.base.text import decimal_name, plain
from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.records.jobs.job import Attempt, Job
from mlops_desk.records.jobs.spec import JobSpec
from mlops_desk.ui.live.store import Store
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.widgets.facts import Fact, moment_fact, reason_facts
from mlops_desk.ui.words import marks, numbers


def facts_of(job: JobBrief, whole: Job | None, store: Store) -> list[Fact]:
    """Return what is known of a job, the most important first; ``whole`` is what the agent told when it was asked."""
    reason = whole.reason if whole is not None and whole.state is job.state else job.reason
    mark = marks.JOB_MARKS[job.state]
    state = mark.text + (" (asked to stop)" if job.cancel_requested and not job.state.is_final else "")
    facts = [
        Fact("State", state, mark.token),
        *reason_facts(reason),
        Fact("Id", job.id, fixed=True),
        Fact("By", job.user),
        moment_fact("Submitted", job.submitted_at),
        *([moment_fact("Started", job.started_at)] if job.started_at else []),
        *([moment_fact("Ended", job.ended_at)] if job.ended_at else []),
        *([Fact("Exit code", str(job.exit_code))] if job.exit_code is not None else []),
        *([Fact("GPUs", ", ".join(gpu_names(job.gpus, store)))] if job.gpus else []),
        *([Fact("MLflow run", job.mlflow_run_id, fixed=True)] if job.mlflow_run_id else []),
        *([_origin_fact(job.origin)] if job.origin else []),
    ]
    if whole is None:
        return [*facts, Fact("Image", job.image, fixed=True)]
    return [*facts, *map(_attempt_fact, whole.attempts), *_spec_facts(whole.spec, whole.image_id)]


def _origin_fact(origin: str) -> Fact:
    """Say what submitted it (KIND:ID), the id as short as ids are elsewhere."""
    kind, _, identifier = origin.partition(":")
    return Fact("Because of", f"{kind} {identifier[:12]}".strip(), tip=origin)


def _attempt_fact(attempt: Attempt) -> Fact:
    mark = marks.JOB_MARKS[attempt.state]
    code = f", exit code {attempt.exit_code}" if attempt.exit_code is not None else ""
    # The state in its colour is above; here the words and the shape tell it.
    return Fact(f"Attempt {attempt.number}", f"{mark.text}{code}\n{attempt.container}")


def _amount(size_bytes: int) -> str:
    """Return an amount in powers of 1024, and first in those of 1000 where it was asked for so."""
    asked = decimal_name(size_bytes)
    return numbers.size(size_bytes) if asked is None else f"{asked} ({numbers.size(size_bytes)})"


def _spec_facts(spec: JobSpec, image_id: str | None) -> list[Fact]:
    asked = spec.resources
    wishes = [
        numbers.count(asked.gpus, "GPU"),
        *([f"{_amount(asked.gpu_memory_bytes)} each"] if asked.gpu_memory_bytes else []),
        *([f"{asked.cpus:g} CPUs"] if asked.cpus else []),
        *([f"{_amount(asked.memory_bytes)} memory"] if asked.memory_bytes else []),
        *([f"{_amount(asked.shm_bytes)} shared memory"] if asked.shm_bytes else []),
    ]
    return [
        Fact("Image", spec.image + (f"\n{image_id[:19]}" if image_id else ""), fixed=True),
        Fact("Command", " ".join(spec.command) or "the image's own", fixed=True),
        Fact("May use", ", ".join(wishes)),
        *([Fact("Environment", "\n".join(f"{k}={v}" for k, v in spec.env.items()), fixed=True)] if spec.env else []),
        *(
            [Fact("Mounts", "\n".join(f"{m.source} → {m.target} ({m.mode})" for m in spec.mounts), fixed=True)]
            if spec.mounts
            else []
        ),
        *([Fact("Experiment", spec.mlflow.experiment)] if spec.mlflow else []),
    ]


def gpu_names(uuids: tuple[str, ...], store: Store) -> list[str]:
    """Return the numbers by which people know these GPUs; a UUID where the machine has it no more."""
    known = {gpu.uuid: f"GPU {gpu.index}" for gpu in store.status.gpus} if store.status else {}
    return [known.get(uuid, uuid) for uuid in uuids]


def _state_cell(job: JobBrief) -> Cell:
    mark = marks.JOB_MARKS[job.state]
    return Cell(mark.text, mark.word, mark.token, plain(job.reason.text) if job.reason else "")


def _when(at: float | None) -> Cell:
    return Cell(numbers.ago(at), at or 0.0, tip=numbers.absolute(at) if at else "")


def _ran(job: JobBrief) -> Cell:
    if job.started_at is None:
        return Cell(numbers.NOTHING, -1.0)
    if job.ended_at is not None:
        length = job.ended_at - job.started_at
        return Cell(numbers.duration(length), length)
    if job.state.is_final:
        return Cell(numbers.NOTHING, -1.0, tip="Nobody saw how it ended")
    return Cell(
        f"since {numbers.clock(job.started_at)[:5]}", 1e12 - job.started_at, tip=numbers.absolute(job.started_at)
    )


def _why(job: JobBrief) -> Cell:
    text = plain(job.reason.text) if job.reason else ""
    return Cell(text, tip=f"{job.reason.text}\n{job.reason.hint or ''}".strip() if job.reason else "")


COLUMNS: tuple[Column[JobBrief], ...] = (
    Column("name", "Job", lambda job: Cell(plain(job.name), tip=job.name)),
    Column("state", "State", _state_cell),
    Column("user", "By", lambda job: Cell(plain(job.user))),
    Column("gpus", "GPUs", lambda job: Cell(str(job.gpus_asked), job.gpus_asked), right=True),
    Column("submitted", "Submitted", lambda job: _when(job.submitted_at), right=True),
    Column("ran", "Ran", _ran, right=True),
    Column("why", "Why", _why, stretch=True),
    Column("image", "Image", lambda job: Cell(plain(job.image), tip=job.image), hidden=True),
    Column("id", "Id", lambda job: Cell(job.id[:12]), fixed=True, hidden=True),
)
