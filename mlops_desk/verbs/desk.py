"""All services together, as the faces see them: the client has this shape, and so has the agent's Desk."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import get_type_hints

from mlops_desk.records import event as events
from mlops_desk.verbs.agent import Agent
from mlops_desk.verbs.alerts import Alerts
from mlops_desk.verbs.bare import Bare
from mlops_desk.verbs.drift import Drift
from mlops_desk.verbs.endpoints import Endpoints
from mlops_desk.verbs.engines import Engines
from mlops_desk.verbs.events import Events
from mlops_desk.verbs.gpus import Gpus
from mlops_desk.verbs.images import Images
from mlops_desk.verbs.jobs import Jobs
from mlops_desk.verbs.models import Models, Runs
from mlops_desk.verbs.rules import Rules
from mlops_desk.verbs.secrets import Secrets
from mlops_desk.verbs.settings import Settings
from mlops_desk.verbs.telemetry import Telemetry


class DeskVerbs:
    """The one list of services: a name for each, and what can be asked of it. Whoever has one has all of them."""

    agent: Agent
    telemetry: Telemetry
    gpus: Gpus
    events: Events
    alerts: Alerts
    jobs: Jobs
    bare: Bare
    models: Models
    runs: Runs
    endpoints: Endpoints
    engines: Engines
    images: Images
    drift: Drift
    rules: Rules
    secrets: Secrets
    settings: Settings


PROTOCOLS: dict[str, type] = get_type_hints(DeskVerbs)
"""The protocol of each service, by its name."""


class ClientLike(DeskVerbs, ABC):
    """What the window talks to: the verbs, and what the agent announces."""

    @abstractmethod
    def announcements(self, every_seconds: float = 0.0) -> Iterator[events.Event]: ...

    @abstractmethod
    def hang_up(self) -> None: ...
