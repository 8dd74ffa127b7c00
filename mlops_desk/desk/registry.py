"""The registry's parts, built of what the desk has: settings, the state, people's secrets, the engine's bridge.

What stands on the models of a registry: endpoints, what they see drift, the rules that retrain, and the jobs.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from mlops_desk.desk.governance_composition import governing
from mlops_desk.drift.records.monitors import MonitorStanding, MonitorState
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.base.network import network_of
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.aliases.journal import AliasJournal
from mlops_desk.registry.cleanup.plan import RegistryUsers
from mlops_desk.registry.cleanup.service import CleanUp
from mlops_desk.registry.doctor.service import StoreDoctor
from mlops_desk.registry.foreign.imports import RunImports
from mlops_desk.registry.lineage.ports import (
    KnownDrift,
    KnownEndpoint,
    KnownJob,
    KnownMonitor,
    KnownRevision,
    KnownRule,
    LineageHouse,
)
from mlops_desk.registry.mlflow.workers import ENVIRONMENT as MLFLOW_ENVIRONMENT
from mlops_desk.registry.mlflow_page import PageOpener
from mlops_desk.registry.models import ModelsService
from mlops_desk.registry.runs import RunsService
from mlops_desk.registry.service import RegistryCore
from mlops_desk.registry.trackers.connection_settings import RegistryWays
from mlops_desk.registry.trackers.migration import FolderMigration
from mlops_desk.registry.trackers.trackers import OwnStore, Trackers
from mlops_desk.registry.trackers_service import RegistryService
from mlops_desk.registry.transfer.hash_recorder import RECORD_SECONDS, HashRecorder
from mlops_desk.registry.transfer.service import VersionTransfer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mlops_desk.automation.records.retraining_rule import Retraining, Rule
    from mlops_desk.automation.rules.service import RulesService
    from mlops_desk.automation.rules.storage.rule_repository import RuleShelf
    from mlops_desk.desk.audit import AuditTrail
    from mlops_desk.desk.model_composition import ModelWiring
    from mlops_desk.drift.monitors.service import MonitorService
    from mlops_desk.drift.service import DriftService
    from mlops_desk.governance.cards.service import CardsService
    from mlops_desk.jobs.service import JobsService
    from mlops_desk.kit.base.bus import Bus
    from mlops_desk.kit.base.disk.paths import DataFolder
    from mlops_desk.kit.base.loop import Loop
    from mlops_desk.kit.base.settings import SettingsStore
    from mlops_desk.kit.storage.secrets import SecretStore
    from mlops_desk.kit.storage.state import State
    from mlops_desk.kit.verbs.access import AccessPolicy
    from mlops_desk.serving.records.endpoint import Endpoint
    from mlops_desk.serving.service import EndpointsService

_MOST_RETRAININGS = 1000  # chosen: years of them
_SENTENCE = 200  # chosen: what a tip of a node has room for


class LineageServices(Protocol):
    """The services that lineage asks."""

    endpoints: EndpointsService
    drift: DriftService
    monitors: MonitorService
    rules: RulesService


def lineage_house(house: LineageServices, state: State) -> LineageHouse:
    """Return how lineage asks the rest of the house."""
    endpoints, drift, monitors, rules = house.endpoints, house.drift, house.monitors, house.rules

    def known_endpoints() -> Sequence[KnownEndpoint]:
        return [
            KnownEndpoint(
                one.name, one.state.value, one.model.name, one.model.version, one.model.registry, _revisions(one)
            )
            for one in endpoints.list()
        ]

    def known_monitors() -> Sequence[KnownMonitor]:
        return [
            KnownMonitor(
                one.monitor.name,
                one.state.value,
                one.monitor.endpoint,
                one.monitor.model,
                plain(one.sentence, _SENTENCE),
            )
            for one in monitors.list()
        ]

    def known_drift(names: Sequence[str]) -> Sequence[KnownDrift]:
        newest = {name: drift.page(name, limit=1).items for name in names}
        standings = monitors.list()
        return [
            KnownDrift(
                report.id,
                name,
                verdict_of([one for one in standings if one.monitor.endpoint == name], report.verdict).value,
                f"{report.n_drifted} of {report.n_columns} columns",
            )
            for name, reports in newest.items()
            for report in reports
        ]

    def known_rules() -> Sequence[KnownRule]:
        started: dict[str, list[str]] = {}
        for retraining in rules.retrainings(limit=_MOST_RETRAININGS):
            if retraining.job_id is not None:
                started.setdefault(retraining.rule, []).append(retraining.job_id)
        there = [
            KnownRule(one.name, one.model, one.alias, one.endpoint, one.enabled, tuple(started.get(one.name, ())))
            for one in rules.shelf.list()
        ]
        gone = [name for name in started if rules.shelf.find(name) is None]
        return there + [KnownRule(name, "", "", None, False, tuple(started[name]), is_removed=True) for name in gone]

    def known_jobs(ids: Sequence[str]) -> Mapping[str, KnownJob]:
        found = {job_id: state.jobs.get(job_id) for job_id in ids}
        return {key: KnownJob(job.name, job.state.value) for key, job in found.items() if job is not None}

    return LineageHouse(known_endpoints, known_drift, known_rules, known_jobs, known_monitors)


def _revisions(endpoint: Endpoint) -> list[KnownRevision]:
    """Return an endpoint's revisions, oldest first: those of the registry where its model of today is."""
    return [
        KnownRevision(one.revision, one.model.name, one.model.version, one.state.value, one.traffic, one.created)
        for one in sorted(endpoint.revisions, key=lambda one: one.revision)
        if one.model.registry == endpoint.model.registry
    ]


