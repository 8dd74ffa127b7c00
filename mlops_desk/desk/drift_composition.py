"""Builds what watches drift: the shelf of reports, what is asked by hand, the monitors and their store of windows."""

import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from mlops_desk.desk.model_composition import ModelWiring
from mlops_desk.drift.feature_importance import MonitorWeighing, WeighingParts
from mlops_desk.drift.importance import WeighingWish
from mlops_desk.drift.live.log_rows import LogPlace
from mlops_desk.drift.live.windowing import PinnedAnswers, SourceDoors, TakenWindows, WindowCutter
from mlops_desk.drift.monitors.ports import MonitorHouse
from mlops_desk.drift.monitors.service import MonitorService
from mlops_desk.drift.monitors.window_scores import options_of
from mlops_desk.drift.profile.file_format import to_bytes
from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.drift.profiles import ProfileParts, VersionProfiles
from mlops_desk.drift.records.importance import ComputedImportance
from mlops_desk.drift.records.monitors import DriftWatch, Monitor
from mlops_desk.drift.records.sources import SourceKind, place_in_run
from mlops_desk.drift.reference_search import ReferenceSearch
from mlops_desk.drift.references import References
from mlops_desk.drift.registry_profiles import AGAIN_SECONDS, PublishedProfiles, published_parts
from mlops_desk.drift.report_repository import ReportShelf
from mlops_desk.drift.service import DriftService, WatchedReference
from mlops_desk.drift.store.rollups import WindowLimits
from mlops_desk.drift.store.windows import WindowStore
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import Check
from mlops_desk.kit.storage.secrets import SecretStore
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.alerts.service import AlertsService
from mlops_desk.machine.telemetry.service import TelemetryService
from mlops_desk.registry.records.artifact_view import Downloaded
from mlops_desk.registry.records.model import Artifact, DatasetInput, ModelVersion
from mlops_desk.registry.service import RegistryCore
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.service import EndpointsService

# What monitors watch and only the house can reach: endpoints' logs, data of runs, passwords of databases.
BACK_SECONDS = 86_400.0
"""Chosen: a monitor begins with the requests of the day before it was made; older ones are no news."""
_LINE_ENDS = re.compile(rb"[\r\n]+\Z")


@dataclass(frozen=True, slots=True)
class SourceParts:
    """What is needed of endpoints, registry and secrets, as plain callables; all of them may raise DeskError.

    ``log_place`` gives an endpoint's folder, revisions, and since when; ``datasets`` those of a run, ``listed`` a
    folder of its files, ``download`` brings a file of it into a folder; ``secret`` is a person's by its name.
    """

    log_place: Callable[[str], tuple[Path, tuple[int, ...], float]]
    datasets: Callable[[str], Sequence[DatasetInput]]
    listed: Callable[[str, str], Sequence[Artifact]]
    download: Callable[[str, str, str], Downloaded]
    secret: Callable[[int, str], bytes]


class MonitorSources:
    """Opens them. What of a run was fetched last is known by its size: an artifact that grows is fetched anew."""

    def __init__(self, parts: SourceParts) -> None:
        self._parts = parts
        self._sizes: dict[str, tuple[str, str, int]] = {}
        self._fetched: dict[str, tuple[str, str, int]] = {}

    def doors(self) -> SourceDoors:
        return SourceDoors(self.log_place, self.fetched, self.password, self.settled)

    def log_place(self, monitor: Monitor) -> LogPlace:
        """Return where an endpoint's log lies. Raises DeskError."""
        folder, revisions, since = self._parts.log_place(monitor.source.place)
        begun = (monitor.created_at or 0.0) - BACK_SECONDS
        return LogPlace(str(folder), revisions, max(since, begun, monitor.begun_at or 0.0))

    def fetched(self, monitor: Monitor, folder: Path) -> Path | None:
        """Bring a data set or a table of a run into a folder; None where it is as it was the last time.

        Raises DeskError, Invalid where its data set lies elsewhere.
        """
        run_id, path = self._place(monitor)
        size = self._size(run_id, path)
        if size is not None and self._sizes.get(monitor.id) == (run_id, path, size):
            return None
        found = Path(self._parts.download(run_id, path, str(folder)).path)
        if size is not None:
            self._fetched[monitor.id] = run_id, path, size
        return found

    def settled(self, monitor: Monitor) -> None:
        """Take note that what was fetched last is kept."""
        known = self._fetched.pop(monitor.id, None)
        if known is not None:
            self._sizes[monitor.id] = known

    def password(self, monitor: Monitor) -> str | None:
        """Return what the secret says that a monitor names, of the person who made it. Raises DeskError."""
        name = monitor.source.login
        if name is None or monitor.created_by is None:
            return None
        return _LINE_ENDS.sub(b"", self._parts.secret(monitor.created_by, name)).decode("utf-8", "replace")

    def _place(self, monitor: Monitor) -> tuple[str, str]:
        run_id, name = monitor.source.place, monitor.source.query or ""
        dataset = next((one for one in self._parts.datasets(run_id) if one.name == name), None)
        if dataset is None:
            return run_id, name  # a file of the run, as mlflow.log_table leaves it
        found = place_in_run(dataset.source)
        if found is None:
            text = f"The data set {plain(name, 200)} of run {plain(run_id, 100)} does not lie among a run's files."
            raise Invalid(text, "Log the data as a file of the run, or watch them as files: --files PATH.")
        return found

    def _size(self, run_id: str, path: str) -> int | None:
        """Return a file's size; None for a folder, and where the registry does not say. Raises NotFound."""
        parent = path.rpartition("/")[0]
        found = next((one for one in self._parts.listed(run_id, parent) if one.path == path), None)
        if found is None:
            text = f"Run {plain(run_id, 100)} has neither a data set nor a file {plain(path, 200)}."
            raise NotFound(text, "It is looked for again; mlflow.log_table(data, NAME) writes one.")
        return None if found.is_folder else found.size_bytes


