"""The simulated workstation beyond its sensors (``--demo``): jobs that pass, models, endpoints, data that drifts.

Telemetry, engine and registry are the shipped doubles; jobs, drift and rules are the real services
on them. Only endpoints are played (``endpoints``), since nothing here answers requests. The
window says "Simulated" all the time.

What the demonstration's team has changed lately, as the audit has it: who, what, when, and what became of it.
"""

import json
import logging
import math
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event

from mlops_desk.automation.rules.pipeline.repository import retraining_of
from mlops_desk.desk.automation.fact_history import RULE_METRICS
from mlops_desk.desk.demo import (
    artifacts,
    data,
    drift_monitors,
    images,
    models,
    seed_drift_reports,
    seed_records,
    sweeps,
)
from mlops_desk.desk.demo.endpoints import ON_GPU, DemoEndpoints
from mlops_desk.desk.demo.pipelines import made_up
from mlops_desk.desk.demo.scenario import ci, governance, retrainings, rules
from mlops_desk.desk.desk import Desk
from mlops_desk.desk.engines.composition import EnginesService
from mlops_desk.desk.machine_composition import ContainerWord, container_lives
from mlops_desk.desk.model_composition import ModelWiring
from mlops_desk.engines.discovery import Candidate
from mlops_desk.engines.engine import ContainerSpec, Engine
from mlops_desk.engines.fake import FakeEngine, ScriptedEnding, ScriptedProgram
from mlops_desk.gpus.gpu_service import GpuDesk
from mlops_desk.gpus.leases.context import LeaseOwner
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.jobs.records.job import LOCAL_RUNTIME
from mlops_desk.jobs.runtimes.runtime import Outcome
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.records.agent import AuditEntry
from mlops_desk.kit.storage.history.backfill import MadeHistory
from mlops_desk.kit.storage.requests import LogWindow
from mlops_desk.machine.alerts.service import AlertsService
from mlops_desk.machine.telemetry.history.backfill import Backfill, Stretch
from mlops_desk.machine.telemetry.service import DEMO_SEED, SIMULATED_FAULTS
from mlops_desk.machine.telemetry.simulation.gpus import past as samples_before
from mlops_desk.machine.telemetry.simulation.host_processes import SimulatedProcesses
from mlops_desk.machine.telemetry.simulation.process_termination import SimulatedEnding
from mlops_desk.machine.telemetry.simulation.workloads import OWN_USER, container_name
from mlops_desk.registry.fake import FakeRegistry
from mlops_desk.registry.protocol import ArtifactOrigins, RegistryClient
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.model import Registry
from mlops_desk.registry.records.tracker import TrackerKind
from mlops_desk.registry.registries import Registries
from mlops_desk.registry.server.keeper import TrackingServer
from mlops_desk.registry.service import RegistryCore
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.records.rollout import STEPS_PERCENT
from mlops_desk.serving.service import EndpointsService

_HOUR = 3600.0
_UIDS = {"amara": 1001, "jonas": 1002, "maria": 1003}  # chosen: as Debian numbers people


@dataclass(frozen=True, slots=True)
class _Told:
    """A change so many hours before now."""

    hours: float
    user: str
    verb: str
    arguments: Mapping[str, str]
    outcome: str | None = None
    error: str | None = None
    before: str | None = None


_CHANGES = (
    _Told(620.0, "maria", "rules.create", {"document": "name: warn-hot-gpus …"}, "warn-hot-gpus: armed"),
    _Told(570.0, "maria", "rules.create", {"document": "name: retrain-line-defects …"}, "retrain-line-defects: armed"),
    _Told(503.0, "amara", "models.alias", {"model": "churn", "alias": "champion", "version": "1"}, "churn@champion: 1"),
    _Told(480.0, "jonas", "endpoints.deploy", {"model": "churn@champion", "name": "churn-prod"},
          "churn-prod: live, revision 1"),
    _Told(430.0, "jonas", "rules.create", {"document": "name: roll-back-churn-eu …"}, "roll-back-churn-eu: armed"),
    _Told(337.0, "maria", "rules.fire", {"name": "retrain-line-defects"}, "a retraining was begun"),
    _Told(335.0, "maria", "models.alias", {"model": "resnet50", "alias": "champion", "version": "5"},
          "resnet50@champion: 5",
          before="resnet50@champion: 4"),
    _Told(334.6, "amara", "approvals.approve", {"approval_id": "468dc751", "expected": "1"}, "churn@champion: 2",
          before="churn@champion: 1"),
    _Told(300.0, "jonas", "endpoints.rollback", {"name": "line-defects"},
          error="Endpoint line-defects has no revision before this one."),
    _Told(288.0, "jonas", "rules.create", {"document": "name: nightly-scoring …"}, "nightly-scoring: armed"),
    _Told(261.0, "amara", "rules.answer", {"firing": "roll-back-churn-eu/1", "agree": "False"},
          "nothing was rolled back"),
    _Told(212.0, "jonas", "jobs.cancel", {"job": "sweep-lr"}, "sweep-lr: cancelled", before="sweep-lr: running"),
    _Told(169.0, "maria", "rules.fire", {"name": "retrain-line-defects"}, "a retraining was begun"),
    _Told(167.6, "maria", "approvals.approve", {"approval_id": "9f2b174c", "expected": "5"}, "resnet50@champion: 6",
          before="resnet50@champion: 5"),
    _Told(166.4, "amara", "approvals.approve", {"approval_id": "5b76de51", "expected": "2"}, "churn@champion: 3",
          before="churn@champion: 2"),
    _Told(75.0, "amara", "rules.pause", {"name": "keep-churn-eu-fresh"}, "keep-churn-eu-fresh: paused",
          before="keep-churn-eu-fresh: armed"),
    _Told(52.0, "jonas", "models.alias", {"model": "resnet50", "alias": "champion", "version": "5"},
          error="2 people have to approve moves of resnet50@champion, and nobody has."),
    _Told(26.0, "maria", "settings.set", {"key": "telemetry.interval_seconds", "value": "1"}, "1", before="2"),
    _Told(5.0, "amara", "labels.set", {"endpoint": "churn-prod", "label": "churned=1"}, "1 row was taken"),
    _Told(2.2, "jonas", "jobs.submit", {"name": "vit-large", "gpus": "1"}, "vit-large: queued"),
)  # fmt: skip


