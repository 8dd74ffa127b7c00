"""A job once more, and two jobs beside each other.

A repetition has the same image by its id, the same snapshot of the code and the same spec, but for what a person
changes. It is told from the start in what it differs, and again once it is known on what it runs.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from mlops_desk.jobs.file.spec import change_spec
from mlops_desk.jobs.provenance.differences import capsule_document, differences, job_document, spec_document
from mlops_desk.jobs.provenance.provenance_drift import drifts, verdict
from mlops_desk.jobs.provenance.rerun_basis import Basis
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.records.parameter_substitution import names_in
from mlops_desk.jobs.records.provenance import Capsule, DataIdentity, Difference, ImportedFrom, Repeat
from mlops_desk.jobs.records.spec import JobKind, JobSpec
from mlops_desk.jobs.repository import JobBook
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import DeskError, Invalid, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.access import AccessPolicy, Relation

_log = logging.getLogger(__name__)

RunMetrics = Callable[[str], Mapping[str, float]]
"""Return the newest metrics of a run (id). Raises DeskError."""

_NO_SEED = "No seed was set (seed: in the job file), so whatever draws lots may come out otherwise."
_OTHER_DATA = "The data are other ones: "
_NOWHERE = "Neither its command nor its variables say "
_UNPINNED = "The image of the first one was never found here, so it is looked for by its name again."
_PARAMS = "params."
_OF_THE_CAPSULE = ("image", "git", "source_sha256", "packages_sha256", "data", "driver", "versions", "gpu_models")
"""What of the capsule tells of a drift; that its GPUs are others of the same model is none."""


@dataclass(frozen=True, slots=True)
class Again:
    """What is to be queued once more, and for whom."""

    job: Job
    spec: JobSpec
    uid: int
    image_id: str | None
    first: Capsule | None
    repeat: Repeat | None = None

    @property
    def is_process(self) -> bool:
        """Tell whether a person started it, and not the desk."""
        return self.spec.kind is JobKind.PROCESS

    @property
    def basis(self) -> Basis:
        return Basis(self.image_id, self.first, self.repeat, inputs=self.job.inputs)


Link = TypeVar("Link", Repeat, ImportedFrom)

PackagesOf = Callable[[str | None], str | None]
"""Return the list of packages of a hash; None where it is not kept."""


class Repeating:
    """``metrics`` reaches the tracking server; None where there is none. ``packages`` returns lists by their hash."""

    def __init__(
        self,
        book: JobBook,
        policy: AccessPolicy,
        metrics: RunMetrics | None,
        packages: PackagesOf = lambda _sha256: None,
    ) -> None:
        self._book = book
        self._packages = packages
        self._policy = policy
        self._metrics = metrics

    def again(self, job_id: str, changed: Mapping[str, str], data: Mapping[str, str]) -> Again:
        """Return a job as it is queued once more: with fields changed, other sources for some of its mount targets.

        It runs as the first submitter if who asks may act for them; else as who asks. Raises NotFound, Invalid, and
        Refused.
        """
        job = self._book.find(job_id)
        if job.orphan:
            text = f"What job {job.id} was asked to do is not known: no record was left when its container was found."
            raise Refused(text, "Submit its job file again.")
        spec = mapped(f"job {job.id}", change_spec(job.spec, changed), data)
        caller = current_caller()
        is_other = self._policy.relation(caller, job.owner) is Relation.OTHER
        if is_other and job.capsule is not None and (job.capsule.source_sha256 or job.capsule.build_sha256):
            text = f"Job {job.id} runs code of {job.user}, of which only their own snapshot is kept."
            raise Refused(text, f"Ask {job.user}, or submit a job file with your own source.")
        uid = caller.uid if is_other else job.submitted_by
        image_id = job.image_id if spec.image == job.spec.image else None
        if spec.build != job.spec.build:
            image_id = None
        return Again(job, spec, uid, image_id, _kept(job, spec))

    def repeat(self, job_id: str, changed: Mapping[str, str], data: Mapping[str, str]) -> Again:
        """Return the same with what can be told now of how it differs."""
        again = self.again(job_id, changed, data)
        differs = differences(spec_document(again.job.spec), spec_document(again.spec), "spec")
        notes = [_NO_SEED] if again.spec.seed is None else []
        if data:
            notes.append(_OTHER_DATA + ", ".join(plain(target) for target in sorted(data)) + ".")
        if again.job.image_id is None:
            notes.append(_UNPINNED)
        nowhere = _nowhere(again.spec, changed)
        if nowhere:
            notes.append(f"{_NOWHERE}{' or '.join(nowhere)}, so that changes nothing there.")
        return replace(again, repeat=Repeat(again.job.id, differs, tuple(notes)))

    def diff(self, a: str, b: str) -> tuple[Difference, ...]:
        """Return in what two jobs differ. Raises NotFound, Invalid."""
        return differences(self._document(self._book.find(a)), self._document(self._book.find(b)))

    def metrics(self, job: Job) -> dict[str, float]:
        """Return the newest metrics of a job's run, none where it has no run. Raises DeskError."""
        if self._metrics is None or job.mlflow_run_id is None:
            return {}
        return dict(self._metrics(job.mlflow_run_id))

    def _document(self, job: Job) -> dict[str, Any]:
        try:
            return job_document(job, self.metrics(job))
        except DeskError as error:
            _log.info("The metrics of job %s can't be had: %s", job.id, error.message)
            return {**job_document(job, {}), "metrics": f"not known: {error.message}"}

    def told(self, job: Job) -> Job:
        """Return a repetition with how it differs, now that its capsule is whole; other jobs as they are."""
        if job.capsule is None:
            return job
        if job.imported is not None:
            return replace(job, imported=self._compared(job.imported, job, job.imported.capsule))
        if job.repeat is None:
            return job
        try:
            first = self._book.get(job.repeat.of)
        except DeskError:
            return job  # its record is gone: what was told at the submit is all that will be
        kept = tuple(one for one in job.repeat.differs if not one.path.startswith("capsule"))
        repeat = replace(job.repeat, differs=(*kept, *drift(first.capsule, job.capsule)))
        return replace(job, repeat=self._compared(repeat, job, with_mounts(first)))

    def _compared(self, link: Link, job: Job, first: Capsule | None) -> Link:
        """Return what links a job to the first one, with the verdict and the reasons for it."""
        now = with_mounts(job) or Capsule()
        lists = [self._packages(None if one is None else one.packages_sha256) for one in (first, now)]
        found = drifts(first, now, lists[0], lists[1])
        return replace(link, verdict=verdict(found), drifts=found)


