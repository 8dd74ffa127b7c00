"""Alerts: what is watched, and what is wrong at the moment."""

from dataclasses import dataclass

from mlops_desk.kit.base.errors import keep_command
from mlops_desk.kit.records.owner import Owner


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A threshold on a metric of a class of devices (gpu, host, disk, filesystem, network).

    It fires when the value was at or beyond ``threshold`` (``above`` says on which side) for ``for_seconds`` within a
    span of two and a half times as long: what flickers or dips for a moment fires all the same, and a single glitch
    does not. It ends when the value was beyond ``clear_at`` on the good side for as long, and never bad between.
    ``averaged`` marks shares of time and rates: they fire as well when their mean over the span is beyond the
    threshold, and end when it is beyond ``clear_at``. ``counted`` names what a value of the unit 1 or 1/s counts
    (errors, rows), "" where it is a share or a yes.
    """

    name: str
    title: str
    device_class: str
    metric: str
    unit: str
    above: bool
    threshold: float
    clear_at: float
    for_seconds: float
    level: str
    enabled: bool = True
    help: str = ""
    averaged: bool = False
    counted: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule that fires for a device, or did. ``since`` and ``ended_at`` are Unix times; ``value`` the newest.

    ``hint`` is the next step, ``command`` the command in it.
    ``metric`` and ``threshold`` are the rule's when it began, ``uuid`` that of a GPU.
    ``xid``, ``pid``, ``process`` (its command line), ``user``, ``container`` and ``job`` (its name) say what is behind
    it, as far as that is known and one. ``subject`` tells it from others of the same rule and device, ``event`` is the
    id of the entry in the event log that set it off. Until ``silenced_until`` (Unix time) nobody is told of it.
    ``noticed``: a notice says the same when it begins, so that a window need not say it twice.
    ``undelivered``: why the webhook has not got it, or its end, and what to do about it; None where nothing failed.
    """

    id: str
    rule: str
    title: str
    level: str
    device: str
    device_title: str
    text: str
    hint: str | None
    since: float
    value: float | None
    unit: str
    ended_at: float | None = None
    acknowledged_by: str | None = None
    metric: str | None = None
    threshold: float | None = None
    uuid: str | None = None
    xid: int | None = None
    pid: int | None = None
    process: str | None = None
    user: str | None = None
    container: str | None = None
    job: str | None = None
    subject: str = ""
    event: str | None = None
    silenced_until: float | None = None
    silenced_by: str | None = None
    noticed: bool = False
    command: str | None = None
    undelivered: str | None = None

    def __post_init__(self) -> None:
        keep_command(self)

    @property
    def owner(self) -> Owner:
        """Whose process is behind it; what is the machine's own belongs to the agent's user."""
        return Owner(user=self.user)
