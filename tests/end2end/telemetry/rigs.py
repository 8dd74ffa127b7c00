"""Two workstations to test against: the shipped simulated one, and real NVML calls into a simulated library.

Both can lose GPUs, hang and lie on command; the suite does not know which one it has.
"""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.records.agent import AgentCost, AgentInfo
from mlops_desk.machine.records.event import Notice, Sampled
from mlops_desk.machine.records.gpu import Gpu
from mlops_desk.machine.telemetry.service import TelemetryService
from tests import nvml_sim

if TYPE_CHECKING:
    from mlops_desk.machine.records.status import Status

GIB = 1 << 30

# Four GPUs of which 1 has no fan of its own and 3 runs hot.
SCENARIO = """
system driver=580.95.05 cuda=13.0
gpus 4 model=rtx6000ada
gpu 0 util=37 memutil=21 mem_used=12GiB power=211 temp=63 fan=44 clk_sm=1410 clk_mem=9001
gpu 1 model=h100 util=0 mem_used=0 power=70 temp=31
gpu 2 util=80 mem_used=30GiB power=250 temp=70 fan=60 clk_sm=2000
gpu 3 util=99 mem_used=40GiB power=290 temp=88 fan=100 clk_sm=1200 throttle=hw_thermal|sw_power
"""
SCENARIO_SAYS = {
    0: {
        "hw.gpu.utilization": 0.37,
        "hw.gpu.utilization.memory": 0.21,
        "hw.gpu.memory.usage": 12 * GIB,
        "hw.power": 211.0,
        "hw.temperature": 63.0,
        "hw.fan.speed_ratio": 0.44,
        "hw.gpu.clock.sm": 1410e6,
        "hw.gpu.clock.memory": 9001e6,
    },
    1: {"hw.gpu.utilization": 0.0, "hw.power": 70.0, "hw.temperature": 31.0},
    2: {"hw.gpu.utilization": 0.8, "hw.gpu.memory.usage": 30 * GIB, "hw.fan.speed_ratio": 0.6},
    3: {"hw.gpu.utilization": 0.99, "hw.power": 290.0, "hw.fan.speed_ratio": 1.0, "hw.gpu.clock.sm": 1200e6},
}


class Rig(Protocol):
    """A workstation that fails on command."""

    count: int
    power_moves: bool
    arguments: list[str]
    environment: dict[str, str]

    def lose(self, index: int) -> None: ...
    def hang(self, index: int) -> None: ...
    def forbid(self, index: int) -> None: ...
    def without_fan(self, index: int) -> None: ...
    def lie(self, index: int) -> None: ...
    def take_all_gpus(self) -> None: ...
    def heal(self) -> None: ...


class SimulatedRig:
    """The shipped simulated workstation."""

    count = 8
    power_moves = True

    def __init__(self, folder: Path) -> None:
        self._file = folder / "faults.json"
        self._faults: dict[str, object] = {}
        self.arguments = ["--simulated", "3", "--faults", str(self._file)]
        self.environment: dict[str, str] = {}

    def lose(self, index: int) -> None:
        self._put(lost=[index])

    def hang(self, index: int) -> None:
        self._put(hang=[index])

    def forbid(self, index: int) -> None:
        self._put(no_permission=[index])

    def without_fan(self, index: int) -> None:
        self._put(unsupported={str(index): ["hw.fan.speed_ratio"]})

    def lie(self, index: int) -> None:
        self._put(wild={str(index): {"hw.temperature": 255.0}})

    def take_all_gpus(self) -> None:
        self._put(count=0)

    def heal(self) -> None:
        self._faults = {}
        self._put()

    def _put(self, **faults: object) -> None:
        self._faults |= faults
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._faults))
        new.replace(self._file)


class NvmlRig:
    """Real calls through pynvml into the simulated library."""

    count = 4
    power_moves = False

    def __init__(self, folder: Path, scenario: str = SCENARIO, profile: str = "current") -> None:
        self.simulator = nvml_sim.Simulator(folder, scenario, profile)
        self.arguments: list[str] = []
        self.environment = self.simulator.environment

    def lose(self, index: int) -> None:
        self.simulator.inject(f"fault gpu={index} lost")

    def hang(self, index: int) -> None:
        self.simulator.inject(f"fault gpu={index} fn=nvmlDeviceGetTemperature hang")

    def forbid(self, index: int) -> None:
        self.simulator.inject(f"fault gpu={index} fn=* error=NO_PERMISSION")

    def without_fan(self, index: int) -> None:
        self.simulator.inject(f"gpu {index} na+=fan")

    def lie(self, index: int) -> None:
        self.simulator.inject(f"gpu {index} temp=255")

    def take_all_gpus(self) -> None:
        self.simulator.inject("gpu * present=0")

    def heal(self) -> None:
        self.simulator.heal()


class Desk:
    """A running telemetry service and what it announced."""

    def __init__(self, folder: Path, rig: Rig, arguments: Iterable[str] = ()) -> None:
        self.folder = DataFolder(folder / "data")
        self.folder.make()
        self.bus = Bus()
        self.loop = Loop("test")
        self.announced: list[Status] = []
        self.notices: list[Notice] = []
        self.bus.subscribe(Sampled, lambda event: self.announced.append(event.status))
        self.bus.subscribe(Notice, self.notices.append)
        self.service = TelemetryService(
            self.folder,
            self.bus,
            self.loop,
            SettingsStore(self.folder.settings),
            leases=lambda _sample: {},
            container_name=lambda _id: None,
            agent_info=lambda: AgentInfo("0", 0.0, AgentCost(), 0, "", ""),
            collector_arguments=[*rig.arguments, *arguments],
        )

    def start(self) -> None:
        self.service.start()

    def stop(self) -> None:
        self.service.stop()
        assert self.loop.stop(30.0) == []

    @property
    def collector(self) -> int:
        """The pid of the collector that runs now."""
        pid = self.service._sampler.collector_pid()
        assert pid is not None
        return pid

    def gpu(self, index: int) -> Gpu:
        return next(gpu for gpu in self.service.status().gpus if gpu.index == index)

    def until(self, what: Callable[[], object], seconds: float = 240) -> None:
        """Wait until ``what()`` is true; the limit only keeps a failing test from lasting for ever."""
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, f"not within {seconds} s: {self.service.status().gpus}"
            time.sleep(0.05)