_log = logging.getLogger(__name__)
TIDY_SECONDS = 300.0  # chosen: hours end once in an hour, limits are days and gigabytes


class DriftHouse(Protocol):
    """What the house has made before."""

    folder: DataFolder
    state: State
    bus: Bus
    loop: Loop
    store: SettingsStore
    telemetry: TelemetryService
    alerts: AlertsService
    endpoints: EndpointsService
    registry_core: RegistryCore
    keyring: SecretStore


class DriftDesk:
    """The services about drift, and the store that ends with them."""

    def __init__(self, house: DriftHouse, wiring: ModelWiring) -> None:
        shelf = ReportShelf(house.state.reports)
        self._registry = house.registry_core
        self._state = house.state
        self.watchers: list[Callable[[Sequence[DriftWatch]], None]] = [house.alerts.take_drift]
        self._loop = house.loop
        self.windows = WindowStore(house.folder.drift, partial(_limits, house.store))
        self._sources = sources = MonitorSources(_sources(house))
        self._cutter = WindowCutter(self.windows, sources.doors(), partial(run_worker, ending=house.loop.ending))
        self._published = PublishedProfiles(
            published_parts(house.registry_core, lambda: house.store.switch("drift.share_references"))
        )
        references = self._references(house, wiring)
        self.drift = DriftService(
            endpoint=house.endpoints.show,
            request_window=wiring.request_window,
            reference_file=wiring.reference_file,
            shelf=shelf,
            bus=house.bus,
            kinds=wiring.kinds,
            record=house.telemetry.record,
            profiles=self._profiles(references).of_version,
            watched=self._watched,
        )
        self._weighing = MonitorWeighing(house.folder.drift / "weighing", self._weighing_parts(house, references))
        reached = MonitorHouse(
            endpoint=house.endpoints.show,
            endpoints=house.endpoints.list,
            version=house.registry_core.find,
            make_reference=references.make,
            store=self.windows,
            take=self._take,
            pin=self._pin,
            tell=self._tell,
            log_place=self._log_place,
            reference_file=references.path,
            folder=house.folder.drift / "answers",
            inputs=wiring.kinds,
            weigh=self._weigh,
            redacted=partial(_redacted, house.state),
        )
        self.monitors = MonitorService(
            reached,
            monitors=house.state.monitors,
            windows=house.state.drift_windows,
            answers=house.state.drift_answers,
            shelf=shelf,
            bus=house.bus,
            loop=house.loop,
            settings=house.store,
            record=house.telemetry.record,
            alert_of=house.alerts.of_monitor,
        )

    def _references(self, house: DriftHouse, wiring: ModelWiring) -> References:
        found = house.folder.drift / "references"
        wiring.search = ReferenceSearch(house.registry_core, found, wiring.job_of_run, run_worker)
        return References(
            house.endpoints.show,
            wiring.reference_file,
            wiring.kinds,
            run_worker,
            wiring.reference_dataset,
            self._published,
            wiring.evaluation,
            wiring.found_as,
            wiring.first_rows,
        )

    def _profiles(self, references: References) -> VersionProfiles:
        registries = self._registry.registries
        found = ProfileParts(
            version=self._version,
            datasets=lambda run_id, uri: registries.read(uri).datasets(run_id),
            monitors=lambda: [one.monitor for one in self.monitors.list()],
            place=references.place,
            kept=self.windows.reference,
        )
        return VersionProfiles(found, self._published)

    def _weighing_parts(self, house: DriftHouse, references: References) -> WeighingParts:
        run = partial(run_worker, ending=house.loop.ending)
        endpoints = house.endpoints
        return WeighingParts(endpoints.show, self._version, references.path, run, endpoints.weigh)

    def start(self) -> None:
        """Begin to look at monitors, and to roll up and tidy what they have seen."""
        self._weighing.sweep()
        self.monitors.start()
        self._loop.repeat("drift-windows", TIDY_SECONDS, self.tidy)
        self._loop.repeat("drift-profiles", AGAIN_SECONDS, self._published.settle)

    def close(self) -> None:
        """Close the store of windows; a look that runs ends with the agent."""
        self.monitors.stop()
        self.windows.close()

    def tidy(self) -> None:
        """Roll up the hours that are over, and delete what is beyond the limits."""
        try:
            self.windows.tidy(time.time())
        except DeskError as error:
            if not self._loop.ending.is_set():
                _log.warning("The windows of drift monitors can't be tidied: %s", error.message)

    def check(self) -> Check:
        """Tell the doctor whether the store of windows is sound."""
        try:
            size = self.windows.size_bytes()
        except DeskError as error:
            return Check("drift windows", "problem", error.message)
        if self.windows.repair is not None:
            return Check("drift windows", "warning", self.windows.repair.told("The database of drift windows"))
        if self.windows.n_damaged:
            text = f"{self.windows.n_damaged} windows could not be read and are left out; the log names them."
            return Check("drift windows", "warning", text)
        return Check("drift windows", "ok", f"{size >> 20} MiB of windows are kept.")

    def _version(self, name: str, uri: str | None) -> ModelVersion:
        with self._registry.default.chosen(uri) as chosen:
            return replace(self._registry.resolve(name, chosen), registry=chosen)

    def _tell(self, watched: Sequence[DriftWatch]) -> None:
        for watcher in self.watchers:
            watcher(watched)

    def _weigh(self, monitor: Monitor, wish: WeighingWish, ticket: str | None) -> ComputedImportance:
        return self._weighing.weigh(monitor, wish, ticket)

    def _watched(self, endpoint: Endpoint, folder: Path) -> WatchedReference | None:
        """Write down what the monitor of an endpoint holds its windows against."""
        found = self.monitors.watching(endpoint)
        if found is None:
            return None
        monitor, profile = found
        options = replace(options_of(monitor), redacted=_redacted(self._state, monitor))
        path = None if profile is None else folder / "reference.profile"
        if path is not None and profile is not None:
            path.write_bytes(to_bytes(replace(profile, segments=None)))
        return WatchedReference(monitor.name, path, options)

    def _pin(self, monitor: Monitor, start: float, end: float) -> PinnedAnswers:
        return self._cutter.pin_answers(monitor, start, end)

    def _log_place(self, monitor: Monitor) -> LogPlace:
        return self._sources.log_place(monitor)

    def _take(self, monitor: Monitor, _reference: DataProfile) -> TakenWindows:
        return self._cutter.take(monitor, time.time())


def _sources(house: DriftHouse) -> SourceParts:
    core = house.registry_core

    def datasets(run_id: str) -> Sequence[DatasetInput]:
        with core.default.chosen(None) as chosen:
            return core.registries.read(chosen).datasets(run_id)

    return SourceParts(
        log_place=house.endpoints.log_place,
        datasets=datasets,
        listed=lambda run_id, path: core.shelf.listed_of_run(run_id, path, None),
        download=lambda run_id, path, folder: core.shelf.download_of_run(run_id, path, folder, None),
        secret=house.keyring.value,
    )


def _redacted(state: State, monitor: Monitor) -> tuple[str, ...]:
    kept = state.data.redactions.get(monitor.source.place) if monitor.source.kind is SourceKind.LOG else None
    return () if kept is None else tuple(name.casefold() for name in kept.columns)


def _limits(settings: SettingsStore) -> WindowLimits:
    windows, hours, days = (int(settings.number(f"drift.keep_{name}_days")) for name in ("windows", "hours", "days"))
    return WindowLimits(windows, hours, days, int(settings.number("drift.keep_mb")))
