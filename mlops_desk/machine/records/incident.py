"""Something that happened on the workstation and is kept: a driver's error, a lost GPU, an out-of-memory kill."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.kit.base.errors import keep_command


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """What a driver or the kernel announced, as the collector heard it.

    ``kind``: xid, ecc, oom, bind or unbind (of drivers), unavailable or recovery (of a GPU that the driver gives up, or
    wants repaired). ``device`` is a GPU's UUID or ``host``; ``code`` the number (of an XID, say); ``count`` how often
    within one tick, for a storm is folded into one. Of a process that was killed, ``process`` is its name,
    ``container`` the engine's id of its container, and ``limited`` says that its group's limit was the reason.
    ``level`` is how grave the driver's kind of event is, of kinds that differ in it.
    """

    at: float
    kind: str
    device: str | None
    code: int | None = None
    pid: int | None = None
    text: str = ""
    count: int = 1
    process: str | None = None
    container: str | None = None
    limited: bool = False
    level: str | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """An entry of the event log. ``level``: info, warning or alert.

    ``kind``: xid, ecc, gpu (its state), oom, throttle, driver, alert or agent. ``lasting`` marks a state that goes on
    until ``ended_at``; other entries are moments.

    ``device`` is a GPU's UUID, ``host`` or a kernel name. ``count`` says how often the same happened between ``at``
    and ``last_at``; ``ended_at`` when a state that lasts was over. ``recorded`` tells that the minutes around it are
    kept at full rate. ``command`` is the command in the hint. ``what`` is the title without the device, for where the
    device stands beside it; "" where the title does not name it.
    """

    id: str
    at: float
    kind: str
    level: str
    title: str
    text: str = ""
    hint: str | None = None
    device: str | None = None
    count: int = 1
    last_at: float | None = None
    ended_at: float | None = None
    recorded: bool = False
    details: Mapping[str, str] = field(default_factory=dict)
    lasting: bool = False
    command: str | None = None
    what: str = ""

    def __post_init__(self) -> None:
        keep_command(self)


@dataclass(frozen=True, slots=True)
class GpuUse:
    """How busy a GPU was over a span; ``busy_ratio`` is None where its history does not tell."""

    uuid: str
    index: int
    name: str
    busy_ratio: float | None


@dataclass(frozen=True, slots=True)
class Absence:
    """What happened while nobody looked: incidents of a span, how busy each GPU (UUID) was, jobs by outcome.

    ``busy_ratio`` has the GPUs of which it is known, ``gpus`` all there are now.
    """

    since: float
    until: float
    incidents: tuple[Incident, ...]
    busy_ratio: Mapping[str, float]
    jobs: Mapping[str, int]
    gpus: tuple[GpuUse, ...] = ()
