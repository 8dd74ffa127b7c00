"""Builds the services and wires them: features meet here, by plain arguments, and nowhere else."""

import logging
from collections.abc import Callable, Mapping
from functools import partial

from mlops_desk.alerts.service import AlertsService
from mlops_desk.base.bus import Bus
from mlops_desk.base.disk.paths import DataFolder
from mlops_desk.base.errors import DeskError
from mlops_desk.base.loop import Loop
from mlops_desk.base.settings import SettingsStore
from mlops_desk.desk import doctor, model_wiring
from mlops_desk.desk.agent import AgentParts, AgentService
from mlops_desk.desk.audit import AuditHeads, AuditTrail
from mlops_desk.desk.container_names import ContainerNames
from mlops_desk.desk.drift.wiring import DriftDesk, DriftParts
from mlops_desk.desk.engines.image_wiring import image_needs, images_service, wanted_images
from mlops_desk.desk.engines.service import EnginesService
from mlops_desk.desk.engines.wiring import EngineWiring
from mlops_desk.desk.fault_file import KeptFaults
from mlops_desk.desk.governance.wiring import governance, governing
from mlops_desk.desk.gpu_desk import GpuDesk, GpuDeskParts
from mlops_desk.desk.gpu_hours import JOBS_COUNTED, HoursParts, gpu_hours
from mlops_desk.desk.gpu_loss import GpuLoss
from mlops_desk.desk.haste import Haste
from mlops_desk.desk.ledger_watch import Leasing
from mlops_desk.desk.lifecycle import Lifecycle, Part, Service
from mlops_desk.desk.machine_wiring import ContainerWord, MachineWiring, container_lives
from mlops_desk.desk.model_wiring import ModelWiring, finish_run, outside, prepare_run, run_metrics, snapshots, staging
from mlops_desk.desk.network.checks import network_checks
from mlops_desk.desk.network.entrance import entrance_checks
from mlops_desk.desk.network.judging import judge_in_time
from mlops_desk.desk.network.wiring import build_arguments, private_images
from mlops_desk.desk.registry.standing import lineage_house
from mlops_desk.desk.registry.wiring import open_trackers, registry_core, registry_service
from mlops_desk.desk.rules.built_in import ShelvedAlertRules, open_shelf
from mlops_desk.desk.rules.desk import rules_desk
from mlops_desk.desk.rules.past import RULE_METRICS
from mlops_desk.desk.secrets import SecretsService, secret_store
from mlops_desk.desk.settings import SettingsService
from mlops_desk.desk.upkeep import Upkeep
from mlops_desk.drift.monitors.service import MonitorService
from mlops_desk.drift.service import DriftService
from mlops_desk.engines.docker.address import choose_address
from mlops_desk.engines.engine import Engine
from mlops_desk.engines.proven import Proofs
from mlops_desk.engines.table import EngineTable, is_here
from mlops_desk.events.service import EventsService
from mlops_desk.images.service import ImagesService
from mlops_desk.images.users import ImageNeed
from mlops_desk.jobs.bare import BareService
from mlops_desk.jobs.queue.rules import rules_of
from mlops_desk.jobs.service import JobsService
from mlops_desk.jobs.staging.disk import CHECK, disk_check
from mlops_desk.leases.container_devices import may_open_gpus
from mlops_desk.leases.folders import LeaseFolders
from mlops_desk.leases.grounds import LeaseOwner
from mlops_desk.leases.ledger import LeaseLedger
from mlops_desk.leases.letters.booking_desk import BookingDesk, open_bookings
from mlops_desk.leases.letters.notes import NotePaper
from mlops_desk.leases.letters.papers import Papers
from mlops_desk.leases.letters.waiting_desk import WaitingDesk
from mlops_desk.records.agent import Check
from mlops_desk.records.jobs.job import LOCAL_RUNTIME
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.jobs.waiter import KeptFor
from mlops_desk.registry.keeping import RegistryService
from mlops_desk.registry.models import ModelsService
from mlops_desk.registry.runs import RunsService
from mlops_desk.registry.service import RegistryCore
from mlops_desk.rules.service import RulesService
from mlops_desk.runtimes.bare.runtime import BareRuntime
from mlops_desk.runtimes.local.leases import ForeignGpus, LedgerGpus, UnclaimedGpus
from mlops_desk.runtimes.table import Runtimes
from mlops_desk.serving.service import EndpointsService
from mlops_desk.storage.secrets import SecretStore
from mlops_desk.storage.state import State
from mlops_desk.telemetry.prometheus.exporter import Exporter
from mlops_desk.telemetry.service import TelemetryService
from mlops_desk.verbs.access.permission import Permission
from mlops_desk.verbs.access.policy import AccessPolicy, SingleUser
from mlops_desk.verbs.desk import PROTOCOLS, DeskVerbs

