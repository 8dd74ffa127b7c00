"""The agent's Desk: builds and wires the services, and holds them; it has no verbs of its own.

``house`` is the wiring, ``demo`` the same with the shipped doubles, ``agent``, ``settings`` and
``doctor`` are the verbs about the program itself.
"""

from mlops_desk.alerts.service import AlertsService
from mlops_desk.base.disk.paths import DataFolder
from mlops_desk.base.loop import Loop
from mlops_desk.desk.agent import AgentService
from mlops_desk.desk.house import Desk
from mlops_desk.desk.settings import SettingsService
from mlops_desk.drift.service import DriftService
from mlops_desk.events.service import EventsService
from mlops_desk.jobs.service import JobsService
from mlops_desk.registry.service import ModelsService, RunsService
from mlops_desk.rules.service import RulesService
from mlops_desk.serving.service import EndpointsService
from mlops_desk.telemetry.gpu_service import GpusService
from mlops_desk.telemetry.service import TelemetryService

IMPLEMENTATIONS: dict[str, type] = {
    "agent": AgentService,
    "telemetry": TelemetryService,
    "gpus": GpusService,
    "events": EventsService,
    "alerts": AlertsService,
    "jobs": JobsService,
    "models": ModelsService,
    "runs": RunsService,
    "endpoints": EndpointsService,
    "drift": DriftService,
    "rules": RulesService,
    "settings": SettingsService,
}


def open_desk(folder: DataFolder, loop: Loop, *, demo: bool) -> Desk:
    """Return the Desk of ``folder``; for the demo the one with the shipped doubles."""
    if demo:
        from mlops_desk.desk.demo.house import DemoDesk  # noqa: PLC0415 - doubles and numpy only when played

        return DemoDesk(folder, loop)
    return Desk(folder, loop)
