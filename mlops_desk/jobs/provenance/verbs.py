"""The verbs about a job once more, here or from another machine: what would come of it, and doing it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from mlops_desk.jobs.file.spec import change_spec, format_spec
from mlops_desk.jobs.provenance.archive import outputs
from mlops_desk.jobs.provenance.archive.grants import (
    Grants,
    HostRequest,
    asked_of_machine,
    check_granted,
    check_named,
    granted_part,
)
from mlops_desk.jobs.provenance.archive.job_import import Importing, ReadArchive
from mlops_desk.jobs.provenance.differences import differences, spec_document
from mlops_desk.jobs.provenance.image_plan import image_plan
from mlops_desk.jobs.provenance.job_export import Contents, Exporting
from mlops_desk.jobs.provenance.packages import PackageLists
from mlops_desk.jobs.provenance.requirements import Asked, Requirements
from mlops_desk.jobs.provenance.rerun import Again, Repeating, mapped, with_mounts
from mlops_desk.jobs.provenance.rerun_basis import Basis
from mlops_desk.jobs.records.drift_words import size_words
from mlops_desk.jobs.records.job import Job, KeptFolder
from mlops_desk.jobs.records.job_import import ImportNote
from mlops_desk.jobs.records.provenance import (
    Capsule,
    CapsuleImport,
    Difference,
    Exported,
    ImportedFrom,
    OutputFolder,
    Repeat,
    RepeatPreview,
    Requirement,
    Standing,
)
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.runtimes.runtime import Runtime
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.text import plain

_NAMES = 200  # chosen: two lines of a report


class Queue(Protocol):
    """What takes a job in. Raises DeskErrors."""

    def __call__(self, spec: JobSpec, uid: int, runtime: Runtime, basis: Basis) -> Job: ...


@dataclass(frozen=True, slots=True)
class CapsuleParts:
    """What the verbs stand on; ``export_bytes`` is how much of outputs an export takes."""

    repeating: Repeating
    importing: Importing
    exporting: Exporting
    requirements: Requirements
    packages: PackageLists
    export_bytes: Callable[[], int]


@dataclass(frozen=True, slots=True)
class _Ready:
    """An exported job as it would be queued here."""

    spec: JobSpec
    basis: Basis
    asked: Asked
    wanted: tuple[HostRequest, ...]


class CapsuleVerbs:
    """``queue`` takes a job in."""

    def __init__(self, parts: CapsuleParts, queue: Queue) -> None:
        self._parts = parts
        self._queue = queue

    # -- once more -----------------------------------------------------------------------------

    def preview(self, again: Again, repeat: Repeat, runtime: Runtime) -> RepeatPreview:
        """Tell how all that a repetition needs stands now."""
        first = with_mounts(again.job) or Capsule()
        first = replace(first, source_sha256=None if again.first is None else again.first.source_sha256)
        plan = image_plan(runtime, again.spec, first.image, again.image_id)
        asked = Asked(again.spec, again.uid, runtime, first, plan)
        return RepeatPreview(repeat, format_spec(again.spec), self._parts.requirements.of(asked))

    # -- from another machine ------------------------------------------------------------------

    def look(self, file: str, runtime: Runtime, grants: Grants) -> CapsuleImport:
        """Tell what an exported job would be here; nothing of it is kept, and what is not granted is not looked at."""
        uid = current_caller().uid
        archive = self._parts.importing.look(file, uid)
        ready = self._ready(archive, runtime, uid, grants)
        granted = replace(ready.asked, spec=granted_part(archive.spec, ready.spec, grants))
        found = (
            *(one.requirement for one in ready.wanted),
            *(_in_the_file(archive, one) for one in self._parts.requirements.of(granted)),
        )
        return CapsuleImport(
            file=file,
            origin=_origin(archive),
            name=ready.spec.name,
            spec=format_spec(ready.spec),
            code_files=archive.code_files,
            code_bytes=archive.code_bytes,
            requirements=found,
            differs=_differs(archive.spec, ready.spec),
            ready=all(one.standing is not Standing.MISSING for one in found),
        )

    def take(self, file: str, runtime: Runtime, grants: Grants) -> Job:
        """Queue an exported job, on its code and, where it can be had, its image. Raises Refused."""
        uid = current_caller().uid
        archive = self._parts.importing.look(file, uid)
        runtime.accept(self._allowed(file, archive, runtime, uid, grants).spec, uid)  # before anything is kept
        with self._parts.importing.taken(file, uid) as whole:
            # The file may be another one by now, so what is queued is judged and not what was looked at.
            ready = self._allowed(file, whole, runtime, uid, grants)
            if whole.packages is not None:
                self._parts.packages.keep(whole.packages)
            return self._queue(ready.spec, uid, runtime, ready.basis)

    def _allowed(self, file: str, archive: ReadArchive, runtime: Runtime, uid: int, grants: Grants) -> _Ready:
        ready = self._ready(archive, runtime, uid, grants)
        check_granted(file, ready.wanted)
        return ready

    def _ready(self, archive: ReadArchive, runtime: Runtime, uid: int, grants: Grants) -> _Ready:
        """Return an exported job as it would be queued; jobs that it waited for are not here."""
        check_named(archive.spec, grants)
        spec = replace(archive.spec, after=(), after_success=())
        spec = mapped("the job in the file", change_spec(spec, grants.changed), grants.data)
        has_code = archive.capsule.source_sha256 is not None
        wanted = tuple(asked_of_machine(archive.spec, spec, grants, has_code=has_code))
        plan = image_plan(runtime, spec, archive.capsule.image, archive.image_id)
        if "image" in grants.changed:
            plan = replace(plan, reference=spec.image, image_id=None)
        spec = replace(spec, image=plan.reference)
        same_source = spec.source == archive.spec.source
        basis = Basis(plan.image_id, archive.capsule if same_source else None, None, _origin(archive))
        first = archive.capsule if same_source else replace(archive.capsule, source_sha256=None)
        return _Ready(spec, basis, Asked(spec, uid, runtime, first, plan), wanted)

    # -- to another machine --------------------------------------------------------------------

    def outputs(self, job: Job) -> list[OutputFolder]:
        """Tell how much a job has left that an export could take."""
        return outputs.measured(outputs.kept_folders_of(job))

    def export(
        self, job: Job, to: str, log: Iterable[str], metrics: Mapping[str, float], *, with_outputs: bool
    ) -> Exported:
        """Write a job to a file as who asks for it."""
        kept: Sequence[KeptFolder] = outputs.kept_folders_of(job) if with_outputs else ()
        outputs.check(outputs.measured(kept), self._parts.export_bytes())
        packages = self._parts.packages.read(None if job.capsule is None else job.capsule.packages_sha256)
        contents = Contents(packages, log, metrics, outputs.output_files(kept))
        return self._parts.exporting.export(job, to, current_caller().uid, contents)


def _in_the_file(archive: ReadArchive, one: Requirement) -> Requirement:
    """Say of code that is not kept here that it is in the file."""
    if one.what != "code" or one.standing is not Standing.MISSING:
        return one
    files = f"{archive.code_files:,} file{'' if archive.code_files == 1 else 's'}"
    text = f"The code is in the file: {files}, {size_words(archive.code_bytes)}."
    return replace(one, standing=Standing.SAME, text=text, hint=None)


def _origin(archive: ReadArchive) -> ImportedFrom:
    return replace(archive.origin, notes=_lost(archive.spec))


def _lost(first: JobSpec) -> tuple[ImportNote, ...]:
    """Tell which jobs an exported one waited for: they are on the other machine, so here it waits for none."""
    given = (("after", first.after), ("afterSuccess", first.after_success))
    return tuple(
        ImportNote(field, plain(", ".join(names), _NAMES), lost=True, why="Those jobs are not here: it waits for none.")
        for field, names in given
        if names
    )


def _differs(first: JobSpec, now: JobSpec) -> tuple[Difference, ...]:
    return differences(spec_document(first), spec_document(now), "spec")
