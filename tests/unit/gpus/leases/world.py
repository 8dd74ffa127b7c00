"""A machine in memory: processes that live and die, a clock that a test turns, GPUs as a driver shows them."""

from dataclasses import dataclass, field

from mlops_desk.gpus.leases.host import Process
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState
from mlops_desk.machine.records.metric import Reading

GIB = 1 << 30
NAMESPACE = 7


def uuid(index: int) -> str:
    return f"GPU-{index:08d}-0000-4000-8000-000000000000"


def gpu(
    index: int,
    *,
    processes: tuple[GpuProcess, ...] = (),
    state: GpuState = GpuState.OK,
    gib: float | None = 24,
    used_gib: float = 0,
) -> Gpu:
    metrics = {} if gib is None else {
        "hw.gpu.memory.limit": Reading(gib * GIB, "By"),
        "hw.gpu.memory.usage": Reading(used_gib * GIB, "By"),
    }  # fmt: skip
    return Gpu(uuid(index), index, "Test GPU", None, state, metrics=metrics, processes=processes, processes_known=True)


def process(
    pid: int = 99,
    command: str = "python train.py",
    *,
    kind: str = "compute",
    start_ticks: int | None = None,
    gib: float | None = None,
) -> GpuProcess:
    size = None if gib is None else int(gib * GIB)
    return GpuProcess(pid, "eve", command, size, kind=kind, start_ticks=start_ticks)


@dataclass
class World:
    """What ``Host`` is for a real machine; ``me`` is the process whose view this is, so views share the rest."""

    processes: dict[int, int] = field(default_factory=dict)
    clock: list[float] = field(default_factory=lambda: [1000.0])
    hidden: set[int] = field(default_factory=set)
    boot: list[str] = field(default_factory=lambda: ["boot-1"])
    me: int = 1
    ticks_per_second: int = 100
    children: dict[int, int] = field(default_factory=dict)

    @property
    def boot_id(self) -> str:
        return self.boot[0]

    def seen_by(self, pid: int) -> "World":
        return World(self.processes, self.clock, self.hidden, self.boot, pid, children=self.children)

    def now(self) -> float:
        self.clock[0] += 0.001
        return self.clock[0]

    def spawn(self, pid: int) -> None:
        self.clock[0] += 0.02  # a number is not used again within one tick
        self.processes[pid] = int(self.now() * self.ticks_per_second)

    def this_process(self) -> Process:
        return Process(self.me, self.processes[self.me], NAMESPACE)

    def process(self, pid: int) -> Process | None:
        ticks = self.processes.get(pid)
        return None if ticks is None else Process(pid, ticks, NAMESPACE)

    def works_for(self, pid: int, holder: Process) -> bool:
        """Only a holder's own process works for it here, unless ``children`` names more."""
        holders = {pid, self.children.get(pid)}
        return holder.pid in holders and holder.namespace == NAMESPACE and pid not in self.hidden

    def lives(self, process: Process) -> bool | None:
        if process.pid in self.hidden or process.namespace != NAMESPACE:
            return None
        return self.processes.get(process.pid) == process.start_ticks
