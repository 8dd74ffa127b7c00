"""One GPU at one moment: its state, who is on it, its links and slices, and who has leased it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mlops_desk.kit.records.owner import Owner
from mlops_desk.machine.records.metric import Reading


class GpuState(StrEnum):
    """What can be said of a GPU as a whole. A lost GPU stays listed.

    ``NOT_RECORDED`` is only in a status of the past: the history has nothing of it then.
    """

    OK = "ok"
    ASLEEP = "asleep"
    STALE = "stale"
    LOST = "lost"
    RESET_REQUIRED = "reset_required"
    NO_PERMISSION = "no_permission"
    ERROR = "error"
    NOT_RECORDED = "not_recorded"


@dataclass(frozen=True, slots=True)
class HostLoad:
    """What a process with all below it, and its cgroup, did on the host in the last ``seconds``, a minute at most.

    ``cores`` is how many cores those ``processes`` kept busy, ``busiest_ratio`` how much of one core the busiest took;
    ``cgroup_cores`` is that of its whole cgroup, which may use ``cores_limit``; the pressures are the shares of time in
    which some task of the cgroup waited for a processor, or for a disk. None: not known.
    """

    seconds: float
    cores: float | None = None
    busiest_ratio: float | None = None
    processes: int | None = None
    cgroup_cores: float | None = None
    cores_limit: float | None = None
    cpu_pressure_ratio: float | None = None
    io_pressure_ratio: float | None = None
    read_bytes_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A host process that holds a context on a GPU. ``start_ticks`` tells it from a later owner of its pid.

    ``kind``: compute, graphics, or mps for a client of MPS, which shares the GPU through a server process; one that
    computes and ``draws`` as well is in the driver's list of both. ``sm_ratio``, ``memory_bandwidth_ratio``,
    ``encoder_ratio`` and ``decoder_ratio`` are its shares of the GPU, None where the driver does not say;
    ``started_at`` is Unix time; ``gpu_instance`` the MIG instance it runs in. On the host it takes ``cpu_ratio`` of one
    core and ``host_memory_bytes``, is a child of ``parent_pid``, and ``load`` tells what it waits for. A ``zombie`` has
    ended, and its parent has not taken note. ``job`` is the name of the desk's job whose container it is in.
    """

    pid: int
    user: str | None
    command: str | None
    gpu_memory_bytes: int | None
    container: str | None = None
    kind: str = "compute"
    start_ticks: int | None = None
    sm_ratio: float | None = None
    started_at: float | None = None
    gpu_instance: int | None = None
    draws: bool = False
    memory_bandwidth_ratio: float | None = None
    encoder_ratio: float | None = None
    decoder_ratio: float | None = None
    cpu_ratio: float | None = None
    host_memory_bytes: int | None = None
    parent_pid: int | None = None
    zombie: bool = False
    load: HostLoad | None = None
    job: str | None = None

    @property
    def owner(self) -> Owner:
        return Owner(user=self.user)


@dataclass(frozen=True, slots=True)
class AccountedProcess:
    """What the driver keeps of a process on a GPU, running or ended, where its accounting is on.

    ``gpu_ratio`` and ``memory_ratio`` are the shares of its life in which it ran kernels and used the memory's
    bandwidth, ``max_memory_bytes`` the most that it held, ``seconds`` how long it held the GPU, None while it does;
    ``started_at`` is Unix time. ``user``, ``command`` and ``container`` are None when it was not seen while it ran.
    """

    pid: int
    running: bool
    started_at: float | None = None
    seconds: float | None = None
    gpu_ratio: float | None = None
    memory_ratio: float | None = None
    max_memory_bytes: int | None = None
    user: str | None = None
    command: str | None = None
    container: str | None = None


KEPT = "kept"
"""The state of a GPU that is free, and kept for somebody who waits."""


@dataclass(frozen=True, slots=True)
class LeaseInfo:
    """Who holds a GPU in the machine-wide ledger. ``state``: that of its card, or kept (free, and kept for somebody).

    ``text`` says in a few words why, for a person; ``trouble`` what is or lately was wrong with its lease file. It has
    been held ``since``, and ends by ``until`` at the latest (Unix seconds; None: not known, or nobody said).
    """

    state: str
    instance: str | None = None
    uid: int | None = None
    user: str | None = None
    attempt: str | None = None
    label: str | None = None
    text: str | None = None
    trouble: str | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class NvLink:
    """One link of a GPU. ``state``: up, down or unknown; ``peer`` is a GPU's UUID, a switch, or None if not said."""

    number: int
    state: str
    version: str | None = None
    peer: str | None = None
    metrics: Mapping[str, Reading] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MigInstance:
    """A slice of a GPU. ``fingerprint`` is made of the GPU's UUID, profile, placement and ids: ids are used again."""

    fingerprint: str
    uuid: str | None
    profile: str
    gpu_instance: int
    compute_instance: int | None
    metrics: Mapping[str, Reading] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, known by its UUID; the index is for display only.

    ``processes_known`` is False when the driver did not say who uses it: an empty list then means nothing.
    ``facts`` are what seldom changes, as title and text (VBIOS, CUDA capability, serial …); ``peers`` says by what
    path another GPU (its UUID) is reached: NV18, PIX, PXB, PHB, NODE, SYS; ``numa_node`` and ``cpu_affinity`` where it
    hangs on the host. ``accounting`` has the newest processes that the driver keeps account of, those that run first;
    None where it keeps none. ``held_by_nobody_bytes`` is memory in use that no process is seen to hold, where it is
    more than driver and rounding explain.
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
    facts: Mapping[str, str] = field(default_factory=dict)
    links: tuple[NvLink, ...] = ()
    mig: tuple[MigInstance, ...] = ()
    peers: Mapping[str, str] = field(default_factory=dict)
    numa_node: int | None = None
    cpu_affinity: str | None = None
    accounting: tuple[AccountedProcess, ...] | None = None
    held_by_nobody_bytes: int | None = None


class Slowdown(StrEnum):
    """Why clocks are held down though nobody wants them to be: not by a power limit, nor by what a person set."""

    HEAT = "heat"
    POWER_SUPPLY = "power supply"
    HARDWARE = "hardware"


THERMAL_HARDWARE = "thermal (hardware)"
THERMAL_SOFTWARE = "thermal (software)"
POWER_BRAKE = "power brake"
HARDWARE_SLOWDOWN = "hardware slowdown"
"""Among ``Gpu.throttle_reasons``."""

_SLOWDOWN_OF_REASON = {
    THERMAL_HARDWARE: Slowdown.HEAT,
    THERMAL_SOFTWARE: Slowdown.HEAT,
    POWER_BRAKE: Slowdown.POWER_SUPPLY,
    HARDWARE_SLOWDOWN: Slowdown.HARDWARE,
}

SLOWDOWN_METRICS: Mapping[str, Slowdown] = {
    "hw.gpu.throttle.thermal": Slowdown.HEAT,
    "hw.gpu.throttle.power_brake": Slowdown.POWER_SUPPLY,
    "hw.gpu.throttle.hardware_slowdown": Slowdown.HARDWARE,
}
"""The shares of time that tell of them, where the driver counts them."""


def slowdowns_of(gpu: Gpu) -> set[Slowdown]:
    """Return which of them a GPU's reasons of this moment are."""
    return {_SLOWDOWN_OF_REASON[reason] for reason in gpu.throttle_reasons if reason in _SLOWDOWN_OF_REASON}
