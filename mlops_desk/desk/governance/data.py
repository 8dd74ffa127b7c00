"""The catalogue of data, built of what the desk has: who is asked what, how it looks, what a retention spares."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from mlops_desk.base.disk.paths import DataFolder
from mlops_desk.base.errors import NotFound, Unavailable
from mlops_desk.base.loop import Loop
from mlops_desk.base.settings import SettingsStore
from mlops_desk.base.text import plain
from mlops_desk.desk.governance.data_holds import DataHolds
from mlops_desk.desk.governance.data_known import KnowingParts, SeenRun, known_data
from mlops_desk.desk.governance.data_looks import DataLooks, LookParts
from mlops_desk.drift.monitors.service import MonitorService
from mlops_desk.governance.data.desk_files import desk_files
from mlops_desk.governance.data.keeping import SETTING, DataKeeping, KeepingHouse
from mlops_desk.governance.data.redacting import RedactionHouse
from mlops_desk.governance.data.retaining import RetentionHouse
from mlops_desk.governance.data.service import DataHouse, DataService
from mlops_desk.governance.data.sighting import KnownData
from mlops_desk.jobs.service import JobsService
from mlops_desk.records.data.retention import RetentionItem
from mlops_desk.records.drift.sources import SourceKind
from mlops_desk.records.jobs.job import JobState
from mlops_desk.records.model import DatasetInput, parted
from mlops_desk.records.pipelines.run import PipelineState
from mlops_desk.registry.mirror.protocol import WindowAsked
from mlops_desk.registry.models import ModelsService
from mlops_desk.registry.service import RegistryCore
from mlops_desk.serving.service import EndpointsService
from mlops_desk.storage.secrets import SecretStore
from mlops_desk.storage.state import State

_MOST_RUNS = 5000  # chosen: the newest; a year of ten a day, beside those of all versions
_MOST_VERSIONS = 10_000  # as many as any list gives
_MOST_PIPELINES = 500  # chosen: years of them
_FILES_SECONDS = 10.0  # chosen: what lists sets does not wait for a disk that hangs


class CatalogueHouse(Protocol):
    """What the house has made before."""

    state: State
    store: SettingsStore
    loop: Loop
    jobs: JobsService
    endpoints: EndpointsService
    monitors: MonitorService
    models: ModelsService
    registry_core: RegistryCore


def data_service(folder: DataFolder, house: CatalogueHouse, keyring: SecretStore) -> tuple[DataService, DataKeeping]:
    """Return the verbs about data, and what deletes them by age; what endpoints log goes by both from now on."""
    known = partial(known_data, _knowing(folder, house))
    datasets = partial(_datasets, house.registry_core)
    looks = DataLooks(LookParts(folder.root / "data" / "lists", datasets, keyring.value))
    files = partial(desk_files, folder.root, folder.endpoints, folder.pipelines)
    retention = RetentionHouse(folder.root, files, _holds(folder, house, known))
    endpoints = house.endpoints
    redaction = RedactionHouse(
        endpoint=endpoints.show,
        requests=lambda name, rows: endpoints.requests(name, limit=rows),
        log=endpoints.written_log,
        key=endpoints.redaction_key,
        apply=endpoints.apply_redaction,
        monitors=lambda name: _watching(house.monitors, name),
    )
    least_days = partial(house.store.number, SETTING)
    asked = DataHouse(known, looks.look, partial(_exact, house.models), least_days)
    made = DataService(asked, retention, redaction, house.state.data, house.loop)
    endpoints.follow_redaction(made.columns_of)
    keeping = DataKeeping(retention, KeepingHouse(least_days, made.said, endpoints.apply_redaction), house.loop)
    endpoints.follow_keeping(keeping.of)
    return made, keeping


def _knowing(folder: DataFolder, house: CatalogueHouse) -> KnowingParts:
    return KnowingParts(
        runs=partial(_runs, house.registry_core, house.jobs),
        pipelines=lambda: house.state.pipelines.list(limit=_MOST_PIPELINES),
        monitors=lambda: [one.monitor for one in house.monitors.list() if not one.monitor.is_refused],
        endpoints=house.endpoints.list,
        files=partial(_files, folder, house.loop),
    )


def _runs(core: RegistryCore, jobs: JobsService) -> Sequence[SeenRun]:
    """Return the runs behind all versions, and the newest of all, with the data that they have logged."""
    with core.default.chosen(None) as chosen:
        if chosen is None and core.registries.own_is_empty:
            return ()
        mirror = core.registries.mirror(chosen)
        versions: dict[str, list[str]] = {}
        began: dict[str, float | None] = {}
        for hit in mirror.search("", _MOST_VERSIONS).hits:
            if hit.run_id is not None:
                versions.setdefault(hit.run_id, []).append(f"{hit.name}/{hit.version}")
                began.setdefault(hit.run_id, hit.created)
        for run in mirror.runs(WindowAsked(limit=_MOST_RUNS)):
            began[run.run_id] = None if run.start_time is None else run.start_time / 1000
        found = mirror.datasets(list(began))
    return [
        SeenRun(run_id, found[run_id], tuple(versions.get(run_id, ())), at, jobs.find_by_run(run_id), chosen)
        for run_id, at in began.items()
        if found.get(run_id)
    ]


def _datasets(core: RegistryCore, run_id: str) -> Sequence[DatasetInput]:
    with core.default.chosen(None) as chosen:
        return core.registries.read(chosen).datasets(run_id)


def _files(folder: DataFolder, loop: Loop) -> Sequence[RetentionItem]:
    try:
        return loop.call(
            "Looking through the logs",
            partial(desk_files, folder.root, folder.endpoints, folder.pipelines),
            _FILES_SECONDS,
        )
    except OSError as error:
        raise Unavailable(f"The logs can't be looked through: {error.strerror}.") from error


def _watching(monitors: MonitorService, endpoint: str) -> Sequence[str]:
    found = (one.monitor for one in monitors.list(endpoint) if not one.monitor.is_refused)
    return sorted(one.name for one in found if one.source.kind is SourceKind.LOG)


def _exact(models: ModelsService, thing: str) -> str:
    """Return MODEL/VERSION for MODEL@ALIAS. Raises NotFound, DeskError."""
    name, number = parted(thing)
    if number is None or not number.startswith("@"):
        return thing
    version = models.show(name).aliases.get(number[1:])
    if version is None:
        raise NotFound(f"Model {plain(name)} has no alias {plain(number[1:])}.")
    return f"{name}/{version}"


def _aliases(models: ModelsService, name: str) -> Mapping[str, str]:
    try:
        return models.show(name).aliases
    except NotFound:
        return {}  # it was removed, so nothing of it is a champion


def _holds(folder: DataFolder, house: CatalogueHouse, known: Callable[[], KnownData]) -> DataHolds:
    going_on = tuple(one for one in JobState if not one.is_final)
    open_runs = tuple(one for one in PipelineState if not one.is_final)
    return DataHolds(
        root=folder.root,
        endpoints=Path(folder.endpoints),
        lists=folder.pipelines,
        monitors=lambda: [one.monitor for one in house.monitors.list()],
        pipelines=lambda: house.state.pipelines.list(states=open_runs),
        jobs=lambda: house.state.jobs.list(states=going_on),
        known=known,
        pipeline=house.state.pipelines.get,
        aliases=partial(_aliases, house.models),
    )
