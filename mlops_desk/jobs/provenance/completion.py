"""A job's capsule made whole while it runs and when it has ended, beside it: nothing here holds a job up.

At the start: the image's identities, the machine, then the data (read by a worker as the submitter, for a minute at
most). At the end: the packages that were listed inside, and what was used. The same facts go to the job's run.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from mlops_desk.gpus.records.usage import GpuSpent, JobUsage
from mlops_desk.jobs.ports import GpuEnd, GpuHardware, Spent, TellRun, nothing_seen
from mlops_desk.jobs.provenance.data_identity import data_identities
from mlops_desk.jobs.provenance.packages import PackageLists, library_versions
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.job_activity import JobWatch
from mlops_desk.jobs.records.provenance import Capsule, DataIdentity, ImageIdentity
from mlops_desk.jobs.records.spec import Mount
from mlops_desk.jobs.repository import JobBook
from mlops_desk.jobs.runtimes.runtime import Makings
from mlops_desk.jobs.runtimes.table import Runtimes
from mlops_desk.kit.base.errors import DeskError

# What a job has used: its attempts' time on GPUs, and what telemetry saw of those GPUs meanwhile.
# A GPU that was shared tells nothing of one job: energy, memory, utilisation and lost time are then not known.
_log = logging.getLogger(__name__)


class HeldGpu(NamedTuple):
    """One GPU held by an attempt, with what it did meanwhile (None: nobody could say)."""

    seconds: float
    spent: GpuSpent | None


def held(attempt: Attempt, now: float) -> float:
    """Return for how many seconds an attempt has run."""
    if attempt.started_at is None:
        return 0.0
    return max(0.0, (attempt.ended_at if attempt.ended_at is not None else now) - attempt.started_at)


def usage_of(job: Job, now: float, spent: Spent | None, takings: Iterable[Makings] = ()) -> JobUsage:
    """Return what a job has used until ``now``; ``takings`` are what its attempts noted of themselves."""
    alone = job.spec.resources.exclusive and job.spec.resources.share_bytes is None
    stretches = [
        HeldGpu(held(attempt, now), _spent(spent, gpu, attempt, now) if alone else None)
        for attempt in job.attempts
        for gpu in attempt.gpus
        if attempt.started_at is not None
    ]
    return total(stretches, list(takings))


def _spent(spent: Spent | None, gpu: str, attempt: Attempt, now: float) -> GpuSpent | None:
    seconds = held(attempt, now)
    if spent is None or attempt.started_at is None or seconds <= 0:
        return None
    try:
        return spent(gpu, attempt.started_at, attempt.started_at + seconds)
    except DeskError as error:
        _log.info("What GPU %s did for %s is not known: %s", gpu, attempt.id, error.message)
        return None


def total(stretches: Sequence[HeldGpu], takings: Sequence[Makings]) -> JobUsage:
    """Add up; one part that is not known makes a sum unknown."""
    spent = [one.spent or GpuSpent() for one in stretches]
    energy = _sum(one.energy_joules for one in spent)
    peaks = [one.memory_peak_bytes for one in spent if one.memory_peak_bytes is not None]
    seconds = sum(one.seconds for one in stretches)
    busy = _sum(
        None if does.utilization_mean is None else does.utilization_mean * one.seconds
        for one, does in zip(stretches, spent, strict=True)
    )
    most = [one.memory_peak_bytes for one in takings if one.memory_peak_bytes is not None]
    return JobUsage(
        gpu_seconds=seconds,
        energy_joules=energy,
        energy_measured=None if energy is None else all(one.energy_measured for one in spent),
        gpu_memory_peak_bytes=max(peaks) if peaks and len(peaks) == len(spent) else None,
        gpu_utilization_mean=None if busy is None or seconds <= 0 else busy / seconds,
        throttled_seconds=_sum(one.throttled_seconds for one in spent),
        cpu_seconds=_sum(one.cpu_seconds for one in takings),
        memory_peak_bytes=max(most) if most else None,
    )


def _sum(parts: Iterable[float | None]) -> float | None:
    """Return a sum; None for one of nothing, or with a part that is not known."""
    found = list(parts)
    known = [part for part in found if part is not None]
    return sum(known) if known and len(known) == len(found) else None


_DATA_SECONDS = 60.0  # chosen: what takes longer to list than this is told as not known
_MISSED = 50  # chosen: as many as may end while an agent is killed and started again
_EXPORT_BYTES = 10 << 30  # RELIABILITY S9: as large as any archive of ours; the setting's default
_TAG = "mlops_desk."


@dataclass(frozen=True, slots=True)
class Outside:
    """What the rest of the house tells and is told; None where there is none of it.

    ``idle_minutes``: after so long without use held GPUs are told of, or taken back. ``export_bytes``: how much of a
    job's outputs an export takes. ``gpu_end`` tells what was seen of an attempt's GPUs. ``stuck_minutes``: after how
    long a job is told as stuck. ``watched`` hears of all that run, once a minute.
    """

    hardware: GpuHardware | None = None
    spent: Spent | None = None
    tell_run: TellRun | None = None
    idle_minutes: Callable[[], int] | None = None
    export_bytes: Callable[[], int] = lambda: _EXPORT_BYTES
    gpu_end: GpuEnd = nothing_seen
    stuck_minutes: Callable[[], int] | None = None
    watched: Callable[[Sequence[JobWatch]], None] = lambda _jobs: None


class Completion:
    """``packages`` keeps what was listed inside; ``hand`` does a piece of work without holding up who asks.

    ``copies`` tells where the copies of a job's staged data lie.
    """

    def __init__(
        self,
        book: JobBook,
        runtimes: Runtimes,
        packages: PackageLists,
        outside: Outside,
        hand: Callable[[str, Callable[[], None]], object],
        told: Callable[[Job], Job],
        copies: Callable[[Job], Sequence[Mount]] | None = None,
    ) -> None:
        self._book = book
        self._runtimes = runtimes
        self._packages = packages
        self._outside = outside
        self._hand = hand
        self._told = told
        self._copies = copies
        self._begun: set[str] = set()
        self._ended: set[str] = set()

    def heard(self, job: Job) -> None:
        """Take note of how a job is now; called for each change, in their order, by one thread."""
        if not _has_run(job) or job.orphan:
            return
        attempt = job.attempts[-1]
        if job.state is JobState.RUNNING and attempt.id not in self._begun:
            self._begun.add(attempt.id)
            self._hand(f"capsule-{attempt.id}", lambda: self._try(self._at_start, job.id, attempt, self._begun))
        elif job.state.is_final and job.usage is None and attempt.id not in self._ended:
            self._ended.add(attempt.id)  # what is written of its end is heard of before its usage is
            self._hand(f"usage-{attempt.id}", lambda: self._try(self._at_end, job.id, attempt, self._ended))

    def missed(self, jobs: Iterable[Job]) -> None:
        """Take note of jobs that ended while no agent could write down what they used; those that ended last first.

        One after another, however many: the history and the engine are asked for each, while the desk is starting.
        """
        ended = [job for job in jobs if job.state.is_final and job.usage is None and _has_run(job) and not job.orphan]
        newest = sorted(ended, key=lambda one: one.ended_at or 0.0, reverse=True)[:_MISSED]
        taken = [(job.id, job.attempts[-1]) for job in newest if job.attempts[-1].id not in self._ended]
        self._ended.update(attempt.id for _, attempt in taken)

        def work() -> None:
            for job_id, attempt in taken:
                self._try(self._at_end, job_id, attempt, self._ended)

        if taken:
            self._hand("usage-missed", work)

    def _try(self, work: Callable[[str, Attempt], None], job_id: str, attempt: Attempt, taken: set[str]) -> None:
        """Do it; where the database takes no write, as at the agent's end or on a full disk, it is done later."""
        try:
            work(job_id, attempt)
        except DeskError as error:
            taken.discard(attempt.id)
            _log.info("What job %s is made of and used is not written down now: %s", job_id, error.message)

    def usage_now(self, job: Job) -> JobUsage | None:
        """Return what a job has used so far; what was written at its end where it is over."""
        if job.usage is not None or not any(attempt.started_at is not None for attempt in job.attempts):
            return job.usage
        return usage_of(job, time.time(), self._outside.spent)

    # -- at the start --------------------------------------------------------------------------

    def _at_start(self, job_id: str, attempt: Attempt) -> None:
        job = self._book.get(job_id)
        self._fill(job, self._makings(job, attempt), attempt)
        if (job.capsule is None or not job.capsule.data) and job.spec.mounts:
            data = self._data(job)
            self._change(job_id, lambda capsule: replace(capsule, data=data))
        self._tell(self._book.get(job_id), with_data=True)

    def _makings(self, job: Job, attempt: Attempt) -> Makings:
        try:
            return self._runtimes.named(attempt.runtime).makings(job, attempt)
        except DeskError as error:
            _log.info("What job %s is made of is not known now: %s", job.id, error.message)
            return Makings()

    def _fill(self, job: Job, makings: Makings, attempt: Attempt) -> None:
        hardware = None if self._outside.hardware is None else self._outside.hardware(attempt.gpus)

        def filled(capsule: Capsule) -> Capsule:
            known = replace(capsule, image=_image(capsule.image, makings.image), gpus=attempt.gpus)
            known = replace(known, versions={**capsule.versions, **makings.versions})
            if hardware is None:
                return known
            return replace(
                known,
                driver=hardware.driver,
                versions={**known.versions, **hardware.versions},
                gpu_models=hardware.gpu_models,
                topology=hardware.topology,
            )

        self._change(job.id, filled)

    def _data(self, job: Job) -> tuple[DataIdentity, ...]:
        return data_identities(job.spec, job.submitted_by, _DATA_SECONDS, self._copies_of(job))

    def _copies_of(self, job: Job) -> Sequence[Mount]:
        """Return where the copies of a job's data are: they are what it sees, and they are near."""
        try:
            return () if self._copies is None else self._copies(job)
        except DeskError as error:
            _log.info("Where the copies of the data of job %s lie is not known: %s", job.id, error.message)
            return ()

    # -- at the end ----------------------------------------------------------------------------

    def _at_end(self, job_id: str, attempt: Attempt) -> None:
        job = self._book.get(job_id)
        takings = [self._makings(job, one) for one in job.attempts if one.started_at is not None]
        if job.capsule is None or not job.capsule.gpus:
            self._fill(job, takings[-1], attempt)
        if takings[-1].packages is not None:
            name = self._packages.keep(takings[-1].packages)
            inside = library_versions(takings[-1].packages)
            self._change(
                job_id, lambda capsule: replace(capsule, packages_sha256=name, versions={**capsule.versions, **inside})
            )
        usage = usage_of(job, time.time(), self._outside.spent, takings)
        self._book.change(job_id, lambda now: replace(now, usage=usage))
        self._tell(self._book.get(job_id), with_data=False)

    # -- both ----------------------------------------------------------------------------------

    def _change(self, job_id: str, change: Callable[[Capsule], Capsule]) -> None:
        self._book.change(job_id, lambda job: self._told(replace(job, capsule=change(job.capsule or Capsule()))))

    def _tell(self, job: Job, *, with_data: bool) -> None:
        """Write the facts on the job's run; a server that is away does without: they are in the record."""
        if self._outside.tell_run is None or job.mlflow_run_id is None or job.capsule is None:
            return
        data = [one for one in job.capsule.data if one.sha256 is not None] if with_data else []
        try:
            self._outside.tell_run(job.mlflow_run_id, run_tags(job), data)
        except DeskError as error:
            _log.warning("What job %s is made of can't be written on its run: %s", job.id, error.message)


