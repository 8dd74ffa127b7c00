"""The workstation as it was: readings, holders and verdicts of then, and nothing of now."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlops_desk.jobs.records.brief import JobRun, runs_of
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.records.agent import AgentCost, AgentInfo
from mlops_desk.kit.storage.history.curve_reader import CurvesRequest
from mlops_desk.kit.storage.history.holders import MemoryHolding
from mlops_desk.kit.storage.history.rollup import Rolled
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState, LeaseInfo
from mlops_desk.machine.records.host import Core, Disk, Filesystem, Host, Network
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.records.status import PastStatus, Status
from mlops_desk.machine.telemetry.history.curves import CurveReader
from mlops_desk.machine.telemetry.history.disk import DiskHistory, Kept
from mlops_desk.machine.telemetry.history.memory import Ring
from mlops_desk.machine.telemetry.past import PastReader

NOW = 1_794_999_600.0
GIB = 1 << 30
JOBS_CONTAINER = "mlops-desk-j1-a1"


class Machine:
    """A machine with one GPU whose history is written by ``run``; ``now`` is what it shows now."""

    def __init__(self, folder: Path) -> None:
        self.ring = Ring()
        self.holdings: list[MemoryHolding] = []
        self.history = DiskHistory(folder / "telemetry.db", self.ring, lambda _: None, holdings=lambda: self.holdings)
        self.runs: list[JobRun] = []
        self.past = PastReader(CurveReader(self.ring, self.history), lambda _start, _end: self.runs)

    def run(self, start: float, seconds: int, **metrics: float) -> None:
        """Record some seconds: a GPU's readings by their short names, and one of the host."""
        readings = {NAMES[name]: Reading(value, "1") for name, value in metrics.items()}
        for second in range(seconds):
            host = {"system.memory.usage": Reading(7.0 * GIB, "By")}
            self.ring.append(start + second, [("GPU-1", readings), ("host", host)])
        self.history.flush()

    def at(self, moment: float) -> PastStatus:
        return self.past.at(now(), moment)


NAMES = {
    "use": "hw.gpu.utilization",
    "heat": "hw.temperature",
    "throttled": "hw.gpu.throttle.thermal",
    "by_hardware": "hw.gpu.throttle.thermal_hardware",
}


def now() -> Status:
    """Return what the machine shows now, which a status of the past must not show."""
    metrics = {name: Reading(0.99, "1") for name in NAMES.values()}
    metrics["hw.fan.speed_ratio"] = Reading(None, "1", MetricState.NOT_SUPPORTED)
    metrics["hw.power"] = Reading(700.0, "W")
    gpu = Gpu(
        "GPU-1", 0, "H100", "0:1", GpuState.LOST, LeaseInfo("leased", user="now", label="now"), metrics,
        (GpuProcess(7, "now", "now", 5),), ("thermal (hardware)",), "now", True, {"Mode": "now"}, peers={"GPU-2": "NV18"},
        held_by_nobody_bytes=5,
    )  # fmt: skip
    host = Host(
        "box", {"system.memory.usage": Reading(1.0, "By")}, {"Kernel": "now"}, (Core("cpu0", {}),), booted_at=NOW + 5000
    )
    return Status(
        (gpu,), host, (Disk("sda", "Ultra", {}, note="now"),), (Network("eth0", {}, link="up", facts={"MTU": "now"}),),
        AgentInfo("0.1", 3.0, AgentCost(), 1, "/d", "i"), NOW + 9000, filesystems=(
            Filesystem("/nas", "nas:/x", "nfs", {}, "does not answer", NOW + 8000),
        ), diagnoses=(),
    )  # fmt: skip


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_readings_are_the_last_ones_of_that_time_and_none_is_of_now(machine: Machine) -> None:
    machine.run(NOW, 100, use=0.25, heat=50.0)
    machine.run(NOW + 100, 100, use=0.75, heat=70.0)
    found = machine.at(NOW + 99.0)
    assert (found.recorded, found.at, found.status.sampled_at) == (True, NOW + 99.0, NOW + 99.0)
    gpu = found.status.gpus[0]
    assert gpu.metrics["hw.gpu.utilization"].value == pytest.approx(0.25, abs=0.005)
    assert gpu.metrics["hw.temperature"].value == pytest.approx(50.0)
    assert "hw.power" not in gpu.metrics, "it is read now, and was not then"
    assert gpu.metrics["hw.fan.speed_ratio"].state is MetricState.NOT_SUPPORTED
    assert (gpu.state, gpu.throttle_reasons, gpu.note, gpu.facts, gpu.held_by_nobody_bytes) == (
        GpuState.OK, (), None, {}, None
    )  # fmt: skip
    assert (gpu.lease, gpu.processes, gpu.processes_known) == (None, (), True)
    assert (gpu.uuid, gpu.index, gpu.pci_bus_id, gpu.peers) == ("GPU-1", 0, "0:1", {"GPU-2": "NV18"})
    assert found.status.host.metrics["system.memory.usage"].value == pytest.approx(7.0 * GIB, rel=1e-3)
    assert (found.status.host.facts, found.status.host.booted_at) == ({}, None), "it was started after that"
    assert found.status.disks == (Disk("sda", "Ultra", {}),)
    assert found.status.networks == (Network("eth0", {}, link="unknown"),)
    assert found.status.filesystems == (Filesystem("/nas", "nas:/x", "nfs", {}),)


@pytest.mark.parametrize("after", [130.0, 800.0, 4000.0])
def test_what_was_not_recorded_is_said_to_be_so(machine: Machine, after: float) -> None:
    machine.run(NOW, 60, use=0.5)
    found = machine.at(NOW + after)
    gpu = found.status.gpus[0]
    assert (found.recorded, found.status.sampled_at, gpu.state) == (False, None, GpuState.NOT_RECORDED)
    assert (gpu.metrics, gpu.lease, gpu.processes, gpu.processes_known) == (
        {"hw.fan.speed_ratio": Reading(None, "1", MetricState.NOT_SUPPORTED)}, None, (), False
    )  # fmt: skip
    assert found.status.diagnoses == ()


