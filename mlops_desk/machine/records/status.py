"""The workstation at one moment: what one tick of the collector saw, and the answer to ``mlops-desk status``."""

from dataclasses import dataclass

from mlops_desk.kit.base.errors import keep_command
from mlops_desk.kit.records.agent import AgentInfo
from mlops_desk.machine.records.gpu import Gpu
from mlops_desk.machine.records.host import Disk, Filesystem, Host, Network
from mlops_desk.machine.records.incident import DeviceEvent

# Why a GPU that somebody uses does not work as hard as it could.


@dataclass(frozen=True, slots=True)
class Evidence:
    """One measured fact: in words, and the curve (device, metric) that shows it."""

    text: str
    device: str
    metric: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A verdict on one GPU.

    ``cause``: busy, loader, processors, storage, network, pcie, nvlink, link, peers, throttled, small_batches, idle,
    unknown. pcie and nvlink are full, link is one that is slower than it should be.
    ``device`` is the GPU's UUID, ``label`` who uses it.
    """

    device: str
    cause: str
    title: str
    text: str
    evidence: tuple[Evidence, ...] = ()
    label: str | None = None


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
