"""The verbs about jobs."""

import logging
from builtins import list as list_of
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from mlops_desk.gpus.records.usage import JobUsage
from mlops_desk.jobs.admission import Intake
from mlops_desk.jobs.automated_submit import CommissionedJobs
from mlops_desk.jobs.file.changes import without_file
from mlops_desk.jobs.file.fields import PRIORITY_LIMIT
from mlops_desk.jobs.file.spec import format_spec, parse_spec
from mlops_desk.jobs.gpus import JobGpus
from mlops_desk.jobs.group import Groups, GroupVerbs
from mlops_desk.jobs.lost_jobs import LostJobVerbs
from mlops_desk.jobs.ports import FinishRun, KeepTickets, MachineLine, MetricHistories, PrepareRun, no_histories
from mlops_desk.jobs.provenance.archive.grants import grants_of
from mlops_desk.jobs.provenance.archive.job_import import Importing
from mlops_desk.jobs.provenance.completion import Completion, Outside
from mlops_desk.jobs.provenance.job_export import Exporting
from mlops_desk.jobs.provenance.packages import FOLDER, PackageLists
from mlops_desk.jobs.provenance.requirements import Requirements
from mlops_desk.jobs.provenance.rerun import Repeating, RunMetrics
from mlops_desk.jobs.provenance.rerun_basis import Basis
from mlops_desk.jobs.provenance.source.snapshot_capture import Snapshots
from mlops_desk.jobs.provenance.submit_snapshot import Freezing
from mlops_desk.jobs.provenance.verbs import CapsuleParts, CapsuleVerbs
from mlops_desk.jobs.queue.answers import QueueAnswers
from mlops_desk.jobs.queue.rules import QueueRules
from mlops_desk.jobs.queue.usage import Usage
from mlops_desk.jobs.queue.view_builder import count
from mlops_desk.jobs.records.brief import JobBrief, JobRun, runs_of
from mlops_desk.jobs.records.group import JobGroup
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.job_activity import LiveUse
from mlops_desk.jobs.records.job_shell import JobShell
from mlops_desk.jobs.records.provenance import (
    Capsule,
    CapsuleImport,
    Difference,
    Exported,
    OutputFolder,
    Repeat,
    RepeatPreview,
)
from mlops_desk.jobs.records.queue_position import DryRun, Explanation
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.repository import JobBook
from mlops_desk.jobs.run.fair_queue import PlaceInLine, pools_of
from mlops_desk.jobs.run.log import Logs, WantedLines
from mlops_desk.jobs.run.runner import Runner
from mlops_desk.jobs.run.runs import UNFINISHED, JobRuns
from mlops_desk.jobs.runtimes.disk_shares import DEFAULT_SHARES
from mlops_desk.jobs.runtimes.runtime import Runtime
from mlops_desk.jobs.runtimes.table import Runtimes
from mlops_desk.jobs.staging.cache import StagingRules, StagingShelf
from mlops_desk.jobs.staging.forecast import Foretelling
from mlops_desk.jobs.staging.stager import Stager
from mlops_desk.jobs.staging.verbs import DiskVerbs, KeptOnDisk
from mlops_desk.jobs.stall_detection.watchdog import RunningWatch
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused
from mlops_desk.kit.base.loop import Lane, Loop
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.list_page import ListPage
from mlops_desk.kit.storage.state import State
from mlops_desk.kit.verbs.access import AccessPolicy, SingleUser
from mlops_desk.kit.verbs.declaration import MOST_ON_A_PAGE, check_limit
from mlops_desk.machine.records.event import JobChanged, JobMoved

_log = logging.getLogger(__name__)

_TIDY_SECONDS = 600.0  # chosen: the budget may be exceeded for so long by what was submitted since
_JOBS_LOOKED_AT = 2000  # chosen: years of a small team; reading so many takes a fifth of a second