def _has_run(job: Job) -> bool:
    return bool(job.attempts) and job.attempts[-1].started_at is not None


def _image(known: ImageIdentity, now: ImageIdentity | None) -> ImageIdentity:
    return known if now is None else now


def run_tags(job: Job) -> Mapping[str, str]:
    """Return the facts about a job as tags of its run; the commit has MLflow's own name for it."""
    capsule = job.capsule or Capsule()
    told = {
        f"{_TAG}job_id": job.id,
        f"{_TAG}user": job.user,
        "mlflow.source.git.commit": capsule.git.commit,
        "mlflow.source.git.branch": capsule.git.branch,
        "mlflow.source.git.repoURL": capsule.git.remote,
        f"{_TAG}git_dirty": None if capsule.git.dirty is None else str(capsule.git.dirty).lower(),
        f"{_TAG}source_sha256": capsule.source_sha256,
        f"{_TAG}image": job.spec.image or None,
        f"{_TAG}image_id": capsule.image.id or job.image_id,
        f"{_TAG}image_digest": capsule.image.digest,
        f"{_TAG}packages_sha256": capsule.packages_sha256,
        f"{_TAG}seed": None if capsule.seed is None else str(capsule.seed),
        f"{_TAG}driver": capsule.driver,
        f"{_TAG}gpus": ", ".join(capsule.gpus) or None,
        f"{_TAG}gpu_models": ", ".join(capsule.gpu_models) or None,
        f"{_TAG}repeats": None if job.repeat is None else job.repeat.of,
    }
    return {key: value for key, value in told.items() if value}
