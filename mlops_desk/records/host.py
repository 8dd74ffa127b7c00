"""The machine without its GPUs at one moment: processors, sensors, disks, filesystems and networks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.records.metric import Reading


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