def verdict_of(standings: Sequence[MonitorStanding], newest: Verdict) -> Verdict:
    """Return how an endpoint's data stand: as its monitors say, for one window alone may be chance.

    ``newest`` is the verdict of its newest report, which counts where no monitor can tell.
    """
    turned = [one.verdict for one in standings if one.state is MonitorState.TURNED and one.verdict is not None]
    if turned:
        return Verdict.CRITICAL if Verdict.CRITICAL in turned else Verdict.DRIFT
    fine = [one.verdict for one in standings if one.state is MonitorState.FINE]
    if not fine:
        return newest
    return Verdict.OK if all(verdict is Verdict.OK for verdict in fine) else Verdict.WARNING


# What this desk needs of a registry: versions that endpoints serve, runs of jobs, what a retraining compares.
def users_of(
    is_meant: Callable[[str | None], bool],
    endpoints: Iterable[Endpoint],
    jobs: Iterable[Job],
    retrainings: Iterable[Retraining],
    rule: Callable[[str], Rule | None],
) -> RegistryUsers:
    """Return what is needed of the registry that ``is_meant`` by an address (None: the desk's own), and by what."""
    runs: dict[str, str] = {}
    versions: dict[str, str] = {}
    for endpoint in endpoints:
        model = endpoint.model
        if is_meant(model.registry):
            versions[f"{model.name}/{model.version}"] = f"endpoint {endpoint.name} serves it"
            if model.run_id is not None:
                runs[model.run_id] = f"endpoint {endpoint.name} serves its model"
    if not is_meant(None):
        return RegistryUsers(runs, versions)  # jobs and rules know the desk's own alone
    for job in jobs:
        if job.mlflow_run_id is not None and not job.state.is_final:
            runs[job.mlflow_run_id] = f"job {job.name} logs to it"
    for retraining in retrainings:
        made_by = rule(retraining.rule) if retraining.state.is_underway else None
        for version in (retraining.champion_version, retraining.challenger_version):
            if made_by is not None and version is not None:
                versions[f"{made_by.model}/{version}"] = f"rule {retraining.rule} compares it"
    return RegistryUsers(runs, versions)


