"""The services of governance, built of what the desk has."""

import base64
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Protocol

from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState
from mlops_desk.desk.audit import AuditTrail
from mlops_desk.drift.monitors.service import MonitorService
from mlops_desk.drift.records.monitors import Monitor
from mlops_desk.drift.records.sources import ReferenceKind, SourceKind
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.governance.card_facts import CardHouse, HouseFacts
from mlops_desk.governance.cards.page.writer import write
from mlops_desk.governance.cards.service import CardsService
from mlops_desk.governance.data.catalogue import KnownData
from mlops_desk.governance.data.desk_files import LISTS, desk_files, labels_of, list_files, requests_of
from mlops_desk.governance.data.redaction import RedactionHouse
from mlops_desk.governance.data.retention import RetentionHouse
from mlops_desk.governance.data.retention_plan import DataHold
from mlops_desk.governance.data.retention_policy import SETTING, DataKeeping, KeepingHouse
from mlops_desk.governance.data.service import DataHouse, DataService
from mlops_desk.governance.data_inspection import DataLooks, LookParts
from mlops_desk.governance.data_inventory import KnowingParts, SeenRun, known_data
from mlops_desk.governance.evidence_sources import EvidenceHouse, evidence_service
from mlops_desk.governance.labels import LabelsService, Span
from mlops_desk.governance.policy_gate import Governing, admits
from mlops_desk.governance.records.card import CardOfVersion
from mlops_desk.governance.records.data.catalogue import DataUserKind
from mlops_desk.governance.records.data.retention import RetentionItem
from mlops_desk.governance.registries import GovernedRegistries
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.service import JobsService
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import DeskError, NotFound, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.secrets import SecretStore
from mlops_desk.kit.storage.state import State
from mlops_desk.kit.verbs.access import AccessPolicy
from mlops_desk.machine.records.event import GovernanceChanged
from mlops_desk.registry.mirror.protocol import WindowAsked
from mlops_desk.registry.models import ModelsService
from mlops_desk.registry.records.model import DatasetInput, parted
from mlops_desk.registry.service import RegistryCore
from mlops_desk.serving.records.request import LoggedRequest
from mlops_desk.serving.service import EndpointsService

# Labels of an endpoint's requests, and the windows in which its monitors alarm.
_MOST_WINDOWS = 1000  # chosen: of a monitor: six weeks of hours, three years of days
_ALARMING = {Verdict.DRIFT, Verdict.CRITICAL}


def labels_service(endpoints: EndpointsService, monitors: MonitorService) -> LabelsService:
    """Return what asks for labels."""

    def requests(name: str, since: float | None, limit: int) -> list[LoggedRequest]:
        return endpoints.requests(name, since=since, limit=limit)

    def spans(name: str) -> Iterator[Span]:
        for standing in monitors.list(name):
            for window in monitors.history(standing.monitor.name, limit=_MOST_WINDOWS):
                if window.verdict in _ALARMING:
                    yield window.window_start, window.window_end

    logged, feedback = endpoints.logged, endpoints.feedback
    return LabelsService(endpoints.show, requests, logged, feedback, lambda name: tuple(spans(name)))


# Cards as they stand in the house: told by lineage, kept in the state, written to registries and as files.
_PAPER = "mlops_desk.kit.window.pdf_worker"
_PAPER_SECONDS = 60.0  # chosen: the library is read from a slow disk, and a card has some pages


def cards_service(
    house: CardHouse, registries: GovernedRegistries, instance: str, bus: Bus, loop: Loop
) -> CardsService:
    """Return what keeps cards. ``instance`` names this desk among those that use one registry."""

    def announce(card: CardOfVersion) -> None:
        bus.publish(GovernanceChanged(("card", f"{card.model}/{card.version}")))

    paper = _paper(loop)
    return CardsService(
        registries, HouseFacts(house, time.time), house.state.cards, instance, time.time, announce,
        lambda card, form: write(card, form, paper),
    )  # fmt: skip


def _paper(loop: Loop) -> Callable[[str, str], bytes]:
    def make(title: str, page: str) -> bytes:
        made = run_worker(_PAPER, {"title": title, "html": page}, _PAPER_SECONDS, ending=loop.ending)
        return base64.b64decode(made["pdf"])

    return make


# What keeps rows and lists of the desk's own although they are older than they are to be kept: who stands on them.
_WORDS = 200  # chosen: a sentence


