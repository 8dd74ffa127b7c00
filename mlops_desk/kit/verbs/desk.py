"""All services together, as the faces see them: the client has this shape, and so has the agent's Desk.

A service's protocol is loaded when it is asked for: a command asks one service, and would wait for all the others.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_desk.automation.verbs.approvals import Approvals
    from mlops_desk.automation.verbs.ci import Ci
    from mlops_desk.automation.verbs.labels import Labels
    from mlops_desk.automation.verbs.pipelines import Pipelines
    from mlops_desk.automation.verbs.rules import Rules
    from mlops_desk.drift.verbs.drift import Drift
    from mlops_desk.drift.verbs.monitors import DriftMonitors
    from mlops_desk.engines.verbs.engines import Engines
    from mlops_desk.engines.verbs.images import Images
    from mlops_desk.governance.verbs.cards import Cards
    from mlops_desk.governance.verbs.data import DataCatalogue
    from mlops_desk.governance.verbs.evidence import EvidencePacks
    from mlops_desk.governance.verbs.policies import Policies
    from mlops_desk.gpus.verbs import Gpus
    from mlops_desk.jobs.verbs.bare import Bare
    from mlops_desk.jobs.verbs.jobs import Jobs
    from mlops_desk.kit.verbs.agent import Agent
    from mlops_desk.kit.verbs.secrets import Secrets
    from mlops_desk.kit.verbs.settings import Settings
    from mlops_desk.machine.records import event as events
    from mlops_desk.machine.verbs.alerts import Alerts
    from mlops_desk.machine.verbs.events import Events
    from mlops_desk.machine.verbs.telemetry import Telemetry
    from mlops_desk.registry.verbs.models import Models
    from mlops_desk.registry.verbs.registry import RegistryKeeping
    from mlops_desk.registry.verbs.runs import Runs
    from mlops_desk.serving.verbs.endpoints import Endpoints


class DeskVerbs:
    """The one list of services: a name for each, and what can be asked of it. Whoever has one has all of them."""

    agent: "Agent"
    telemetry: "Telemetry"
    gpus: "Gpus"
    events: "Events"
    alerts: "Alerts"
    jobs: "Jobs"
    bare: "Bare"
    models: "Models"
    runs: "Runs"
    registry: "RegistryKeeping"
    endpoints: "Endpoints"
    engines: "Engines"
    images: "Images"
    drift: "Drift"
    monitors: "DriftMonitors"
    rules: "Rules"
    pipelines: "Pipelines"
    approvals: "Approvals"
    cards: "Cards"
    policies: "Policies"
    ci: "Ci"
    evidence: "EvidencePacks"
    labels: "Labels"
    data: "DataCatalogue"
    secrets: "Secrets"
    settings: "Settings"


_MODULES = {
    "agent": "mlops_desk.kit.verbs.agent",
    "telemetry": "mlops_desk.machine.verbs.telemetry",
    "gpus": "mlops_desk.gpus.verbs",
    "events": "mlops_desk.machine.verbs.events",
    "alerts": "mlops_desk.machine.verbs.alerts",
    "jobs": "mlops_desk.jobs.verbs.jobs",
    "bare": "mlops_desk.jobs.verbs.bare",
    "models": "mlops_desk.registry.verbs.models",
    "runs": "mlops_desk.registry.verbs.runs",
    "registry": "mlops_desk.registry.verbs.registry",
    "endpoints": "mlops_desk.serving.verbs.endpoints",
    "engines": "mlops_desk.engines.verbs.engines",
    "images": "mlops_desk.engines.verbs.images",
    "drift": "mlops_desk.drift.verbs.drift",
    "monitors": "mlops_desk.drift.verbs.monitors",
    "rules": "mlops_desk.automation.verbs.rules",
    "pipelines": "mlops_desk.automation.verbs.pipelines",
    "approvals": "mlops_desk.automation.verbs.approvals",
    "cards": "mlops_desk.governance.verbs.cards",
    "policies": "mlops_desk.governance.verbs.policies",
    "ci": "mlops_desk.automation.verbs.ci",
    "evidence": "mlops_desk.governance.verbs.evidence",
    "labels": "mlops_desk.automation.verbs.labels",
    "data": "mlops_desk.governance.verbs.data",
    "secrets": "mlops_desk.kit.verbs.secrets",
    "settings": "mlops_desk.kit.verbs.settings",
}
"""The module of each service's protocol."""


class _Protocols(Mapping[str, type]):
    """The protocol of each service, by its name, loaded when it is asked for. In the order of ``DeskVerbs``."""

    def __getitem__(self, service: str) -> type:
        protocol: type = getattr(import_module(_MODULES[service]), DeskVerbs.__annotations__[service])
        return protocol

    def __iter__(self) -> Iterator[str]:
        return iter(DeskVerbs.__annotations__)

    def __len__(self) -> int:
        return len(DeskVerbs.__annotations__)


PROTOCOLS: Mapping[str, type] = _Protocols()


class ClientLike(DeskVerbs, ABC):
    """What the window talks to: the verbs, and what the agent announces."""

    @abstractmethod
    def announcements(self, every_seconds: float = 0.0) -> "Iterator[events.Event]": ...

    @abstractmethod
    def hang_up(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...
