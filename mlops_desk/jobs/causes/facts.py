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
class GpuFacts:
    """What was seen of the job's GPUs.

    ``lost`` are those that have gone from the driver, ``closed`` those that its container may not open any more.
    """

    xids: Sequence[XidSeen] = ()
    lost: Sequence[str] = ()
    closed: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class EndFacts:
    """How the program ended: its exit code, whether the kernel killed any of it for memory, and its last lines.

    ``mounts`` are (source on the host, target in the container). ``memory_limit_bytes`` is the container's.
    """

    exit_code: int
    log: Sequence[str] = ()
    oom_killed: bool = False
    memory_limit_bytes: int | None = None
    mounts: Sequence[tuple[str, str]] = ()
    gpus: GpuFacts = field(default_factory=GpuFacts)
