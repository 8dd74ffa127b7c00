"""The workstation at one moment: GPUs, host, disks, networks and what the agent itself costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mlops_desk.records.metric import Reading


class GpuState(StrEnum):
    """What can be said of a GPU as a whole. A lost GPU stays listed."""

    OK = "ok"
    ASLEEP = "asleep"
    STALE = "stale"
    LOST = "lost"
    RESET_REQUIRED = "reset_required"
    NO_PERMISSION = "no_permission"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A host process that holds a context on a GPU. ``start_ticks`` tells it from a later owner of its pid."""

    pid: int
    user: str | None
    command: str | None
    gpu_memory_bytes: int | None
    container: str | None = None
    kind: str = "compute"
    start_ticks: int | None = None


@dataclass(frozen=True, slots=True)
class LeaseInfo:
    """Who holds a GPU in the machine-wide ledger. ``state``: leased, draining, external or unknown."""

    state: str
    instance: str | None = None
    uid: int | None = None
    user: str | None = None
    attempt: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, known by its UUID; the index is for display only.

    ``processes_known`` is False when the driver did not say who uses it: an empty list then means nothing.
    """

    uuid: str
    index: int
    name: str
    pci_bus_id: str | None
    state: GpuState
    lease: LeaseInfo | None = None
    metrics: Mapping[str, Reading] = field(default_factory=dict)
    processes: tuple[GpuProcess, ...] = ()
    throttle_reasons: tuple[str, ...] = ()
    note: str | None = None
    processes_known: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    """The machine without its GPUs."""

    name: str
    metrics: Mapping[str, Reading] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Disk:
    """A block device, by kernel name."""

    name: str
    model: str | None = None
    metrics: Mapping[str, Reading] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Network:
    """A network interface, by kernel name."""

    name: str
    metrics: Mapping[str, Reading] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AgentCost:
    """What watching costs: share of one core, resident memory and time spent inside the driver."""

    cpu_ratio: float | None = None
    memory_bytes: int | None = None
    driver_seconds_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """The agent that answers."""

    version: str
    uptime_seconds: float
    cost: AgentCost
    pid: int
    data_dir: str
    instance: str
    simulated: bool = False
    sampling: str = "ok"
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """What the collector saw in one tick. ``sampled_at`` is Unix time in seconds."""

    sequence: int
    sampled_at: float
    gpus: tuple[Gpu, ...]
    host: Host
    disks: tuple[Disk, ...] = ()
    networks: tuple[Network, ...] = ()
    gpu_note: str | None = None
    gpu_hint: str | None = None
    driver_version: str | None = None
    driver_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Status:
    """The answer to ``mlops-desk status``. ``gpu_note`` says why there is no GPU, ``gpu_hint`` what to do."""

    gpus: tuple[Gpu, ...]
    host: Host
    disks: tuple[Disk, ...]
    networks: tuple[Network, ...]
    agent: AgentInfo
    sampled_at: float | None
    gpu_note: str | None = None
    gpu_hint: str | None = None
    driver_version: str | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one device over a window; ``values[i]`` belongs to the window's ``times[i]``, None is a gap.

    ``device`` is a GPU's UUID, ``host``, or the kernel's name of a disk or network interface.
    """

    device: str
    metric: str
    unit: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """Several series on one time axis (Unix seconds)."""

    times: tuple[float, ...]
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor. ``state``: ok, warning, problem or unknown; ``fix`` is a command to paste."""

    name: str
    state: str
    text: str
    fix: str | None = None
