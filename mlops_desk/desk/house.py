"""Builds the services and wires them: features meet here, by plain arguments, and nowhere else."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mlops_desk.alerts.service import AlertsService
from mlops_desk.base.bus import Bus
from mlops_desk.base.caller import current_caller
from mlops_desk.base.disk.paths import DataFolder
from mlops_desk.base.errors import DeskError, NotFound
from mlops_desk.base.loop import Loop
from mlops_desk.base.settings import SettingsStore
from mlops_desk.desk import doctor
from mlops_desk.desk.agent import AgentParts, AgentService
from mlops_desk.desk.audit import AuditTrail
from mlops_desk.desk.container_names import ContainerNames
from mlops_desk.desk.ledger_watch import Leasing
from mlops_desk.desk.reference import ReferenceParts, reference_file
from mlops_desk.desk.settings import SettingsService
from mlops_desk.desk.upkeep import Upkeep
from mlops_desk.drift.service import DriftService
from mlops_desk.engines.docker.address import choose_address
from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.engines.engine import Engine
from mlops_desk.events.service import EventParts, EventsService
from mlops_desk.jobs.ports import RunTicket
from mlops_desk.jobs.run.leases import LedgerGpus
from mlops_desk.jobs.service import JobsService
from mlops_desk.leases.allocation import DriverFacts
from mlops_desk.leases.ledger import LeaseLedger, LeaseOwner
from mlops_desk.records.agent import AgentCost, AgentInfo, AuditEntry, Check
from mlops_desk.records.endpoint import Endpoint
from mlops_desk.records.gpu import Gpu
from mlops_desk.records.history import Curves
from mlops_desk.records.incident import DeviceEvent
from mlops_desk.records.job import Job, JobSpec, JobState
from mlops_desk.records.status import Status
from mlops_desk.registry.service import ModelsService, RegistryCore, RunsService
from mlops_desk.rules.service import RulesService
from mlops_desk.serving.service import EndpointsService
from mlops_desk.storage.requests import LogWindow
from mlops_desk.storage.state import State
from mlops_desk.telemetry.gpu_service import GpusService
from mlops_desk.telemetry.prometheus.exporter import Exporter
from mlops_desk.telemetry.service import TelemetryService
from mlops_desk.verbs.permission import Permission
from mlops_desk.verbs.policy import AccessPolicy, SingleUser

_log = logging.getLogger(__name__)
_JOB_TAG = "mlops_desk.job"
_NAME_TAG = "mlflow.runName"
_STALE_FACTS_SECONDS = 10.0
_JOBS_COUNTED = 2000
_BUSY_POINTS = 100


class Desk:
    """All services of one data folder. ``on_shutdown`` is called when a verb asks the agent to end."""

    def __init__(self, folder: DataFolder, loop: Loop) -> None:
        self.folder = folder
        self.loop = loop
        self.bus = Bus()
        self.settings = SettingsStore(folder.settings)
        self.state = State(folder.state_database)
        self.upkeep = Upkeep(folder, self.state, self.settings, self.bus.publish, simulated=self.simulated)
        self.state.jobs.make_room = self.upkeep.make_room
        self.audit = AuditTrail(self.state.audit)
        self.on_shutdown: Callable[[], None] = loop.ending.set
        self.services: dict[str, Any] = {}
        self.policy: AccessPolicy = SingleUser()
        self.permission = Permission(self.services, self.policy)
        self.engine = self._engine()
        self.ledger = self._ledger()
        self.leasing = Leasing(self.ledger, self.folder.instance, self._facts)
        self._container_name, self._container_job = self._container_names()
        self.telemetry = self._telemetry()
        self.events = self._events()
        self.alerts = self._alerts()
        self.telemetry.listen(self._judge)
        self.telemetry.at_turn(self.audit.flush)
        self.registry = self._registry()
        self.jobs = self._jobs()
        self.endpoints = self._endpoints()
        self.drift = self._drift()
        self.rules = self._rules()
        self.agent = self._agent()
        self.exporter = Exporter(
            self.folder.root / "metrics.token", self.settings, self.bus, loop, self.telemetry.status
        )
        self.services |= {
            "agent": self.agent,
            "telemetry": self.telemetry,
            "gpus": self._gpus(),
            "events": self.events,
            "alerts": self.alerts,
            "jobs": self.jobs,
            "models": ModelsService(self.registry),
            "runs": RunsService(self.registry),
            "endpoints": self.endpoints,
            "drift": self.drift,
            "rules": self.rules,
            "settings": SettingsService(self.settings, self.bus),
        }

    simulated = False
    simulated_user: str | None = None

    def start(self) -> None:
        """Begin to work: sampling first, then what was under way when the last agent ended."""
        self.events.start()
        self.upkeep.start(self.loop)
        self.alerts.start()
        self.exporter.start()
        self.registry.admit_earlier(self.jobs.logging())
        for service in (self.telemetry, self.registry, self.jobs, self.endpoints, self.drift, self.rules):
            service.start()

    def stop(self) -> None:
        """Stop working. Containers, gateway and tracking server go on; the next agent takes them up."""
        for close in (
            self.exporter.stop,
            self.rules.stop,
            self.drift.stop,
            self.endpoints.close,
            self.jobs.stop,
            self.registry.stop,
            self.telemetry.stop,
            self.alerts.stop,
            self.events.stop,
            self.audit.flush,
            self.state.close,
            self._close_engine,
        ):
            try:
                close()
            except DeskError as error:
                _log.warning("On the way out: %s", error.message)

    def record(self, entry: AuditEntry) -> None:
        """Keep an audit entry."""
        self.audit.put(entry)

    # -- the parts ---------------------------------------------------------------------------

    def _engine(self) -> Engine:
        return DockerEngine(lambda: self.settings.text("engine.host"))

    def _close_engine(self) -> None:
        if isinstance(self.engine, DockerEngine):
            self.engine.close()

    def _ledger(self) -> LeaseLedger:
        return LeaseLedger(LeaseOwner(self.folder.instance, self._engine_address()), self._container_lives)

    def _engine_address(self) -> str:
        """Name the engine as every other agent names it, so that leases of one engine are known as such."""
        try:
            return choose_address(self.settings.text("engine.host"))
        except DeskError as error:
            _log.warning("The engine's address in the settings is none: %s", error.message)
            return ""

    def _telemetry(self) -> TelemetryService:
        return TelemetryService(
            self.folder,
            self.bus,
            self.loop,
            self.settings,
            leases=self.leasing.known,
            container_name=self._container_name,
            job_name=self._container_job,
            agent_info=self._about,
            simulated=self.simulated,
        )

    def _gpus(self) -> GpusService:
        return GpusService(self.telemetry.status)

    def _events(self) -> EventsService:
        parts = EventParts(
            self._keep,
            self._recording,
            self._busy_ratio,
            self._jobs_ended,
            self.telemetry.device,
            self._gpus_now,
            self._container_name,
            self._container_job,
        )
        return EventsService(self.folder.root / "events.json", self.state.incidents, self.bus, self.loop, parts)

    def _alerts(self) -> AlertsService:
        log = self.events.log_alert
        state, simulated = self.state, self.simulated
        return AlertsService(
            state.alerts, state.alert_rules, self.settings, self.bus, self.loop, log, simulated=simulated
        )

    def _container_names(self) -> tuple[Callable[[str], str | None], Callable[[str], str | None]]:
        """Return what names a container, and what names the job that it belongs to, by the container's id."""
        names = ContainerNames(self.engine, self.loop, self._named_job)
        return names.name, names.job

    def _named_job(self, job_id: str) -> str | None:
        job = self.state.jobs.get(job_id)
        return None if job is None else job.name

    def _registry(self) -> RegistryCore:
        default = partial(self.settings.text, "registry.uri")

        def artifact_bytes() -> int:
            return int(self.settings.number("jobs.artifact_mebibytes")) << 20

        return RegistryCore(self.folder, self.bus, self.loop, self._bridge_address, default, artifact_bytes)

    def _jobs(self) -> JobsService:
        return JobsService(
            self.folder,
            self.state,
            self.bus,
            self.loop,
            self.settings,
            self.engine,
            LedgerGpus(self.ledger, self._facts),
            self._prepare_run,
            self._finish_run,
            self.registry.keep_tickets,
            self.policy,
        )

    def _endpoints(self) -> EndpointsService:
        return EndpointsService(
            self.folder,
            self.state,
            self.bus,
            self.loop,
            self.settings,
            self.engine,
            self.registry.find,
            self.registry.download_model,
        )

    def _drift(self) -> DriftService:
        return DriftService(
            endpoint=self._endpoint,
            endpoints=self.endpoints.list,
            request_window=self._request_window,
            reference_file=self._reference_file,
            reports=self.state.reports,
            bus=self.bus,
            loop=self.loop,
            settings=self.settings,
            kinds=self._kinds,
        )

    def _rules(self) -> RulesService:
        return RulesService(
            champion=lambda model, alias: self.registry.resolve(f"{model}@{alias}"),
            metric=lambda run_id, name: self.registry.run(run_id).metrics.get(name),
            job_of_run=self.jobs.find_by_run,
            resubmit=self.jobs.resubmit,
            job_of_origin=self._job_of_origin,
            versions_of_run=self.registry.versions_of_run,
            set_alias=self.registry.set_alias,
            rules=self.state.rules,
            retrainings=self.state.retrainings,
            bus=self.bus,
            loop=self.loop,
            model=self.registry.model,
            allow=lambda name: self.permission.check_named("rules", "fire", {"name": name}, current_caller()),
        )

    def _agent(self) -> AgentService:
        parts = AgentParts(
            cost=self._cost,
            sampling=self._sampling,
            checks=self._checks,
            end=self._shut_down,
            end_outliving=self._end_outliving,
            note=self.upkeep.note,
        )
        return AgentService(
            self.folder, self.state, self.loop, parts, simulated=self.simulated, user=self.simulated_user
        )

    # -- where features meet -----------------------------------------------------------------

    def _judge(self, events: tuple[DeviceEvent, ...], status: Status, is_tick: bool) -> None:
        """Hand each sample to who judges it."""
        self.events.take(events, status)
        self.exporter.take(events, status.gpus, is_tick=is_tick)
        if is_tick:
            self.alerts.take(status)

    def _keep(self, incident_id: str, at: float) -> None:
        self.telemetry.recorder.keep(incident_id, at)

    def _recording(self, incident_id: str, device: str | None) -> Curves:
        return self.telemetry.recorder.read(incident_id, device)

    def _busy_ratio(self, start: float, end: float) -> Mapping[str, float]:
        """Return the mean utilisation of each GPU over a span; one whose history does not tell is left out."""
        ratios = {}
        for gpu in self.telemetry.status().gpus:
            try:
                curve = self.telemetry.history("hw.gpu.utilization", gpu.uuid, start, end, _BUSY_POINTS)
            except DeskError as error:
                _log.info("How busy GPU %s was is not known: %s", gpu.uuid, error.message)
                continue
            known = [value for value in curve.mean if value is not None]
            if known:
                ratios[gpu.uuid] = sum(known) / len(known)
        return ratios

    def _gpus_now(self) -> Sequence[Gpu]:
        return self.telemetry.status().gpus

    def _jobs_ended(self, since: float) -> Mapping[str, int]:
        """Count the jobs that ended since a time, by outcome."""
        final = tuple(state.value for state in JobState if state.is_final)
        jobs = self.state.jobs.list(states=final, limit=_JOBS_COUNTED)
        return Counter(job.state.value for job in jobs if (job.ended_at or 0.0) >= since)

    def _facts(self) -> DriverFacts | None:
        """Return what the driver showed last, or None when that is too old to give GPUs out on."""
        sample = self.telemetry.sample()
        limit = max(_STALE_FACTS_SECONDS, 5.0 + 2.0 * self.settings.number("telemetry.interval_seconds"))
        if time.time() - sample.sampled_at > limit:
            return None
        return self.ledger.facts(sample.gpus, sample.sampled_at)

    def _container_lives(self, name: str) -> bool | None:
        try:
            facts = self.engine.inspect(name)
        except NotFound:
            return False
        return facts.status in {"created", "running", "paused", "restarting"}

    def _bridge_address(self) -> str | None:
        return self.engine.bridge_address()

    def _prepare_run(self, spec: JobSpec, job_id: str, attempt_id: str) -> RunTicket:
        if spec.mlflow is None:
            raise AssertionError("a job without mlflow asks for no run")
        tags = {_JOB_TAG: job_id, _NAME_TAG: spec.name}
        prepared = self.registry.prepare_run(spec.mlflow.experiment, tags, attempt_id)
        return RunTicket(prepared.run_id, prepared.container_uri, prepared.token)

    def _finish_run(self, run_id: str, status: str) -> None:
        self.registry.finish_run(run_id, status)

    def _endpoint(self, name: str) -> Endpoint:
        return self.endpoints.show(name)

    def _request_window(self, name: str, rows: int, target: Path) -> LogWindow:
        return self.endpoints.request_window(name, rows, target)

    def _reference_file(self, endpoint: Endpoint) -> Path:
        where = endpoint.model.registry
        parts = ReferenceParts(
            dataset=lambda run_id: self.registry.reference_dataset(run_id, where),
            job_of_run=self.jobs.find_by_run,
            download=lambda uri, target: self.registry.download_artifact(uri, "", target, where),
        )
        return reference_file(endpoint, self.folder.endpoints / endpoint.name / "reference", parts)

    def _kinds(self, endpoint: Endpoint) -> Mapping[str, str]:
        return self.endpoints.kinds(endpoint.name)

    def _job_of_origin(self, origin: str) -> Job | None:
        return next(iter(self.state.jobs.list(parent=origin, limit=1)), None)

    # -- about the agent ---------------------------------------------------------------------

    def _about(self) -> AgentInfo:
        return self.agent.about()

    def _shut_down(self) -> None:
        self.on_shutdown()

    def _cost(self) -> AgentCost:
        return self.telemetry.cost()

    def _sampling(self) -> tuple[str, str | None]:
        trouble = self.telemetry.trouble()
        return ("stale" if trouble else "ok"), trouble or self.telemetry.paused()

    def _checks(self) -> list[Check]:
        server = self.services["models"].server
        more = {"metrics endpoint": self.exporter.check, "gpu leases": self.leasing.check, **self.upkeep.checks()}
        telemetry = self.telemetry
        return doctor.examine(
            self.folder.root, self.engine, telemetry.status, server, self.loop, more, telemetry.paused
        )

    def _end_outliving(self) -> None:
        self.endpoints.end_gateway()
        self.registry.stop_server()
