"""What the agent announces. Pages paint what was announced, never what they asked for.

``EVENTS`` is the one list the wire knows; an event that is not in it does not leave the agent.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import get_args

from mlops_desk.automation.records.approval import Approval
from mlops_desk.automation.records.ci.run import CiRun
from mlops_desk.automation.records.firing import KeptFiring
from mlops_desk.automation.records.pipelines.run import PipelineRun
from mlops_desk.automation.records.retraining_rule import Retraining, Rule
from mlops_desk.automation.records.rule_record import KeptRule
from mlops_desk.drift.records.monitors import MonitorStanding
from mlops_desk.drift.records.report import DriftReport
from mlops_desk.engines.records.task import ImageTask
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.records.job_activity import LiveUse, Progress, Stuck
from mlops_desk.kit.base.errors import keep_command
from mlops_desk.machine.records.alert import Alert
from mlops_desk.machine.records.incident import Incident
from mlops_desk.machine.records.status import Status
from mlops_desk.registry.records.model import Registry
from mlops_desk.serving.records.endpoint import Endpoint


class Announcement:
    """What every event says of itself."""

    __slots__ = ()

    @property
    def key(self) -> Hashable | None:
        """What this is the newest state of: an unread event of the same key is worthless. None: each one counts."""
        return None


@dataclass(frozen=True, slots=True)
class Sampled(Announcement):
    """New numbers. The newest makes older ones worthless."""

    status: Status

    @property
    def key(self) -> Hashable:
        return "sampled"


@dataclass(frozen=True, slots=True)
class JobChanged(Announcement):
    job: Job

    @property
    def key(self) -> Hashable:
        return ("job", self.job.id)


@dataclass(frozen=True, slots=True)
class JobMoved(Announcement):
    """What is seen of a running job, without the rest of its record; at most once a second for each."""

    job_id: str
    progress: Progress | None = None
    stuck: Stuck | None = None
    live: LiveUse | None = None

    @property
    def key(self) -> Hashable:
        return ("job-moved", self.job_id)


@dataclass(frozen=True, slots=True)
class RegistryChanged(Announcement):
    """Models, versions, aliases or runs changed on ``uri`` (None: the desk's own), or the server's state did."""

    registry: Registry
    uri: str | None = None

    @property
    def key(self) -> Hashable:
        return ("registry", self.uri)


@dataclass(frozen=True, slots=True)
class RegistriesChanged(Announcement):
    """A registry came on the list or left it, or what is kept of one changed: whoever shows them asks again."""

    @property
    def key(self) -> Hashable:
        return ("registries",)


@dataclass(frozen=True, slots=True)
class EndpointChanged(Announcement):
    endpoint: Endpoint

    @property
    def key(self) -> Hashable:
        return ("endpoint", self.endpoint.name)


@dataclass(frozen=True, slots=True)
class EndpointRemoved(Announcement):
    name: str

    @property
    def key(self) -> Hashable:
        return ("endpoint", self.name)


@dataclass(frozen=True, slots=True)
class DriftReported(Announcement):
    report: DriftReport


@dataclass(frozen=True, slots=True)
class MonitorChanged(Announcement):
    """A monitor of drift stands otherwise, was made, or was changed."""

    standing: MonitorStanding

    @property
    def key(self) -> Hashable:
        return ("monitor", self.standing.monitor.id)


@dataclass(frozen=True, slots=True)
class MonitorRemoved(Announcement):
    monitor_id: str

    @property
    def key(self) -> Hashable:
        return ("monitor", self.monitor_id)


@dataclass(frozen=True, slots=True)
class RuleChanged(Announcement):
    rule: Rule

    @property
    def key(self) -> Hashable:
        return ("rule", self.rule.name)


@dataclass(frozen=True, slots=True)
class AutomationChanged(Announcement):
    """A rule, whatever it does, with how it stands; ``RuleChanged`` tells of those that retrain alone."""

    rule: KeptRule

    @property
    def key(self) -> Hashable:
        return ("automation", self.rule.name)


@dataclass(frozen=True, slots=True)
class FiringChanged(Announcement):
    firing: KeptFiring

    @property
    def key(self) -> Hashable:
        return ("firing", self.firing.id)


@dataclass(frozen=True, slots=True)
class ApprovalsChanged(Announcement):
    """All that waits for a person's word now: that is little, and what waits no more is told by its absence."""

    approvals: tuple[Approval, ...]

    @property
    def key(self) -> Hashable:
        return "approvals"


@dataclass(frozen=True, slots=True)
class RuleRemoved(Announcement):
    name: str

    @property
    def key(self) -> Hashable:
        return ("rule", self.name)


@dataclass(frozen=True, slots=True)
class RetrainingChanged(Announcement):
    retraining: Retraining

    @property
    def key(self) -> Hashable:
        return ("retraining", self.retraining.id)


@dataclass(frozen=True, slots=True)
class CiChanged(Announcement):
    run: CiRun

    @property
    def key(self) -> Hashable:
        return ("ci", self.run.id)


@dataclass(frozen=True, slots=True)
class PipelineChanged(Announcement):
    run: PipelineRun

    @property
    def key(self) -> Hashable:
        return ("pipeline", self.run.id)


@dataclass(frozen=True, slots=True)
class GovernanceChanged(Announcement):
    """A card, a policy or a move that was asked for has changed. ``about`` is its kind and what it is called.

    ("card", "churn/3"), ("policy", "churn@champion") or ("promotion", the request's id).
    """

    about: tuple[str, str]

    @property
    def key(self) -> Hashable:
        return ("governance", *self.about)


@dataclass(frozen=True, slots=True)
class SettingsChanged(Announcement):
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IncidentLogged(Announcement):
    """An entry of the event log is new, or has changed (it counts on, or has ended)."""

    incident: Incident

    @property
    def key(self) -> Hashable:
        return ("incident", self.incident.id)


@dataclass(frozen=True, slots=True)
class AlertChanged(Announcement):
    """An alert fires, has ended, or was acknowledged."""

    alert: Alert

    @property
    def key(self) -> Hashable:
        return ("alert", self.alert.id)


@dataclass(frozen=True, slots=True)
class ImageTaskChanged(Announcement):
    """A pull or build of an image has begun, is further on, or is over."""

    task: ImageTask

    @property
    def key(self) -> Hashable:
        return ("image task", self.task.id)


@dataclass(frozen=True, slots=True)
class ImagesChanged(Announcement):
    """An image has come to an engine or left it: whoever shows them asks again."""

    engine: str

    @property
    def key(self) -> Hashable:
        return ("images", self.engine)


@dataclass(frozen=True, slots=True)
class Notice(Announcement):
    """Something a person should know. ``level``: info, warning or alert; ``source`` names the part.

    ``about`` is the kind and the key of what it tells of, as ("gpu", UUID), ("job", id) or ("endpoint", name); None
    where the agent does not say. ``command`` is the command in the hint that can be run as it is. A ``personal`` one is
    for somebody who asked to be told, or whom somebody writes to: it reaches them on the desktop too.
    """

    level: str
    source: str
    text: str
    hint: str | None = None
    at: float = 0.0
    about: tuple[str, str] | None = None
    command: str | None = None
    personal: bool = False

    def __post_init__(self) -> None:
        keep_command(self)


@dataclass(frozen=True, slots=True)
class Hello(Announcement):
    """Where a listener stands among the agent's announcements, for one who has said what it heard last.

    ``complete``: what it has missed since follows, and no more; else it loads anew what it shows. Announcements are
    numbered by ``seq`` within an ``epoch``, which is the agent's life. ``at`` is the agent's clock, Unix seconds.
    """

    epoch: str
    seq: int
    complete: bool
    at: float

    @property
    def key(self) -> Hashable:
        return "hello"


@dataclass(frozen=True, slots=True)
class Heartbeat(Announcement):
    """Sent when nothing else is, so that silence means the agent is gone."""

    at: float

    @property
    def key(self) -> Hashable:
        return "heartbeat"


Event = (
    Sampled
    | JobChanged
    | JobMoved
    | RegistryChanged
    | RegistriesChanged
    | EndpointChanged
    | EndpointRemoved
    | DriftReported
    | MonitorChanged
    | MonitorRemoved
    | RuleChanged
    | AutomationChanged
    | FiringChanged
    | ApprovalsChanged
    | RuleRemoved
    | RetrainingChanged
    | PipelineChanged
    | GovernanceChanged
    | CiChanged
    | SettingsChanged
    | IncidentLogged
    | AlertChanged
    | ImageTaskChanged
    | ImagesChanged
    | Notice
    | Hello
    | Heartbeat
)

EVENTS: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}
