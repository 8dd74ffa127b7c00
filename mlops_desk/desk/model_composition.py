"""Where features meet about models: jobs' capsules and runs, endpoints and what they are compared with, rules."""

from __future__ import annotations

import logging
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_desk.automation.records.ci.run import ORIGIN
from mlops_desk.desk.network.composition import git_network
from mlops_desk.drift import metrics as drift_metrics
from mlops_desk.drift.performance import metrics as performance_metrics
from mlops_desk.drift.reference_dataset import FoundReference, ReferenceFinder, ReferenceParts, reference_file
from mlops_desk.jobs import metrics as job_metrics
from mlops_desk.jobs.provenance.completion import Outside
from mlops_desk.jobs.provenance.source.snapshot_capture import Snapshots
from mlops_desk.jobs.provenance.source.store import SnapshotStore
from mlops_desk.jobs.provenance.source.texts import kept_texts
from mlops_desk.jobs.records.spec import JobKind, JobSpec
from mlops_desk.jobs.runtimes.disk_shares import shares_of, staging_folder
from mlops_desk.jobs.runtimes.local.leases import LedgerGpus, UnclaimedGpus
from mlops_desk.jobs.runtimes.runtime import RunTicket
from mlops_desk.jobs.staging.cache import StagingRules, StagingShelf
from mlops_desk.jobs.templates import build_folder
from mlops_desk.kit.base.disk.paths import DataFolder, default_root, runtime_folder
from mlops_desk.kit.base.errors import DeskError, NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.event import JobMoved
from mlops_desk.registry.default_registry import OWN
from mlops_desk.registry.records.alias_move import Follower
from mlops_desk.registry.records.model import DatasetInput, ModelVersion
from mlops_desk.registry.server.facts import JOB_NAME_TAG, JOB_TAG
from mlops_desk.serving import metrics as serving_metrics
from mlops_desk.serving.scaling import gpu_claims

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mlops_desk.automation.records.pipelines.comparison import ModelEvaluation
    from mlops_desk.automation.records.pipelines.run import PipelineRun
    from mlops_desk.desk.machine_composition import MachineWiring
    from mlops_desk.governance.policy_gate import Governing
    from mlops_desk.jobs.records.job import Job
    from mlops_desk.jobs.records.job_activity import JobWatch
    from mlops_desk.jobs.records.provenance import DataIdentity
    from mlops_desk.jobs.service import JobsService
    from mlops_desk.kit.base.bus import Bus
    from mlops_desk.kit.base.settings import SettingsStore
    from mlops_desk.kit.storage.requests import LogWindow
    from mlops_desk.kit.storage.state import State
    from mlops_desk.machine.records.history import History, Point, RecordPoints
    from mlops_desk.machine.telemetry.service import TelemetryService
    from mlops_desk.registry.comparison.code import CodeTree
    from mlops_desk.registry.service import RegistryCore
    from mlops_desk.serving.meters import EndpointPast
    from mlops_desk.serving.records.endpoint import Endpoint
    from mlops_desk.serving.runtimes.files import FilesTold
    from mlops_desk.serving.service import EndpointsService

RECORDED = (*serving_metrics.RECORDED, *drift_metrics.RECORDED, *performance_metrics.RECORDED, *job_metrics.RECORDED)
"""All metrics that features record of their things."""
_NAME_TAG = "mlflow.runName"
_MOUNT_CONTEXT = "mount"
"""None of the words that mark what a model was trained on: that is what the training itself logs."""
_EVALUATION = "eval_results_table.json"  # as mlflow.evaluate calls it, after a prefix of the caller's
_REPOSITORY = 1000  # chosen: below the 5000 characters that MLflow keeps of a tag, and longer than any address
_DAY_MINUTES = 1440  # 24 hours
_log = logging.getLogger(__name__)
_DIGEST = 32  # MLflow keeps 36 characters of a dataset's digest


def keep_live(bus: Bus, record: RecordPoints) -> None:
    """Keep what running jobs take in the history, as it is announced."""
    bus.subscribe(JobMoved, job_metrics.LiveSeries(record).hear)


