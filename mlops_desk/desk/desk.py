"""Builds the services and wires them: features meet here, by plain arguments, and nowhere else.

What needs models is on demand (``lifecycle.OnDemand``): an agent that has none samples and runs jobs, and has neither
registry, endpoints, drift, rules nor governance loaded. What makes one of these imports it.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from mlops_desk.automation.built_in_rules import ShelvedAlertRules, open_shelf
from mlops_desk.desk import doctor, model_composition
from mlops_desk.desk.agent import AgentParts, AgentService
from mlops_desk.desk.audit import AuditHeads, AuditTrail
from mlops_desk.desk.automation.fact_history import RULE_METRICS
from mlops_desk.desk.container_names import ContainerNames
from mlops_desk.desk.engines.composition import EngineWiring
from mlops_desk.desk.engines.image_composition import image_needs, images_service, wanted_images
from mlops_desk.desk.fault_file import KeptFaults
from mlops_desk.desk.lifecycle import Lifecycle, OnDemand, Part, Service, has_files, stand_in
from mlops_desk.desk.machine_composition import ContainerWord, MachineWiring, container_lives, engine_address, job_name
from mlops_desk.desk.maintenance import Upkeep
from mlops_desk.desk.model_composition import ModelWiring
from mlops_desk.desk.network.checks import network_checks
from mlops_desk.desk.network.composition import build_arguments, private_images
from mlops_desk.desk.network.listener_check import entrance_checks
from mlops_desk.desk.network.validation import judge_in_time
from mlops_desk.desk.secrets import SecretsService, secret_store
from mlops_desk.desk.settings import SettingsService
from mlops_desk.engines.gpu_verification import Proofs
from mlops_desk.engines.table import EngineTable, is_here
from mlops_desk.gpus.gpu_release_poll import Haste
from mlops_desk.gpus.gpu_service import GpuDesk, GpuDeskParts
from mlops_desk.gpus.leases.context import LeaseOwner
from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.ledger import LeaseLedger
from mlops_desk.gpus.leases.shared_mailbox.booking_service import open_bookings
from mlops_desk.gpus.leases.shared_mailbox.queue_service import WaitingDesk
from mlops_desk.gpus.ledger_watch import Leasing
from mlops_desk.jobs.bare import BareService
from mlops_desk.jobs.queue.rules import rules_of
from mlops_desk.jobs.records.job import LOCAL_RUNTIME
from mlops_desk.jobs.runtimes.bare.runtime import BareRuntime
from mlops_desk.jobs.runtimes.local.leases import ForeignGpus, LedgerGpus, UnclaimedGpus
from mlops_desk.jobs.runtimes.table import Runtimes
from mlops_desk.jobs.service import JobsService
from mlops_desk.jobs.staging.disk import CHECK, disk_check
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.storage.state import State
from mlops_desk.kit.verbs.access import AccessPolicy, Permission, SingleUser
from mlops_desk.kit.verbs.desk import PROTOCOLS, DeskVerbs
from mlops_desk.machine.alerts.service import AlertsService
from mlops_desk.machine.events.service import EventsService
from mlops_desk.machine.records.event import SettingsChanged
from mlops_desk.machine.telemetry.prometheus.exporter import Exporter
from mlops_desk.machine.telemetry.service import TelemetryService
from mlops_desk.serving.network.network_listener import SETTING as LISTEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mlops_desk.automation.rules.service import RulesService
    from mlops_desk.desk.automation.composition import RulesDesk
    from mlops_desk.desk.drift_composition import DriftDesk
    from mlops_desk.desk.engines.composition import EnginesService
    from mlops_desk.desk.governance_composition import GovernanceDesk
    from mlops_desk.desk.registry import RegistryDesk
    from mlops_desk.drift.monitors.service import MonitorService
    from mlops_desk.drift.service import DriftService
    from mlops_desk.engines.engine import Engine
    from mlops_desk.engines.images.service import ImagesService
    from mlops_desk.governance.cards.service import CardsService
    from mlops_desk.jobs.records.waiter import KeptFor
    from mlops_desk.kit.base.disk.paths import DataFolder
    from mlops_desk.kit.base.loop import Loop
    from mlops_desk.kit.records.agent import Check
    from mlops_desk.registry.models import ModelsService
    from mlops_desk.registry.runs import RunsService
    from mlops_desk.registry.service import RegistryCore
    from mlops_desk.registry.trackers_service import RegistryService
    from mlops_desk.serving.records.endpoint import Endpoint
    from mlops_desk.serving.service import EndpointsService

_HOUR = 3600.0  # chosen: as often as is looked what may go
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
    cards: CardsService
    settings: SettingsService

    on_shutdown: Callable[[], None]
    simulated = False
    simulated_user: str | None = None

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
        self.bookings = open_bookings(self.lease_folders, folder.root / "bookings", self.store.number)
        self.ledger = self._ledger()
        self.faults = KeptFaults(folder.root / "gpu_faults.json")
        interval = partial(self.store.number, "telemetry.interval_seconds")
        self.leasing = Leasing(self.ledger, folder.instance, interval, self.faults.now, self._kept)
        self._watch_machine()
        self.keyring = secret_store(folder, self.store, simulated=self.simulated)
        self._keep_models()
        self.secrets = SecretsService(self.keyring)
        self.settings = SettingsService(self.store, self.bus, judge_in_time(loop, folder.root), self._is_registry)
        self.agent = self._agent()
        self.services = {name: getattr(self, name) for name in PROTOCOLS}
        self.permission = Permission(self.services, self.policy)
        for one in self._on_demand:
            one.make_if_needed()
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
            self._registries,
            Part("images", self.images.start),
            Part("jobs", self.jobs.start, self.jobs.stop),
            Part("bare processes", lambda: self.bare.start(self.loop)),
            *self._on_demand[1:],
            Part("lists of data", lambda: self.loop.repeat("data-lists", _HOUR, self._governance_desk.make_if_needed)),
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
        file, parts = self.folder.root / "events.json", self.machine.event_parts()
        self.events = EventsService(file, self.state.incidents, self.bus, self.loop, parts)
        self.alerts = self._alerts()
        self.exporter = Exporter(
            self.folder.root / "metrics.token", self.store, self.bus, self.loop, self.telemetry.status
        )
        self.machine.join(self.events, self.alerts, self.exporter)
        self.haste = Haste(self.loop, self.telemetry.hurry, self.machine.drains, lambda: self.jobs.wake())  # noqa: PLW0108 - jobs are made later
        self.telemetry.listen(lambda *_: self.haste.sampled())
        for work in (self.audit.flush, self.gpus.turn, self.faults.keep):
            self.telemetry.at_turn(work)

    def _keep_models(self) -> None:
        """Make what trains, keeps, serves and watches models, or what stands for it until it is asked."""
        self._offer_models()
        seconds = partial(self.store.number, "jobs.stop_grace_seconds")
        self.processes = BareRuntime(self._ledger_gpus(None), self.folder.jobs, lambda: int(seconds()))
        self.snapshots = model_composition.snapshots(self.folder, self.store)
        self.shelf = model_composition.staging(self.folder, self.store)
        self.images = self._images()
        self.jobs = self._jobs()
        self.bare = BareService(self.jobs, self.processes, self.bus)

    def _offer_models(self) -> None:
        """Have what needs models made when it is asked for something, or where the data folder has something of it."""
        state, folder, loaded = self.state, self.folder, partial(bool, self.simulated)
        approvals = state.approval_policies.count, state.promotions.count, state.cards.count
        ruled = (
            state.written_rules, state.rules, state.firings, state.retrainings, state.pipelines, state.curves,
            state.ci_runs, state.promotions,
        )  # fmt: skip
        logs, lists, own = (partial(has_files, one) for one in (folder.endpoints, folder.pipelines, folder.registry))
        listen = partial(self.store.text, LISTEN)
        self._registries = OnDemand("registry", self._registry_desk, loaded, own, *approvals)
        self._served = OnDemand("endpoints", self._kept_endpoints, loaded, logs, state.endpoints.count, listen)
        self._drift = OnDemand("drift", self._drift_desk, loaded, state.monitors.count, state.drift_windows.count)
        self._ruled = OnDemand("rules", self._rules_desk, loaded, *(table.count for table in ruled))
        self._governance_desk = OnDemand("governance", self._governance, loaded, logs, lists)
        self._on_demand = self._registries, self._served, self._drift, self._ruled, self._governance_desk
        self.bus.subscribe(SettingsChanged, lambda _event: self._served.make_if_needed())
        registry, governed = self._registries.service, self._governance_desk.service
        self.registry_core, self.governing = stand_in(lambda: registry.core), stand_in(lambda: registry.governing)
        self.models, self.runs = stand_in(lambda: registry.models), stand_in(lambda: registry.runs)
        self.registry, self.policies = stand_in(lambda: registry.service), stand_in(lambda: self.governing.policies)
        self.wiring, self.endpoints = stand_in(cache(self._model_wiring)), self._served.service
        self.drift_desk = drift = self._drift.service
        self.drift, self.monitors = stand_in(lambda: drift.drift), stand_in(lambda: drift.monitors)
        self.rules_desk = rules = self._ruled.service
        self.rules, self.pipelines = stand_in(lambda: rules.rules), stand_in(lambda: rules.pipelines)
        self.approvals, self.ci = stand_in(lambda: rules.approvals), stand_in(lambda: rules.ci)
        self.cards, self.evidence = stand_in(lambda: governed.cards), stand_in(lambda: governed.evidence)
        self.labels, self.data = stand_in(lambda: governed.labels), stand_in(lambda: governed.data)

    # -- the parts ---------------------------------------------------------------------------

    def _engine(self) -> Engine:
        """Return this machine's own engine."""
        return self.engine_table.open(LOCAL_RUNTIME)

    def _other_engines(self) -> Mapping[str, Engine]:
        """Return the further engines that the settings name."""
        return {name: self.engine_table.open(name) for name in self.engine_table.names if name != LOCAL_RUNTIME}

    def _images(self) -> ImagesService:
        engines, table = {LOCAL_RUNTIME: self.engine, **self.other_engines}, self.engine_table
        private, needs = self.engine_wiring.private, partial(image_needs, self.state.jobs, self._known)
        folder, out = self.folder, partial(build_arguments, self.store)
        shared, wanted = self.lease_folders, partial(wanted_images, self.state.jobs, self._known)
        return images_service(
            folder, self.bus, self.loop, engines, table, self.snapshots, needs, private, out, shared, wanted
        )

    def _engines(self) -> EnginesService:
        return self.engine_wiring.service(self.loop)

    def _ledger(self) -> LeaseLedger:
        owner = LeaseOwner(self.folder.instance, engine_address(self.store))
        others = {
            self.engine_table.address(name): partial(container_lives, one) for name, one in self.other_engines.items()
        }
        lives = partial(container_lives, self.engine)
        return LeaseLedger(owner, lives, folders=self.lease_folders, others=others, bookings=self.bookings.by_gpu)

    def _lease_folders(self) -> LeaseFolders:
        """Return the folders that the agents of all users share."""
        return LeaseFolders()

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
            recorded=model_composition.RECORDED,
        )

    def _gpus(self) -> GpuDesk:
        return GpuDesk(self.telemetry.status, self._gpu_parts())

    def _gpu_parts(self) -> GpuDeskParts:
        seen, publish = self.folder.root / "notes_seen.json", self.bus.publish
        return self.machine.gpu_parts(self.ledger, self.bookings, self.lease_folders, publish, seen, lambda: self.jobs)

    def _kept(self) -> Mapping[str, KeptFor]:
        return self.jobs.gpus.kept()

    def _alerts(self) -> AlertsService:
        log, state, simulated = self.events.log_alert, self.state, self.simulated
        self.rule_shelf = open_shelf(state, RULE_METRICS)
        rules = ShelvedAlertRules(self.rule_shelf, state)
        return AlertsService(state.alerts, rules, self.store, self.bus, self.loop, log, simulated=simulated)

    def _container_names(self) -> tuple[ContainerWord, ContainerWord]:
        """Return what names a container, and what names the job that it belongs to, by the container's id."""
        names = ContainerNames(self.engine, self.loop, partial(job_name, self.state))
        return names.name, names.job

    def _is_registry(self, name: str) -> bool:
        return self._registries.get().trackers.is_kept(name)

    def _registry_desk(self) -> RegistryDesk:
        from mlops_desk.desk.registry import RegistryDesk  # noqa: PLC0415 - on demand

        return RegistryDesk(self._registry(), self, self.keyring)

    def _registry(self) -> RegistryCore:
        from mlops_desk.desk.registry import registry_core  # noqa: PLC0415 - on demand

        return registry_core(self.folder, self.bus, self.loop, self.store, self.state, self.engine.bridge_address)

    def _jobs(self) -> JobsService:
        model_composition.keep_live(self.bus, self.telemetry.record)
        registry, store = self.registry_core, self.store
        prepare = partial(model_composition.prepare_run, registry, lambda: self.governing, self.state)
        runs = prepare, partial(model_composition.finish_run, registry), self._keep_tickets
        run_metrics = partial(model_composition.run_metrics, registry)
        return JobsService(
            self.folder, self.state, self.bus, self.loop, self._runtimes(), *runs, self.policy, run_metrics,
            self.snapshots,
            lambda *asked: registry.metric_histories(*asked),  # noqa: PLW0108 - made when it is asked
            partial(rules_of, store),
            model_composition.outside(self.machine, self.telemetry, registry, store, self.alerts.take_jobs),
            WaitingDesk(self.lease_folders), self.shelf,
        )  # fmt: skip

    def _keep_tickets(self, is_current: Callable[[str], bool]) -> None:
        """Make void the tokens of attempts that are over; where there is no registry nobody has one."""
        if self._registries.made is not None:
            self._registries.made.core.keep_tickets(is_current)

    def _runtimes(self) -> Runtimes:
        """Return a runtime for each engine; the GPUs of this machine go to those that run here."""
        found = []
        for name, engine in {LOCAL_RUNTIME: self.engine, **self.other_engines}.items():
            address = None if name == LOCAL_RUNTIME else self.engine_table.address(name)
            gpus = self._ledger_gpus(address) if address is None or is_here(address) else ForeignGpus(name)
            brought = self.shelf.mounts, self.images.supply(name)
            found.append(self.engine_wiring.runtime(name, engine, gpus, self.folder, self.store, self.loop, *brought))
        return Runtimes([*found, self.processes])

    def _ledger_gpus(self, engine: str | None) -> UnclaimedGpus:
        """Return this machine's GPUs for jobs on an engine here (its address; None: our own, or none)."""
        known = LedgerGpus(self.ledger, self.machine.driver_facts, engine, self.haste.released)
        return model_composition.unclaimed(known, self.known_endpoints)

    def _known(self) -> EndpointsService | None:
        return self._served.made

    def known_endpoints(self) -> Sequence[Endpoint]:
        """Return the endpoints there are: none before their service is made, which those of the state make."""
        return () if self._served.made is None else self._served.made.list()

    def _kept_endpoints(self) -> EndpointsService:
        """Return the endpoints, whose logs are kept and redacted as governance says."""
        made = self._endpoints()
        governed = self._governance_desk.service
        made.follow_redaction(lambda name: governed.data.columns_of(name))  # noqa: PLW0108 - made when it is asked
        made.follow_keeping(lambda name: governed.keeping.of(name))  # noqa: PLW0108 - likewise
        return made

    def _endpoints(self) -> EndpointsService:
        from mlops_desk.serving.service import EndpointsService  # noqa: PLC0415 - on demand

        registry, past = self.registry_core, model_composition.endpoint_past(self.telemetry)
        gpus = LedgerGpus(self.ledger, self.machine.driver_facts, None, self.haste.released)
        return EndpointsService(
            self.folder, self.state, self.bus, self.loop, self.store, self.engine, registry.find,
            registry.download_model, past, partial(model_composition.trained_in, self.jobs), gpus, self.jobs.give_way,
            registry.resolve, partial(model_composition.weighed, registry),
        )  # fmt: skip

    def _model_wiring(self) -> ModelWiring:
        return ModelWiring(self.folder, self.state, self.registry_core, self.jobs, self.endpoints)

    def _drift_desk(self) -> DriftDesk:
        """Return what watches the data that models are asked with."""
        from mlops_desk.desk.drift_composition import DriftDesk  # noqa: PLC0415 - on demand

        return DriftDesk(self, self.wiring)

    def _rules_desk(self) -> RulesDesk:
        from mlops_desk.desk.automation.composition import RulesDesk  # noqa: PLC0415 - on demand

        return RulesDesk(self, self.wiring)

    def _governance(self) -> GovernanceDesk:
        from mlops_desk.desk.governance_composition import GovernanceDesk  # noqa: PLC0415 - on demand

        return GovernanceDesk(self.folder, self, self.keyring)

    def _agent(self) -> AgentService:
        parts = AgentParts(
            cost=self.telemetry.cost, sampling=self.machine.sampling, checks=self._checks,
            end=lambda: self.on_shutdown(),  # noqa: PLW0108 - it is set after this is made
            end_outliving=self._end_outliving,
            note=self.upkeep.note, begun=lambda *asked: self.endpoints.begun(*asked),  # noqa: PLW0108 - made when it is asked
            engines=(LOCAL_RUNTIME, *self.other_engines),
        )  # fmt: skip
        who = self.simulated_user
        return AgentService(self.folder, self.state, self.loop, parts, simulated=self.simulated, user=who)

    # -- about the agent ---------------------------------------------------------------------

    def _checks(self) -> list[Check]:
        engines = doctor.engine_checks(self.other_engines, self.engine_table.trouble)
        gpus = self.engine_wiring.checks(self.engine, self.telemetry.status)
        more = {"metrics endpoint": self.exporter.check, "gpu leases": self.leasing.check}
        more["drift windows"] = lambda: self.drift_desk.check()  # noqa: PLW0108 - made when it is asked
        more[CHECK] = lambda: disk_check(self.jobs.disk())
        more |= {} if self._served.made is None else entrance_checks(self.endpoints.network)
        return doctor.examine(
            self.folder.root, self.engine, self.telemetry.status, lambda: self.models.server(), self.loop,  # noqa: PLW0108 - made when it is asked
            {**engines, **gpus, **more, **self.upkeep.checks(), **network_checks(self.store, self.engine)},
            self.telemetry.paused,
        )  # fmt: skip

    def _end_outliving(self) -> None:
        self.endpoints.end_gateway()
        self.registry_core.stop_server()
