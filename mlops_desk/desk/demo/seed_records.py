"""What happened in the demonstration before it began, as records: events, jobs, and a model that was trained again.

It follows from the seed and the time by the same functions as the live numbers, so that the run in a job's record is
the one that held the GPUs in the history.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from mlops_desk.automation.records.retraining_rule import Retraining, RetrainState, Rule
from mlops_desk.automation.rules.pipeline.origins import ORIGIN
from mlops_desk.desk.demo import data
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec, MlflowSpec, Resources
from mlops_desk.machine.events import drafts
from mlops_desk.machine.events.drafts import Draft, Killed, ProcessOwner
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState
from mlops_desk.machine.records.incident import DeviceEvent, Incident
from mlops_desk.machine.telemetry.simulation.events import gpu_events, oom_kills
from mlops_desk.machine.telemetry.simulation.gpus import GPU_NAME, gpu_uuid
from mlops_desk.machine.telemetry.simulation.workloads import (
    OWN_USER,
    WORKS,
    Work,
    WorkRun,
    container_id,
    container_name,
    pid_of,
    run_of,
    running,
    turn_at,
)

DAY = 86_400.0  # in seconds
DAYS = 30  # as the curves go back
VERSIONS = next(count for name, _, _, count, _ in data.MODELS if name == data.RULES[0]["model"])
_GIB = 1 << 30
_ID_DIGITS = 12  # as the jobs service makes them
_FIRST_UID = 1001  # chosen: as Debian numbers people
_ENDS = {
    "evaluate": (
        137,
        Reason(
            "oom_kernel",
            "The job used more memory than it may, and the kernel killed it.",
            title="The job ran out of memory",
        ),
    ),
    "sweep": (
        1,
        Reason(
            "exit_nonzero",
            "The command ended with exit code 1.",
            "CUDA error: an illegal memory access",
            title="Exit code 1",
        ),
    ),
}
"""Works that fail, with exit code and reason; the events say the same."""
_JOBS_A_DAY = {"llama-70b": 2, "finetune-lora": 2, "sweep": 1, "evaluate": 1}
"""Chosen: a list that one can look through; the others were started without the desk, as on any machine."""


def incidents(seed: int, until: float) -> list[Incident]:
    """Return the events of the days before ``until``; the same thing again on one day is one entry."""

    def uuid(index: int) -> str:
        return gpu_uuid(seed, str(index))

    since = until - DAYS * DAY
    heard = [*gpu_events(seed, uuid, since, until), *oom_kills(seed, since, until)]
    told = sorted(heard, key=lambda event: (_kind(event), event.at // DAY, event.at))
    days = groupby(told, lambda event: (_kind(event), event.at // DAY))
    found = [_folded(seed, f"{kind}.{day:.0f}", [*events]) for (kind, day), events in days]
    return sorted(found, key=lambda incident: incident.at)


def _kind(event: DeviceEvent) -> str:
    return f"{event.kind}.{event.code}.{event.device}"


def _folded(seed: int, name: str, events: Sequence[DeviceEvent]) -> Incident:
    """Return one entry for the same thing happening again and again; what differs from first to last is left out."""
    first, last = (_draft(seed, event).incident for event in (events[0], events[-1]))
    facts = {name: value for name, value in first.details.items() if last.details.get(name) == value}
    if first.text != last.text:
        first = replace(first, text=f"{first.text} That was the first time of {len(events)}.")
    return replace(first, id=_id(seed, name), count=len(events), last_at=last.at, details=facts)


def _draft(seed: int, event: DeviceEvent) -> Draft:
    if event.kind == "oom":
        return drafts.of_kill(event, Killed(container_name(event.container or "")))
    index = next(number for number in range(8) if gpu_uuid(seed, str(number)) == event.device)
    gpu = Gpu(event.device or "", index, GPU_NAME, None, GpuState.OK)
    return drafts.of_event(event, gpu, _owner(seed, index, event))


def _owner(seed: int, index: int, event: DeviceEvent) -> ProcessOwner | None:
    for run in running(seed, event.at - 1.0, index):
        if event.pid == pid_of(seed, run, index):
            name = container_name(container_id(run))
            return ProcessOwner(GpuProcess(event.pid, run.work.user, run.work.command, None, name, "compute"))
    return None


def jobs(seed: int, until: float) -> list[Job]:
    """Return the jobs that ended in the days before ``until``, and those that trained the churn model."""
    chosen = [_of_run(seed, run) for work in WORKS for run in _runs(seed, work, until)]
    return sorted([*chosen, *_trainings(seed, until)], key=lambda job: job.submitted_at)


def _runs(seed: int, work: Work, until: float) -> Iterator[WorkRun]:
    """Yield the runs of a work that were jobs: some of each day, as far as they were not left out that night."""
    count = _JOBS_A_DAY.get(work.name, 0)
    if not count:
        return
    every = max(1, int(DAY / work.cycle_seconds) // count)
    for turn in range(turn_at(seed, work, until - DAYS * DAY) + 1, turn_at(seed, work, until)):
        run = run_of(seed, work, turn)
        if turn % every == 0 and run.until == run.end:
            yield run


def _of_run(seed: int, run: WorkRun) -> Job:
    work = run.work
    code, reason = _ENDS.get(work.name, (0, None))
    resources = Resources(gpus=len(work.gpus), memory_bytes=64 * _GIB)
    spec = JobSpec(work.name, "lab/pytorch:2.9", tuple(work.command.split()), resources=resources)
    gpus = tuple(gpu_uuid(seed, str(index)) for index in work.gpus)
    return _job(_id(seed, f"{work.name}.{run.turn}"), spec, work.user, (run.start, run.end), code, reason, gpus=gpus,
                container=container_name(container_id(run)))  # fmt: skip


def _job(
    number: str,
    spec: JobSpec,
    user: str,
    span: tuple[float, float],
    code: int,
    reason: Reason | None,
    *,
    gpus: tuple[str, ...] = (),
    container: str | None = None,
    run_id: str | None = None,
    origin: str | None = None,
) -> Job:
    number = number[:_ID_DIGITS]
    started, ended = span
    state = JobState.SUCCEEDED if code == 0 else JobState.FAILED
    name = container or f"mld-{number}-a1"
    attempt = Attempt(1, f"{number}-a1", name, state, gpus, started, ended, code, reason)
    users = sorted({work.user for work in WORKS} - {OWN_USER})
    uid = os.getuid() if user == OWN_USER else _FIRST_UID + users.index(user)
    return Job(
        id=number, name=spec.name, state=state, spec=spec, submitted_at=started - 20.0, submitted_by=uid, user=user,
        exit_code=code, reason=reason, gpus=gpus, container=name, mlflow_run_id=run_id, attempts=(attempt,),
        started_at=started, ended_at=ended, origin=origin,
    )  # fmt: skip


def trained_at(until: float, version: int, versions: int = VERSIONS) -> float:
    """Return when the training of a version of a model ended: one each week, the newest a week ago."""
    return until - (versions - version + 1) * 7 * DAY


def _trainings(seed: int, until: float) -> Iterator[Job]:
    spec = JobSpec(data.TRAINED, "lab/tabular:1.4", ("python", "train_churn.py"), mlflow=MlflowSpec("churn"))
    for version in range(1, VERSIONS + 1):
        ended = trained_at(until, version)
        origin = None if version == 1 else ORIGIN + _id(seed, f"retraining.{version}")
        yield _job(_id(seed, f"train.{version}"), spec, OWN_USER, (ended - 3600.0, ended), 0, None,
                   run_id=data.run_id("churn", version), origin=origin)  # fmt: skip


def rule(until: float) -> Rule:
    """Return the demo's rule as it has stood since the first version."""
    (first,) = data.RULES
    return Rule(
        **first, alias="champion", created_by=os.getuid(), created_at=trained_at(until, 1),
        last_fired_at=trained_at(until, VERSIONS) - 3700.0,
    )  # fmt: skip


def retrainings(seed: int, until: float) -> list[Retraining]:
    """Return how each later version of the churn model came about."""
    values = {version: data.metric_of("churn", version) for version in range(1, VERSIONS + 1)}
    return [
        Retraining(
            id=_id(seed, f"retraining.{version}"),
            rule=data.RULES[0]["name"],
            state=RetrainState.APPROVED,
            trigger=f"drift of {data.RULES[0]['endpoint']}",
            job_id=_id(seed, f"train.{version}")[:_ID_DIGITS],
            champion_version=str(version - 1),
            champion_value=values[version - 1],
            challenger_version=str(version),
            challenger_value=values[version],
            created_at=trained_at(until, version) - 3700.0,
            decided_by=OWN_USER,
            decided_at=trained_at(until, version) + 1800.0,
        )
        for version in range(2, VERSIONS + 1)
    ]


def named(name: str) -> str:
    """Return an id that is the same each time."""
    return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()


def _id(seed: int, name: str) -> str:
    return named(f"{seed}.{name}")
