"""Drives runs from stage to stage, each in a thread of its own, as the person whose run it is.

A stage is written down as begun, its job is queued under an origin, and what came of it is applied to the record as it
was. After a kill at any point the next agent finds the stage under way and begins it again, which finds the job by its
origin, and a version by its run. Nothing waits here: a job that ends has its run looked at again. A run that is over
leaves no job behind: what could not be cancelled is owed, and tried again until it is.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mlops_desk.automation.ci import metrics
from mlops_desk.automation.ci.document import parse_pipeline
from mlops_desk.automation.ci.fields import CiFile, CiStageFields
from mlops_desk.automation.ci.machine import cancelled, gate_stage, held, ready, settled, under_way, with_stage
from mlops_desk.automation.ci.repository import CiBook
from mlops_desk.automation.ci.stage_job import spec_of_stage
from mlops_desk.automation.records.ci.run import ORIGIN, CiRun, CiStage, CiStageKind, CiStageState, CiState
from mlops_desk.jobs.provenance.archive.outputs import kept_folders_of
from mlops_desk.jobs.provenance.rerun_basis import Basis
from mlops_desk.jobs.records.job import Job, JobState, KeptFolder
from mlops_desk.jobs.records.provenance import Capsule, GitIdentity
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.errors import DeskError, Hint, TimedOut, Unavailable
from mlops_desk.kit.base.failures import TroubleLog
from mlops_desk.kit.base.loop import Loop, OneByOne
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import ModelVersion

_log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 3600.0  # chosen: an engine or a registry that is away for longer fails the stage
_ENDS: Mapping[JobState, CiStageState] = {
    JobState.SUCCEEDED: CiStageState.PASSED,
    JobState.FAILED: CiStageState.FAILED,
    JobState.CANCELLED: CiStageState.CANCELLED,
    JobState.UNKNOWN: CiStageState.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class CiParts:
    """What runs ask of the house. All may raise DeskError, and keep a deadline.

    ``queue`` queues a job of a user on a basis under an origin, by which ``job_of_origin`` finds it. ``part`` keeps one
    folder of a snapshot as another. ``run_metrics`` are those of a run of MLflow, ``versions_of_run`` what it has
    registered, ``register`` makes a version of a folder of it. ``worker`` runs a worker to its answer.
    """

    queue: Callable[[JobSpec, int, Basis, str], Job]
    job: Callable[[str], Job]
    job_of_origin: Callable[[str], Job | None]
    cancel_job: Callable[[str], object]
    part: Callable[[str, str], str]
    run_metrics: Callable[[str], Mapping[str, float]]
    versions_of_run: Callable[[str], list[ModelVersion]]
    register: Callable[[str, str, str], ModelVersion]
    worker: Callable[[str, Mapping[str, Any], float], Any]


class CiDriver:
    """Goes on with runs; ``over`` is told of one that has ended, ``now`` is a clock that only grows."""

    def __init__(
        self,
        book: CiBook,
        parts: CiParts,
        loop: Loop,
        over: Callable[[CiRun], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._book = book
        self._parts = parts
        self._loop = loop
        self._over = over
        self._now = now
        self._lock = threading.Lock()
        self._turns = OneByOne(loop)
        self._owed: set[str] = set()
        self._away: dict[tuple[str, str], float] = {}
        self._trouble = TroubleLog(_log, "Run %s can't go on")
        self._kinds: Mapping[CiStageKind, Callable[[CiRun, CiFile, CiStage], CiStage]] = {
            CiStageKind.JOB: self._job,
            CiStageKind.GATE: self._gate,
            CiStageKind.REGISTER: self._register,
        }

    def drive_soon(self, run: CiRun) -> None:
        """Go on with a run in a thread of its own; where one does already, it looks once more."""
        if not self._turns.take(run.id):
            return

        def drive() -> None:
            if run.created_by is not None:
                set_caller(Caller(run.created_by, -1, 0))
            self._told(run.id, lambda: self._turns.work(run.id, self._go))

        self._loop.start(f"ci-{run.id[:8]}", lambda: copy_context().run(drive))

    def _told(self, run_id: str, act: Callable[[], object]) -> None:
        """Do what a run needs; what keeps it from that (a full disk) is logged once and tried again by a later look."""
        why = None
        try:
            act()
        except DeskError as error:
            why = error.message
        with self._lock:
            if why is None:
                self._trouble.over(run_id)
            else:
                self._trouble.failed(run_id, why)

    def _go(self, run_id: str) -> None:
        """Do what can be done now."""
        while not self._loop.ending.is_set():
            run = self._book.get(run_id)
            if run is None or run.state.is_final or (run.state is CiState.QUEUED and not self._is_turn(run)):
                return
            made = self._step(run)
            if made is None:
                continue  # somebody has changed it meanwhile: look again
            if made.state.is_final:
                self._ended(made)
            if _standing(made) == _standing(run):
                return  # words alone have changed, and may with each look

    def _is_turn(self, run: CiRun) -> bool:
        """Tell whether no earlier run of the same branch or tag goes on."""
        for other in self._book.under_way():
            if other.id == run.id:
                return True
            if other.line == run.line:
                return False
        return True

    def _step(self, run: CiRun) -> CiRun | None:
        """Do one thing, and return the run as it is stored then; the same where there was nothing to do."""
        if run.state is CiState.QUEUED:
            return self._book.apply(run, replace(run, state=CiState.RUNNING))
        started = [replace(stage, state=CiStageState.RUNNING, started_at=time.time()) for stage in ready(run)]
        if started:
            changed = run
            for stage in started:
                changed = with_stage(changed, stage)
            return self._book.apply(run, changed)
        changed = run
        for stage in under_way(run):
            changed = with_stage(changed, self._stage(run, stage))
            if self._loop.ending.is_set():
                return run  # what broke off because the agent ends says nothing
            if _standing(changed) != _standing(run):
                break  # that is written down before anything else is done
        made = self._book.apply(run, settled(changed, time.time()))
        if made is None:
            self.sweep(run.id)
        return made

    def _stage(self, run: CiRun, stage: CiStage) -> CiStage:
        """Return a stage that is under way as it stands now. What can't be had now is waited for."""
        now, key = time.time(), (run.id, stage.name)
        try:
            found = self._kinds[stage.kind](run, parse_pipeline(run.document), stage)
        except (Unavailable, TimedOut) as error:
            if self._now() - self._away.setdefault(key, self._now()) <= _PATIENCE_SECONDS:
                return replace(stage, text=plain(f"Waiting: {error.message}", _TEXT), hint=error.hint)
            return _failed(stage, error, now)
        except DeskError as error:
            return _failed(stage, error, now)
        except Exception:  # noqa: BLE001 - a bug of one stage ends its run in a state that says so, and is logged
            _log.exception("The stage %s of run %s broke", stage.name, run.id)
            text = "Something went wrong in the desk itself."
            return replace(stage, state=CiStageState.UNKNOWN, text=text, ended_at=now)
        self._away.pop(key, None)
        return found

    # -- kinds of stages -------------------------------------------------------------------------

    def _job(self, run: CiRun, file: CiFile, stage: CiStage) -> CiStage:
        if stage.job_id is None:
            job = self._begun(run, file, stage)
            return replace(stage, job_id=job.id, text="", hint=None)
        job = self._parts.job(stage.job_id)
        if not job.state.is_final:
            text = job.reason.brief if job.reason is not None and job.state is not JobState.RUNNING else ""
            return replace(stage, text=plain(text, _TEXT), hint=None if job.reason is None else job.reason.hint)
        text = _how(job)
        hint = Hint(f"mlops-desk jobs logs {job.id}") if job.state is not JobState.SUCCEEDED else None
        return replace(stage, state=_ENDS[job.state], text=text, hint=hint, ended_at=job.ended_at or time.time())

    def _begun(self, run: CiRun, file: CiFile, stage: CiStage) -> Job:
        """Queue the job of a stage, or find the one that was queued before an agent was killed."""
        origin = origin_of(run.id, stage.name)
        found = self._parts.job_of_origin(origin)
        if found is not None:
            return found
        told = fields_of(file, stage.name)
        spec = spec_of_stage(file, told, run)
        build = None if told.build is None else self._parts.part(run.source_sha256, told.build.context)
        capsule = Capsule(git=run.git or GitIdentity(), source_sha256=run.source_sha256, build_sha256=build)
        image_id = None if told.image_of is None else self._job_of(run, told.image_of).image_id
        basis = Basis(image_id, capsule, inputs=self._inputs(run, told))
        return self._parts.queue(spec, run.created_by or 0, basis, origin)

    def _inputs(self, run: CiRun, stage: CiStageFields) -> tuple[KeptFolder, ...]:
        found = []
        for target, given in stage.inputs.items():
            name, _, folder = given.partition(":")
            kept = kept_folders_of(self._job_of(run, name))
            path = next((one.path for one in kept if one.target == (folder or one.target)), None)
            if path is None:
                raise Unavailable(f"The stage {name} has kept nothing at {plain(folder or 'its outputs')}.")
            found.append(KeptFolder(target, path))
        return tuple(found)

    def _job_of(self, run: CiRun, name: str) -> Job:
        job_id = run.stage(name).job_id
        if job_id is None:
            raise Unavailable(f"The job of the stage {name} is not known.")
        return self._parts.job(job_id)

    def _gate(self, run: CiRun, file: CiFile, stage: CiStage) -> CiStage:
        told = fields_of(file, stage.name)
        of = fields_of(file, told.of or "")
        found = self._metrics(of, self._job_of(run, of.name))
        return gate_stage(stage, held(told.gate or {}, found), time.time())

    def _metrics(self, stage: CiStageFields, job: Job) -> Mapping[str, float]:
        """Return what a job tells of itself: its metrics file, or its run of MLflow."""
        if stage.metrics is None:
            return {} if job.mlflow_run_id is None else self._parts.run_metrics(job.mlflow_run_id)
        for kept in kept_folders_of(job):
            if stage.metrics.startswith(f"{kept.target.rstrip('/')}/"):
                path = stage.metrics.removeprefix(f"{kept.target.rstrip('/')}/")
                found: Mapping[str, float] = self._parts.worker(
                    metrics.MODULE, {"folder": kept.path, "path": path}, metrics.SECONDS
                )
                return found
        return {}

    def _register(self, run: CiRun, file: CiFile, stage: CiStage) -> CiStage:
        told = fields_of(file, stage.name)
        model, run_id = told.register or "", self._job_of(run, told.of or "").mlflow_run_id
        if run_id is None:
            text = f"The stage {told.of} has no run of MLflow, so there is no model to register."
            return replace(stage, state=CiStageState.FAILED, text=text, ended_at=time.time())
        known = [one for one in self._parts.versions_of_run(run_id) if one.name == model]
        version = known[-1] if known else self._parts.register(model, run_id, told.path or "model")
        text = f"{plain(model)} has version {version.version}."
        return replace(
            stage, state=CiStageState.PASSED, text=text, hint=None, version=version.version, ended_at=time.time()
        )

    # -- ends ------------------------------------------------------------------------------------

    def cancel(self, run_id: str, text: str) -> CiRun:
        """End a run, and all jobs of it. Raises NotFound, Refused, and what cancelling a job raises."""
        run = self._book.change(run_id, lambda known: cancelled(known, text, time.time()))
        try:
            self.sweep(run.id)
        finally:
            self._over_now(run)
        return run

    def owe(self, run_id: str) -> None:
        """Have what a run has left looked for: nobody knows whether an earlier agent came to it."""
        with self._lock:
            self._owed.add(run_id)

    def sweep_owed(self) -> None:
        """Cancel what could not be cancelled yet."""
        with self._lock:
            owed = [*self._owed]
        for run_id in owed:
            self._told(run_id, partial(self.sweep, run_id))

    def sweep(self, run_id: str) -> None:
        """Cancel what a run that is over has left in the queue, and find it by its origin: no lease stays.

        Raises the first error of those that cancelling its jobs raises; they are owed then.
        """
        self.owe(run_id)
        run = self._book.get(run_id)
        first: DeskError | None = None
        for stage in () if run is None or not run.state.is_final else run.stages:
            try:
                self._end_job(run_id, stage)
            except DeskError as error:
                first = first or error
        if first is not None:
            raise first
        with self._lock:
            self._owed.discard(run_id)

    def _end_job(self, run_id: str, stage: CiStage) -> None:
        job = self._parts.job_of_origin(origin_of(run_id, stage.name)) if stage.kind is CiStageKind.JOB else None
        if job is not None and not job.state.is_final:
            self._parts.cancel_job(job.id)

    def _ended(self, run: CiRun) -> None:
        self._told(run.id, partial(self.sweep, run.id))
        self._over_now(run)

    def _over_now(self, run: CiRun) -> None:
        for stage in run.stages:
            self._away.pop((run.id, stage.name), None)
        level = "info" if run.state in {CiState.PASSED, CiState.CANCELLED} else "warning"
        self._book.notice(level, run, f"The pipeline {plain(run.name)}: {run.state.value}. {run.text}".rstrip())
        self._over(run)
        for other in self._book.under_way():
            if other.state is CiState.QUEUED and other.line == run.line:
                self.drive_soon(other)


_TEXT = 400  # chosen: five lines of a terminal


def origin_of(run_id: str, stage: str) -> str:
    """Return the origin of a stage's job."""
    return f"{ORIGIN}{run_id}/{stage}"


def _standing(run: CiRun) -> tuple[object, ...]:
    """Return what of a run is written down before anything else is done."""
    return run.state, [(stage.state, stage.job_id) for stage in run.stages]


def fields_of(file: CiFile, name: str) -> CiStageFields:
    """Return a stage as its file has it."""
    return next(stage for stage in file.stages if stage.name == name)


def _how(job: Job) -> str:
    if job.state is JobState.SUCCEEDED:
        return ""
    why = job.reason.told if job.reason is not None else f"it ended: {job.state.value}"
    return plain(why, _TEXT)


def _failed(stage: CiStage, error: DeskError, now: float) -> CiStage:
    return replace(stage, state=CiStageState.FAILED, text=plain(error.message, _TEXT), hint=error.hint, ended_at=now)
