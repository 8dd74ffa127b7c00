"""What is handed to who judges an end: the machine's memory then, and how long GPUs were held down; or nothing."""

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from mlops_desk.desk.machine_composition import MachineWiring
from mlops_desk.gpus.records.usage import GpuSpent
from mlops_desk.jobs.records.failure_facts import HostFacts, KernelKill, SeenFacts, Throttled
from mlops_desk.jobs.records.job import Attempt, JobState
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.machine.records.gpu import Gpu, GpuState, MigInstance
from mlops_desk.machine.records.history import History
from mlops_desk.machine.records.incident import DeviceEvent

RUN = Attempt(1, "j1-a1", "c", JobState.RUNNING, ("GPU-0", "GPU-1"), 100.0)
MEMORY = {"system.memory.available": (9.0e9, None, 5.0e8), "system.memory.limit": (2.5e11, 2.5e11, None)}


class Telemetry:
    def __init__(self, *gpus: Gpu, answers: bool = True) -> None:
        self.answers = answers
        self.gpus = gpus
        self.asked: list[tuple[str, float, float]] = []
        self.judge: Any = None

    def listen(self, judge: Any) -> None:
        self.judge = judge

    def status(self) -> SimpleNamespace:
        return SimpleNamespace(gpus=self.gpus)

    def history(self, metric: str, device: str, start: float, end: float, _points: int) -> History:
        self.asked.append((device, start, end))
        if not self.answers:
            raise Unavailable("The history can't be read.")
        return History(device, metric, "By", 1.0, 1.0, (), MEMORY[metric], (), ())

    def spent(self, gpu: str, start: float, end: float) -> GpuSpent:
        if not self.answers or gpu == "GPU-0":
            raise Unavailable("The history can't be read.")
        assert (start, end) == (100.0, 700.0)
        return GpuSpent(throttled_seconds=340.0)


def wiring(telemetry: Telemetry) -> MachineWiring:
    unused = cast("Any", SimpleNamespace(take=lambda *_args, **_named: None))
    made = MachineWiring(cast("Any", telemetry), unused, unused, {"c0ffee": "c"}.get, lambda _id: None, unused)
    made.join(unused, unused, unused)
    return made


def test_memory_clocks_and_kills_of_an_attempt() -> None:
    telemetry = Telemetry()
    machine = wiring(telemetry)
    kill = DeviceEvent(699.0, "oom", "host", process="python", container="c0ffee")
    telemetry.judge((kill,), SimpleNamespace(gpus=()), False)
    seen = machine.seen(RUN, 700.0)
    assert seen.host == HostFacts((KernelKill(1.0, "python", is_own=True),), 500_000_000, 250_000_000_000)
    assert seen.gpus.throttled == (Throttled("GPU-1", 340.0, 600.0),)
    assert set(telemetry.asked) == {("host", 670.0, 700.0)}


def test_a_history_that_can_not_be_read_is_nothing_known() -> None:
    assert wiring(Telemetry(answers=False)).seen(RUN, 700.0) == SeenFacts()


def test_a_gpu_that_is_lost_as_its_job_ends_is_known_before_two_looks_and_no_later_loss_is_laid_at_it() -> None:
    part = MigInstance("f", "MIG-1", "1g", 1, 0)
    gpus = [Gpu(f"GPU-{index}", index, "H100", None, state) for index, state in enumerate((GpuState.OK, GpuState.LOST))]
    machine = wiring(Telemetry(gpus[0], replace(gpus[1], mig=(part,)), answers=False))
    now = time.time()
    assert machine.seen(RUN, now).gpus.lost == ("GPU-1",)
    assert machine.seen(replace(RUN, gpus=("MIG-1", "GPU-0")), now).gpus.lost == ("MIG-1",)
    assert machine.seen(RUN, now - 40.0).gpus.lost == ()
    machine.witness.note_loss(RUN.id, "GPU-1", is_closed=False)
    assert machine.seen(RUN, now).gpus.lost == ("GPU-1",)
