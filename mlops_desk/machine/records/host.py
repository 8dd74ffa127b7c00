"""The machine without its GPUs at one moment: processors, sensors, disks, filesystems, networks, processes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.machine.records.metric import Reading


@dataclass(frozen=True, slots=True)
class Core:
    """One logical processor, named as the kernel does (``cpu3``)."""

    name: str
    metrics: Mapping[str, Reading] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sensor:
    """A thermometer of the host; ``name`` says chip and place."""

    name: str
    metrics: Mapping[str, Reading] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Host:
    """The machine without its GPUs. ``facts`` are title and text (kernel, processor, NUMA …)."""

    name: str
    metrics: Mapping[str, Reading] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    cores: tuple[Core, ...] = ()
    sensors: tuple[Sensor, ...] = ()
    booted_at: float | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    """A block device, by kernel name. ``note`` says what of its health can't be read, and what to do."""

    name: str
    model: str | None = None
    metrics: Mapping[str, Reading] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None
    numa_node: int | None = None


@dataclass(frozen=True, slots=True)
class Filesystem:
    """A mounted filesystem. ``note`` says why its values are withdrawn.

    ``silent_since`` is the Unix time since which it does not answer, None for one that does.
    """

    mount: str
    device: str
    kind: str
    metrics: Mapping[str, Reading] = field(default_factory=dict)
    note: str | None = None
    silent_since: float | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """A network interface, by kernel name. ``kind``: ethernet, wireless, infiniband …; ``link``: up, down, unknown."""

    name: str
    metrics: Mapping[str, Reading] = field(default_factory=dict)
    kind: str = "ethernet"
    link: str = "unknown"
    facts: Mapping[str, str] = field(default_factory=dict)
    numa_node: int | None = None


@dataclass(frozen=True, slots=True)
class HostProcess:
    """A process of the host. ``start_ticks`` tells it from a later owner of its pid; ``started_at`` is Unix time.

    ``cpu_ratio`` is of one core, over the time since the last look; ``memory_bytes`` what it holds of the host's
    memory, shared pages included. ``state`` is the kernel's word in a word: running, sleeping, waiting (for a disk),
    stopped, zombie, idle. ``container`` is a container's name, ``job`` that of the desk's job in it, ``gpus`` the UUIDs
    of those it is on. What may not be looked at is None.
    """

    pid: int
    start_ticks: int
    user: str | None = None
    command: str | None = None
    cpu_ratio: float | None = None
    memory_bytes: int | None = None
    threads: int | None = None
    started_at: float | None = None
    parent_pid: int | None = None
    state: str | None = None
    container: str | None = None
    job: str | None = None
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostProcesses:
    """The ``most`` that take most of the processors, as many that take most of the memory, and those on GPUs.

    ``count`` is how many there are altogether, as far as they may be seen, at Unix time ``read_at``; ``cpu_seconds``
    the time that their shares of the processors are of; ``note`` says what may not be seen.
    """

    processes: tuple[HostProcess, ...]
    count: int
    most: int
    read_at: float
    cpu_seconds: float | None = None
    note: str | None = None