@dataclass(frozen=True, slots=True)
class DataHolds:
    """``endpoints`` is the folder of all logs, ``lists`` that of frozen data, both below ``root``.

    ``pipelines`` and ``jobs`` are those that have not ended; ``pipeline`` finds any by its id. ``aliases`` are those of
    a model, with their versions; none where the model is gone. All may raise DeskErrors.
    """

    root: Path
    endpoints: Path
    lists: Path
    monitors: Callable[[], Sequence[Monitor]]
    pipelines: Callable[[], Sequence[PipelineRun]]
    jobs: Callable[[], Sequence[Job]]
    known: Callable[[], KnownData]
    pipeline: Callable[[str], PipelineRun | None]
    aliases: Callable[[str], Mapping[str, str]]

    def __call__(self) -> tuple[Sequence[DataHold], Sequence[str]]:
        """Return what is to stay, and what could not be asked."""
        holds: list[DataHold] = []
        missing: list[str] = []
        for what, look in (
            ("Monitors", self._pinned),
            ("Pipelines", self._compared),
            ("Jobs", self._mounted),
            ("Models", self._taught),
            ("Retrainings", self._listed),
        ):
            try:
                holds += look(missing)
            except DeskError as error:
                missing.append(f"{what} could not be asked: {plain(error.message, _WORDS)}")
            except OSError as error:
                missing.append(f"What {what.lower()} need can't be looked at: {error.strerror}.")
        return holds, missing

    def _pinned(self, _missing: list[str]) -> Iterator[DataHold]:
        for monitor in self.monitors():
            held = monitor.reference
            if monitor.source.kind is SourceKind.LOG and held.kind is ReferenceKind.PINNED:
                why = f"monitor {plain(monitor.name)} has them for its reference"
                yield DataHold(requests_of(monitor.source.place), why, held.start, held.end)

    def _compared(self, _missing: list[str]) -> Iterator[DataHold]:
        for run in self.pipelines():
            if run.endpoint is not None and not run.state.is_final:
                why = f"pipeline {run.id} scores models on them"
                yield DataHold(requests_of(run.endpoint), why)
                yield DataHold(labels_of(run.endpoint), why)

    def _mounted(self, _missing: list[str]) -> Iterator[DataHold]:
        for job in self.jobs():
            for mount in job.spec.mounts:
                yield from self._touched(mount.source, f"job {job.id} has them mounted")

    def _taught(self, missing: list[str]) -> Iterator[DataHold]:
        """Hold what a version was trained on: without it nobody can make that again, nor look at it."""
        known = self.known()
        missing += known.missing
        for one in known.sightings:
            models = sorted(user.name for user in one.users if user.kind is DataUserKind.MODEL)
            if models and one.place.path is not None:
                yield from self._touched(one.place.path, f"model {plain(models[0])} was trained on them")

    def _listed(self, _missing: list[str]) -> Iterator[DataHold]:
        """Hold the list of what a pipeline works on, or of what a version with an alias was trained on."""
        models: dict[str, Mapping[str, str]] = {}
        for file in list_files(self.lists):
            run = self.pipeline(file.stem)
            if run is None:
                continue
            path = file.relative_to(self.root).as_posix()
            if not run.state.is_final:
                yield DataHold(LISTS, f"pipeline {run.id} goes on with them", path=path)
                continue
            if run.challenger_version is not None:
                aliases = models[run.model] = models.get(run.model) or self.aliases(run.model)
                held = sorted(alias for alias, version in aliases.items() if version == run.challenger_version)
                if held:
                    model = f"{plain(run.model)}/{plain(run.challenger_version)} ({plain(', '.join(held))})"
                    yield DataHold(LISTS, f"model {model} was trained on them", path=path)

    def _touched(self, path: str, why: str) -> Iterator[DataHold]:
        """Hold the logs that lie at a path, in it or around it; by its words, for its disk may hang."""
        place, top = PurePosixPath(path), PurePosixPath(self.endpoints)
        if top.is_relative_to(place):
            names = [one.name for one in self.endpoints.iterdir()] if self.endpoints.is_dir() else []
        elif place.is_relative_to(top) and place != top:
            names = [place.relative_to(top).parts[0]]
        else:
            return
        for name in names:
            yield DataHold(requests_of(name), why)
            yield DataHold(labels_of(name), why)


# The catalogue of data, built of what the desk has: who is asked what, how it looks, what a retention spares.
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
    """Return the verbs about data, and what deletes them by age."""
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
    return made, DataKeeping(retention, KeepingHouse(least_days, made.said, endpoints.apply_redaction), house.loop)


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


class GoverningHouse(Protocol):
    """What policies stand on."""

    state: State
    bus: Bus
    jobs: JobsService
    audit: AuditTrail


class GovernedHouse(EvidenceHouse, CardHouse, CatalogueHouse, Protocol):
    """What else is told of versions, and who governs."""

    bus: Bus
    loop: Loop
    governing: Governing


def governing(core: RegistryCore, house: GoverningHouse, policy: Callable[[], AccessPolicy]) -> Governing:
    """Return what every move of an alias passes: made with the registry, before whatever moves one."""
    return Governing(core, house.state, house.bus, admits(policy), house.jobs.find_by_run, house.audit.put)


class GovernanceDesk:
    """What keeps cards, makes evidence, asks for labels, and knows of data and how long they are kept."""

    def __init__(self, folder: DataFolder, house: GovernedHouse, keyring: SecretStore) -> None:
        registries, bus, loop = house.governing.registries, house.bus, house.loop
        self.cards = cards_service(house, registries, folder.instance, bus, loop)
        self.data, self.keeping = data_service(folder, house, keyring)
        self.evidence = evidence_service(folder, house, self.data.uses)
        self.labels = labels_service(house.endpoints, house.monitors)

    def start(self) -> None:
        """Look from time to time who needs what is kept."""
        self.keeping.start()

    def close(self) -> None:
        """Nothing of it is open."""