_log = logging.getLogger(__name__)
_TELEMETRY_STOP_SECONDS = 1.2  # the collector is given a second to end by itself, then the history is written


class Desk(DeskVerbs):
    """All services of one data folder. ``on_shutdown`` is called when a verb asks the agent to end."""

    agent: AgentService
    telemetry: TelemetryService
    gpus: GpuDesk
    events: EventsService
    alerts: AlertsService
    jobs: JobsService
    bare: BareService
    models: ModelsService
    runs: RunsService
    registry: RegistryService
    endpoints: EndpointsService
    engines: EnginesService
    images: ImagesService
    secrets: SecretsService
    drift: DriftService
    monitors: MonitorService
    rules: RulesService
    settings: SettingsService

    on_shutdown: Callable[[], None]
    simulated = False
    simulated_user: str | None = None
    drift_kind = DriftDesk

    def __init__(self, folder: DataFolder, loop: Loop) -> None:
        self.folder = folder
        self.loop = loop
        self.bus = Bus()
        self.store = SettingsStore(folder.settings)
        self.state = State(folder.state_database)
        self.upkeep = Upkeep(folder, self.state, self.store, self.bus.publish, simulated=self.simulated)
        self.state.jobs.make_room = self.state.endpoints.make_room = self.upkeep.make_room
        self.audit = AuditTrail(self.state.audit, self.bus.publish)
        self.audit_heads = AuditHeads(folder, self.state, simulated=self.simulated)
        self.on_shutdown = loop.ending.set
        self.policy: AccessPolicy = SingleUser()
        self.engine_table = EngineTable(
            partial(self.store.text, "engine.host"), partial(self.store.text, "engine.others")
        )
        self.proofs = Proofs(folder.engine_proofs)
        private = private_images(folder, simulated=self.simulated)
        self.engine_wiring = EngineWiring(self.engine_table, self.proofs, self.audit.put, private)
        self.engine = self._engine()
        self.engines = self._engines()
        self.other_engines = self._other_engines()
        self.lease_folders = self._lease_folders()
        self.bookings = self._bookings()
        self.ledger = self._ledger()
        self.faults = KeptFaults(folder.root / "gpu_faults.json")
        interval = partial(self.store.number, "telemetry.interval_seconds")
        self.leasing = Leasing(self.ledger, folder.instance, interval, self.faults.now, self._kept)
        self._watch_machine()
        keyring = secret_store(folder, self.store, simulated=self.simulated)
        self._keep_models(keyring)
        self.secrets = SecretsService(keyring)
        self.settings = SettingsService(self.store, self.bus, judge_in_time(loop, folder.root), self.trackers.is_kept)
        self.agent = self._agent()
        self.services = {name: getattr(self, name) for name in PROTOCOLS}
        self.permission = Permission(self.services, self.policy)
        self._lifecycle = Lifecycle(self._parts(), loop)

    def start(self) -> None:
        """Begin to work: what listens first, then sampling, then what was under way when the last agent ended."""
        self._lifecycle.start()

    def stop(self) -> None:
        """Stop working. Containers, gateway and tracking server go on; the next agent takes them up."""
        self._lifecycle.stop()

    def _parts(self) -> list[Service]:
        """Return what begins and ends with the agent, in the order in which it begins."""
        return [
            Part("the engine", stop=self.engine_table.close),
            Part("the state", stop=self.state.close),
            Part("heads of the audit", lambda: self.audit_heads.start(self.loop), self.audit_heads.stop),
            Part("the audit trail", stop=self.audit.flush),
            Part("events", self.events.start, self.events.stop),
            Part("what was under way", self.audit.take_up),
            Part("broken GPUs", self.faults.load, self.faults.keep),
            Part("upkeep", lambda: self.upkeep.start(self.loop)),
            Part("memory", self._keep_memory),
            Part("alerts", self.alerts.start, self.alerts.stop),
            Part("telemetry", self.telemetry.start, self.telemetry.stop, _TELEMETRY_STOP_SECONDS),
            Part("tickets", lambda: self.registry_core.admit_earlier(self.jobs.logging())),
            Part("registry", self.registry_core.start, self.registry_core.stop),
            Part("images", self.images.start),
            Part("jobs", self.jobs.start, self.jobs.stop),
            Part("bare processes", lambda: self.bare.start(self.loop)),
            Part("endpoints", self.endpoints.start, self.endpoints.close),
            Part("drift", self.drift_desk.start, self.drift_desk.stop),
            Part("rules", self.rules_desk.start, self.rules_desk.stop),
            Part("governance", lambda: self.governing.start(self.loop)),
            Part("how long data are kept", self.keeping.start),
            Part("the exporter", self.exporter.start, self.exporter.stop),
        ]

    def _keep_memory(self) -> None:
        """Look after what others have left in memory; an engine that is made up knows of nobody's containers."""
        if not self.simulated:
            engines = {LOCAL_RUNTIME: self.engine, **self.other_engines}
            self.engine_wiring.keep_memory(self.folder.instance, engines, self.loop)

    def _watch_machine(self) -> None:
        """Make what knows of the machine and of what happens on it."""
        container_name, container_job = self._container_names()
        self.telemetry = self._telemetry(container_name, container_job)
        self.machine = MachineWiring(
            self.telemetry, self.leasing, self.state, container_name, container_job, self.faults
        )
        self.gpus = self._gpus()
        self.events = self._events()
        self.alerts = self._alerts()
        self.exporter = Exporter(
            self.folder.root / "metrics.token", self.store, self.bus, self.loop, self.telemetry.status
        )
        self.machine.join(self.events, self.alerts, self.exporter)
        self.haste = Haste(self.loop, self.telemetry.hurry, self.machine.drains, lambda: self.jobs.wake())  # noqa: PLW0108 - jobs are made later
        self.telemetry.listen(lambda *_: self.haste.sampled())
        for work in (self.audit.flush, self.gpus.turn, self.faults.keep):
            self.telemetry.at_turn(work)

    def _keep_models(self, keyring: SecretStore) -> None:
        """Make what trains, keeps, serves and watches models."""
        self.registry_core = self._registry()
        self.models, self.runs = ModelsService(self.registry_core), RunsService(self.registry_core)
        self.trackers = open_trackers(self.state, keyring, self.registry_core, self.store)
        self.registry = registry_service(self.trackers, self.registry_core, self.state, self.loop, self.rule_shelf.get)
        self.processes = self._processes()
        self.snapshots, self.shelf = snapshots(self.folder, self.store), staging(self.folder, self.store)
        self.images = self._images()
        self.jobs = self._jobs()
        self.bare = BareService(self.jobs, self.processes, self.bus)
        self.endpoints = self._endpoints()
        wiring = self._model_wiring()
        wiring.join(self.registry_core)
        self._watch_drift(wiring, keyring)
        self.governing = governing(self, lambda: self.policy)
        self.policies = self.governing.policies
        self.rules_desk = rules_desk(self, wiring, keyring)
        self.rules, self.pipelines, self.approvals, self.ci = self.rules_desk.services
        governed = governance(self.folder, self, self.approvals, keyring)
        self.cards, self.evidence, self.labels, self.data, self.keeping = governed
        self.registry_core.lineage.outside = lineage_house(self, self.state)

    # -- the parts ---------------------------------------------------------------------------

    def _engine(self) -> Engine:
        """Return this machine's own engine."""
        return self.engine_table.open(LOCAL_RUNTIME)

    def _other_engines(self) -> Mapping[str, Engine]:
        """Return the further engines that the settings name."""
        return {name: self.engine_table.open(name) for name in self.engine_table.names if name != LOCAL_RUNTIME}

    def _images(self) -> ImagesService:
        engines, table = {LOCAL_RUNTIME: self.engine, **self.other_engines}, self.engine_table
        private, needs = self.engine_wiring.private, self._image_needs
        folder, out = self.folder, partial(build_arguments, self.store)
        shared, wanted = self.lease_folders, self._wanted_images
        return images_service(
            folder, self.bus, self.loop, engines, table, self.snapshots, needs, private, out, shared, wanted
        )

    def _image_needs(self, name: str) -> list[ImageNeed]:
        return image_needs(self.state.jobs, self.endpoints, name)

    def _wanted_images(self) -> list[str]:
        return wanted_images(self.state.jobs, self.endpoints)

    def _engines(self) -> EnginesService:
        return self.engine_wiring.service(self.loop)

    def _ledger(self) -> LeaseLedger:
        owner = LeaseOwner(self.folder.instance, self._engine_address())
        others = {
            self.engine_table.address(name): partial(container_lives, one) for name, one in self.other_engines.items()
        }
        lives = partial(container_lives, self.engine)
        return LeaseLedger(owner, lives, folders=self.lease_folders, others=others, bookings=self.bookings.by_gpu)

    def _lease_folders(self) -> LeaseFolders:
        """Return the folders that the agents of all users share."""
        return LeaseFolders()

    def _bookings(self) -> BookingDesk:
        return open_bookings(self.lease_folders, self.folder.root / "bookings", self.store.number)

    def _engine_address(self) -> str:
        """Name the engine as every other agent names it, so that leases of one engine are known as such."""
        try:
            return choose_address(self.store.text("engine.host"))
        except DeskError as error:
            _log.warning("The engine's address in the settings is none: %s", error.message)
            return ""

    def _telemetry(self, container_name: ContainerWord, container_job: ContainerWord) -> TelemetryService:
        return TelemetryService(
            self.folder,
            self.bus,
            self.loop,
            self.store,
            leases=self.leasing.known,
            container_name=container_name,
            job_name=container_job,
            runs=lambda start, end: self.jobs.ran(start, end),  # noqa: PLW0108 - jobs are made later
            agent_info=lambda: self.agent.about(),  # noqa: PLW0108 - it is made after what it tells of
            simulated=self.simulated,
            recorded=model_wiring.RECORDED,
        )

    def _gpus(self) -> GpuDesk:
        return GpuDesk(self.telemetry.status, self._gpu_parts())

    def _gpu_parts(self) -> GpuDeskParts:
        return GpuDeskParts(
            LedgerGpus(self.ledger, self.machine.driver_facts).cards,
            self.bookings,
            Papers(self.lease_folders, ".note", NotePaper),
            self.faults,
            self.bus.publish,
            self.folder.root / "notes_seen.json",
            partial(gpu_hours, self._hours_parts()),
            GpuLoss(self.ledger.held, may_open_gpus, self.bus.publish, self.machine.witness, self._lost),
            self._kept,
        )

    def _kept(self) -> Mapping[str, KeptFor]:
        return self.jobs.gpus.kept()

    def _lost(self, attempt_id: str, reason: Reason) -> None:
        self.jobs.gpus.lost(attempt_id, reason)

    def _hours_parts(self) -> HoursParts:
        return HoursParts(
            lambda: self.state.jobs.list(limit=JOBS_COUNTED),
            self.telemetry.processes_in,
            lambda: [gpu.uuid for gpu in self.telemetry.status().gpus],
            self.telemetry.history,
        )

    def _events(self) -> EventsService:
        file = self.folder.root / "events.json"
        return EventsService(file, self.state.incidents, self.bus, self.loop, self.machine.event_parts())

    def _alerts(self) -> AlertsService:
        log, state, simulated = self.events.log_alert, self.state, self.simulated
        self.rule_shelf = open_shelf(state, RULE_METRICS)
        rules = ShelvedAlertRules(self.rule_shelf, state)
        return AlertsService(state.alerts, rules, self.store, self.bus, self.loop, log, simulated=simulated)

    def _container_names(self) -> tuple[ContainerWord, ContainerWord]:
        """Return what names a container, and what names the job that it belongs to, by the container's id."""
        names = ContainerNames(self.engine, self.loop, self._named_job)
        return names.name, names.job

    def _named_job(self, job_id: str) -> str | None:
        job = self.state.jobs.get(job_id)
        return None if job is None else job.name

    def _registry(self) -> RegistryCore:
        return registry_core(self.folder, self.bus, self.loop, self.store, self.state, self.engine.bridge_address)

    def _jobs(self) -> JobsService:
        model_wiring.keep_live(self.bus, self.telemetry.record)
        registry, store = self.registry_core, self.store
        ways = self.folder, self.state, self.bus, self.loop
        prepare = partial(prepare_run, registry, lambda: self.governing, self.state)
        runs = prepare, partial(finish_run, registry), registry.keep_tickets
        return JobsService(
            *ways,
            self._runtimes(),
            *runs,
            self.policy,
            partial(run_metrics, registry),
            self.snapshots,
            registry.metric_histories,
            partial(rules_of, store),
            outside(self.machine, self.telemetry, registry, store, self.alerts.take_jobs),
            WaitingDesk(self.lease_folders),
            self.shelf,
        )

    def _runtimes(self) -> Runtimes:
        """Return a runtime for each engine; the GPUs of this machine go to those that run here."""
        found = []
        for name, engine in {LOCAL_RUNTIME: self.engine, **self.other_engines}.items():
            address = None if name == LOCAL_RUNTIME else self.engine_table.address(name)
            gpus = self._ledger_gpus(address) if address is None or is_here(address) else ForeignGpus(name)
            brought = self.shelf.mounts, self.images.supply(name)
            found.append(self.engine_wiring.runtime(name, engine, gpus, self.folder, self.store, self.loop, *brought))
        return Runtimes([*found, self.processes])

    def _processes(self) -> BareRuntime:
        """Return the runtime of processes that people start themselves."""
        seconds = partial(self.store.number, "jobs.stop_grace_seconds")
        return BareRuntime(self._ledger_gpus(None), self.folder.jobs, lambda: int(seconds()))

    def _ledger_gpus(self, engine: str | None) -> UnclaimedGpus:
        """Return this machine's GPUs for jobs on an engine here (its address; None: our own, or none)."""
        known = LedgerGpus(self.ledger, self.machine.driver_facts, engine, self.haste.released)
        return model_wiring.unclaimed(known, lambda: self.endpoints.list())  # noqa: PLW0108 - endpoints are made later

    def _endpoints(self) -> EndpointsService:
        registry, past = self.registry_core, model_wiring.endpoint_past(self.telemetry)
        gpus = LedgerGpus(self.ledger, self.machine.driver_facts, None, self.haste.released)
        return EndpointsService(
            self.folder, self.state, self.bus, self.loop, self.store, self.engine, registry.find,
            registry.download_model, past, partial(model_wiring.trained_in, self.jobs), gpus, self.jobs.give_way,
            registry.resolve, partial(model_wiring.weighed, registry),
        )  # fmt: skip

    def _model_wiring(self) -> ModelWiring:
        return ModelWiring(self.folder, self.state, self.registry_core, self.jobs, self.endpoints)

    def _watch_drift(self, wiring: ModelWiring, keyring: SecretStore) -> None:
        """Make what watches the data that models are asked with."""
        parts = DriftParts(self.folder, self.state, self.bus, self.loop, self.store, self.telemetry, self.alerts,
                           self.endpoints, self.registry_core, keyring)  # fmt: skip
        self.drift_desk = self.drift_kind(parts, wiring)
        self.drift, self.monitors = self.drift_desk.drift, self.drift_desk.monitors

    def _agent(self) -> AgentService:
        parts = AgentParts(
            cost=self.telemetry.cost,
            sampling=self.machine.sampling,
            checks=self._checks,
            end=lambda: self.on_shutdown(),  # noqa: PLW0108 - it is set after this is made
            end_outliving=self._end_outliving,
            note=self.upkeep.note, begun=self.endpoints.begun,
            engines=(LOCAL_RUNTIME, *self.other_engines),
        )  # fmt: skip
        who = self.simulated_user
        return AgentService(self.folder, self.state, self.loop, parts, simulated=self.simulated, user=who)

    # -- about the agent ---------------------------------------------------------------------

    def _checks(self) -> list[Check]:
        engines = doctor.engine_checks(self.other_engines, self.engine_table.trouble)
        gpus = self.engine_wiring.checks(self.engine, self.telemetry.status)
        more = {
            "metrics endpoint": self.exporter.check,
            "gpu leases": self.leasing.check,
            "drift windows": self.drift_desk.check,
        }
        more[CHECK] = lambda: disk_check(self.jobs.disk())
        more |= entrance_checks(self.endpoints.network)
        return doctor.examine(
            self.folder.root,
            self.engine,
            self.telemetry.status,
            self.models.server,
            self.loop,
            {**engines, **gpus, **more, **self.upkeep.checks(), **network_checks(self.store, self.engine)},
            self.telemetry.paused,
        )

    def _end_outliving(self) -> None:
        self.endpoints.end_gateway()
        self.registry_core.stop_server()
