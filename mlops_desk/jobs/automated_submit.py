"""Jobs that the desk queues on somebody's behalf, for rules and pipelines: each is found again by its origin.

The JSON Schema of job files, made from the tables that read them, for editors and other programs.
"""

import pwd
import shlex
from builtins import list as list_of
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from mlops_desk.jobs.admission import Intake
from mlops_desk.jobs.file.fields import JobFile
from mlops_desk.jobs.file.spec import parse_spec
from mlops_desk.jobs.imports.importer import read_import
from mlops_desk.jobs.provenance.rerun import Again, Repeating
from mlops_desk.jobs.provenance.rerun_basis import Basis
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.records.job_import import ImportedJobs
from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.jobs.records.template import JobTemplate
from mlops_desk.jobs.repository import JobBook
from mlops_desk.jobs.runtimes.table import Runtimes
from mlops_desk.jobs.templates import Templates
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.document.schema import schema_of
from mlops_desk.kit.base.errors import Hint, Invalid, Refused
from mlops_desk.kit.base.text import plain

_IDENTITY = "urn:mlops-desk:job-file:v1"


def job_schema() -> dict[str, Any]:
    """Return the schema of a whole job file."""
    either = [{"required": ["image"]}, {"required": ["build"]}]
    return {**schema_of(JobFile, _IDENTITY, "MLOps Desk job file (mlops-desk/v1)"), "anyOf": either}


# The verbs about job files as such: their schema, templates to begin with, and making them of something else.
class JobFiles:
    """The part of ``verbs.jobs.Jobs`` that needs no queue; ``templates`` is the folder where people keep theirs."""

    def __init__(self, templates: Path) -> None:
        self._templates = Templates(templates)

    def import_(
        self, file: str = "", folder: str = "/", docker_run: str | None = None, only: str | None = None
    ) -> ImportedJobs:
        _check(folder)
        return read_import(file, docker_run, only, folder, _home(current_caller().uid))

    def schema(self) -> dict[str, Any]:
        return job_schema()

    def templates(self) -> list_of[JobTemplate]:
        return list_of(self._templates.all(current_caller().uid))

    def template(self, name: str) -> JobTemplate:
        return self._templates.find(name, current_caller().uid)

    def save_template(self, name: str, spec: str, folder: str = "/") -> JobTemplate:
        _check(folder)
        return self._templates.save(name, spec, folder, current_caller().uid)

    def remove_template(self, name: str) -> JobTemplate:
        return self._templates.remove(name, current_caller().uid)


def _check(folder: str) -> None:
    if not folder.startswith("/"):
        raise Invalid(f"The folder {plain(folder)!r} is not absolute.", "Send the file's absolute folder.")


def _home(uid: int) -> str:
    """Return a person's home folder, as the machine knows it; the root where it knows none."""
    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return "/"


_NOTHING: Mapping[str, str] = {}


class CommissionedJobs(JobFiles):
    """The part of the jobs' service that other features ask; ``_folder`` holds the data sets that the desk made."""

    _folder: DataFolder
    _book: JobBook
    _intake: Intake
    _repeating: Repeating
    _runtimes: Runtimes

    def resubmit(
        self, job_id: str, data: Mapping[str, str], origin: str, over: Mapping[str, str] = _NOTHING, chain: int = 0
    ) -> Job:
        """Queue a job again, on the same image, with other sources for some of its mount targets.

        ``over`` maps a path in the container to data that the desk made, which lie there instead. Where no mount has
        that path one is added above the mount that holds it, so that all else on that one stays what it is. Data that
        the desk made for the job of then are not taken over. ``chain`` is that of the new job. Raises DeskErrors.
        """
        again = self._repeating.again(job_id, {}, data)
        spec = replace(again.spec, mounts=self.lasting(again.spec.mounts))
        for target, path in over.items():
            spec = replace(spec, mounts=_laid_over(spec.mounts, target, path))
        return self._queue_again(replace(again, spec=spec), origin, chain)

    def lasting(self, mounts: Sequence[Mount]) -> tuple[Mount, ...]:
        """Return mounts without those of data that the desk made."""
        return tuple(one for one in mounts if self._folder.datasets not in Path(one.source).parents)

    def submit_template(self, name: str, params: Mapping[str, str], origin: str, chain: int) -> Job:
        """Queue the job of one of the caller's templates, some of its parameters set, under an origin.

        Another name is a field of the file, as rules of earlier versions have it (params.lr). Raises DeskErrors.
        """
        template = self.template(name).spec
        known = parse_spec(template, "/").params
        spec = parse_spec(template, "/", {f"params.{one}" if one in known else one: to for one, to in params.items()})
        basis = Basis(chain=chain)
        return self._intake.queue(spec, current_caller().uid, self._runtimes.default, basis, origin)[0]

    def submit_maker(self, name: str, changed: Mapping[str, str], given: str, origin: str, chain: int) -> Job:
        """Queue a template that makes rows of the folder ``given``: it reads that at /in and writes /out.

        It has no network, no secret and no run, whatever its file says, and is one job. Raises DeskErrors.
        """
        spec = maker_of(name, parse_spec(self.template(name).spec, "/", changed), given)
        basis = Basis(chain=chain)
        return self._intake.queue(spec, current_caller().uid, self._runtimes.default, basis, origin)[0]

    def newest_named(self, name: str) -> Job | None:
        """Return the newest job of a name that has not ended; None where there is none."""
        found = [job for job in self._book.active() if job.name == name]
        return max(found, key=lambda job: job.submitted_at, default=None)

    def _queue_again(self, again: Again, origin: str | None = None, chain: int = 0) -> Job:
        if again.is_process:
            hint = Hint(f"mlops-desk exec --gpus {again.spec.resources.gpus} -- {shlex.join(again.spec.command)}")
            raise Refused("It was a process of somebody's own, which the desk did not start.", hint)
        where = self._runtimes.named(again.job.runtime)
        return self._intake.queue(again.spec, again.uid, where, replace(again.basis, chain=chain), origin)[0]


GIVEN, MADE = "/in", "/out"
"""Where a template that makes rows finds what it is given, and where it writes."""


def maker_of(name: str, spec: JobSpec, given: str) -> JobSpec:
    """Return a template's job as one that makes rows of a folder. Raises Invalid for what is no single job."""
    if spec.array is not None or spec.sweep is not None:
        raise Invalid(f"The template {plain(name)} is several jobs, and one makes the rows.", "Take its array away.")
    taken = [one.target for one in spec.mounts if PurePosixPath(one.target).is_relative_to(GIVEN)]
    if taken:
        text = f"The template {plain(name)} has a mount of its own at {plain(taken[0])}."
        raise Invalid(text, f"Take it away: what it is given lies at {GIVEN}.")
    outputs = spec.outputs if MADE in spec.outputs else (*spec.outputs, MADE)
    mounts = (*spec.mounts, Mount(given, GIVEN, "ro"))
    return replace(spec, mounts=mounts, outputs=outputs, network="none", mlflow=None, ports=(), secrets=())


def _laid_over(mounts: tuple[Mount, ...], target: str, path: str) -> tuple[Mount, ...]:
    if any(one.target == target for one in mounts):
        return tuple(replace(one, source=path, stage=False) if one.target == target else one for one in mounts)
    return (*mounts, Mount(path, target, "ro"))