def tell(put: Callable[[AuditEntry], None], now: float) -> None:
    """Hand over what was changed before ``now`` (Unix time), oldest first."""
    for told in _CHANGES:
        at = now - told.hours * _HOUR
        put(
            AuditEntry(
                at, _UIDS[told.user], told.user, told.verb, json.dumps(told.arguments), told.outcome, told.error,
                seed_records.named(f"audit.{told.hours}"), told.before, ended_at=at + 0.1,
            )
        )  # fmt: skip


# The demonstration's past in the telemetry history: thirty days, made in the background by a worker of low priority.
# A start finds what is lacking, be it all of it, what a filling that was broken off left, or the days in which the
# demonstration was closed: the workstation that it shows goes on meanwhile.
_log = logging.getLogger(__name__)

KEPT_SECONDS = 30 * 86_400.0  # what the longest range but those of years shows
_WORKER = "mlops_desk.machine.telemetry.past_worker"
_WORKER_SECONDS = 900.0  # some seconds of work, on a machine whose cores are all taken
_NICENESS = 19  # of nice(2), the most: whoever looks at the demonstration comes first
_FIRST_SECONDS = 2.0  # chosen: by then the window is painted, which needs the processors more


def fill(backfill: Backfill, seed: int, ending: Event) -> None:
    """Fill what is lacking of the last thirty days; what is broken off the next start completes."""

    def make(stretch: Stretch) -> MadeHistory:
        request = {
            "seed": seed, "tier": stretch.tier, "start": stretch.start, "end": stretch.end, "every": stretch.every,
            "niceness": _NICENESS,
        }  # fmt: skip
        answer = run_worker(_WORKER, request, _WORKER_SECONDS, ending=ending)
        return wire.from_builtins(answer, MadeHistory)

    if ending.wait(_FIRST_SECONDS):
        return
    try:
        filled = backfill.fill(make, KEPT_SECONDS, ending)
    except DeskError as error:
        if not ending.is_set():
            _log.warning("The demo's past is not complete; the next start goes on with it: %s", error.message)
    else:
        _log.info("The demo's past is complete; %d stretches of it were made now", filled)


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
        self.loop.start("demo-history", partial(fill, self.telemetry.backfill, DEMO_SEED, self.loop.ending))

    def _begin_with_a_past(self) -> None:
        """Tell at once what happened lately, and show the last minutes unless a demo has just stored them."""
        state, began = self.state, time.time()
        state.incidents.put_all(seed_records.incidents(DEMO_SEED, began))
        state.jobs.put_all(seed_records.jobs(DEMO_SEED, began))
        retrained = retrainings.runs(DEMO_SEED, began)
        state.pipelines.put_all(retrained)
        state.retrainings.put_all([*map(retraining_of, retrained), *seed_records.retrainings(DEMO_SEED, began)])
        state.ci_runs.put_all(ci.runs(began))
        tell(self.audit.put, began)
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

    def _drift_desk(self) -> drift_monitors.DemoDrift:
        reference = data.write_reference(data.RULES[0]["endpoint"], self.folder.root / _DATA)
        for monitor in drift_monitors.monitors(reference, time.time()):
            self.state.monitors.put(monitor)
        return drift_monitors.DemoDrift(self, self.wiring)

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
        self.endpoints.deploy(ON_GPU[1], ON_GPU[0], gpus=1, follow="champion")
        jobs = [self.jobs.submit(spec, "/") for spec in data.JOBS]
        trained = next(job for job in jobs if job.name == data.TRAINED)
        self._until(lambda: self._version_of(trained.id) is not None)
        version = self._version_of(trained.id)
        if version is not None:
            self.registry_core.set_alias("churn", "champion", version)
            self.endpoints.follow("churn-prod", "champion", canary=STEPS_PERCENT[0])
        self.loop.start("demo-governed", partial(governance.fill, self._governed(), version))
        for _ in range(2):  # a monitor alarms only at the second bad window, and then the rule fires
            for endpoint in self.endpoints.list():
                if endpoint.replicas and endpoint.model.name == _WITH_DATA:
                    self._report(endpoint.name)
        try:
            self.drift_desk.let_turn()
        except DeskError as error:  # the monitors' own round looks at it a moment later
            _log.warning("The demo's monitor has not turned yet: %s", error.message)

    def _governed(self) -> governance.Governed:
        return governance.Governed(
            self.cards, self.governing, self.data, self.approvals, self.folder.root / _DATA, self.folder.endpoints,
            self.loop.ending,
        )  # fmt: skip

    def _fill_drift(self) -> None:
        endpoint = data.RULES[0]["endpoint"]
        reference = data.write_reference(endpoint, self.folder.root / _DATA)
        seed_drift_reports.write(
            self.state.reports, endpoint, reference, time.time(), self.loop.ending, self.telemetry.record
        )

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

    def first_rows(self, name: str, rows: int, target: Path, after: int = 0) -> LogWindow:  # noqa: ARG002 - all alike
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
