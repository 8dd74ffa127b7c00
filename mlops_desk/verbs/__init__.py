"""What can be asked of the program: one protocol for each service.

A verb is declared once, here, as a typed method with a docstring. Services implement the protocols;
the HTTP routes, the OpenAPI document, the command line and the client's methods are derived from
them (``declaration.verbs_of``). ``PROTOCOLS`` is the list they all walk.
"""

from mlops_desk.verbs.agent import Agent
from mlops_desk.verbs.alerts import Alerts
from mlops_desk.verbs.drift import Drift
from mlops_desk.verbs.endpoints import Endpoints
from mlops_desk.verbs.events import Events
from mlops_desk.verbs.gpus import Gpus
from mlops_desk.verbs.jobs import Jobs
from mlops_desk.verbs.models import Models, Runs
from mlops_desk.verbs.rules import Rules
from mlops_desk.verbs.settings import Settings
from mlops_desk.verbs.telemetry import Telemetry

PROTOCOLS: dict[str, type] = {
    "agent": Agent,
    "telemetry": Telemetry,
    "gpus": Gpus,
    "events": Events,
    "alerts": Alerts,
    "jobs": Jobs,
    "models": Models,
    "runs": Runs,
    "endpoints": Endpoints,
    "drift": Drift,
    "rules": Rules,
    "settings": Settings,
}

__all__ = [
    "PROTOCOLS",
    "Agent",
    "Alerts",
    "Drift",
    "Endpoints",
    "Events",
    "Gpus",
    "Jobs",
    "Models",
    "Rules",
    "Runs",
    "Settings",
    "Telemetry",
]
