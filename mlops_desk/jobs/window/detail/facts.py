"""Facts of a job: who, when, with what; what it was asked to do; its attempts; what it is made of and has used."""

from collections.abc import Mapping

from mlops_desk.gpus.records.usage import JobUsage
from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.records.drift_words import verdict_text
from mlops_desk.jobs.records.job import Attempt, Job
from mlops_desk.jobs.records.parameter_substitution import filled
from mlops_desk.jobs.records.provenance import Capsule, ImportedFrom, Repeat
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.base.text import decimal_name, plain
from mlops_desk.kit.window.live.store import Store
from mlops_desk.kit.window.widgets.facts import Fact, moment_fact
from mlops_desk.kit.window.words import alerts, marks, numbers

_SHORT_HASH = 19  # characters: "sha256:" and as much as tells two apart


def facts_of(job: JobBrief, whole: Job | None, store: Store) -> list[Fact]:
    """Return who, when and with what; ``whole`` is what the agent told when it was asked."""
    asked = whole.spec if whole is not None else None
    return [
        Fact("By", job.user),
        moment_fact("Submitted", job.submitted_at),
        *([moment_fact("Started", job.started_at)] if job.started_at else []),
        *([moment_fact("Ended", job.ended_at)] if job.ended_at else []),
        *([Fact("Time limit", numbers.duration(job.time_limit_seconds))] if job.time_limit_seconds else []),
        *([Fact("Exit code", str(job.exit_code))] if job.exit_code is not None else []),
        *([Fact("GPUs", ", ".join(alerts.device_title(gpu, store.status) for gpu in job.gpus))] if job.gpus else []),
        *([Fact("Priority", str(job.priority))] if job.priority else []),
        *([Fact("May be preempted", "yes: it is asked to save and goes on later")] if job.preemptible else []),
        *([Fact("Runs after", ", ".join(asked.after + asked.after_success), fixed=True)]
          if asked is not None and asked.after + asked.after_success else []),
        *([moment_fact("Not before", whole.not_before)] if whole is not None and whole.not_before else []),
        *([_origin_fact(job.origin)] if job.origin else []),
        Fact("Id", job.id, fixed=True),
    ]  # fmt: skip


def _origin_fact(origin: str) -> Fact:
    """Say what submitted it (KIND:ID), the id as short as ids are elsewhere."""
    kind, _, identifier = origin.partition(":")
    return Fact("Because of", f"{kind} {identifier[:12]}".strip(), tip=origin)


def attempt_fact(attempt: Attempt) -> Fact:
    """Return one start of a job: how it ended and why, for how long it ran, and what it is called by."""
    mark = marks.JOB_MARKS[attempt.state]
    code = f", exit code {attempt.exit_code}" if attempt.exit_code is not None else ""
    ran = ""
    if attempt.started_at is not None and attempt.ended_at is not None:
        ran = f", ran {numbers.duration(attempt.ended_at - attempt.started_at)}"
    why = f"\n{attempt.reason.told}" if attempt.reason is not None else ""
    proof = f"\nGPUs proven by {_PROOFS.get(attempt.proof, attempt.proof)}" if attempt.proof else ""
    lent = f"\nOn GPUs lent by {', '.join(map(plain, attempt.lent_by))}, to be had back" if attempt.lent_by else ""
    # The state in its colour is above; here the words and the shape tell it.
    return Fact(f"Attempt {attempt.number}", f"{mark.text}{code}{ran}{why}{lent}{proof}\n{attempt.container}")


_PROOFS = {"uuid": "UUID", "minor": "device number", "none": "nothing"}


def _amount(size_bytes: int) -> str:
    """Return an amount in powers of 1024, and first in those of 1000 where it was asked for so."""
    asked = decimal_name(size_bytes)
    return numbers.size(size_bytes) if asked is None else f"{asked} ({numbers.size(size_bytes)})"


