"""What becomes an entry of the event log, and in which words. Pure: from what was heard to incidents without an id.

Incidents of one ``key`` (kind, device, title, whose) are the same thing happening again.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mlops_desk.jobs.records.job import Job
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import percent, plain
from mlops_desk.machine.records.alert import Alert
from mlops_desk.machine.records.event import Notice
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState, LeaseInfo, Slowdown
from mlops_desk.machine.records.incident import DeviceEvent, Incident
from mlops_desk.machine.records.xid import Blame, explain_xid

Key = tuple[str, str | None, str, str]

_TEXT_LIMIT = 1000  # chosen: a paragraph; the driver's own line is shorter
_SHOWN = 3  # chosen: as many as stand in one line
_DOUBTFUL = "Results of what runs there may be wrong. If it comes back, have the board examined."
_HAPPENED = {
    "bind": ("info", "was bound to the driver"),
    "unbind": ("warning", "was unbound from the driver"),
    "unavailable": ("alert", "can't be used, says the driver"),
    "recovery": ("warning", "may need to be repaired: what the driver asks for has changed"),
}
_AIR = "Check air flow, fans and dust."
_SLOWDOWNS = {
    Slowdown.HEAT: ("heat", _AIR),
    Slowdown.POWER_SUPPLY: ("power supply", "Check the power supply and its cables."),
    Slowdown.HARDWARE: ("hardware (heat or power supply)", _AIR),
}
_REPAIR = "Its page says under Health what the driver asks for."
_BINDINGS = frozenset({"bind", "unbind"})
_BUS_ID = re.compile(r"([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})\.[0-7]", re.IGNORECASE)
KERNEL = "oom_kernel"
"""The class of an end for lack of memory of the machine or of a group, not of a GPU."""

_OUT_OF_MEMORY = {KERNEL, "oom_cuda"}


@dataclass(frozen=True, slots=True)
class Draft:
    """An incident to be logged; ``record`` asks the flight recorder to keep the minutes around it."""

    incident: Incident
    record: bool = False

    @property
    def is_kill(self) -> bool:
        """Tell whether the kernel killed somebody for lack of memory."""
        return self.incident.kind == "oom" and self.incident.details.get("class") == KERNEL


@dataclass(frozen=True, slots=True)
class Killed:
    """Where a process was killed: its container's name and its job's."""

    container: str | None = None
    job: str | None = None


@dataclass(frozen=True, slots=True)
class ProcessOwner:
    """A process on a GPU, and the job or holder of the lease that it belongs to."""

    process: GpuProcess
    label: str | None = None


def key_of(incident: Incident) -> Key:
    return incident.kind, incident.device, incident.title, _subject(incident)


def _subject(incident: Incident) -> str:
    """Return whose a driver's error or a kill was: that of another job is another one."""
    if incident.kind not in {"xid", "oom"}:
        return ""
    details = incident.details
    return details.get("job") or details.get("container") or details.get("command") or ""


def job_of(process: GpuProcess, lease: LeaseInfo | None) -> str | None:
    """Return the job that a process belongs to: its container's, or the one that the GPU is leased to."""
    if process.job is not None:
        return process.job
    if lease is None or lease.label is None:
        return None
    if lease.attempt and lease.attempt not in (process.container or ""):
        return None
    return lease.label


def gpu_title(gpu: Gpu | None, device: str | None) -> str:
    """Return the words by which people know a GPU."""
    if gpu is not None:
        return f"GPU {gpu.index}"
    return plain(device, 60) if device else "a GPU"


def located(event: DeviceEvent, gpus: Iterable[Gpu]) -> DeviceEvent:
    """Name the GPU of an event that tells only a place on the PCI bus: domain, bus and device in one number."""
    if event.kind not in _BINDINGS or event.device is not None or event.code is None:
        return event
    for gpu in gpus:
        if gpu.pci_bus_id is not None and _place(gpu.pci_bus_id) == event.code:
            return replace(event, device=gpu.uuid)
    domain, bus, device = event.code >> 16, event.code >> 8 & 0xFF, event.code & 0xFF
    return replace(event, text=f"On the PCI bus it is {domain:04x}:{bus:02x}:{device:02x}.0.")


