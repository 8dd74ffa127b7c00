"""The registry's parts, built of what the desk has: settings, the state, people's secrets, the engine's bridge."""

from collections.abc import Callable
from functools import partial

from mlops_desk.base.bus import Bus
from mlops_desk.base.caller import current_caller
from mlops_desk.base.disk.paths import DataFolder
from mlops_desk.base.errors import NotFound
from mlops_desk.base.loop import Loop
from mlops_desk.base.network.rules import network_of
from mlops_desk.base.settings import SettingsStore
from mlops_desk.desk.registry.users import users_of
from mlops_desk.records.jobs.job import JobState
from mlops_desk.records.rule import Rule
from mlops_desk.registry.aliases.journal import AliasJournal
from mlops_desk.registry.cleanup.planning import RegistryUsers
from mlops_desk.registry.cleanup.service import CleanUp
from mlops_desk.registry.doctor.service import StoreDoctor
from mlops_desk.registry.foreign.imports import RunImports
from mlops_desk.registry.keeping import RegistryService
from mlops_desk.registry.mlflow.workers import ENVIRONMENT as MLFLOW_ENVIRONMENT
from mlops_desk.registry.service import RegistryCore
from mlops_desk.registry.trackers.migration import FolderMigration
from mlops_desk.registry.trackers.trackers import OwnStore, Trackers
from mlops_desk.registry.trackers.ways import RegistryWays
from mlops_desk.registry.transfer.recording import RECORD_SECONDS, HashRecorder
from mlops_desk.registry.transfer.service import VersionTransfer
from mlops_desk.registry.visiting import PageOpener
from mlops_desk.storage.secrets import SecretStore
from mlops_desk.storage.state import State


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
