"""The simulated workstation beyond its sensors (``--demo``): jobs that pass, models, endpoints, data that drifts.

Telemetry, engine and registry are the shipped doubles; jobs, drift and rules are the real services
on them. Only endpoints are played (``endpoints``), since nothing here answers requests. The
window says "Simulated" all the time.
"""

import logging
import math
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from mlops_desk.alerts.service import AlertsService
from mlops_desk.base import wire
from mlops_desk.base.disk.paths import DataFolder
from mlops_desk.base.errors import DeskError
from mlops_desk.base.loop import Loop
from mlops_desk.desk.demo import artifacts, data, drift_monitors, history, images, models, past, past_drift, sweeps
from mlops_desk.desk.demo.endpoints import DemoEndpoints
from mlops_desk.desk.demo.pipelines import made_up
from mlops_desk.desk.demo.story import audit, ci, governed, retrainings, rules
from mlops_desk.desk.engines.service import EnginesService
from mlops_desk.desk.gpu_desk import GpuDesk
from mlops_desk.desk.house import Desk
from mlops_desk.desk.machine_wiring import ContainerWord, container_lives
from mlops_desk.desk.model_wiring import ModelWiring
from mlops_desk.desk.rules.past import RULE_METRICS
from mlops_desk.engines.discovery import Candidate
from mlops_desk.engines.engine import ContainerSpec, Engine
from mlops_desk.engines.fake import FakeEngine, ScriptedEnding, ScriptedProgram
from mlops_desk.leases.folders import LeaseFolders
from mlops_desk.leases.grounds import LeaseOwner
from mlops_desk.leases.ledger import LeaseLedger
from mlops_desk.records.jobs.job import LOCAL_RUNTIME
from mlops_desk.records.model import Registry
from mlops_desk.records.registry.tracker import TrackerKind
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.records.serving.rollout import STEPS_PERCENT
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.protocol import ArtifactOrigins, RegistryClient
from mlops_desk.registry.reading.source import RegistrySource
from mlops_desk.registry.registries import Registries
from mlops_desk.registry.server.keeper import TrackingServer
from mlops_desk.registry.service import RegistryCore
from mlops_desk.rules.pipeline.projection import retraining_of
from mlops_desk.runtimes.outcome import Outcome
from mlops_desk.serving.service import EndpointsService
from mlops_desk.storage.requests import LogWindow
from mlops_desk.storage.secrets import SecretStore
from mlops_desk.telemetry.service import DEMO_SEED, SIMULATED_FAULTS
from mlops_desk.telemetry.simulated import OWN_USER, SimulatedEnding, container_name
from mlops_desk.telemetry.simulated import past as samples_before
from mlops_desk.telemetry.simulated.host_processes import SimulatedProcesses

_log = logging.getLogger(__name__)
_PATIENCE_SECONDS = 30.0  # chosen: on a machine whose cores are all taken the first job takes seconds
_TERMINATED = 128 + signal.SIGTERM
_DATA = "demo-data"
_FILES = "demo-data/runs"
_WITH_DATA = data.RULES[0]["model"]
"""The model whose training data there are; drafts of texts and pictures have none."""
_PAST_SECONDS = 300  # chosen: what the live charts show at first