def _place(bus_id: str) -> int | None:
    found = _BUS_ID.fullmatch(bus_id)
    return int(found[1], 16) << 16 | int(found[2], 16) << 8 | int(found[3], 16) if found else None


def of_event(
    event: DeviceEvent, gpu: Gpu | None, owner: ProcessOwner | None, users: Sequence[ProcessOwner] = ()
) -> Draft:
    """Say what the collector heard. ``owner`` is the process it names, ``users`` those that were on the GPU then."""
    title = gpu_title(gpu, event.device)
    details = _details(event, gpu, owner, users)
    text = plain(event.text, _TEXT_LIMIT)
    if event.kind == "xid":
        return Draft(_xid(event, title, _whose(event, owner, users), details), record=True)
    if event.kind == "ecc":
        level = event.level or "warning"
        what = plain(event.text, 80) or "memory error"
        grave, happened = level == "alert", f"{title}: {what}"
        advice, whose = _DOUBTFUL if grave else None, _whose(event, owner, users)
        return Draft(_incident(event, "ecc", level, happened, whose, advice, details, what), grave)
    grade, words = _HAPPENED.get(event.kind, ("warning", plain(event.kind, 40)))
    happened, next_step = f"{title[:1].upper()}{title[1:]} {words}", None if event.kind in _BINDINGS else _REPAIR
    return Draft(_incident(event, "gpu", grade, happened, text, next_step, details, words), grade == "alert")


def of_kill(event: DeviceEvent, killed: Killed) -> Draft:
    """Say that the kernel killed a process for lack of memory, as far as its log tells which."""
    process = plain(event.process, 80) if event.process else None
    where = f" in container {plain(killed.container, 80)}" if killed.container else ""
    where = f" of job {plain(killed.job, 80)}" if killed.job else where
    who = "a process" if process is None else f"{process} (process {event.pid})"
    why = "The machine had no memory left."
    if process is None:
        why = "Only the kernel's log says which, and it may not be read here."
    elif event.limited:
        why = "Its container reached its memory limit." if killed.container else "Its group reached its memory limit."
    hint = "Give jobs a memory limit (resources: memory), so that one of them can't take the others down."
    if event.limited:
        hint = "Give it more with resources: {memory: ...}, or use smaller batches or fewer loader workers."
    if process is None:
        hint = Hint("sudo dmesg | grep -i 'killed process'", before="See who it was: ", after=f". {hint}")
    text = plain(f"The kernel killed {who}{where} for lack of memory. {why}", _TEXT_LIMIT)
    names = {"container": killed.container, "job": killed.job}
    details = {**victim_facts(event), **{name: plain(value) for name, value in names.items() if value}}
    title = f"The kernel killed {process or 'a process'}{where}"
    level = "warning" if event.limited else "alert"
    return Draft(_incident(event, "oom", level, title, text, hint, {**details, "class": KERNEL}), record=True)


def victim_facts(event: DeviceEvent) -> dict[str, str]:
    """Return which process was killed, as an entry's details."""
    pid = {} if event.pid is None else {"pid": str(event.pid)}
    return pid if event.process is None else {**pid, "command": plain(event.process, 80)}


def _xid(event: DeviceEvent, title: str, whose: str, details: dict[str, str]) -> Incident:
    code = event.code if event.code is not None else 0
    known = explain_xid(code)
    blame = {Blame.APPLICATION: "Most often the program's fault.", Blame.HARDWARE: "Most often the hardware's fault."}
    said = f"The driver says: {plain(event.text, _TEXT_LIMIT)}" if event.text else ""
    text = " ".join(part for part in (known.text, blame.get(known.blame, ""), whose, said) if part)
    details = {**details, "xid": str(code), "cause": known.blame.value}
    if known.brief:
        details["meaning"] = known.brief
    what = f"XID {code}" + (f", {known.brief}" if known.brief else "")
    return _incident(event, "xid", known.level, f"{title}: {what}", text, known.hint, details, what)


