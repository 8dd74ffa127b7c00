"""What the collector reads and how it is handed on: a source answers ``read()`` with everything it sees now.

A source never raises for a device that is missing or broken; it says so in the device's state. GPUs
and host are two sources, read in two threads, so that a driver that hangs leaves the host alive.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mlops_desk.kit.base.errors import keep_command
from mlops_desk.kit.base.loop import Finished, Loop
from mlops_desk.machine.records.gpu import Gpu
from mlops_desk.machine.records.host import Disk, Filesystem, Host, Network
from mlops_desk.machine.records.incident import DeviceEvent

# Who reads the GPUs: one thread at a time, and another in its place when a call to one GPU does not return.
#
# A thread can't be taken out of a foreign call. It is left there, its GPU is left alone, and the next thread reads the
# others, so that they miss nothing. When the call returns after all, its thread finds that it was relieved and ends.


class Relay:
    """The thread that reads, and the GPUs (by index) in which it or threads before it are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reader: int | None = None
        self._inside: dict[int, tuple[int, float]] = {}

    def begin(self) -> None:
        """Begin a pass; where nobody reads, the calling thread does from now on. Raises Finished in any other."""
        with self._lock:
            if self._reader is None:
                self._reader = threading.get_ident()
        self.check()

    def check(self) -> None:
        """Raise Finished in a thread that was relieved."""
        if self._reader != threading.get_ident():
            raise Finished

    def relieve(self, after_seconds: float) -> bool:
        """Let the next thread that begins read, if the one that does has been in one GPU for so long; say so."""
        with self._lock:
            began = [since for thread, since in self._inside.values() if thread == self._reader]
            late = bool(began) and time.monotonic() - began[0] >= after_seconds
            if late:
                self._reader = None
            return late

    def stuck_seconds(self, index: int) -> float | None:
        """Return for how long a thread has been in this GPU; None when none is."""
        inside = self._inside.get(index)
        return time.monotonic() - inside[1] if inside is not None else None

    @property
    def leaves_alone(self) -> bool:
        """Say whether there is a GPU in which a thread is that was relieved."""
        with self._lock:
            for thread, _ in self._inside.values():
                if thread != self._reader:
                    return True
        return False

    def inside(self, index: int) -> "_Stay":
        """Be in one GPU. Raises Finished at the end when the thread was relieved, whatever came of its call."""
        return _Stay(self, index)

    def enter(self, index: int) -> None:
        """Be in one GPU until ``leave``."""
        with self._lock:
            self._inside[index] = threading.get_ident(), time.monotonic()

    def leave(self, index: int) -> None:
        """Be in it no longer. Raises Finished in a thread that was relieved."""
        with self._lock:
            del self._inside[index]
        self.check()


class _Stay:
    """A stay in one GPU, each second of each: written out, for a generator's costs twice as much."""

    __slots__ = ("_index", "_relay")

    def __init__(self, relay: Relay, index: int) -> None:
        self._relay = relay
        self._index = index

    def __enter__(self) -> None:
        self._relay.enter(self._index)

    def __exit__(self, *_raised: object) -> None:
        self._relay.leave(self._index)


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