class DemoDesk(Desk):
    """The Desk with doubles for engine, registry and endpoints, filled with a day's work of a small team."""

    simulated = True
    simulated_user = OWN_USER
    drift_kind = drift_monitors.DemoDrift
    drift_desk: drift_monitors.DemoDrift

    def __init__(self, folder: DataFolder, loop: Loop) -> None:
        # The doubles forget everything at their end, so what was written about them is forgotten too.
        kept = (*folder.root.glob("state.db*"), *folder.drift.glob("windows.db*"))
        for path in (*kept, folder.root / SIMULATED_FAULTS):
            path.unlink(missing_ok=True)
        super().__init__(folder, loop)

    def start(self) -> None:
        self._begin_with_a_past()
        super().start()
        self.loop.start("demo", self._fill)
        self.loop.start("demo-images", partial(images.play, self.images))
        self.loop.start("demo-drift", self._fill_drift)
        self.loop.start("demo-sweep", partial(sweeps.go_on, self._models, self.loop.ending))
        self.loop.start("demo-history", partial(history.fill, self.telemetry.backfill, DEMO_SEED, self.loop.ending))

    def _begin_with_a_past(self) -> None:
        """Tell at once what happened lately, and show the last minutes unless a demo has just stored them."""
        state, began = self.state, time.time()
        state.incidents.put_all(past.incidents(DEMO_SEED, began))
        state.jobs.put_all(past.jobs(DEMO_SEED, began))
        retrained = retrainings.runs(DEMO_SEED, began)
        state.pipelines.put_all(retrained)
        state.retrainings.put_all([*map(retraining_of, retrained), *past.retrainings(DEMO_SEED, began)])
        state.ci_runs.put_all(ci.runs(began))
        audit.tell(self.audit.put, began)
        for move in models.moves(began):
            state.alias_moves.put(move)
        now, stored = time.time(), self.folder.telemetry_database
        if not stored.exists() or now - stored.stat().st_mtime > _PAST_SECONDS:
            self.telemetry.remember(samples_before(DEMO_SEED, now, _PAST_SECONDS))

    def _engine(self) -> Engine:
        self._fake_engine = FakeEngine(images=data.IMAGES, programs=_programs(), at_end=self._at_end)
        images.fill(self._fake_engine)
        return self._fake_engine

    def _engines(self) -> EnginesService:
        place = Candidate("unix:///run/demo.sock", "settings", (LOCAL_RUNTIME,))
        return EnginesService(lambda: [place], self.proofs, self.loop, lambda _address: self._fake_engine.info())

    def _other_engines(self) -> Mapping[str, Engine]:
        return {}  # nothing real is touched from here

    def _ledger(self) -> LeaseLedger:
        return LeaseLedger(
            LeaseOwner(self.folder.instance, "demo"),
            partial(container_lives, self.engine),
            folders=self.lease_folders,
            bookings=self.bookings.by_gpu,
        )

    def _lease_folders(self) -> LeaseFolders:
        # Leases of GPUs that do not exist stay out of the machine's own ledger.
        return LeaseFolders((self.folder.root / "leases",))

    def _gpus(self) -> GpuDesk:
        faults = self.folder.root / SIMULATED_FAULTS
        look = SimulatedProcesses(DEMO_SEED, faults).find
        return GpuDesk(self.telemetry.status, self._gpu_parts(), SimulatedEnding(faults).end, look)

    def _container_names(self) -> tuple[ContainerWord, ContainerWord]:
        return container_name, lambda _id: None

    def _alerts(self) -> AlertsService:
        rules.write(self.state.rule_tables, RULE_METRICS, DEMO_SEED, time.time())  # before anything reads them
        return super()._alerts()

    def _registry(self) -> RegistryCore:
        self._models = models.filled(self.folder.root / _FILES, time.time())
        core = super()._registry()
        core.server = _DemoServer(self.folder.registry, self.folder.logs / "tracking.log", lambda: None, lambda _: None)
        core.registries = _DemoRegistries(core.server, self._models)
        return core

    def _endpoints(self) -> EndpointsService:
        return DemoEndpoints(self)

    def _model_wiring(self) -> ModelWiring:
        wiring = _DemoModels(self.folder, self.state, self.registry_core, self.jobs, self.endpoints)
        wiring.made_up = partial(made_up, wiring.metric)
        wiring.played = ci.seen
        return wiring

    def _watch_drift(self, wiring: ModelWiring, keyring: SecretStore) -> None:
        reference = data.write_reference(data.RULES[0]["endpoint"], self.folder.root / _DATA)
        for monitor in drift_monitors.monitors(reference, time.time()):
            self.state.monitors.put(monitor)
        super()._watch_drift(wiring, keyring)

    def _at_end(self, spec: ContainerSpec, ending: ScriptedEnding) -> Mapping[str, str]:
        """Log and register what the training program of a real job would have, and end as its wrapper would."""
        run_id = spec.env.get("MLFLOW_RUN_ID")
        if run_id is not None and ending.exit_code == 0:
            run = self._models.run(run_id)
            better = 0.871 + 0.009 * len(self._models.versions("churn"))
            self._models.add_run("churn", replace(run, metrics={"auc": better, "loss": 0.31}))
            artifacts.write(self.folder.root / _FILES, self._models.run(run_id))
            self._models.add_version("churn", run_id, f"models:/{data.model_id(run_id)}")
        return _outcome(spec, ending)

    def _fill(self) -> None:
        """Submit the demo's jobs, let one of them become the champion, then look at its drift."""
        self._until(lambda: bool(self.telemetry.gpu_facts()))
        self._fake_engine.gpus = tuple(gpu.uuid for gpu in self.telemetry.gpu_facts())
        jobs = [self.jobs.submit(spec, "/") for spec in data.JOBS]
        trained = next(job for job in jobs if job.name == data.TRAINED)
        self._until(lambda: self._version_of(trained.id) is not None)
        version = self._version_of(trained.id)
        if version is not None:
            self.registry_core.set_alias("churn", "champion", version)
            self.endpoints.follow("churn-prod", "champion", canary=STEPS_PERCENT[0])
        self.loop.start("demo-governed", partial(governed.fill, self._governed(), version))
        for _ in range(2):  # a monitor alarms only at the second bad window, and then the rule fires
            for endpoint in self.endpoints.list():
                if endpoint.replicas and endpoint.model.name == _WITH_DATA:
                    self._report(endpoint.name)
        try:
            self.drift_desk.let_turn()
        except DeskError as error:  # the monitors' own round looks at it a moment later
            _log.warning("The demo's monitor has not turned yet: %s", error.message)

    def _governed(self) -> governed.Governed:
        return governed.Governed(
            self.cards, self.governing, self.data, self.approvals, self.folder.root / _DATA, self.folder.endpoints,
            self.loop.ending,
        )  # fmt: skip

    def _fill_drift(self) -> None:
        endpoint = data.RULES[0]["endpoint"]
        reference = data.write_reference(endpoint, self.folder.root / _DATA)
        past_drift.write(self.state.reports, endpoint, reference, time.time(), self.loop.ending, self.telemetry.record)

    def _version_of(self, job_id: str) -> str | None:
        run_id = self.jobs.show(job_id).mlflow_run_id
        found = self._models.versions_of_run(run_id) if run_id else []
        return found[0].version if found else None

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition() and time.monotonic() < deadline and not self.loop.ending.wait(0.1):
            pass

    def _report(self, name: str) -> None:
        try:
            self.drift.check(name)
        except DeskError as error:
            _log.warning("No report for %s: %s", name, error.message)


