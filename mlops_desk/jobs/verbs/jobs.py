"""Verbs about training jobs."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from mlops_desk.kit.verbs.declaration import (
    CURSOR,
    AbsolutePath,
    FileText,
    FolderOf,
    Moment,
    Pairs,
    Who,
    changes,
    reads,
)

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.jobs.records.brief import JobBrief, JobRun, LostJob
    from mlops_desk.jobs.records.group import JobGroup
    from mlops_desk.jobs.records.job import Job
    from mlops_desk.jobs.records.job_import import ImportedJobs
    from mlops_desk.jobs.records.job_shell import JobShell
    from mlops_desk.jobs.records.provenance import CapsuleImport, Difference, Exported, OutputFolder, RepeatPreview
    from mlops_desk.jobs.records.queue_position import DryRun, Explanation
    from mlops_desk.jobs.records.staging import ClearedCopies, JobDisk, StagedCopy, StagingCache
    from mlops_desk.jobs.records.template import JobTemplate
    from mlops_desk.kit.records.list_page import ListPage

_FREEZE_SECONDS = 150.0  # its code is read or fetched first, which is given 110 s at most
_IMPORT_SECONDS = 300.0  # the file is read twice, each time for 110 s at most
_EXPORT_SECONDS = 1200.0  # ten GiB of outputs, copied twice to a slow disk
SUBMITTED = Pairs(
    "FIELD=VALUE",
    word="set",
    short={"image": "image", "name": "name", "gpus": "resources.gpus"},
    rest="command",
)
"""Fields of the job file beside it: ``--set resources.gpus=2``, ``--gpus 2``, and the command after ``--``."""


class Jobs(Protocol):
    """A queue of containers with GPUs of their own: by priority, then whose turn it is."""

    @changes(why="the job is theirs", timeout_seconds=_FREEZE_SECONDS)
    def submit(
        self,
        spec: Annotated[str, FileText("SPEC")] = "",
        folder: Annotated[str, FolderOf("spec")] = "/",
        runtime: str | None = None,
        changed: Annotated[Mapping[str, str] | None, SUBMITTED] = None,
    ) -> "Job":
        """Queue the job that a YAML file describes; relative mount sources are taken from the file's folder.

        It runs on the engine that is named, else on this machine's own. Without a file it takes an image, and a
        command after --. An array or a sweep becomes a group of jobs, of which this is the first.
        """
        ...

    @reads
    def import_(
        self,
        file: Annotated[str, FileText("FILE")] = "",
        folder: Annotated[str, FolderOf("file")] = "/",
        docker_run: str | None = None,
        only: str | None = None,
    ) -> "ImportedJobs":
        """Make job files of a docker run line, a Compose file or an MLproject, and say what was lost on the way.

        Nothing is queued. The job files are printed; what was lost or changed is told beside them, each by its name.
        """
        ...

    @reads
    def schema(self) -> dict[str, Any]:
        """Print the JSON Schema of job files, for editors and other programs."""
        ...

    @reads
    def templates(self) -> "list_of[JobTemplate]":
        """List job files to begin with: one's own, and those that come along."""
        ...

    @reads
    def template(self, name: str) -> "JobTemplate":
        """Print a job file to begin with."""
        ...

    @changes(why="each keeps their own")
    def save_template(
        self,
        name: str,
        spec: Annotated[str, FileText("SPEC")],
        folder: Annotated[str, FolderOf("spec")] = "/",
    ) -> "JobTemplate":
        """Keep a job file to begin with under a name of one's own."""
        ...

    @changes(why="each keeps their own", before="template")
    def remove_template(self, name: str) -> "JobTemplate":
        """Forget a job file that one has kept to begin with."""
        ...

    @reads
    def preview(
        self,
        spec: Annotated[str, FileText("SPEC")] = "",
        folder: Annotated[str, FolderOf("spec")] = "/",
        runtime: str | None = None,
        changed: Annotated[Mapping[str, str] | None, SUBMITTED] = None,
    ) -> "DryRun":
        """Tell what would come of submitting a job file: when it would start, and what would start it sooner.

        Nothing is queued. The queue itself decides, so what would start now starts now if it is submitted.
        """
        ...

    @reads
    def list(self, state: str | None = None, limit: int = 200, group: str | None = None) -> "list[Job]":
        """List jobs, newest first, optionally only those in one state; or those of an array or a sweep, in order."""
        ...

    @reads
    def page(
        self,
        state: str | None = None,
        since: Annotated[float | None, Moment()] = None,
        limit: int = 100,
        cursor: Annotated[str | None, CURSOR] = None,
    ) -> "ListPage[JobBrief]":
        """List a page of jobs in brief, newest first; optionally only those in one state, or submitted since a time."""
        ...

    @reads
    def ran(self, start: Annotated[float, Moment()], end: Annotated[float, Moment()]) -> "list_of[JobRun]":
        """List what ran between two times: each attempt with the GPUs that it had, the newest first."""
        ...

    @reads
    def show(self, job_id: str) -> "Job":
        """Show one job by its id, by the beginning of it, or by its container."""
        ...

    @reads
    def explain(self, job_id: str) -> "Explanation":
        """Tell why a job waits, what stands before it, and what would start it sooner."""
        ...

    @changes(who=Who.OWNER, before="show", of=("job", "job_id"))
    def prioritize(self, job_id: str, priority: int) -> "Job":
        """Give a job another priority, -1000 to 1000, larger first: what may stand in its file may be changed later."""
        ...

    @reads
    def yaml(self, job_id: str) -> str:
        """Print the job file that would submit a job again."""
        ...

    @changes(who=Who.OWNER, before="show", of=("job", "job_id"))
    def cancel(self, job_id: str) -> "Job":
        """Take a job out of the queue, or stop its container."""
        ...

    @changes(why="what is queued is theirs", timeout_seconds=_FREEZE_SECONDS)
    def rerun(
        self,
        job_id: str,
        changed: Annotated[Mapping[str, str] | None, Pairs("FIELD=VALUE", word="set")] = None,
        data: Annotated[Mapping[str, str] | None, Pairs("TARGET=PATH", paths=True)] = None,
    ) -> "Job":
        """Queue a job once more: the same image, code and job file, and say in what it differs all the same."""
        ...

    @reads
    def preview_rerun(
        self,
        job_id: str,
        changed: Annotated[Mapping[str, str] | None, Pairs("FIELD=VALUE", word="set")] = None,
        data: Annotated[Mapping[str, str] | None, Pairs("TARGET=PATH", paths=True)] = None,
    ) -> "RepeatPreview":
        """Tell how all that a job once more would need stands now, and in what it differs; nothing is queued."""
        ...

    @reads
    def preview_import(
        self,
        file: Annotated[str, AbsolutePath("FILE")],
        changed: Annotated[Mapping[str, str] | None, Pairs("FIELD=VALUE", word="set")] = None,
        data: Annotated[Mapping[str, str] | None, Pairs("TARGET=PATH", paths=True)] = None,
        runtime: str | None = None,
        secrets: str = "",
        relax: str = "",
        ports: str = "",
        git: str = "",
        *,
        network: bool = False,
    ) -> "CapsuleImport":
        """Tell what a job that was exported on another machine would be here, and how all that it needs stands.

        Nothing is queued, and nothing of the file is kept. What it asks of this machine has to be granted by name:
        ``data``, and words with spaces between them in ``secrets``, ``relax``, ``ports`` and ``git``; ``network``.
        """
        ...

    @changes(why="the job is theirs", timeout_seconds=_IMPORT_SECONDS)
    def submit_import(
        self,
        file: Annotated[str, AbsolutePath("FILE")],
        changed: Annotated[Mapping[str, str] | None, Pairs("FIELD=VALUE", word="set")] = None,
        data: Annotated[Mapping[str, str] | None, Pairs("TARGET=PATH", paths=True)] = None,
        runtime: str | None = None,
        secrets: str = "",
        relax: str = "",
        ports: str = "",
        git: str = "",
        *,
        network: bool = False,
    ) -> "Job":
        """Queue a job that was exported on another machine: the same code, job file, and image if it can be had.

        What it asks of this machine has to be granted, as its preview names it; else it is refused.
        """
        ...

    @reads
    def outputs(self, job_id: str) -> "list_of[OutputFolder]":
        """List the folders that a job has left, with how much is in them."""
        ...

    @changes(who=Who.OWNER, before="show", of=("job", "job_id"), timeout_seconds=_EXPORT_SECONDS)
    def export(self, job_id: str, to: Annotated[str, AbsolutePath("FILE")], *, outputs: bool = False) -> "Exported":
        """Write a job to a new file (.mldcapsule, a zip): job file, record, code, packages, log and metrics.

        With ``outputs`` also what it left in the folders that it keeps.
        """
        ...

    @reads
    def diff(self, a: str, b: str) -> "list_of[Difference]":
        """List in what two jobs differ: what was asked for, what they were made of, how they ended and what they used.

        Only what differs is listed, with the metrics of their runs.
        """
        ...

    @reads
    def group(self, job_id: str) -> "JobGroup":
        """Show the jobs of a sweep or an array: the parameters of each, what it has reached, and which is best."""
        ...

    @changes(who=Who.OWNER, before="group", of=("group", "job_id"))
    def go_on(self, job_id: str) -> "JobGroup":
        """Let the rest of a group start: it was paused, or stopped itself because its first jobs failed at once."""
        ...

    @changes(who=Who.OWNER, before="group", of=("group", "job_id"))
    def pause_group(self, job_id: str) -> "JobGroup":
        """Start no more jobs of a sweep or an array until it is let go on; what runs of it goes on."""
        ...

    @changes(who=Who.OWNER, before="group", of=("group", "job_id"))
    def cancel_group(self, job_id: str) -> "JobGroup":
        """Cancel all jobs of a sweep or an array that are not over."""
        ...

    @changes(who=Who.OWNER, before="show", of=("job", "job_id"))
    def shell(self, job_id: str) -> "JobShell":
        """Open a shell in a running job's container, as the job's user, with this terminal."""
        ...

    @reads
    def cache(self) -> "StagingCache":
        """List the copies of staged data on the local disk: whose they are, what they take, which jobs use them."""
        ...

    @reads
    def copy(self, copy: str) -> "StagedCopy":
        """Show one copy of staged data by its id."""
        ...

    @changes(who=Who.OWNER, before="copy", of=("copy", "copy"))
    def remove_copy(self, copy: str) -> "StagedCopy":
        """Remove one copy of staged data that no job uses; it is made anew by the next job that stages the data."""
        ...

    @changes(why="each clears copies of their own data", before="cache")
    def clear_cache(self, *, preview: bool = False) -> "ClearedCopies":
        """Remove one's own copies of staged data that no job uses; with ``preview`` only tell which would go."""
        ...

    @reads
    def disk(self) -> "JobDisk":
        """Tell what logs, snapshots of code and copies of data take, of what they may take together."""
        ...

    @reads
    def lost(self, job_id: str) -> "LostJob":
        """Show a job that has lost its record: where its folder lies, and whose it is."""
        ...

    @changes(who=Who.OWNER, before="lost", of=("lost job", "job_id"))
    def forget(self, job_id: str) -> "LostJob":
        """Put the folder of a job aside that has lost its record, so that it is not told of any more."""
        ...

    @reads
    def logs(
        self,
        job_id: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: Annotated[float | None, Moment()] = None,
        grep: str | None = None,
        attempt: int | None = None,
    ) -> Iterator[str]:
        """Print what the job's newest attempt has written; with ``follow`` until it ends.

        With ``grep`` only lines with that text in them, in whatever case; ``tail`` counts them then. ``since`` leaves
        out what was written before. ``attempt`` is the number of an earlier attempt, from 1.
        """
        ...