def _whose(event: DeviceEvent, owner: ProcessOwner | None, users: Sequence[ProcessOwner]) -> str:
    """Say to whom it happened; NVML does not tell the process, so then who was on the GPU at that time."""
    if owner is not None:
        return f"It happened to {owner_words(owner)}."
    if event.pid is not None:
        return f"It happened to process {event.pid}, which is not known any more."
    if not users:
        return ""
    shown = ", ".join(owner_words(user) for user in users[:_SHOWN])
    more = f" and {len(users) - _SHOWN} more" if len(users) > _SHOWN else ""
    return f"On the GPU at that time: {shown}{more}."


def _incident(
    event: DeviceEvent,
    kind: str,
    level: str,
    title: str,
    text: str,
    hint: str | None,
    details: Mapping[str, str],
    what: str = "",
) -> Incident:
    count = max(1, event.count)
    return Incident("", event.at, kind, level, title, text, hint, event.device, count, details=details, what=what)


def owner_words(owner: ProcessOwner) -> str:
    """Name a process: its job or container before its command line."""
    process = owner.process
    parts = [f"process {process.pid}"]
    if process.user:
        parts.append(f"of {plain(process.user, 40)}")
    name = owner.label or process.container or process.command
    return " ".join(parts) + (f" ({plain(name, 80)})" if name else "")


def _details(
    event: DeviceEvent, gpu: Gpu | None, owner: ProcessOwner | None, users: Sequence[ProcessOwner]
) -> dict[str, str]:
    details = {}
    if gpu is not None:
        details["gpu"] = gpu.name
        if gpu.pci_bus_id:
            details["pci"] = gpu.pci_bus_id
    if event.pid is not None:
        details["pid"] = str(event.pid)
    meant = [owner] if owner is not None else [*users] if event.pid is None else []
    for name, value_of in _FACTS.items():
        values = {value_of(each) for each in meant}
        value = values.pop() if len(values) == 1 else None  # of what differs, nobody knows whose it was
        if value:
            details.setdefault(name, plain(value))
    return details


_FACTS: Mapping[str, Callable[[ProcessOwner], str | None]] = {
    "pid": lambda owner: str(owner.process.pid),
    "user": lambda owner: owner.process.user,
    "command": lambda owner: owner.process.command,
    "container": lambda owner: owner.process.container,
    "job": lambda owner: owner.label,
}


def of_state(gpu: Gpu, at: float) -> Draft | None:
    """Say that a GPU is in a state that lasts and that a person must know of; None for the others."""
    words = {
        GpuState.LOST: ("is lost", "It fell off the bus, or the driver no longer lists it.", True),
        GpuState.RESET_REQUIRED: ("needs a reset", "The driver refuses work until it is reset.", True),
        GpuState.STALE: ("does not respond", "A call to the driver about it did not return.", True),
    }
    found = words.get(gpu.state)
    if found is None:
        return None
    word, text, record = found
    title = f"{gpu_title(gpu, gpu.uuid)} {word}"
    incident = Incident(
        "", at, "gpu", "alert", title, text, gpu.note, gpu.uuid, details={"gpu": gpu.name}, lasting=True, what=word
    )
    return Draft(incident, record)


def of_driver_silence(at: float) -> Draft:
    """Say that no GPU answers at all."""
    text = "None of the GPUs could be read; the rest of the machine could."
    hint = Hint("sudo dmesg | grep -i nvrm", after=" says more.")
    return Draft(Incident("", at, "gpu", "alert", "The NVIDIA driver does not answer", text, hint, lasting=True), True)


def of_return(gpu: Gpu, at: float) -> Draft:
    title = f"{gpu_title(gpu, gpu.uuid)} is back"
    return Draft(Incident("", at, "gpu", "info", title, device=gpu.uuid, what="is back"))


