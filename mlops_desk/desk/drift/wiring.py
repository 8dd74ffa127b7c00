"""Builds what watches drift: the shelf of reports, what is asked by hand, the monitors and their store of windows."""

import time
from dataclasses import dataclass

from mlops_desk.alerts.service import AlertsService
from mlops_desk.base.bus import Bus
from mlops_desk.base.disk.paths import DataFolder
from mlops_desk.base.loop import Loop
from mlops_desk.base.process import run_worker
from mlops_desk.base.settings import SettingsStore
from mlops_desk.desk.drift.references import References
from mlops_desk.desk.model_wiring import ModelWiring
from mlops_desk.drift.live.cutting import WindowCutter
from mlops_desk.drift.live.log_rows import LogPlace
from mlops_desk.drift.monitors.house import MonitorHouse
from mlops_desk.drift.monitors.service import MonitorService
from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.drift.service import DriftService
from mlops_desk.drift.shelf import ReportShelf
from mlops_desk.drift.store.windows import WindowStore
from mlops_desk.records.drift.monitors import Monitor
from mlops_desk.registry.service import RegistryCore
from mlops_desk.serving.service import EndpointsService
from mlops_desk.storage.state import State
from mlops_desk.telemetry.service import TelemetryService


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


class DriftDesk:
    """The services about drift, and the store that ends with them."""

    def __init__(self, parts: DriftParts, wiring: ModelWiring) -> None:
        shelf = ReportShelf(parts.state.reports)
        self.windows = WindowStore(parts.folder.drift)
        self._endpoints = parts.endpoints
        self._cutter = WindowCutter(self.windows, self._log_place)
        self.drift = DriftService(
            endpoint=parts.endpoints.show,
            request_window=wiring.request_window,
            reference_file=wiring.reference_file,
            shelf=shelf,
            bus=parts.bus,
            kinds=wiring.kinds,
            record=parts.telemetry.record,
        )
        references = References(parts.endpoints.show, wiring.reference_file, wiring.kinds, run_worker)
        house = MonitorHouse(
            endpoint=parts.endpoints.show,
            endpoints=parts.endpoints.list,
            version=parts.registry.find,
            make_reference=references.make,
            store=self.windows,
            take=self._take,
            tell=parts.alerts.take_drift,
        )
        self.monitors = MonitorService(
            house,
            monitors=parts.state.monitors,
            windows=parts.state.drift_windows,
            shelf=shelf,
            bus=parts.bus,
            loop=parts.loop,
            settings=parts.settings,
            record=parts.telemetry.record,
            alert_of=parts.alerts.of_monitor,
        )

    def start(self) -> None:
        """Begin to look at monitors."""
        self.monitors.start()

    def stop(self) -> None:
        """Close the store of windows; a look that runs ends with the agent."""
        self.monitors.stop()
        self.windows.close()

    def _take(self, monitor: Monitor, _reference: DataProfile) -> int | None:
        """Cut what is new, and return how many rows wait for their window to be full."""
        return self._cutter.take(monitor, time.time()).pending_rows

    def _log_place(self, monitor: Monitor) -> LogPlace:
        folder, revisions, since = self._endpoints.log_place(monitor.source.place)
        return LogPlace(str(folder), revisions, since)
