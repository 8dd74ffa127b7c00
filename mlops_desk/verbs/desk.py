"""All services together, as the faces see them: the client has this shape, and so has the agent's Desk."""

from collections.abc import Iterator
from typing import Protocol

from mlops_desk.records import event as events
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


class DeskVerbs(Protocol):
    """One attribute for each service in ``PROTOCOLS``."""

    @property
    def agent(self) -> Agent: ...
    @property
    def telemetry(self) -> Telemetry: ...
    @property
    def gpus(self) -> Gpus: ...
    @property
    def events(self) -> Events: ...
    @property
    def alerts(self) -> Alerts: ...
    @property
    def jobs(self) -> Jobs: ...
    @property
    def models(self) -> Models: ...
    @property
    def runs(self) -> Runs: ...
    @property
    def endpoints(self) -> Endpoints: ...
    @property
    def drift(self) -> Drift: ...
    @property
    def rules(self) -> Rules: ...
    @property
    def settings(self) -> Settings: ...


class ClientLike(DeskVerbs, Protocol):
    """What the window talks to: the verbs, and what the agent announces."""

    def announcements(self, every_seconds: float = 0.0) -> Iterator[events.Event]: ...

    def hang_up(self) -> None: ...