def of_throttling(gpu: Gpu, cause: Slowdown, share: float, at: float) -> Draft:
    """Say that a GPU is slowed down by ``cause`` for ``share`` of the time."""
    word, hint = _SLOWDOWNS[cause]
    what = f"is slowed down: {word}"
    title = f"{gpu_title(gpu, gpu.uuid)} {what}"
    text = f"Its clocks are held down {percent(share)} of the time."
    owner = gpu.lease.label if gpu.lease is not None and gpu.lease.label else None
    details = {"gpu": gpu.name, **({"job": plain(owner)} if owner else {})}
    return Draft(
        Incident("", at, "throttle", "warning", title, text, hint, gpu.uuid, details=details, lasting=True, what=what),
        record=True,
    )


def of_job(job: Job, at: float) -> Draft | None:
    """Say that a job ran out of memory, or was found without a record; None for every other end."""
    if job.orphan and not job.state.is_final:
        return _of_orphan(job, at)
    if job.reason is None or job.reason.class_ not in _OUT_OF_MEMORY or not job.state.is_final:
        return None
    cuda = job.reason.class_ == "oom_cuda"
    what = "The GPU's memory was not enough for the job" if cuda else "The kernel killed the job for lack of memory:"
    device = job.gpus[0] if cuda and job.gpus else "host"
    facts = {"job": job.name, "job_id": job.id, "user": job.user, "gpus": ", ".join(job.gpus)}
    containers = [job.container, *(attempt.container for attempt in job.attempts)]
    facts |= {"container": next((name for name in reversed(containers) if name), ""), "class": job.reason.class_}
    details = {name: plain(value) for name, value in facts.items() if value}
    text = " ".join(part for part in (job.reason.text, job.reason.evidence) if part)
    incident = Incident(
        id=f"oom-{job.id}",
        at=job.ended_at or at,
        kind="oom",
        level="warning",
        title=f"{what} {plain(job.name, 80)}",
        text=plain(text, _TEXT_LIMIT),
        hint=job.reason.hint,
        device=device,
        details=details,
    )
    return Draft(incident, record=True)


def _of_orphan(job: Job, at: float) -> Draft:
    incident = Incident(
        id=f"orphan-{job.id}",
        at=at,
        kind="agent",
        level="warning",
        title=f"No record was left of job {job.id}, which runs",
        text=f"It was found by its container {plain(job.container or '')} and is watched again as {plain(job.name)}.",
        hint=Hint(
            f"mlops-desk jobs cancel {job.id}", after=" ends it; mlops-desk agent restore brings back older records."
        ),
        details={
            "job": plain(job.name),
            "job_id": job.id,
            "user": plain(job.user),
            **({"gpus": ", ".join(job.gpus)} if job.gpus else {}),
        },
    )
    return Draft(incident)


def of_alert(alert: Alert) -> Draft:
    """Say that an alert fires; its end ends the incident."""
    title = f"{alert.device_title}: {alert.title}"
    return Draft(
        Incident("", alert.since, "alert", alert.level, title, alert.text, alert.hint, alert.device,
                 details={"rule": alert.rule, "alert": alert.id}, lasting=True, what=alert.title)
    )  # fmt: skip


def of_notice(notice: Notice, at: float) -> Draft:
    """Log what the agent said about its own work (the collector replaced, the history paused)."""
    title, _, rest = notice.text.partition(". ")
    return Draft(Incident("", notice.at or at, "agent", notice.level, title.rstrip("."), rest, notice.hint))


def of_start(at: float, *, clean: bool, version: str) -> Draft:
    """Say that the agent started, and whether the one before it ended as it should."""
    if clean:
        return Draft(Incident("", at, "agent", "info", "The agent started", f"Version {version}."))
    text = f"Version {version}. The one before was not stopped cleanly: it was killed, or the machine went down."
    return Draft(Incident("", at, "agent", "warning", "The agent started after a hard end", text))


def of_driver(before: str, now: str, at: float) -> Draft:
    title = f"The NVIDIA driver changed from {plain(before, 40)} to {plain(now, 40)}"
    return Draft(Incident("", at, "driver", "info", title))