def with_mounts(job: Job) -> Capsule | None:
    """Return a job's capsule with an entry for each read-only mount: what was not read yet is there, and not known."""
    if job.capsule is None:
        return None
    there = {one.target for one in job.capsule.data}
    unread = (
        DataIdentity(one.target, one.source) for one in job.spec.mounts if one.mode == "ro" and one.target not in there
    )
    return replace(job.capsule, data=(*job.capsule.data, *unread))


def drift(first: Capsule | None, now: Capsule) -> tuple[Difference, ...]:
    """Return in what a capsule differs from the first one; what one of them does not know is not compared."""
    if first is None:
        return ()
    before, after = capsule_document(first), capsule_document(now)
    found = differences(
        {name: before[name] for name in _OF_THE_CAPSULE}, {name: after[name] for name in _OF_THE_CAPSULE}, "capsule"
    )
    return tuple(one for one in found if one.a is not None and one.b is not None)


def _nowhere(spec: JobSpec, changed: Mapping[str, str]) -> list[str]:
    """Return the parameters that were given and are put in nowhere, as when one is misspelt."""
    named = {name for text in (*spec.command, *spec.env.values()) for name in names_in(text)}
    given = [key.removeprefix(_PARAMS) for key in changed if key.startswith(_PARAMS)]
    return [f"{{{plain(name)}}}" for name in given if name not in named]


def mapped(what: str, spec: JobSpec, data: Mapping[str, str]) -> JobSpec:
    """Return a spec with other sources for some of its mount targets; ``what`` it is of. Raises Invalid."""
    targets = {mount.target for mount in spec.mounts}
    for target, source in data.items():
        if target not in targets:
            known = ", ".join(sorted(targets)) or "none"
            text = f"{what[0].upper()}{what[1:]} has no mount at {plain(target)!r}."
            raise Invalid(text, f"Its mount targets: {known}.")
        if not source.startswith("/"):
            text = f"{plain(source)!r} for {plain(target)} is not an absolute path."
            raise Invalid(text, f"Write --data {plain(target)}=/PATH.")
    mounts = tuple(replace(mount, source=data.get(mount.target, mount.source)) for mount in spec.mounts)
    return replace(spec, mounts=mounts)


def _kept(job: Job, spec: JobSpec) -> Capsule | None:
    """Return what of a job's capsule a repetition with ``spec`` takes over: what it is made of and did not change."""
    if job.capsule is None or (spec.source != job.spec.source and spec.build != job.spec.build):
        return None
    source = job.capsule.source_sha256 if spec.source == job.spec.source else None
    build = job.capsule.build_sha256 if spec.build == job.spec.build else None
    return replace(job.capsule, source_sha256=source, build_sha256=build)
