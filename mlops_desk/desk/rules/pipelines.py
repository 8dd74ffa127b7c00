"""Joins pipelines with jobs, registry, drift and endpoints."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_desk.base import wire
from mlops_desk.base.bus import Bus
from mlops_desk.base.errors import DeskError, NotFound, Refused
from mlops_desk.base.loop import Loop
from mlops_desk.base.process import run_worker
from mlops_desk.base.text import plain
from mlops_desk.desk.model_wiring import ModelWiring
from mlops_desk.desk.rules.evaluation import Evaluations
from mlops_desk.desk.rules.rollouts import EndpointRollouts
from mlops_desk.desk.rules.rows import HELD_OUT, RowSources
from mlops_desk.desk.rules.synthetic import SyntheticRows
from mlops_desk.drift.worker import MODULE as DRIFT_WORKER
from mlops_desk.jobs.service import JobsService
from mlops_desk.records.drift import DriftOptions, DriftReport
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.model import DatasetInput, ModelVersion
from mlops_desk.records.pipelines.comparison import ModelEvaluation
from mlops_desk.records.pipelines.run import PipelineRun
from mlops_desk.records.rule import Rule
from mlops_desk.registry.service import RegistryCore
from mlops_desk.rules.kept.shelf import RuleShelf
from mlops_desk.rules.pipeline.freezing import DataFreezing
from mlops_desk.rules.pipeline.ports import Approving, PipelineParts
from mlops_desk.rules.pipeline.service import PipelinesService
from mlops_desk.rules.planning import is_own
from mlops_desk.serving.service import EndpointsService

_REPORT_SECONDS = 600.0  # chosen: two data sets of ten million rows on a busy machine


class PipelineWiring:
    """Makes the service, and tells what a rule lacks."""

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
        place = wiring.folder.root / "pipelines"
        self._freezing = DataFreezing(place, self._run_as)
        self._sources = RowSources(
            self._dataset,
            jobs.find_by_run,
            lambda uri, target: self._registry.download_artifact(uri, "", target),
            lambda name, limit: endpoints.requests(name, limit=limit),
            wiring.folder.datasets,
        )
        self._evaluations = Evaluations(self._freezing, self._sources, endpoints.answering, self._run)
        self._rollouts = EndpointRollouts(endpoints, self._version)
        self.pipelines = self._service(bus)

    def _service(self, bus: Bus) -> PipelinesService:
        """Return the pipelines."""
        parts = PipelineParts(
            champion=self.wiring.champion,
            version=self._version,
            job=self._job,
            resubmit=self.jobs.resubmit,
            job_of_origin=self.wiring.job_of_origin,
            cancel_job=self.jobs.cancel,
            versions_of_run=self._registry.versions_of_run,
            set_alias=self._registry.set_alias,
            manifest=self._freezing.manifest,
            report=self._report,
            evaluate=self.evaluate,
            rollouts=self._rollouts,
            approving=self._approving,
            rows=SyntheticRows(self.wiring.folder.datasets, self._sources, self.jobs, self._registry, self._run),
        )
        return PipelinesService(parts, self.state.pipelines, self.state.retrainings, bus, self.loop, self._is_wanted)

    def evaluate(self, run: PipelineRun, champion: ModelVersion, challenger: ModelVersion) -> ModelEvaluation:
        """Score both on the same rows. Raises DeskError."""
        if self.wiring.made_up is not None:
            return self.wiring.made_up(run, champion, challenger)
        return self._evaluations.of(run, champion, challenger)

    def lacking(self, rule: Rule) -> list[str]:
        """Return what a rule would need and is not there, in sentences; nothing while nobody can tell."""
        try:
            champion = self.wiring.champion(rule.model, rule.alias)
        except NotFound:
            return [f"{plain(rule.model)} has no alias {plain(rule.alias)} yet, so there is no champion."]
        except DeskError:
            return []  # the registry does not answer, which the rule's notice has told
        job = self.jobs.find_by_run(champion.run_id) if champion.run_id else None
        if job is None:
            return [f"Version {champion.version} was not trained by a job of this desk, so there is no recipe."]
        found = [
            f"There is nothing at {plain(path)}, which is to be {plain(target)}."
            for target, path in rule.data.items()
            if not Path(path).exists()
        ]
        targets = {mount.target for mount in job.spec.mounts}
        found += [f"Its job has no mount at {plain(target)}." for target in rule.data if target not in targets]
        return found + self._no_rows(rule, champion)

    def _no_rows(self, rule: Rule, champion: ModelVersion) -> list[str]:
        """Return what to say where nothing is known yet that both models can be scored on."""
        if rule.plan.test or rule.plan.newest or rule.endpoint:
            return []
        try:
            self._dataset(champion.run_id or "", HELD_OUT)
        except NotFound:
            text = "The champion's run has logged no data set for testing or validation, and no --test file is named: "
            return [f"{text}unless the new run logs one, there are no rows to score both models on."]
        except DeskError:
            return []
        return []

    def _version(self, model: str, number: str) -> ModelVersion:
        return self._registry.find(f"{model}/{number}")

    def _is_wanted(self, run: PipelineRun) -> bool:
        rule = self._shelf.get(run.rule)
        return rule is not None and rule.created_at <= run.created_at

    def _job(self, job_id: str) -> Job:
        """Return a job without the data that the desk made for it: another training gets its own."""
        job = self.jobs.show(job_id)
        return replace(job, spec=replace(job.spec, mounts=self.jobs.lasting(job.spec.mounts)))

    def _dataset(self, run_id: str, contexts: Sequence[str] | None) -> DatasetInput:
        return self._registry.reference_dataset(run_id, None, contexts)

    def _report(self, run: PipelineRun, job: Job) -> DriftReport | None:
        """Compare the new data with what the champion was trained on."""
        files = self._sources.trained_on(run, job)
        if files is None:
            return None
        if not is_own(run.created_by):
            text = "The new data are another user's, and this agent reads files for its own user alone."
            raise Refused(text, "Make the rule with an agent of your own.")
        with tempfile.TemporaryDirectory(prefix="mlops-desk-pipeline-") as folder:
            options = DriftOptions(require_all_columns=True)
            request = {
                "reference": str(files[0]), "current": str(files[1]), "options": wire.to_builtins(options),
                "folder": folder,
            }  # fmt: skip
            return wire.from_builtins(self._run(DRIFT_WORKER, request, _REPORT_SECONDS), DriftReport)

    def _run(self, module: str, request: Mapping[str, Any], seconds: float) -> Any:
        return run_worker(module, request, seconds, ending=self.loop.ending)

    def _run_as(self, module: str, request: Mapping[str, Any], seconds: float, uid: int | None) -> Any:
        return run_worker(module, request, seconds, ending=self.loop.ending, as_uid=uid)
