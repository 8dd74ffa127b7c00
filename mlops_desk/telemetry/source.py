"""What the collector reads and how it is handed on: a source answers ``read()`` with everything it sees now.

A source never raises for a device that is missing or broken; it says so in the device's state. GPUs
and host are two sources, read in two threads, so that a driver that hangs leaves the host alive.
"""

from dataclasses import dataclass
from typing import Protocol

from mlops_desk.records.status import Disk, Gpu, Host, Network

MEASURE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class GpuSample:
    """All GPUs in one pass. ``note`` and ``hint`` say why there is none, or what is wrong with the driver.

    ``driver_seconds`` was spent inside the driver; ``fresh_process`` asks for a new collector (the library
    that is loaded no longer fits the driver). ``processes_at`` is when the oldest list of processes among them
    was read. ``certain`` is False when there may be GPUs that could not be listed.
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


@dataclass(frozen=True, slots=True)
class HostSample:
    """The machine without its GPUs in one pass."""

    at: float
    host: Host
    disks: tuple[Disk, ...] = ()
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Busy:
    """A driver call that has not returned: on which GPU (None: on no particular one), which, for how long."""

    index: int | None
    uuid: str | None
    call: str
    seconds: float


class GpuSource(Protocol):
    """Reads the GPUs. ``busy`` is asked from another thread while ``read`` may be stuck."""

    def read(self) -> GpuSample: ...

    def busy(self) -> Busy | None: ...


class HostSource(Protocol):
    """Reads host, disks and networks.

    ``measure`` asks devices what they may be slow or unable to answer; ``read`` hands the answers on while they are
    young. It is called every ``MEASURE_SECONDS`` from a thread of its own.
    """

    def read(self) -> HostSample: ...

    def measure(self) -> None: ...
