"""Joins pipelines with jobs, registry, drift and endpoints."""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_desk.automation.evaluation_rows import RowSources
from mlops_desk.automation.records.pipelines.comparison import ModelEvaluation
from mlops_desk.automation.records.pipelines.run import PipelineRun
from mlops_desk.automation.records.pipelines.synthetic import Augmentation, AugmentUse, SyntheticData, SyntheticReport
from mlops_desk.automation.rollouts import EndpointRollouts
from mlops_desk.automation.rules.comparison_plan import is_own
from mlops_desk.automation.rules.learning_curves import CurveParts
from mlops_desk.automation.rules.pipeline import hashing
from mlops_desk.automation.rules.pipeline.data_snapshot import DataFreezing
from mlops_desk.automation.rules.pipeline.ports import Approving, PipelineParts
from mlops_desk.automation.rules.pipeline.service import PipelinesService
from mlops_desk.automation.rules.storage.rule_repository import RuleShelf
from mlops_desk.desk.automation.evaluation import Evaluations
from mlops_desk.desk.automation.learning_curves import CurveHouse
from mlops_desk.desk.automation.retrain_requirements import RuleNeeds
from mlops_desk.desk.model_composition import ModelWiring
from mlops_desk.drift.records.report import DriftOptions, DriftReport
from mlops_desk.drift.reference_dataset import FoundReference
from mlops_desk.drift.synthetic import input_worker, worker
from mlops_desk.drift.worker import MODULE as DRIFT_WORKER
from mlops_desk.jobs.automated_submit import MADE
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.service import JobsService
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.lineage.graph import MADE_CONTEXT, REAL_CONTEXT
from mlops_desk.registry.records.model import DatasetInput, ModelVersion
from mlops_desk.registry.server.permissions import PARENT_TAG
from mlops_desk.registry.service import RegistryCore
from mlops_desk.serving.service import EndpointsService

# Which job made a version, and which versions a job made, also where runs below the job's own registered them.
# A training may log each model to a run of its own below the job's (a nested run of MLflow). Such a run is no job's,
# but says whose it is by its parent, which the tracking server lets a job choose among its own runs alone.
_DEEPEST = 16  # as the tracking server looks: runs that refer to one another end there
_MOST_VERSIONS = 200  # chosen: of the newest ones of a model; a training that registers more is no recipe


@dataclass(frozen=True, slots=True)
class Descent:
    """``job_of`` finds the job that logged to a run, None where there is none."""

    registry: RegistryCore
    job_of: Callable[[str], Job | None]

    def job_of_run(self, run_id: str) -> Job | None:
        """Return the job whose run this is, or of which it is below. Raises DeskError."""
        return next((job for one in self._line(run_id) if (job := self.job_of(one)) is not None), None)

    def registered(self, run_id: str, model: str) -> list[ModelVersion]:
        """List the versions of a model from a run, oldest first; where it has none, those from runs below it.

        Raises DeskError.
        """
        own = [one for one in self.registry.versions_of_run(run_id) if one.name == model]
        if own:
            return own
        try:
            newest = self.registry.registries.read(None).versions(model)[:_MOST_VERSIONS]
        except NotFound:
            return []  # nobody has registered a version of that name
        made = (one for one in newest if one.run_id is not None and run_id in self._line(one.run_id))
        return sorted(made, key=lambda one: int(one.version))

    def dataset(self, run_id: str, contexts: Sequence[str] | None) -> DatasetInput:
        """Return the data set of some contexts that a run has logged, or a run above it. Raises DeskError."""
        missing: NotFound | None = None
        for one in self._line(run_id):
            try:
                return self.registry.reference_dataset(one, None, contexts)
            except NotFound as error:
                missing = missing or error  # what is said is said of the run that was asked about
        raise missing or NotFound("No run is named, so no data set of it is known.")

    def _line(self, run_id: str) -> Iterator[str]:
        """Yield a run, its parent, that one's, as far as there are any."""
        current: str | None = run_id
        for _ in range(_DEEPEST):
            if not current:
                return
            yield current
            try:
                current = self.registry.run(current).tags.get(PARENT_TAG)
            except NotFound:
                return  # it was purged


# Rows made for a training: laid out for their maker, taken from it, kept as a data set, and told to runs.
# A data set of one try of a run lies in a folder of its own: ``laid`` is what the maker is given and what is held
# back from it, ``made`` what came of it. Of many only the newest are kept: each can be made again from its recipe.
RUN_TAG = "mlops_desk.synthetic"
"""Carried by the run that has the report on made rows, and by the one that was trained on them: which data set."""
FOLDER = "synthetic"
"""Where the report lies among a run's files."""
_SECONDS = 900.0  # chosen: 200,000 rows of 50 columns take a minute on a busy machine; copying gigabytes some more
_KEPT = 50  # chosen: a year of weekly retrainings
_DIGEST = 32  # MLflow keeps 36 characters of a dataset's digest
_EXPERIMENT = "pipelines"

RunWorker = Callable[[str, Mapping[str, Any], float], Any]


