"""What is known of an end, as plain values: whoever has them hands them in. None: not known."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class XidSeen:
    """An error that the driver told of one of the job's GPUs, ``before_end_seconds`` ahead of the job's end."""

    code: int
    gpu: str
    before_end_seconds: float


@dataclass(frozen=True, slots=True)
class Throttled:
    """For how long heat, the power supply or the hardware held a GPU's clocks down while the job ran."""

    gpu: str
    seconds: float
    of_seconds: float


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """What was seen of the job's GPUs.

    ``lost`` are those that have gone from the driver, ``closed`` those that its container may not open any more.
    """

    xids: Sequence[XidSeen] = ()
    lost: Sequence[str] = ()
    closed: Sequence[str] = ()
    throttled: Sequence[Throttled] = ()


@dataclass(frozen=True, slots=True)
class KernelKill:
    """A process that the kernel killed for lack of memory, ``before_end_seconds`` ahead of the job's end.

    ``is_own``: of the job's container; None where the kernel's log may not be read. ``limited``: its group's limit was
    the reason, and not that the machine had no memory left.
    """

    before_end_seconds: float
    process: str | None = None
    is_own: bool | None = None
    limited: bool = False


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What was seen of the machine's memory shortly before the end; ``available_bytes`` is the least of it."""

    kills: Sequence[KernelKill] = ()
    available_bytes: int | None = None
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class SeenFacts:
    """What telemetry saw of an attempt."""

    gpus: GpuFacts = field(default_factory=GpuFacts)
    host: HostFacts = field(default_factory=HostFacts)


@dataclass(frozen=True, slots=True)
class EndFacts:
    """How the program ended: its exit code, whether the kernel killed any of it for memory, and its last lines.

    ``mounts`` are (source on the host, target in the container). ``memory_limit_bytes`` is the container's,
    ``memory_peak_bytes`` the most that the kernel counted for it, as it was seen last.
    """

    exit_code: int
    log: Sequence[str] = ()
    oom_killed: bool = False
    memory_limit_bytes: int | None = None
    memory_peak_bytes: int | None = None
    mounts: Sequence[tuple[str, str]] = ()
    gpus: GpuFacts = field(default_factory=GpuFacts)
    host: HostFacts = field(default_factory=HostFacts)
