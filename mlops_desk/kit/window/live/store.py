"""What the window knows: the newest announcement of everything, and whether it is true now. No Qt here.

A part is loaded once by asking, and kept true by announcements (``announcements`` has what is done with each). No
record is loaded for it: the window's frame is painted before.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar

from mlops_desk.kit.window.live.recent_tracks import RecentTracks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mlops_desk.automation.records.retraining_rule import Retraining, Rule
    from mlops_desk.drift.records.monitors import MonitorStanding
    from mlops_desk.drift.records.report import DriftReport
    from mlops_desk.jobs.records.brief import JobBrief
    from mlops_desk.kit.base.errors import DeskError
    from mlops_desk.kit.records.agent import Check
    from mlops_desk.kit.records.setting import SettingValue
    from mlops_desk.kit.verbs.desk import ClientLike
    from mlops_desk.machine.records import event as events
    from mlops_desk.machine.records.alert import Alert, AlertRule
    from mlops_desk.machine.records.incident import Incident
    from mlops_desk.machine.records.status import Status
    from mlops_desk.registry.records.model import Model, Registry
    from mlops_desk.serving.records.endpoint import Endpoint

STALE_SECONDS = 3.0  # chosen: two samples that did not come
NOTICES = 100  # chosen: more than one reads

T = TypeVar("T")


Keep: TypeAlias = "Callable[[Store, Any], bool]"
"""Puts what an announcement carries into the store; True when that changed anything."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A part of the store that is loaded by asking and kept true by announcements.

    ``kept_by`` has what each class of event does to it. What is ``early`` is asked for as soon as the agent answers:
    badges, the overview or the tray show it; the rest when a page that shows it is opened.
    """

    topic: Topic
    ask: Callable[[ClientLike, Store], Any]
    kept_by: Mapping[type, Keep] = field(default_factory=dict)
    early: bool = False


@dataclass(slots=True)
class LivePart(Generic[T]):
    """One thing that is loaded by asking and kept true by announcements; ``outdated``: one said no more than that."""

    value: T | None = None
    error: DeskError | None = None
    loading: bool = False
    asked_at: float | None = None
    outdated: bool = False
    meanwhile: list[events.Event] = field(default_factory=list)


@dataclass(slots=True)
class AgentConnection:
    """Whether the agent can be heard. ``since`` is when that became so; ``heard_at`` is monotonic."""

    state: str = "starting"
    since: float = field(default_factory=time.time)
    heard_at: float | None = None
    error: DeskError | None = None
    stale_since: float | None = None


class Store:
    """All parts together. Lives in the GUI thread."""

    def __init__(self, loaded: Callable[[], Iterable[Loaded]] = tuple) -> None:
        self._loaded = loaded
        self._others: dict[Topic, LivePart[Any]] = {}
        self.status: Status | None = None
        self.connection = AgentConnection()
        self.paused = False
        self.settings_changed = False
        self.recent = RecentTracks()
        self.jobs: LivePart[dict[str, JobBrief]] = LivePart()
        self.endpoints: LivePart[dict[str, Endpoint]] = LivePart()
        self.models: LivePart[dict[str, Model]] = LivePart()
        self.models_uri: str | None = None
        self.registry: LivePart[Registry] = LivePart()
        self.reports: LivePart[dict[str, DriftReport]] = LivePart()
        self.monitors: LivePart[dict[str, MonitorStanding]] = LivePart()
        self.rules: LivePart[dict[str, Rule]] = LivePart()
        self.retrainings: LivePart[dict[str, Retraining]] = LivePart()
        self.settings: LivePart[dict[str, SettingValue]] = LivePart()
        self.checks: LivePart[list[Check]] = LivePart()
        self.incidents: LivePart[dict[str, Incident]] = LivePart()
        self.alerts: LivePart[dict[str, Alert]] = LivePart()
        self.alert_rules: LivePart[dict[str, AlertRule]] = LivePart()
        self.notices: deque[events.Notice] = deque(maxlen=NOTICES)

    def part(self, topic: Topic) -> LivePart[Any]:
        """Return a part by its topic; one that only its own feature knows is made when it is first asked for."""
        part = getattr(self, topic, None)
        return part if isinstance(part, LivePart) else self._others.setdefault(topic, LivePart())

    # Loading by asking.

    @cached_property
    def loaded(self) -> dict[Topic, Loaded]:
        """What is loaded by asking, by topic: as the features declare it, which are not loaded before this."""
        return {each.topic: each for each in self._loaded()}

    def asked(self, topic: Topic) -> None:
        part = self.part(topic)
        part.loading, part.asked_at, part.outdated = True, time.monotonic(), False
        part.meanwhile.clear()

    def refused(self, topic: Topic, error: DeskError) -> None:
        part = self.part(topic)
        part.error, part.loading = error, False
        part.meanwhile.clear()

    # Announcements.

    def heard(self, when_monotonic: float) -> bool:
        """Note a sign of life; True when the connection's state changed by it."""
        connection = self.connection
        connection.heard_at = when_monotonic
        if connection.state == "live" and connection.stale_since is None:
            return False
        self.connection = AgentConnection("live", time.time(), when_monotonic)
        return True

    def check_stale(self, now_monotonic: float) -> bool:
        """Note silence; True when the connection became stale by it."""
        connection = self.connection
        if connection.state != "live" or connection.stale_since is not None or connection.heard_at is None:
            return False
        silent = now_monotonic - connection.heard_at
        if silent < STALE_SECONDS:
            return False
        connection.stale_since = time.time() - silent
        return True

    def lost(self, error: DeskError | None, state: str = "lost") -> bool:
        """Note that the agent can't be heard; True when that is news."""
        connection = self.connection
        if connection.state == state:
            connection.error = error
            return False
        since = connection.stale_since or time.time()
        self.connection = AgentConnection(state, since, connection.heard_at, error, connection.stale_since)
        return True

    @property
    def is_true_now(self) -> bool:
        """Whether what is shown is what the agent says now."""
        return self.connection.state == "live" and self.connection.stale_since is None

    # Numbers.

    def curve(self, device: str, metric: str, seconds: float) -> list[tuple[float, float | None]]:
        """Return the newest ``seconds`` of a tile's series, oldest first; None is a gap. Other series are empty."""
        last = self.status.sampled_at if self.status is not None else None
        return self.recent.curve(device, metric, None if last is None else last - seconds)