def test_a_gpu_that_was_not_read_while_the_rest_was_is_not_called_well(machine: Machine) -> None:
    machine.run(NOW, 60)
    found = machine.at(NOW + 59.0)
    assert found.recorded
    assert found.status.gpus[0].state is GpuState.NOT_RECORDED


def test_holders_are_those_of_then_with_the_job_whose_container_they_were_in(machine: Machine) -> None:
    machine.holdings = [
        MemoryHolding("GPU-1", 41, 1, "ana", "python train.py", JOBS_CONTAINER, 3 * GIB),
        MemoryHolding("GPU-2", 43, 1, "cy", "elsewhere", None, GIB),
    ]
    machine.runs = [JobRun("j1", "resnet", "ana", JobState.RUNNING, ("GPU-1",), JOBS_CONTAINER, NOW)]
    machine.run(NOW, 40, use=0.5)
    machine.holdings = [replace(machine.holdings[0], size_bytes=5 * GIB)]
    machine.run(NOW + 40, 20, use=0.5)
    machine.holdings = [MemoryHolding("GPU-1", 42, 1, "bo", "python later.py", None, 9 * GIB)]
    machine.run(NOW + 60, 100, use=0.5)
    gpu = machine.at(NOW + 60.0).status.gpus[0]
    assert [(one.pid, one.user, one.command, one.job) for one in gpu.processes] == [
        (41, "ana", "python train.py", "resnet")
    ]
    assert gpu.processes[0].gpu_memory_bytes == 5 * GIB
    assert gpu.lease == LeaseInfo("leased", user="ana", attempt=JOBS_CONTAINER, label="resnet")
    machine.runs = [replace(machine.runs[0], gpus=("GPU-2",))]
    later = machine.at(NOW + 159.0).status.gpus[0]
    assert ([one.pid for one in later.processes], later.lease) == ([42], None)


def test_the_verdict_is_of_the_minute_before_that_time(machine: Machine) -> None:
    machine.holdings = [MemoryHolding("GPU-1", 41, 1, "ana", "python train.py", None, 3 * GIB)]
    machine.run(NOW, 120, use=0.6, throttled=0.8, by_hardware=0.8)
    machine.run(NOW + 120, 120, use=0.99, throttled=0.0, by_hardware=0.0)
    then, after = machine.at(NOW + 119.0), machine.at(NOW + 239.0)
    assert [(one.device, one.cause) for one in then.status.diagnoses] == [("GPU-1", "throttled")]
    assert then.status.gpus[0].throttle_reasons == ("thermal (hardware)",)
    assert then.seconds == 60.0
    assert [one.cause for one in after.status.diagnoses] == ["busy"]
    assert after.status.gpus[0].throttle_reasons == ()


def test_a_few_seconds_are_no_minute_to_judge_by(machine: Machine) -> None:
    machine.holdings = [MemoryHolding("GPU-1", 41, 1, "ana", "python train.py", None, 3 * GIB)]
    machine.run(NOW, 4, use=0.1, throttled=0.9)
    found = machine.at(NOW + 3.0).status
    assert found.gpus[0].metrics["hw.gpu.utilization"].value == pytest.approx(0.1, abs=0.005)
    assert [one.cause for one in found.diagnoses] == ["unknown"]
    assert "does not say how busy" in found.diagnoses[0].text


@pytest.mark.parametrize("offset", [0.0, 59.0, 60.0, 600.0, 899.0])
def test_old_history_answers_with_the_mean_of_the_stretch_around_that_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset: float
) -> None:
    machine = Machine(tmp_path)
    rolled = Rolled(NOW + np.arange(3) * 900.0, *np.tile([0.2, 0.6, 0.4], (3, 1)), np.full(3, 900.0))

    def find(names: list[tuple[str, str]], request: CurvesRequest, _ring: int | None) -> tuple[list[Kept], int]:
        """Answer from rows of a quarter of an hour, which is all that is left after a year."""
        piece = rolled.between(request.start, request.end)
        return [Kept([piece] if name == ("GPU-1", NAMES["use"]) else [], "1") for name in names], 2

    monkeypatch.setattr(machine.history, "find", find)
    found = machine.at(NOW + 900 + offset)
    assert found.recorded
    assert found.seconds == 900.0
    assert found.status.gpus[0].metrics["hw.gpu.utilization"].value == pytest.approx(0.6, abs=0.005)


def test_a_job_ran_whenever_one_of_its_attempts_did() -> None:
    attempts = (
        Attempt(1, "a1", "c1", JobState.FAILED, ("GPU-1",), 10.0, 20.0),
        Attempt(2, "a2", "c2", JobState.RUNNING, ("GPU-2",), 30.0),
        Attempt(3, "a3", "c3", JobState.STARTING),
    )
    job = Job("j1", "resnet", JobState.RUNNING, JobSpec("resnet", "img"), 5.0, 1, "ana", attempts=attempts)
    assert [run.container for run in runs_of(job, 0.0, 9.0)] == []
    assert [run.container for run in runs_of(job, 20.0, 25.0)] == ["c1"]
    assert [run.container for run in runs_of(job, 21.0, 29.0)] == []
    assert [(run.container, run.gpus, run.started_at, run.ended_at) for run in runs_of(job, 15.0, 30.0)] == [
        ("c1", ("GPU-1",), 10.0, 20.0), ("c2", ("GPU-2",), 30.0, None)
    ]  # fmt: skip