def spec_facts(spec: JobSpec, image_id: str | None) -> list[Fact]:
    """Return what it was asked to do."""
    asked = spec.resources
    wishes = [
        numbers.count(asked.gpus, "GPU"),
        *([f"of model {asked.gpu_model}"] if asked.gpu_model else []),
        *([f"{_amount(asked.gpu_memory_bytes)} each"] if asked.gpu_memory_bytes else []),
        *([f"shared, {_amount(asked.share_bytes)} of it declared"] if asked.share_bytes else []),
        *([f"{asked.cpus:g} CPUs"] if asked.cpus else []),
        *([f"{_amount(asked.memory_bytes)} memory"] if asked.memory_bytes else []),
        *([f"{_amount(asked.shm_bytes)} shared memory"] if asked.shm_bytes else []),
    ]
    mounts = "\n".join(f"{m.source} → {m.target} ({m.mode}{', staged' if m.stage else ''})" for m in spec.mounts)
    return [
        Fact("Image", spec.image + (f"\n{image_id[:_SHORT_HASH]}" if image_id else ""), fixed=True),
        Fact("Command", " ".join(filled(spec).command) or "the image's own", fixed=True),
        Fact("May use", ", ".join(wishes)),
        *(
            [Fact("Environment", "\n".join(f"{k}={v}" for k, v in filled(spec).env.items()), fixed=True)]
            if spec.env
            else []
        ),
        *([Fact("Parameters", _pairs(spec.params), fixed=True)] if spec.params else []),
        *([Fact("Mounts", mounts, fixed=True)] if spec.mounts else []),
        *([Fact("Experiment", spec.mlflow.experiment)] if spec.mlflow else []),
    ]


def _pairs(params: Mapping[str, str]) -> str:
    return "\n".join(f"{name} = {value}" for name, value in params.items())


def usage_facts(usage: JobUsage | None) -> list[Fact]:
    """Return what a job has used, as far as it is known."""
    if usage is None:
        return []
    measured = "" if usage.energy_measured else " (from power over time)"
    told = [
        ("GPU time", None if usage.gpu_seconds is None else f"{usage.gpu_seconds / 3600:.2f}{numbers.THIN}h"),
        ("Energy", None if usage.energy_joules is None else numbers.joules(usage.energy_joules) + measured),
        ("Peak GPU memory", _known(usage.gpu_memory_peak_bytes, numbers.size)),
        ("Mean utilisation", _known(usage.gpu_utilization_mean, numbers.percent)),
        ("Slowed down for", _known(usage.throttled_seconds, numbers.duration)),
        ("CPU time", _known(usage.cpu_seconds, numbers.duration)),
        ("Peak memory", _known(usage.memory_peak_bytes, numbers.size)),
    ]
    return [Fact(name, text) for name, text in told if text is not None]


def _known(value: float | None, written: numbers.Written) -> str | None:
    return None if value is None else written(value)


def repeat_facts(repeat: Repeat | None) -> list[Fact]:
    """Return of which job it is a repetition, in what it differs from that, and what nobody can promise."""
    if repeat is None:
        return []
    differs = "\n".join(
        f"{one.path}: {numbers.NOTHING if one.a is None else one.a} → {numbers.NOTHING if one.b is None else one.b}"
        for one in repeat.differs
        if not one.path.startswith("capsule")  # which is said in words
    )
    return [
        Fact("Once more", f"job {repeat.of}", fixed=True),
        Fact("Made of", verdict_text(repeat.verdict, repeat.drifts)),
        Fact("What differs", differs or "nothing that was asked for", fixed=bool(differs)),
        *([Fact("Not promised", "\n".join(repeat.notes))] if repeat.notes else []),
    ]


def import_facts(imported: ImportedFrom | None) -> list[Fact]:
    """Return of which job of another machine it was made, and in what it is made of something else."""
    if imported is None:
        return []
    return [
        Fact("Imported", f"job {imported.job_id} of {imported.user} on {imported.host}"),
        Fact("Made of", verdict_text(imported.verdict, imported.drifts)),
    ]


def capsule_facts(capsule: Capsule | None) -> list[Fact]:
    """Return what it was made of, frozen so that it can be repeated; what is not known is left out."""
    if capsule is None:
        return []
    git = capsule.git
    commit = git.commit[:12] if git.commit else ""
    dirty = ", with changes that no commit holds" if git.dirty else ""
    untracked = f", {numbers.count(len(git.untracked), 'untracked file')}" if git.untracked else ""
    data = "\n".join(
        f"{one.target}: {one.sha256[:12] if one.sha256 else 'not hashed'}{' (sampled)' if one.sampled else ''}"
        for one in capsule.data
    )
    told = [
        ("Commit", f"{commit}{dirty}{untracked}" if commit else ""),
        ("Branch", git.branch or ""),
        ("Image digest", capsule.image.digest or ""),
        ("Source", (capsule.source_sha256 or "")[:12]),
        ("Packages", (capsule.packages_sha256 or "")[:12]),
        ("Data", data),
        ("Seed", "" if capsule.seed is None else str(capsule.seed)),
        ("Driver", capsule.driver or ""),
        ("GPU models", ", ".join(capsule.gpu_models)),
        *((name, text) for name, text in capsule.versions.items()),
    ]
    return [Fact(name, text, fixed=name in _FIXED) for name, text in told if text]


_FIXED = frozenset({"Commit", "Image digest", "Source", "Packages", "Data"})
