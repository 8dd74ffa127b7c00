"""What the collector reads and how it is handed on: a source answers ``read()`` with everything it sees now.

A source never raises for a device that is missing or broken; it says so in the device's state. GPUs
and host are two sources, read in two threads, so that a driver that hangs leaves the host alive.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mlops_desk.base.errors import keep_command
from mlops_desk.base.loop import Loop
from mlops_desk.records.gpu import Gpu
from mlops_desk.records.host import Disk, Filesystem, Host, Network
from mlops_desk.records.incident import DeviceEvent
from mlops_desk.telemetry.relay import Relay

MEASURE_SECONDS = 10.0  # chosen: temperatures and sizes move slowly, and asking may wake a disk


@dataclass(frozen=True, slots=True)
class GpuSample:
    """All GPUs in one pass. ``note`` and ``hint`` say why there is none, or what is wrong with the driver.

    ``driver_seconds`` was spent inside the driver; ``fresh_process`` asks for a new collector (the library
    that is loaded no longer fits the driver). ``processes_at`` is when the oldest list of processes among them
    was read. ``certain`` is False when there may be GPUs that could not be listed.
    ``events`` happened since the last pass. ``driver_calls`` were made in this one. ``command`` is that in the hint.
    """

    at: float
    gpus: tuple[Gpu, ...]
    note: str | None = None
    hint: str | None = None
    driver_version: str | None = None
    driver_seconds: float = 0.0
    fresh_process: bool = False
    processes_at: float = 0.0
    certain: bool = True
    events: tuple[DeviceEvent, ...] = ()
    cuda_version: str | None = None
    driver_calls: int = 0
    command: str | None = None

    def __post_init__(self) -> None:
        keep_command(self)


@dataclass(frozen=True, slots=True)
class HostSample:
    """The machine without its GPUs in one pass; ``events`` happened since the last one."""

    at: float
    host: Host
    disks: tuple[Disk, ...] = ()
    networks: tuple[Network, ...] = ()
    filesystems: tuple[Filesystem, ...] = ()
    events: tuple[DeviceEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Busy:
    """A driver call that has not returned: on which GPU (None: on no particular one), which, for how long."""

    index: int | None
    uuid: str | None
    call: str
    seconds: float


class Reports(Protocol):
    """What the driver reports by itself: ``ring`` is called soon after something was heard, ``take`` hands it out."""

    def start(self, loop: Loop, ring: Callable[[], None]) -> None: ...

    def take(self) -> tuple[DeviceEvent, ...]: ...


class GpuSource(Protocol):
    """Reads the GPUs. ``busy`` is asked from another thread while ``read`` may be stuck.

    ``relay`` says where the reading thread is, and lets another take over while that is stuck in one GPU: a pass of
    that one leaves the GPU alone, and the first thread's own pass raises Finished when its call returns after all.
    """

    relay: Relay

    def read(self) -> GpuSample: ...

    def busy(self) -> Busy | None: ...

    def hurry(self) -> None:
        """Have the next pass ask who uses the GPUs, whenever that was asked last; from another thread."""
        ...


@dataclass(frozen=True, slots=True)
class SourceLane:
    """Something that may be slow or hang, done every ``seconds`` in a thread of its own."""

    name: str
    seconds: float
    work: Callable[[], None]


class HostSource(Protocol):
    """Reads host, disks, networks and filesystems.

    ``lanes`` ask what may be slow or unable to answer; ``read`` hands the answers on while they are young.
    """

    def read(self) -> HostSample: ...

    def lanes(self) -> tuple[SourceLane, ...]: ...