def devices_of(status: Status) -> Iterable[tuple[str, Any]]:
    """Yield the key of each device in the history and its readings."""
    yield from ((gpu.uuid, gpu.metrics) for gpu in status.gpus)
    yield "host", status.host.metrics
    yield from ((disk.name, disk.metrics) for disk in status.disks)
    yield from ((network.name, network.metrics) for network in status.networks)
    yield from ((filesystem.mount, filesystem.metrics) for filesystem in status.filesystems)


def report_key(report: DriftReport) -> str:
    """Return what tells a report from others."""
    return report.id or f"{report.endpoint}@{report.created_at}"


def keyed(key: Callable[[T], str], records: Iterable[T]) -> dict[str, T]:
    """Return records by their key, in their order."""
    return {key(record): record for record in records}


# What kinds of things can have changed, by name.


class Topic(str):
    """The name of a kind of thing that can have changed.

    Those below are spoken of by more than one feature; what only one speaks of, it names itself.
    """

    __slots__ = ()

    STATUS: ClassVar[Topic]
    CONNECTION: ClassVar[Topic]
    NOTICES: ClassVar[Topic]
    JOBS: ClassVar[Topic]
    ENDPOINTS: ClassVar[Topic]
    MODELS: ClassVar[Topic]
    REGISTRY: ClassVar[Topic]
    REGISTRIES: ClassVar[Topic]
    REPORTS: ClassVar[Topic]
    MONITORS: ClassVar[Topic]
    RULES: ClassVar[Topic]
    RETRAININGS: ClassVar[Topic]
    SETTINGS: ClassVar[Topic]
    CHECKS: ClassVar[Topic]
    INCIDENTS: ClassVar[Topic]
    ALERTS: ClassVar[Topic]
    ALERT_RULES: ClassVar[Topic]
    APPROVALS: ClassVar[Topic]


for _name in (
    "status", "connection", "notices", "jobs", "endpoints", "models", "registry", "registries", "reports", "rules",
    "retrainings", "monitors", "settings", "checks", "incidents", "alerts", "alert_rules", "approvals",
):  # fmt: skip
    setattr(Topic, _name.upper(), Topic(_name))