def prepare_run(
    registry: RegistryCore,
    governing: Callable[[], Governing],
    state: State,
    spec: JobSpec,
    job_id: str,
    attempt_id: str,
) -> RunTicket:
    """Make the run that a job's attempt logs to. Raises DeskError."""
    if spec.mlflow is None:
        raise AssertionError("a job without mlflow asks for no run")
    from mlops_desk.governance.policy_gate import governed_models  # noqa: PLC0415 - for jobs that log to MLflow

    in_container = spec.kind is not JobKind.PROCESS
    repository = _repository_of(state, job_id)
    training = spec.name if repository is None else f"{repository} {spec.name}"
    prepared = registry.prepare_run(
        spec.mlflow.experiment,
        {JOB_TAG: job_id},
        attempt_id,
        for_containers=in_container,
        more={_NAME_TAG: spec.name, JOB_NAME_TAG: training},
        job=training if in_container else None,  # a process has its person's own rights anyway
        models=spec.mlflow.models,
        governed=governed_models(governing().ledger),
        is_strangers=repository is not None,
    )
    return RunTicket(prepared.run_id, prepared.uri, prepared.token)


def _repository_of(state: State, job_id: str) -> str | None:
    """Return the repository whose pipeline a job is a stage of; None where a person or a rule wrote its file."""
    job = state.jobs.get(job_id)
    if job is None or not (job.origin or "").startswith(ORIGIN):
        return None
    run = state.ci_runs.get((job.origin or "").removeprefix(ORIGIN).partition("/")[0])
    return "a repository" if run is None else plain(run.repository, _REPOSITORY)


def finish_run(registry: RegistryCore, run_id: str, status: str) -> None:
    """End the run of a job. Raises DeskError."""
    registry.finish_run(run_id, status)


def tell_run(registry: RegistryCore, run_id: str, tags: Mapping[str, str], data: Sequence[DataIdentity]) -> None:
    """Write what is known of a job on its run: as tags, and the data that it read as datasets. Raises DeskError."""
    datasets = [
        DatasetInput(one.target, one.sha256[:_DIGEST], _MOUNT_CONTEXT, "local", one.source)
        for one in data
        if one.sha256
    ]
    registry.tell_run(run_id, tags, datasets)


def run_metrics(registry: RegistryCore, run_id: str) -> Mapping[str, float]:
    """Return the newest metrics of a job's run. Raises DeskError."""
    return registry.run(run_id).metrics


def snapshots(folder: DataFolder, store: SettingsStore) -> Snapshots:
    """Return what takes and keeps snapshots of code, within the settings' limits; our own folders are in none."""
    private = (folder.root, default_root(), runtime_folder())
    return Snapshots(
        folder.sources,
        lambda: int(store.number("jobs.source_mebibytes")) << 20,
        lambda: shares_of(store).snapshots,
        tuple(map(str, private)),
        lambda: [*store.text("jobs.mount_roots").split(), build_folder()],
        lambda: int(store.number("images.context_mebibytes")) << 20,
        git_network(folder, store),
    )


def staging(folder: DataFolder, store: SettingsStore) -> StagingShelf:
    """Return the cache of data, where the settings say and within what they allow."""

    def rules() -> StagingRules:
        reserve = int(store.number("jobs.staging_reserve_mebibytes")) << 20
        return StagingRules(staging_folder(folder, store), shares_of(store), reserve)

    return StagingShelf(rules)


def outside(
    machine: MachineWiring,
    telemetry: TelemetryService,
    registry: RegistryCore,
    store: SettingsStore,
    watched: Callable[[Sequence[JobWatch]], None],
) -> Outside:
    """Return what capsules are told by the rest of the house, and where they are told."""
    minutes = partial(store.number, "jobs.idle_minutes")
    export = partial(store.number, "jobs.export_mebibytes")
    stuck = partial(store.number, "jobs.stuck_minutes")
    return Outside(
        machine.hardware,
        telemetry.spent,
        partial(tell_run, registry),
        lambda: int(minutes()),
        lambda: int(export()) << 20,
        machine.seen,
        lambda: int(stuck()),
        watched,
    )


