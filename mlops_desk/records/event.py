"""What the agent announces. Pages paint what was announced, never what they asked for.

``EVENTS`` is the one list the wire knows; an event that is not in it does not leave the agent.
"""

from dataclasses import dataclass

from mlops_desk.records.alert import Alert
from mlops_desk.records.drift import DriftReport
from mlops_desk.records.endpoint import Endpoint
from mlops_desk.records.incident import Incident
from mlops_desk.records.job import Job
from mlops_desk.records.model import Registry
from mlops_desk.records.rule import Retraining, Rule
from mlops_desk.records.status import Status


@dataclass(frozen=True, slots=True)
class Sampled:
    """New numbers. The newest makes older ones worthless."""

    status: Status


@dataclass(frozen=True, slots=True)
class JobChanged:
    job: Job


@dataclass(frozen=True, slots=True)
class RegistryChanged:
    """Models, versions, aliases or runs changed on ``uri`` (None: the desk's own), or the server's state did."""

    registry: Registry
    uri: str | None = None


@dataclass(frozen=True, slots=True)
class EndpointChanged:
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class EndpointRemoved:
    name: str


@dataclass(frozen=True, slots=True)
class DriftReported:
    report: DriftReport


@dataclass(frozen=True, slots=True)
class RuleChanged:
    rule: Rule


@dataclass(frozen=True, slots=True)
class RuleRemoved:
    name: str


@dataclass(frozen=True, slots=True)
class RetrainingChanged:
    retraining: Retraining


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IncidentLogged:
    """An entry of the event log is new, or has changed (it counts on, or has ended)."""

    incident: Incident


@dataclass(frozen=True, slots=True)
class AlertChanged:
    """An alert fires, has ended, or was acknowledged."""

    alert: Alert


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know. ``level``: info, warning or alert; ``source`` names the part."""

    level: str
    source: str
    text: str
    hint: str | None = None
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Sent when nothing else is, so that silence means the agent is gone."""

    at: float


Event = (
    Sampled
    | JobChanged
    | RegistryChanged
    | EndpointChanged
    | EndpointRemoved
    | DriftReported
    | RuleChanged
    | RuleRemoved
    | RetrainingChanged
    | SettingsChanged
    | IncidentLogged
    | AlertChanged
    | Notice
    | Heartbeat
)

EVENTS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        Sampled,
        JobChanged,
        RegistryChanged,
        EndpointChanged,
        EndpointRemoved,
        DriftReported,
        RuleChanged,
        RuleRemoved,
        RetrainingChanged,
        SettingsChanged,
        IncidentLogged,
        AlertChanged,
        Notice,
        Heartbeat,
    )
}
