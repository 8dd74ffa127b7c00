"""Alerts: what is watched, and what is wrong at the moment."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A threshold on a metric of a class of devices (gpu, host, disk, filesystem, network).

    It fires when the value was at or beyond ``threshold`` (``above`` says on which side) for ``for_seconds``, and
    ends when it was beyond ``clear_at`` on the good side for as long: a value that flickers does not ring twice.
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


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule that fires for a device, or did. ``since`` and ``ended_at`` are Unix times; ``value`` the newest."""

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