def trained_in(jobs: JobsService, version: ModelVersion) -> tuple[str, str] | None:
    """Return the id of the image that a version was trained in, and of the job; None where no job of ours did.

    Another registry's run may be called as one of ours is, so only our own registry's are looked up.
    """
    job = jobs.find_by_run(version.run_id) if version.run_id and version.registry is None else None
    if job is None or job.spec.kind is JobKind.PROCESS:
        return None
    image_id = (job.capsule.image.id if job.capsule is not None else None) or job.image_id
    return None if image_id is None else (image_id, job.id)


def weighed(registry: RegistryCore, version: ModelVersion) -> FilesTold:
    """Return what is known of a version's files. Raises DeskError."""
    from mlops_desk.registry.model_files.formats import MOST_LOOKED_AT  # noqa: PLC0415 - for who serves a model
    from mlops_desk.serving.runtimes.files import FilesTold  # noqa: PLC0415 - likewise

    facts = registry.shelf.facts_of_version(version.name, version.version, version.registry or OWN)
    are_all_seen = facts.n_files is not None and facts.n_files <= MOST_LOOKED_AT
    return FilesTold(facts.size_bytes, tuple(facts.flavors), facts.formats if are_all_seen else None)


def endpoint_past(telemetry: TelemetryService) -> EndpointPast:
    """Return what keeps figures of endpoints, and tells of them and of the containers' GPU memory."""
    from mlops_desk.serving.meters import EndpointPast  # noqa: PLC0415 - for who serves a model

    return EndpointPast(telemetry.record, partial(_gpu_memory, telemetry), partial(_past_errors, telemetry.history))


def unclaimed(gpus: LedgerGpus, endpoints: Callable[[], Sequence[Endpoint]]) -> UnclaimedGpus:
    """Return the machine's GPUs as jobs may have them: endpoints lend some, and ask for them back."""
    return UnclaimedGpus(gpus, lambda: gpu_claims.claimed(endpoints()), lambda: gpu_claims.lent(endpoints()))


def _gpu_memory(telemetry: TelemetryService) -> dict[str, int]:
    found: Counter[str] = Counter()
    for gpu in telemetry.status().gpus:
        for process in gpu.processes:
            if process.container is not None and process.gpu_memory_bytes is not None:
                found[process.container] += process.gpu_memory_bytes
    return dict(found)


def _past_errors(history: Callable[..., History], name: str, class_: str) -> list[Point]:
    """Return the errors of the last 24 hours by the minute; none where the history has none, or can't be read."""
    try:
        past = history(f"endpoint.errors.{class_}", name, "-24h", "now", _DAY_MINUTES)
    except NotFound:
        return []
    except DeskError as error:
        _log.warning("The errors of endpoint %s of the last day can't be read: %s", name, error)
        return []
    found = zip(past.times, past.mean, strict=True)
    return [(at, float(round(mean * past.step_seconds))) for at, mean in found if mean is not None]


