"""Builds what watches drift: the shelf of reports, what is asked by hand, the monitors and their store of windows."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from mlops_desk.alerts.service import AlertsService
from mlops_desk.base.bus import Bus
from mlops_desk.base.disk.paths import DataFolder
from mlops_desk.base.errors import DeskError
from mlops_desk.base.loop import Loop
from mlops_desk.base.process import run_worker
from mlops_desk.base.settings import SettingsStore
from mlops_desk.desk.drift.profiles import ProfileParts, VersionProfiles
from mlops_desk.desk.drift.published import AGAIN_SECONDS, PublishedProfiles, published_parts
from mlops_desk.desk.drift.reference_search import ReferenceSearch
from mlops_desk.desk.drift.references import References
from mlops_desk.desk.drift.sources import MonitorSources, SourceParts
from mlops_desk.desk.drift.weighing import MonitorWeighing, WeighingParts
from mlops_desk.desk.model_wiring import ModelWiring
from mlops_desk.drift.importance import WeighingWish
from mlops_desk.drift.live.cutting import PinnedAnswers, TakenWindows, WindowCutter
from mlops_desk.drift.live.log_rows import LogPlace
from mlops_desk.drift.monitors.house import MonitorHouse
from mlops_desk.drift.monitors.judging import options_of
from mlops_desk.drift.monitors.service import MonitorService
from mlops_desk.drift.profile.form import to_bytes
from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.drift.service import DriftService, WatchedReference
from mlops_desk.drift.shelf import ReportShelf
from mlops_desk.drift.store.rolling import WindowLimits
from mlops_desk.drift.store.windows import WindowStore
from mlops_desk.records.agent import Check
from mlops_desk.records.drift.importance import ComputedImportance
from mlops_desk.records.drift.monitors import DriftWatch, Monitor
from mlops_desk.records.drift.sources import SourceKind
from mlops_desk.records.model import DatasetInput, ModelVersion
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.registry.service import RegistryCore
from mlops_desk.serving.service import EndpointsService
from mlops_desk.storage.secrets import SecretStore
from mlops_desk.storage.state import State
from mlops_desk.telemetry.service import TelemetryService

_log = logging.getLogger(__name__)
TIDY_SECONDS = 300.0  # chosen: hours end once in an hour, limits are days and gigabytes


@dataclass(frozen=True, slots=True)
class DriftParts:
    """What the house has made before."""

    folder: DataFolder
    state: State
    bus: Bus
    loop: Loop
    settings: SettingsStore
    telemetry: TelemetryService
    alerts: AlertsService
    endpoints: EndpointsService
    registry: RegistryCore
    secrets: SecretStore


class DriftDesk:
    """The services about drift, and the store that ends with them."""

    def __init__(self, parts: DriftParts, wiring: ModelWiring) -> None:
        shelf = ReportShelf(parts.state.reports)
        self._registry = parts.registry
        self._state = parts.state
        self.watchers: list[Callable[[Sequence[DriftWatch]], None]] = [parts.alerts.take_drift]
        self._loop = parts.loop
        self.windows = WindowStore(parts.folder.drift, partial(_limits, parts.settings))
        self._sources = sources = MonitorSources(_sources(parts))
        self._cutter = WindowCutter(self.windows, sources.doors(), partial(run_worker, ending=parts.loop.ending))
        self._published = PublishedProfiles(
            published_parts(parts.registry, lambda: parts.settings.switch("drift.share_references"))
        )
        references = self._references(parts, wiring)
        self.drift = DriftService(
            endpoint=parts.endpoints.show,
            request_window=wiring.request_window,
            reference_file=wiring.reference_file,
            shelf=shelf,
            bus=parts.bus,
            kinds=wiring.kinds,
            record=parts.telemetry.record,
            profiles=self._profiles(references).of_version,
            watched=self._watched,
        )
        self._weighing = MonitorWeighing(parts.folder.drift / "weighing", self._weighing_parts(parts, references))
        house = MonitorHouse(
            endpoint=parts.endpoints.show,
            endpoints=parts.endpoints.list,
            version=parts.registry.find,
            make_reference=references.make,
            store=self.windows,
            take=self._take,
            pin=self._pin,
            tell=self._tell,
            log_place=self._log_place,
            reference_file=references.path,
            folder=parts.folder.drift / "answers",
            inputs=wiring.kinds,
            weigh=self._weigh,
            redacted=partial(_redacted, parts.state),
        )
        self.monitors = MonitorService(
            house,
            monitors=parts.state.monitors,
            windows=parts.state.drift_windows,
            answers=parts.state.drift_answers,
            shelf=shelf,
            bus=parts.bus,
            loop=parts.loop,
            settings=parts.settings,
            record=parts.telemetry.record,
            alert_of=parts.alerts.of_monitor,
        )

    def _references(self, parts: DriftParts, wiring: ModelWiring) -> References:
        found = parts.folder.drift / "references"
        wiring.search = ReferenceSearch(parts.registry, found, wiring.job_of_run, run_worker)
        return References(
            parts.endpoints.show,
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

    def _weighing_parts(self, parts: DriftParts, references: References) -> WeighingParts:
        run = partial(run_worker, ending=parts.loop.ending)
        endpoints = parts.endpoints
        return WeighingParts(endpoints.show, self._version, references.path, run, endpoints.weigh)

    def start(self) -> None:
        """Begin to look at monitors, and to roll up and tidy what they have seen."""
        self._weighing.sweep()
        self.monitors.start()
        self._loop.repeat("drift-windows", TIDY_SECONDS, self.tidy)
        self._loop.repeat("drift-profiles", AGAIN_SECONDS, self._published.settle)

    def stop(self) -> None:
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


def _sources(parts: DriftParts) -> SourceParts:
    core = parts.registry

    def datasets(run_id: str) -> Sequence[DatasetInput]:
        with core.default.chosen(None) as chosen:
            return core.registries.read(chosen).datasets(run_id)

    return SourceParts(
        log_place=parts.endpoints.log_place,
        datasets=datasets,
        listed=lambda run_id, path: core.shelf.listed_of_run(run_id, path, None),
        download=lambda run_id, path, folder: core.shelf.download_of_run(run_id, path, folder, None),
        secret=parts.secrets.value,
    )


def _redacted(state: State, monitor: Monitor) -> tuple[str, ...]:
    kept = state.data.redactions.get(monitor.source.place) if monitor.source.kind is SourceKind.LOG else None
    return () if kept is None else tuple(name.casefold() for name in kept.columns)


def _limits(settings: SettingsStore) -> WindowLimits:
    windows, hours, days = (int(settings.number(f"drift.keep_{name}_days")) for name in ("windows", "hours", "days"))
    return WindowLimits(windows, hours, days, int(settings.number("drift.keep_mb")))