@dataclass(frozen=True, slots=True)
class SyntheticRows:
    """Implements ``rules.pipeline.ports.RowMaking``; ``folder`` is where data sets are kept."""

    folder: Path
    sources: RowSources
    jobs: JobsService
    registry: RegistryCore
    run: RunWorker

    def begin(self, run: PipelineRun, job: Job, origin: str) -> Job:
        """Lay out what may be learned from, and queue the maker. Raises DeskError."""
        asked = _asked(run)
        if not is_own(run.created_by):
            text = "The data are another user's, and this agent reads files for its own user alone."
            raise Refused(text, "Make the rule with an agent of your own.")
        _, real = self.sources.new_file(run, job, asked.file)
        place = self._place(run)
        try:
            self._tidy(place)
            shutil.rmtree(place, ignore_errors=True)
            (place / "room").mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise Unavailable(f"The data set can't be laid out in {place}: {error.strerror}.") from error
        request = {
            "data": str(real), "scored": [str(one) for one in self.sources.scored(run, place / "room")],
            "rows": asked.rows, "seed": asked.seed + run.tries - 1, "label": asked.label,
            "target": str(place / "laid"), "folder": str(place / "room"),
        }  # fmt: skip
        self.run(input_worker.MODULE, request, _SECONDS)
        shutil.rmtree(place / "room", ignore_errors=True)
        changed = {f"params.{name}": value for name, value in asked.params.items()}
        return self.jobs.submit_maker(
            asked.template, changed, str(place / "laid" / input_worker.GIVEN), origin, run.chain
        )

    def take(self, run: PipelineRun, job: Job, maker: Job) -> SyntheticData:
        """Check, judge and keep what was made, and log the report. Raises DeskError."""
        asked, place = _asked(run), self._place(run)
        target, real = self.sources.new_file(run, job, asked.file)
        kept = [one.path for attempt in maker.attempts[-1:] for one in attempt.kept if one.target == MADE]
        if not kept or not (place / "laid").is_dir():
            hint = Hint(f"mlops-desk pipelines retry {run.id}", before="To make them again: ")
            raise Refused(f"Nothing is left of the rows that job {maker.id} made.", hint)
        request = {
            "laid": str(place / "laid"), "out": kept[0], "data": str(real), "with": asked.use is AugmentUse.WITH,
            "rows": asked.rows, "seed": asked.seed + run.tries - 1, "target": str(place / "made"),
            "title": f"Made rows of {asked.template} for {run.model}",
        }  # fmt: skip
        found = self.run(worker.MODULE, request, _SECONDS)
        made = SyntheticData(
            asked.template, asked.use, target, found["file"], found["sha256"], str(real), found["source_sha256"],
            found["rows_sha256"], wire.from_builtins(found["report"], SyntheticReport),
        )  # fmt: skip
        return self._logged(run, job, made)

    def is_whole(self, data: SyntheticData) -> bool:
        """Hash the file for the training. Raises DeskError."""
        if not Path(data.path).is_file():
            return False
        request = {"sources": {data.target: data.path}, "known": {}}
        return bool(self.run(hashing.MODULE, request, _SECONDS)["files"][0][3] == data.sha256)

    def tell(self, run_id: str, data: SyntheticData) -> None:
        """Write rows and report on a run. Raises DeskError."""
        real = DatasetInput(Path(data.source).name, data.source_sha256[:_DIGEST], REAL_CONTEXT, "local", data.source)
        name = f"made by {plain(data.template, 80)}"
        made = DatasetInput(name, data.sha256[:_DIGEST], MADE_CONTEXT, "local", data.path)
        self.registry.tell_run(run_id, {RUN_TAG: data.sha256}, [real, made], data.report.figures)
        place = Path(data.path).parent.parent
        for name in (worker.REPORT, worker.PAGE):
            if (place / name).is_file():
                self.registry.log_file(run_id, place / name, FOLDER)

    def _logged(self, run: PipelineRun, job: Job, made: SyntheticData) -> SyntheticData:
        """Log the report to a run of its own, which is there whether or not the rows pass. Raises DeskError."""
        experiment = _EXPERIMENT if job.spec.mlflow is None else job.spec.mlflow.experiment
        tags = {"mlops_desk.pipeline": f"{run.id}/{run.tries}", "mlflow.runName": f"made rows of {run.rule}"}
        run_id = self.registry.own_run(experiment, tags)
        self.tell(run_id, made)
        self.registry.finish_run(run_id, "FINISHED")
        return replace(made, run_id=run_id)

    def _place(self, run: PipelineRun) -> Path:
        return self.folder / f"{run.id}-{run.tries}"

    def _tidy(self, place: Path) -> None:
        """Remove all but the newest data sets."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        others = [one for one in self.folder.iterdir() if one != place]
        for old in sorted(others, key=lambda one: one.stat().st_mtime)[: -(_KEPT - 1)]:
            shutil.rmtree(old, ignore_errors=True)


def _asked(run: PipelineRun) -> Augmentation:
    if run.augment is None:
        raise AssertionError("a run without made rows makes none")
    return run.augment


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

    def _report(self, run: PipelineRun, job: Job) -> DriftReport:
        """Compare the new data with what the champion was trained on."""
        files = self._sources.trained_on(run, job)
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