class _DemoModels(ModelWiring):
    """What endpoints were asked and are compared with, made up."""

    def request_window(self, name: str, rows: int, target: Path) -> LogWindow:
        return data.write_current(name, rows, target)

    def first_rows(self, name: str, rows: int, target: Path) -> LogWindow:
        return self.request_window(name, rows, target)

    def reference_file(self, endpoint: Endpoint, contexts: Sequence[str] | None = None) -> Path:
        if endpoint.model.name != _WITH_DATA:
            return super().reference_file(endpoint, contexts)  # which says that none was logged
        return data.write_reference(endpoint.name, self.folder.root / _DATA)

    def kinds(self, endpoint: Endpoint) -> Mapping[str, str | None]:  # noqa: ARG002 - by the reference's own types
        return {}


class _DemoServer(TrackingServer):
    """A tracking server that is only told of."""

    def state(self) -> Registry:
        return Registry("running", uri="simulated", container_uri="simulated")

    def start(self, *, for_containers: bool = False) -> Registry:  # noqa: ARG002 - nothing to start
        return self.state()

    def stop(self) -> Registry:
        return Registry("stopped")


class _DemoRegistries(Registries):
    """The desk's own registry in memory; any other is reached, or not, as by the real one."""

    def __init__(self, server: TrackingServer, registry: FakeRegistry) -> None:
        super().__init__(server)
        self._registry = registry

    @property
    def own_is_empty(self) -> bool:
        return False

    def open(self, uri: str | None) -> RegistryClient:
        return self._registry if uri in {None, self.server.look().uri} else super().open(uri)

    def placing(self, uri: str | None) -> ArtifactOrigins:
        return self.open(uri)

    def running(self) -> RegistryClient:
        return self._registry

    def direct(self, uri: str | None) -> RegistrySource | None:
        return None if self.open(uri) is self._registry else super().direct(uri)

    def source(self, uri: str | None) -> RegistrySource:
        if self.open(uri) is not self._registry:
            return super().source(uri)
        return RegistrySource(TrackerKind.FOLDER, "simulated", "simulated", self._registry.files)


def _programs() -> dict[str, ScriptedProgram]:
    """Say what the demo's commands do."""
    epochs = tuple(
        f"epoch {epoch:3d}/120  loss {2.3 * math.exp(-epoch / 40):.4f}  acc {1 - 0.9 * math.exp(-epoch / 30):.3f}"
        for epoch in range(1, 121)
    )
    trouble = (
        "loading checkpoint shards: 100 %",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 12.00 GiB (GPU 0; 79.10 GiB total capacity)",
    )
    return {
        "train_resnet.py": ScriptedProgram(seconds=3600.0, lines=epochs),
        "train_churn.py": ScriptedProgram(seconds=8.0, lines=("rows 50000", "auc 0.871"), exit_code=0),
        "finetune.py": ScriptedProgram(seconds=5.0, lines=trouble, exit_code=1),
        "prepare.py": ScriptedProgram(seconds=3.0, lines=("wrote 214 shards",)),
    }


def _outcome(spec: ContainerSpec, ending: ScriptedEnding) -> Mapping[str, str]:
    """Write what the wrapper inside a real container would have written."""
    attempt = spec.labels.get("io.mlops-desk.attempt", "")
    ended_by = "TERM" if ending.exit_code == _TERMINATED else None
    outcome = Outcome(attempt, ending.exit_code, ending.started_at, ending.ended_at, signal=ended_by)
    return {"/mlops-desk/out/outcome.json": wire.dumps(outcome)}