def registry_core(
    folder: DataFolder,
    bus: Bus,
    loop: Loop,
    store: SettingsStore,
    state: State,
    bridge_address: Callable[[], str | None],
) -> RegistryCore:
    """Return what models and runs share."""
    default, mebibytes = partial(store.text, "registry.uri"), partial(store.number, "jobs.artifact_mebibytes")
    logged = partial(store.number, "jobs.logged_mebibytes")
    journal = AliasJournal(state.alias_moves, state.alias_sights)
    return RegistryCore(
        folder, bus, loop, bridge_address, default, lambda: int(mebibytes()) << 20, journal,
        lambda: int(logged()) << 20,
    )  # fmt: skip


def open_trackers(state: State, keyring: SecretStore, core: RegistryCore, store: SettingsStore) -> Trackers:
    """Return the list of registries, of which the desk's own is the first."""

    def proxy_login() -> bytes | None:
        name = network_of(store).proxy_login
        try:
            return keyring.value(current_caller().uid, name) if name else None
        except NotFound:
            return None  # a person without one goes without, and the proxy says what it thinks of it

    core.registries.way = RegistryWays(partial(network_of, store), core.server.ledger.scratch, proxy_login).to
    own = OwnStore(core.server.ledger.store, lambda: core.server.look().uri)
    trackers = Trackers(state.trackers, keyring, own, core.default)
    core.registries.kept = trackers.source
    core.registries.kept_uri = trackers.uri_of
    trackers.reached = core.registries.reached
    trackers.tell_changed = core.tell_list
    return trackers


def registry_service(
    trackers: Trackers, core: RegistryCore, state: State, loop: Loop, rule: Callable[[str], Rule | None]
) -> RegistryService:
    """Return what looks after registries as such; ``rule`` finds a rule that retrains by its name."""

    def users(uri: str | None) -> RegistryUsers:
        under_way = tuple(one for one in JobState if not one.is_final)
        jobs = state.jobs.list(states=under_way)
        return users_of(partial(core.is_same, uri), state.endpoints.list(), jobs, state.retrainings.list(), rule)

    imports = RunImports(trackers.source, core.registries, MLFLOW_ENVIRONMENT)
    transfer = VersionTransfer(core, state.hashes, loop.ending)
    recorder = HashRecorder(transfer, core.server.ledger.store)
    core.at_start.append(lambda: loop.repeat("registry-hashes", RECORD_SECONDS, recorder.turn))
    pages = PageOpener(core.server, core.run)
    doctor, cleaning = StoreDoctor(loop.ending), CleanUp(users, loop.ending)
    migration = FolderMigration(trackers.source, trackers.moved, MLFLOW_ENVIRONMENT)
    return RegistryService(trackers, pages, core, doctor, cleaning, imports, transfer, migration)


class RegistryHouse(LineageServices, Protocol):
    """What the house has made before, or makes when it is asked."""

    state: State
    store: SettingsStore
    bus: Bus
    loop: Loop
    jobs: JobsService
    audit: AuditTrail
    cards: CardsService
    rule_shelf: RuleShelf
    wiring: ModelWiring
    policy: AccessPolicy

    def known_endpoints(self) -> Sequence[Endpoint]: ...


class RegistryDesk:
    """The registries, what people ask of them, and the gate of approvals: made together, so that no alias passes it."""

    def __init__(self, core: RegistryCore, house: RegistryHouse, keyring: SecretStore) -> None:
        self.core, self._loop, self._jobs = core, house.loop, house.jobs
        self.models, self.runs = ModelsService(core), RunsService(core)
        self.trackers = open_trackers(house.state, keyring, core, house.store)
        self.service = registry_service(self.trackers, core, house.state, house.loop, house.rule_shelf.get)
        house.wiring.join(core, house.known_endpoints)
        self.governing = governing(core, house, lambda: house.policy)
        self.governing.join(house.cards)
        core.lineage.outside = lineage_house(house, house.state)

    def start(self) -> None:
        """Watch registries, and what is to be approved; attempts of before go on logging to their runs."""
        self.core.admit_earlier(self._jobs.logging())
        self.core.start()
        self.governing.start(self._loop)

    def close(self) -> None:
        """Stop watching; the tracking server goes on."""
        self.core.stop()
