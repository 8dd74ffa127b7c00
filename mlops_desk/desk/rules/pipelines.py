"""Joins pipelines with jobs, registry, drift and endpoints."""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlops_desk.base import wire
from mlops_desk.base.bus import Bus
from mlops_desk.base.errors import DeskError, Refused, Unavailable
from mlops_desk.base.loop import Loop
from mlops_desk.base.process import run_worker
from mlops_desk.desk.model_wiring import ModelWiring
from mlops_desk.desk.reference import FoundReference
from mlops_desk.desk.rules.curves import CurveHouse
from mlops_desk.desk.rules.descent import Descent
from mlops_desk.desk.rules.evaluation import Evaluations
from mlops_desk.desk.rules.needs import RuleNeeds
from mlops_desk.desk.rules.rollouts import EndpointRollouts
from mlops_desk.desk.rules.rows import RowSources
from mlops_desk.desk.rules.synthetic import SyntheticRows
from mlops_desk.drift.worker import MODULE as DRIFT_WORKER
from mlops_desk.jobs.service import JobsService
from mlops_desk.records.drift import DriftOptions, DriftReport
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.model import DatasetInput, ModelVersion
from mlops_desk.records.pipelines.comparison import ModelEvaluation
from mlops_desk.records.pipelines.run import PipelineRun
from mlops_desk.registry.service import RegistryCore
from mlops_desk.rules.curves.driver import CurveParts
from mlops_desk.rules.kept.shelf import RuleShelf
from mlops_desk.rules.pipeline.freezing import DataFreezing
from mlops_desk.rules.pipeline.ports import Approving, PipelineParts
from mlops_desk.rules.pipeline.service import PipelinesService
from mlops_desk.rules.planning import is_own
from mlops_desk.serving.service import EndpointsService

_REPORT_SECONDS = 600.0  # chosen: two data sets of ten million rows on a busy machine

_log = logging.getLogger(__name__)


class PipelineWiring:
    """Makes the service, and what tells what a rule lacks."""

    def __init__(
        self,
        wiring: ModelWiring,
        registry: RegistryCore,
        jobs: JobsService,
        endpoints: EndpointsService,
        bus: Bus,
        loop: Loop,
        shelf: RuleShelf,
        approving: Approving,
    ) -> None:
        self._approving = approving
        self._shelf = shelf
        self.state = wiring.state
        self._registry = registry
        self.jobs = jobs
        self.wiring = wiring
        self.loop = loop
        place = wiring.folder.pipelines
        self._freezing = DataFreezing(place, self._run_as)
        self._freezing.sweep()
        self.descent = Descent(registry, jobs.find_by_run)
        self._sources = RowSources(
            self.descent.dataset,
            self.descent.job_of_run,
            lambda uri, target: self._registry.download_artifact(uri, "", target),
            endpoints.told_later,
            wiring.folder.datasets,
            self._found,
        )
        self._evaluations = Evaluations(self._freezing, self._sources, endpoints.answering, self._run, self._gpus)
        self._rollouts = EndpointRollouts(endpoints, self._version)
        self.needs = RuleNeeds(
            wiring.champion, self.descent.job_of_run, self.descent.dataset, endpoints.show, registry.model,
            self._found,
        )  # fmt: skip
        self.pipelines = self._service(bus)
        self.pipelines.follow_curves(self.state.curves, self._curve_parts(), loop)

    def _found(self, run_id: str, dataset: DatasetInput) -> FoundReference | None:
        """Find again what a data set was; None too where it can't be looked for now, which the log tells."""
        try:
            return self.wiring.found(run_id, dataset)
        except DeskError as error:
            _log.info("What a data set was is not looked for: %s", error.message)
            return None

    def _service(self, bus: Bus) -> PipelinesService:
        """Return the pipelines."""
        parts = PipelineParts(
            champion=self.wiring.champion,
            version=self._version,
            job=self._job,
            resubmit=self.jobs.resubmit,
            job_of_origin=self.wiring.job_of_origin,
            cancel_job=self.jobs.cancel,
            versions_of_training=self.descent.registered,
            set_alias=self._registry.set_alias,
            manifest=self._freezing.manifest,
            report=self._report,
            evaluate=self.evaluate,
            rollouts=self._rollouts,
            approving=self._approving,
            rows=SyntheticRows(self.wiring.folder.datasets, self._sources, self.jobs, self._registry, self._run),
        )
        return PipelinesService(parts, self.state.pipelines, self.state.retrainings, bus, self.loop, self._is_wanted)

    def _curve_parts(self) -> CurveParts:
        folder = self.wiring.folder.datasets
        house = CurveHouse(folder, self._sources, self.jobs, self._registry, self._evaluations, self._run)
        return CurveParts(
            plan=house.plan,
            lay=house.lay,
            resubmit=self.jobs.resubmit,
            job_of_origin=self.wiring.job_of_origin,
            cancel_job=self.jobs.cancel,
            versions_of_training=self.descent.registered,
            score=house.score,
            remove=house.remove,
            fit=house.fit,
            report=house.report,
            hours=house.hours,
            tidy=house.tidy,
        )

    def evaluate(self, run: PipelineRun, champion: ModelVersion, challenger: ModelVersion) -> ModelEvaluation:
        """Score both on the same rows. Raises DeskError."""
        if self.wiring.made_up is not None:
            return self.wiring.made_up(run, champion, challenger)
        return self._evaluations.of(run, champion, challenger)

    def _gpus(self, run: PipelineRun) -> int:
        """Return how many GPUs a model needs to answer rows: one is enough for what was trained on more."""
        job = None if run.champion_job is None else self.jobs.show(run.champion_job)
        return int(job is not None and job.spec.resources.gpus > 0)

    def _version(self, model: str, number: str) -> ModelVersion:
        return self._registry.find(f"{model}/{number}")

    def _is_wanted(self, run: PipelineRun) -> bool:
        rule = self._shelf.get(run.rule)
        return rule is not None and rule.created_at <= run.created_at

    def _job(self, job_id: str) -> Job:
        """Return a job without the data that the desk made for it: another training gets its own."""
        job = self.jobs.show(job_id)
        return replace(job, spec=replace(job.spec, mounts=self.jobs.lasting(job.spec.mounts)))

    def _report(self, run: PipelineRun, job: Job) -> DriftReport | None:
        """Compare the new data with what the champion was trained on."""
        files = self._sources.trained_on(run, job)
        if files is None:
            return None
        if not is_own(run.created_by):
            text = "The new data are another user's, and this agent reads files for its own user alone."
            raise Refused(text, "Make the rule with an agent of your own.")
        try:
            room = self._freezing.room(run.id)
        except OSError as error:
            raise Unavailable(f"There is no room to look at the data: {error}.") from error
        try:
            options = DriftOptions(require_all_columns=True)
            request = {
                "reference": str(files[0]), "current": str(files[1]), "options": wire.to_builtins(options),
                "folder": str(room),
            }  # fmt: skip
            return wire.from_builtins(self._run(DRIFT_WORKER, request, _REPORT_SECONDS), DriftReport)
        finally:
            shutil.rmtree(room, ignore_errors=True)

    def _run(self, module: str, request: Mapping[str, Any], seconds: float) -> Any:
        return run_worker(module, request, seconds, ending=self.loop.ending)

    def _run_as(self, module: str, request: Mapping[str, Any], seconds: float, uid: int | None) -> Any:
        return run_worker(module, request, seconds, ending=self.loop.ending, as_uid=uid)
