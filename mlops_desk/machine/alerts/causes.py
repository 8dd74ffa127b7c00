"""What is behind an alert, as fields: the driver's number, the process, its container and its job. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.alert import Alert
from mlops_desk.machine.records.gpu import Gpu
from mlops_desk.machine.records.incident import Incident

LOST_XID = 79
"""The XID by which the driver says that a GPU is lost."""

QUIET_XIDS = frozenset({45})
"""Told for each program that is killed, and after other errors, which have been told: the event log is enough."""

XID_RULES = {"alert": "gpu_xid", "warning": "gpu_xid_warning"}
"""By an XID's level; one that the driver has dealt with rings nobody."""

OOM_RULE = "host_oom"
_TITLE_LIMIT = 120  # chosen: one line of a notice on the desktop
_TEXT_LIMIT = 1000  # chosen: a paragraph; an incident's own text may quote a log


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an alert fires; what is not known is None. ``title``, ``text``, ``hint``, ``level`` None: the rule's own."""

    title: str | None = None
    text: str | None = None
    hint: str | None = None
    xid: int | None = None
    pid: int | None = None
    process: str | None = None
    user: str | None = None
    container: str | None = None
    job: str | None = None
    event: str | None = None
    level: str | None = None

    @property
    def subject(self) -> str:
        """Return what tells it from another one of the same rule and device: the number, and whose it was."""
        whose = self.job or self.container or self.process or ""
        return " ".join(part for part in (str(self.xid) if self.xid is not None else "", whose) if part)

    def said_of(self, alert: Alert) -> Alert:
        """Return the alert with what is known of its cause; what is not known stays as it is."""
        facts = ("xid", "pid", "process", "user", "container", "job", "event")
        known = {name: value for name in facts if (value := getattr(self, name)) is not None}
        return replace(alert, **known)


UNKNOWN = Cause()


def of_incident(incident: Incident) -> tuple[str, str, Cause] | None:
    """Return the rule and the device that an incident sets off, and why; None for one that sets nothing off."""
    xid = _number(incident.details.get("xid"))
    if incident.kind == "xid" and incident.device is not None and xid is not None and xid not in QUIET_XIDS:
        rule = XID_RULES.get(incident.level)
        meaning = incident.details.get("meaning")
        title = f"XID {xid}" + (f", {plain(meaning, _TITLE_LIMIT)}" if meaning else "")
        return None if rule is None else (rule, incident.device, _cause(incident, title, xid))
    if incident.kind == "oom" and incident.details.get("class") == "oom_kernel":
        return OOM_RULE, "host", _cause(incident, plain(incident.title, _TITLE_LIMIT), None)
    return None


def of_gpu(gpu: Gpu) -> Cause:
    """Return who is on a GPU, as far as that is one: the job that holds it, and what all its processes agree on."""
    computing = [process for process in gpu.processes if process.kind != "graphics"]
    job = agreed(process.job for process in computing) or (gpu.lease.label if gpu.lease is not None else None)
    return Cause(
        pid=agreed(process.pid for process in computing),
        process=agreed(process.command for process in computing),
        user=agreed(process.user for process in computing),
        container=agreed(process.container for process in computing),
        job=plain(job) if job else None,
    )


def agreed(values: Iterable[Any]) -> Any:
    """Return the one value that all have; None when they differ, or there is none."""
    found = set(values)
    return found.pop() if len(found) == 1 else None


def _cause(incident: Incident, title: str, xid: int | None) -> Cause:
    details: Mapping[str, str] = incident.details
    return Cause(
        title=title,
        text=plain(incident.text, _TEXT_LIMIT) or None,
        hint=incident.hint,
        xid=xid,
        pid=_number(details.get("pid")),
        process=_named(details, "command"),
        user=_named(details, "user"),
        container=_named(details, "container"),
        job=_named(details, "job"),
        event=incident.id or None,
    )


def _named(details: Mapping[str, str], name: str) -> str | None:
    value = details.get(name)
    return plain(value) if value and value != "several" else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else None
