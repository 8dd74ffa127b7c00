"""The workstation at one moment: what one tick of the collector saw, and the answer to ``mlops-desk status``."""

from dataclasses import dataclass

from mlops_desk.base.errors import keep_command
from mlops_desk.records.agent import AgentInfo
from mlops_desk.records.diagnosis import Diagnosis
from mlops_desk.records.gpu import Gpu
from mlops_desk.records.host import Disk, Filesystem, Host, Network
from mlops_desk.records.incident import DeviceEvent


@dataclass(frozen=True, slots=True)
class Sample:
    """What the collector saw in one tick. ``sampled_at`` is Unix time, ``gpu_command`` the command in ``gpu_hint``."""

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
    cuda_version: str | None = None
    filesystems: tuple[Filesystem, ...] = ()
    events: tuple[DeviceEvent, ...] = ()
    gpu_command: str | None = None

    def __post_init__(self) -> None:
        keep_command(self, "gpu_hint", "gpu_command", plain=True)


@dataclass(frozen=True, slots=True)
class Status:
    """The answer to ``mlops-desk status``. ``gpu_note`` says why there is no GPU, ``gpu_hint`` what to do.

    ``gpu_command`` is the command in the hint.
    """

    gpus: tuple[Gpu, ...]
    host: Host
    disks: tuple[Disk, ...]
    networks: tuple[Network, ...]
    agent: AgentInfo
    sampled_at: float | None
    gpu_note: str | None = None
    gpu_hint: str | None = None
    driver_version: str | None = None
    cuda_version: str | None = None
    filesystems: tuple[Filesystem, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    gpu_command: str | None = None

    def __post_init__(self) -> None:
        keep_command(self, "gpu_hint", "gpu_command", plain=True)


@dataclass(frozen=True, slots=True)
class PastStatus:
    """The workstation as it was at Unix time ``at``, as far as its history tells.

    ``recorded``: whether it tells anything. ``status`` has the devices there are now. Their readings are the last ones
    before ``at``, where older history is coarser the mean of the stretch around it; verdicts are of the ``seconds``
    before. Holders are who held memory of a GPU, or whose job it was given to. What no history has is missing: facts
    that change, links, MIG instances, what a process did.
    """

    at: float
    seconds: float
    recorded: bool
    status: Status
