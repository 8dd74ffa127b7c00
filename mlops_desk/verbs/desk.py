"""All services together, as the faces see them: the client has this shape, and so has the agent's Desk.

A service's protocol is looked up by name: ``jobs`` is ``Jobs`` in ``verbs/jobs.py``. It is loaded when it is asked for:
a command asks one service, and would wait for all the others.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_desk.records import event as events
    from mlops_desk.verbs.agent import Agent
    from mlops_desk.verbs.alerts import Alerts
    from mlops_desk.verbs.approvals import Approvals
    from mlops_desk.verbs.bare import Bare
    from mlops_desk.verbs.cards import Cards
    from mlops_desk.verbs.ci import Ci
    from mlops_desk.verbs.data import DataCatalogue
    from mlops_desk.verbs.drift import Drift
    from mlops_desk.verbs.endpoints import Endpoints
    from mlops_desk.verbs.engines import Engines
    from mlops_desk.verbs.events import Events
    from mlops_desk.verbs.evidence import EvidencePacks
    from mlops_desk.verbs.gpus import Gpus
    from mlops_desk.verbs.images import Images
    from mlops_desk.verbs.jobs import Jobs
    from mlops_desk.verbs.labels import Labels
    from mlops_desk.verbs.models import Models
    from mlops_desk.verbs.monitors import DriftMonitors
    from mlops_desk.verbs.pipelines import Pipelines
    from mlops_desk.verbs.policies import Policies
    from mlops_desk.verbs.registry import RegistryKeeping
    from mlops_desk.verbs.rules import Rules
    from mlops_desk.verbs.runs import Runs
    from mlops_desk.verbs.secrets import Secrets
    from mlops_desk.verbs.settings import Settings
    from mlops_desk.verbs.telemetry import Telemetry


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


class _Protocols(Mapping[str, type]):
    """The protocol of each service, by its name, loaded when it is asked for. In the order of ``DeskVerbs``."""

    def __getitem__(self, service: str) -> type:
        protocol: type = getattr(import_module(f"mlops_desk.verbs.{service}"), DeskVerbs.__annotations__[service])
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