class ModelWiring:
    """Joins registry, jobs and endpoints for drift and for rules.

    ``made_up`` scores two models where no container answers. ``played`` tells how a ref of a repository looks that is
    only played (repository, ref), and None of one that git is asked about. ``search`` finds data
    sets without a source again.
    """

    made_up: Callable[[PipelineRun, ModelVersion, ModelVersion], ModelEvaluation] | None = None
    played: Callable[[str, str], str | None] | None = None
    search: ReferenceFinder | None = None

    def __init__(
        self, folder: DataFolder, state: State, registry: RegistryCore, jobs: JobsService, endpoints: EndpointsService
    ) -> None:
        self.folder = folder
        self._snapshots = SnapshotStore(folder.sources)
        self.state = state
        self._registry = registry
        self._jobs = jobs
        self._endpoints = endpoints

    def request_window(self, name: str, rows: int, target: Path) -> LogWindow:
        """Write the newest answered requests of an endpoint as one file."""
        return self._endpoints.request_window(name, rows, target)

    def first_rows(self, name: str, rows: int, target: Path, after: int = 0) -> LogWindow:
        """Write the first answered requests of an endpoint's live revision, after some, as one file."""
        return self._endpoints.first_rows(name, rows, target, after)

    def reference_file(self, endpoint: Endpoint, contexts: Sequence[str] | None = None) -> Path:
        """Return the file of what an endpoint's model was trained on, or of a data set of other contexts.

        Raises DeskError.
        """
        where = endpoint.model.registry
        parts = ReferenceParts(
            dataset=lambda run_id: self._registry.reference_dataset(run_id, where, contexts),
            job_of_run=self._jobs.find_by_run,
            download=lambda uri, target: self._registry.download_artifact(uri, "", target, where),
            search=lambda run_id, dataset: self.found(run_id, dataset, where),
        )
        return reference_file(endpoint, self.folder.endpoints / endpoint.name / "reference", parts)

    def found_as(self, endpoint: Endpoint, path: Path) -> str | None:
        """Tell how the file of an endpoint's data was found, where its data set names none that can be read."""
        return None if self.search is None else self.search.told(endpoint.model.run_id or "", path)

    def found(self, run_id: str, dataset: DatasetInput, registry: str | None = None) -> FoundReference | None:
        """Find again what a run's data set was that has no readable source. Raises DeskError."""
        return None if self.search is None else self.search.find(run_id, registry, dataset)

    def reference_dataset(self, endpoint: Endpoint, contexts: Sequence[str] | None = None) -> DatasetInput:
        """Return the data set whose file that is, as the run of the endpoint's model logged it. Raises DeskError."""
        run_id = endpoint.model.run_id
        if run_id is None:
            raise NotFound(f"Version {endpoint.model.version} of {endpoint.model.name} names no run.")
        return self._registry.reference_dataset(run_id, endpoint.model.registry, contexts)

    def evaluation(self, endpoint: Endpoint, folder: Path) -> Path | None:
        """Bring the table of the evaluation of an endpoint's model into a folder; None where its run has none.

        Raises DeskError.
        """
        run_id, where = endpoint.model.run_id, endpoint.model.registry
        if run_id is None:
            return None
        listed = self._registry.shelf.listed_of_run(run_id, "", where)
        found = next((one for one in listed if not one.is_folder and one.path.endswith(_EVALUATION)), None)
        if found is None:
            return None
        return Path(self._registry.shelf.download_of_run(run_id, found.path, str(folder), where).path)

    def kinds(self, endpoint: Endpoint) -> Mapping[str, str | None]:
        """Return an endpoint's columns by its model's signature, each with its kind for drift where that tells it."""
        return self._endpoints.kinds(endpoint.name)

    def champion(self, model: str, alias: str) -> ModelVersion:
        """Return the version behind MODEL@ALIAS. Raises DeskError."""
        return self._registry.resolve(f"{model}@{alias}")

    def join(self, registry: RegistryCore, endpoints: Callable[[], Sequence[Endpoint]]) -> None:
        """Have a registry's core ask here what it doesn't know by itself, and watch what ``endpoints`` serve from."""
        registry.aliases.followers = self.followers
        registry.outside.code_of = self.code_of
        registry.watch.served = lambda: {one.model.registry for one in endpoints()}

    def job_of_run(self, run_id: str) -> Job | None:
        """Return the job that logged to a run; None where there is none."""
        return self._jobs.find_by_run(run_id)

    def code_of(self, run_id: str) -> CodeTree | None:
        """Return the code that the job of a run ran, from the snapshot that is kept of it; None where none is."""
        from mlops_desk.registry.comparison.code import CodeFile  # noqa: PLC0415 - for who compares runs

        job = self._jobs.find_by_run(run_id)
        sha256 = None if job is None or job.capsule is None else job.capsule.source_sha256
        kept = None if sha256 is None else kept_texts(self._snapshots, sha256)
        return None if kept is None else {path: CodeFile(one.digest, one.read) for path, one in kept.items()}

    def followers(self, model: str, alias: str, registry: str | None) -> list[Follower]:
        """Tell of the endpoints of a model, and which of them go with an alias by themselves."""
        served = [one for one in self._endpoints.list() if one.model.name == model]
        here = [one for one in served if self._registry.is_same(one.model.registry, registry)]
        return [Follower(one.name, one.model.version, follows=one.follows == alias) for one in here]

    def metric(self, run_id: str, name: str) -> float | None:
        """Return a run's newest value of a metric; None where it was not logged."""
        return self._registry.run(run_id).metrics.get(name)

    def job_of_origin(self, origin: str) -> Job | None:
        """Return the job of an origin, which a retraining gives to the one that it submits."""
        return next(iter(self.state.jobs.list(parent=origin, limit=1)), None)