class JobsService(CommissionedJobs, DiskVerbs, LostJobVerbs):
    """Queue, runners and logs of jobs, as ``verbs.jobs.Jobs`` declares them; ``runtimes`` is where they run.

    ``prepare_run``, ``finish_run``, ``keep_tickets`` and ``metrics`` reach the tracking server, for jobs that ask for
    MLflow. ``snapshots`` keeps their code, ``rules`` are the queue's, ``outside`` tells what they ran on and is told
    what they are. ``line`` is that of all agents of the machine,
    ``shelf`` has the copies of data.
    """

    def __init__(
        self,
        folder: DataFolder,
        state: State,
        bus: Bus,
        loop: Loop,
        runtimes: Runtimes,
        prepare_run: PrepareRun,
        finish_run: FinishRun,
        keep_tickets: KeepTickets,
        policy: AccessPolicy | None = None,
        metrics: RunMetrics | None = None,
        snapshots: Snapshots | None = None,
        histories: MetricHistories = no_histories,
        rules: Callable[[], QueueRules] = QueueRules,
        outside: Outside | None = None,
        line: MachineLine | None = None,
        shelf: StagingShelf | None = None,
    ) -> None:
        super().__init__(folder.root / "templates")
        self._folder = folder
        self._loop = loop
        self._runtimes = runtimes
        self._bus = bus
        self._announcements = Lane(loop, "jobs-announce")
        self._table = state.jobs
        self._book = JobBook(state.jobs, self._announce, self._tell_moved)
        outside = outside or Outside()
        snapshots = snapshots or Snapshots(folder.sources, private=(str(folder.root),))
        packages = PackageLists(folder.sources / FOLDER)
        self._freezing = Freezing(snapshots)
        self._repeating = Repeating(self._book, policy or SingleUser(), metrics, packages.read)
        shelf = shelf or StagingShelf(lambda: StagingRules(folder.staging, DEFAULT_SHARES, 0))
        kept = (folder.jobs, folder.sources, self._freezing, shelf, self._book.active)
        self._kept = KeptOnDisk(*kept, Foretelling(shelf))
        self._completion = Completion(
            self._book, runtimes, packages, outside, loop.start, self._repeating.told, shelf.mounts
        )
        self._capsules = CapsuleVerbs(self._capsule_parts(snapshots, packages, outside), self.queue_on)
        runs = JobRuns(folder.jobs / UNFINISHED, prepare_run, finish_run, keep_tickets)
        place = None if line is None else PlaceInLine(line, lambda: rules().kept_seconds)
        groups, pools = Groups(self._book, histories), pools_of(runtimes, place)
        self._usage = Usage()
        stager = Stager(self._book, shelf, runtimes.accept_again, loop.ending.is_set)
        shared = (runs, loop.start, self._usage, rules, groups)
        self._runners = {
            one.name: Runner(self._book, one, *shared, pools[one.name], stager, outside.gpu_end) for one in runtimes
        }
        self.gpus = JobGpus(self._book, self._runners, pools)
        self._watch = RunningWatch(self._book, outside, self._runner_of, bus.publish, metrics)
        self._groups = GroupVerbs(self._book, histories, lambda job: self._runner_of(job).cancel(job.id))
        queues = {name: runner.serving for name, runner in self._runners.items()}
        self._answers = QueueAnswers(queues, self._book.active, rules)
        self._logs = Logs(self._book, runtimes, loop.ending.is_set)
        self._intake = Intake(self._book, self._freezing, lambda job: self._runner_of(job).wake(), self._answers.admit)

    def _capsule_parts(self, snapshots: Snapshots, packages: PackageLists, outside: Outside) -> CapsuleParts:
        return CapsuleParts(
            self._repeating,
            Importing(self._folder.sources, snapshots),
            Exporting(self._folder.sources, snapshots.store),
            Requirements(outside.hardware, snapshots.store.has),
            packages,
            outside.export_bytes,
        )

    def start(self) -> None:
        """Begin to run jobs; those of an earlier agent are taken up where they are."""
        self._tell_homeless()
        self._loop.start("jobs-usage", self._recall_usage)
        for runner in self._runners.values():
            runner.start(self._loop)
        for job in self._book.active():
            self._completion.heard(job)
        self._watch.start(self._loop)
        self._loop.start("jobs-code", lambda: self._kept.mend_snapshots(self._book.fail))
        self._loop.repeat("jobs-snapshots", _TIDY_SECONDS, self._kept.tidy_snapshots)
        self._loop.repeat("jobs-copies", _TIDY_SECONDS, self._kept.tidy_copies)

    def _tell_homeless(self) -> None:
        """Say of each job why nobody looks after it, if its runtime is not in the settings any more."""
        for job in self._book.active():
            try:
                self._runtimes.named(job.runtime)
            except DeskError as error:
                self._book.tell(job.id, Reason("runtime_unavailable", error.message, hint=error.hint))

    def _recall_usage(self) -> None:
        """Count what users have used before: reading it takes a moment, and nobody has to wait for that."""
        newest = self._book.newest(limit=_JOBS_LOOKED_AT)
        self._announcements.put(lambda: self._completion.missed(newest))
        for job in reversed(newest):
            for attempt in job.attempts:
                count(self._usage, job, attempt)

    def logging(self) -> list_of[tuple[str, str]]:
        """Return attempts that are under way and log to MLflow, each with the id of its run."""
        return [
            (job.attempts[-1].id, job.mlflow_run_id)
            for job in self._book.active()
            if job.mlflow_run_id is not None and job.attempts and not job.attempts[-1].state.is_final
        ]

    def wake(self) -> None:
        """Look at the queue now, as when a GPU has become free."""
        for runner in self._runners.values():
            runner.wake()

    def give_way(self, job_id: str, reason: Reason, most_seconds: float) -> Job:
        """Ask a running preemptible job to save its work within ``most_seconds`` and to queue again; no other.

        Returns the job as it stands then. Raises DeskError.
        """
        self._runner_of(self._book.get(job_id)).preempt(job_id, reason, most_seconds)
        return self._book.get(job_id)

    def stop(self) -> None:
        """Let go of the jobs: containers run on, and the next agent takes them up."""
        for runner in self._runners.values():
            runner.stop()

    # -- verbs ---------------------------------------------------------------------------------

    def submit(
        self, spec: str = "", folder: str = "/", runtime: str | None = None, changed: Mapping[str, str] | None = None
    ) -> Job:
        where = self._where(folder, runtime)
        text = spec or without_file(changed or {})
        queued = self._intake.queue(parse_spec(text, folder, changed), current_caller().uid, where)
        return self._answers.shown(queued[0])[0]

    def preview(
        self, spec: str = "", folder: str = "/", runtime: str | None = None, changed: Mapping[str, str] | None = None
    ) -> DryRun:
        where = self._where(folder, runtime)
        asked = parse_spec(spec or without_file(changed or {}), folder, changed)
        drafts = self._intake.drafts(asked, current_caller().uid, where)
        return self._answers.preview(format_spec(asked), drafts, self._kept.foretold(drafts[0]))

    def _where(self, folder: str, runtime: str | None) -> Runtime:
        """Return the runtime that is named. Raises NotFound, Invalid."""
        if not folder.startswith("/"):
            raise Invalid(f"The folder {plain(folder)!r} is not absolute.", "Send the job file's absolute folder.")
        if runtime is not None and runtime not in self._runtimes:
            known = ", ".join(one.name for one in self._runtimes)
            raise NotFound(f"There is no engine called {plain(runtime)}.", f"There are: {known}.")
        return self._runtimes.default if runtime is None else self._runtimes.named(runtime)

    def list(self, state: str | None = None, limit: int = 200, group: str | None = None) -> list[Job]:
        states, limit = _states(state), check_limit(limit)
        if group is None:
            return self._answers.shown(*self._book.newest(states, limit))
        found = self._book.group(self._book.find(group).group or group)
        return self._answers.shown(*[job for job in found if states is None or job.state in states][:limit])

    def page(
        self, state: str | None = None, since: float | None = None, limit: int = 100, cursor: str | None = None
    ) -> ListPage[JobBrief]:
        page = self._book.page(check_limit(limit, MOST_ON_A_PAGE), cursor, _states(state), since)
        return replace(page, items=self._answers.briefs(page.items, self._book.current))

    def ran(self, start: float, end: float) -> list_of[JobRun]:
        """Return what ran in a span of time, of the newest jobs. Raises Invalid."""
        if not start <= end:
            raise Invalid("The span of time ends before it begins.", "Give a start that is before the end.")
        found = [run for job in self._book.newest(limit=_JOBS_LOOKED_AT) for run in runs_of(job, start, end)]
        return sorted(found, key=lambda run: -run.started_at)

    def show(self, job_id: str) -> Job:
        job = self._answers.shown(self._book.find(job_id))[0]
        # Other programs read their fields: what is not known is null in them, they themselves are always there.
        usage = self._completion.usage_now(job) or JobUsage()
        return replace(job, usage=usage, capsule=job.capsule or Capsule(), live=self._live(job))

    def _live(self, job: Job) -> LiveUse | None:
        """Return what a running job takes at this moment; where it can't be seen, as it was told last."""
        if job.state is not JobState.RUNNING:
            return None
        try:
            return self._runtimes.named(job.runtime).live(job.attempts[-1]) or job.live
        except DeskError:  # its engine is gone from the settings: what was seen last is told with its time
            return job.live

    def explain(self, job_id: str) -> Explanation:
        return self._answers.explain(self._book.find(job_id))

    def prioritize(self, job_id: str, priority: int) -> Job:
        job = self._book.find(job_id)
        if abs(priority) > PRIORITY_LIMIT:
            raise Invalid(f"{priority} is no priority.", f"Give one from -{PRIORITY_LIMIT} to {PRIORITY_LIMIT}.")
        if job.state.is_final:
            raise Refused(f"Job {job.id} is over already: {job.state.value}.")
        self._book.change(job.id, lambda now: None if now.state.is_final else replace(now, priority=priority))
        self._runner_of(job).wake()
        return self.show(job.id)

    def yaml(self, job_id: str) -> str:
        return format_spec(self.show(job_id).spec)

    def cancel(self, job_id: str) -> Job:
        job = self._book.find(job_id)
        if job.state.is_final and job.state is not JobState.CANCELLED:
            raise Refused(f"Job {job.id} is over already: {job.state.value}.")
        return self._runner_of(job).cancel(job.id)

    def rerun(
        self, job_id: str, changed: Mapping[str, str] | None = None, data: Mapping[str, str] | None = None
    ) -> Job:
        return self._queue_again(self._repeating.repeat(job_id, changed or {}, data or {}))

    def preview_rerun(
        self, job_id: str, changed: Mapping[str, str] | None = None, data: Mapping[str, str] | None = None
    ) -> RepeatPreview:
        again = self._repeating.repeat(job_id, changed or {}, data or {})
        return self._capsules.preview(again, again.repeat or Repeat(again.job.id), self._where("/", again.job.runtime))

    def preview_import(
        self,
        file: str,
        changed: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        runtime: str | None = None,
        secrets: str = "",
        relax: str = "",
        ports: str = "",
        git: str = "",
        *,
        network: bool = False,
    ) -> CapsuleImport:
        grants = grants_of(changed, data, secrets, relax, ports, git, network=network)
        return self._capsules.look(file, self._where("/", runtime), grants)

    def submit_import(
        self,
        file: str,
        changed: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        runtime: str | None = None,
        secrets: str = "",
        relax: str = "",
        ports: str = "",
        git: str = "",
        *,
        network: bool = False,
    ) -> Job:
        grants = grants_of(changed, data, secrets, relax, ports, git, network=network)
        return self._answers.shown(self._capsules.take(file, self._where("/", runtime), grants))[0]

    def diff(self, a: str, b: str) -> list_of[Difference]:
        return list_of(self._repeating.diff(a, b))

    def group(self, job_id: str) -> JobGroup:
        return self._groups.show(job_id)

    def go_on(self, job_id: str) -> JobGroup:
        found = self._groups.go_on(job_id)
        for runner in self._runners.values():
            runner.wake()
        return found

    def pause_group(self, job_id: str) -> JobGroup:
        return self._groups.pause(job_id)

    def cancel_group(self, job_id: str) -> JobGroup:
        return self._groups.cancel(job_id)

    def shell(self, job_id: str) -> JobShell:
        job = self._book.find(job_id)
        if job.state is not JobState.RUNNING:
            text = f"Job {job.id} is {job.state.value}, and a shell is opened only in what runs."
            raise Refused(text, Hint("mlops-desk jobs list --state running", before="Those that run: "))
        return self._runtimes.named(job.runtime).shell(job, job.attempts[-1])

    def outputs(self, job_id: str) -> list_of[OutputFolder]:
        return self._capsules.outputs(self._book.find(job_id))

    def export(self, job_id: str, to: str, *, outputs: bool = False) -> Exported:
        job = self.show(job_id)
        log, metrics = self._logs.read(job.id, WantedLines()), self._repeating.metrics(job)
        return self._capsules.export(job, to, log, metrics, with_outputs=outputs)

    def logs(
        self,
        job_id: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        grep: str | None = None,
        attempt: int | None = None,
    ) -> Iterator[str]:
        if tail is not None and tail < 0:
            raise Invalid(f"{tail} is no number of lines.", "Ask for 0 or more.")
        if follow and since is not None:
            raise Invalid("A log is followed from its newest lines on.", "Leave out --since, or --follow.")
        if follow and attempt is not None:
            raise Invalid("Only the newest attempt is followed.", "Leave out --attempt, or --follow.")
        job, wanted = self._book.find(job_id), WantedLines(tail, since, grep)
        return self._logs.follow(job.id, wanted) if follow else self._logs.read(job.id, wanted, attempt)

    # -- for processes of people's own -----------------------------------------------------------

    def queue_process(self, spec: JobSpec, job_id: str, runtime: str) -> Job:
        """Queue a process that is registered at its runtime as this job."""
        where = self._runtimes.named(runtime)
        return self._intake.queue(spec, current_caller().uid, where, job_id=job_id)[0]

    def waiting(self, runtime: str) -> list_of[Job]:
        """Return the jobs of a runtime that are in the queue, oldest first."""
        in_queue = {JobState.QUEUED, JobState.BLOCKED}
        return [job for job in self._book.active() if job.runtime == runtime and job.state in in_queue]

    def look(self, job_id: str) -> None:
        """Look at a job now rather than in a moment. Raises NotFound."""
        self._runner_of(self._book.get(job_id)).wake()

    def find_by_run(self, run_id: str) -> Job | None:
        """Return the job that logged to a run."""
        return self._book.of_run(run_id)

    # -- inside --------------------------------------------------------------------------------

    def _runner_of(self, job: Job) -> Runner:
        """Return who looks after a job; of one whose runtime is gone a wish to end it is at least written down."""
        return self._runners.get(job.runtime) or self._runners[self._runtimes.default.name]

    def queue_on(self, spec: JobSpec, uid: int, runtime: Runtime | None, basis: Basis, origin: str = "") -> Job:
        return self._intake.queue(spec, uid, runtime or self._runtimes.default, basis, origin or None)[0]

    def _announce(self, job: Job) -> None:
        self._announcements.put(lambda: self._bus.publish(JobChanged(job)))
        self._announcements.put(lambda: self._completion.heard(job))

    def _tell_moved(self, job: Job) -> None:
        told = JobMoved(job.id, job.progress, job.stuck, job.live)
        self._announcements.put(lambda: self._bus.publish(told))


def _states(state: str | None) -> tuple[str, ...] | None:
    if state is not None and state not in set(JobState):
        raise Invalid(f"{plain(state)!r} is no state of a job.", f"States: {', '.join(JobState)}.")
    return None if state is None else (state,)
