"""What happens to the numbers when GPUs, driver or collector fail: one suite for the simulated source and for NVML."""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.metric import MetricState
from mlops_desk.machine.records.status import Status
from mlops_desk.machine.telemetry.metrics.gpu import GPU
from mlops_desk.machine.telemetry.metrics.table import TABLE
from mlops_desk.machine.telemetry.pipe import supervision
from tests.end2end.telemetry.rigs import Desk, Rig

pytestmark = [pytest.mark.end2end]

BUSY = 4.0
"""The machine may be so many times as busy, and a collector that is only late must not look as one that hangs. How many
seconds are too many is held by the tests of ``supervision``."""

CONTRACT = {
    "hw.gpu.utilization": "1",
    "hw.gpu.memory.usage": "By",
    "hw.gpu.memory.limit": "By",
    "hw.power": "W",
    "hw.temperature": "Cel",
    "hw.fan.speed_ratio": "1",
    "hw.gpu.clock.sm": "Hz",
}


def has_no_values(gpu: Gpu) -> bool:
    return all(reading.value is None and reading.state is not MetricState.OK for reading in gpu.metrics.values())


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STALE_SECONDS", "SILENT_SECONDS", "HUNG_SECONDS"):
        monkeypatch.setattr(supervision, name, BUSY * getattr(supervision, name))


def times_read(announced: list[Status], index: int) -> int:
    """How often a GPU's power was announced as another than before."""
    told = [status.gpus[index].metrics["hw.power"].value for status in announced]
    return sum(before != after for before, after in pairwise(told))


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_every_gpu_has_the_metrics_of_the_contract(desk: Desk) -> None:
    for gpu in desk.service.status().gpus:
        assert gpu.state is GpuState.OK
        assert gpu.uuid.startswith("GPU-")
        for name, unit in CONTRACT.items():
            reading = gpu.metrics[name]
            assert reading.unit == unit
            if reading.state is MetricState.OK:
                assert TABLE[GPU, name].low <= reading.value <= TABLE[GPU, name].high
            else:
                assert reading.value is None
        assert gpu.metrics["hw.gpu.memory.usage"].value < gpu.metrics["hw.gpu.memory.limit"].value


def test_a_lost_gpu_stays_listed_and_comes_back(desk: Desk, rig: Rig) -> None:
    before = desk.gpu(2)
    rig.lose(2)
    desk.until(lambda: desk.gpu(2).state is GpuState.LOST)
    lost = desk.gpu(2)
    assert (lost.uuid, lost.index) == (before.uuid, 2)
    assert has_no_values(lost)
    assert {reading.state for reading in lost.metrics.values()} == {MetricState.LOST}
    assert set(CONTRACT) <= set(lost.metrics)
    assert desk.gpu(0).state is GpuState.OK
    assert any(notice.level == "alert" and "GPU 2" in notice.text for notice in desk.notices)
    rig.heal()
    desk.until(lambda: desk.gpu(2).state is GpuState.OK)
    assert desk.gpu(2).uuid == before.uuid
    assert desk.gpu(2).metrics["hw.power"].value > 0


def test_a_call_that_hangs_costs_one_gpu(desk: Desk, rig: Rig) -> None:
    before, first = desk.gpu(2), desk.collector
    heard = len(desk.announced)
    rig.hang(2)
    desk.until(lambda: desk.gpu(2).state is GpuState.STALE and desk.collector != first)
    meanwhile = desk.announced[heard:]  # for as long as the collector that hangs went on telling of the others
    assert desk.service.status().host.metrics["system.memory.usage"].state is MetricState.OK
    assert desk.gpu(2).state is GpuState.STALE
    assert desk.gpu(2).uuid == before.uuid
    assert has_no_values(desk.gpu(2))
    assert "Not responding since" in (desk.gpu(2).note or "")
    at = desk.service.status().sampled_at
    desk.until(lambda: desk.service.status().sampled_at > at + 2)
    assert {gpu.state for status in desk.announced[heard:] for gpu in status.gpus if gpu.index != 2} == {GpuState.OK}
    if rig.power_moves:
        assert max(times_read(meanwhile, index) for index in range(rig.count) if index != 2) > 2  # some are idle
    rig.heal()
    desk.until(lambda: desk.gpu(2).state is GpuState.OK)
    assert {gpu.state for status in desk.announced[heard:] for gpu in status.gpus if gpu.index != 2} == {GpuState.OK}
    assert not exists(first)
    # Between leaving quarantine and the next sample it must not look lost.
    assert not any(gpu.state is GpuState.LOST for status in desk.announced for gpu in status.gpus)


def test_a_gpu_without_permission_is_said_to_be_so(desk: Desk, rig: Rig) -> None:
    rig.forbid(1)
    desk.until(lambda: desk.gpu(1).state is GpuState.NO_PERMISSION)
    assert has_no_values(desk.gpu(1))
    assert desk.gpu(0).state is GpuState.OK
    # Who uses it is not known either, so the lease ledger must not take it for free.
    facts = next(gpu for gpu in desk.service.gpu_facts() if gpu.index == 1)
    assert facts.state is not GpuState.OK


def test_a_gpu_without_a_fan_has_no_fan_speed_of_zero(desk: Desk, rig: Rig) -> None:
    rig.without_fan(0)
    desk.until(lambda: desk.gpu(0).metrics["hw.fan.speed_ratio"].state is MetricState.NOT_SUPPORTED)
    assert desk.gpu(0).metrics["hw.fan.speed_ratio"].value is None
    assert desk.gpu(0).state is GpuState.OK


def test_an_impossible_value_is_an_error_and_not_a_value(desk: Desk, rig: Rig) -> None:
    rig.lie(0)
    desk.until(lambda: desk.gpu(0).metrics["hw.temperature"].state is MetricState.ERROR)
    assert desk.gpu(0).metrics["hw.temperature"].value is None
    assert desk.gpu(0).metrics["hw.power"].state is MetricState.OK
    assert desk.gpu(1).metrics["hw.temperature"].state is MetricState.OK


def test_a_killed_collector_is_replaced_without_a_gap(desk: Desk) -> None:
    first, at = desk.collector, desk.service.status().sampled_at
    os.kill(first, signal.SIGKILL)
    desk.until(lambda: desk.service._sampler.collector_pid() not in (None, first))
    desk.until(lambda: desk.service.status().sampled_at > at + 2)
    desk.until(lambda: {gpu.state for gpu in desk.service.status().gpus} == {GpuState.OK})
    assert any("replaced" in notice.text for notice in desk.notices)


def test_a_stopped_collector_is_stale_and_then_replaced(desk: Desk, rig: Rig) -> None:
    first = desk.collector
    os.kill(first, signal.SIGSTOP)
    desk.until(lambda: desk.service.status().agent.sampling == "stale")
    desk.until(lambda: desk.gpu(0).state is GpuState.STALE)
    status = desk.service.status()
    assert all(has_no_values(gpu) for gpu in status.gpus)
    assert all(reading.value is None for reading in status.host.metrics.values())
    assert status.agent.sampling == "stale"
    desk.until(lambda: desk.gpu(0).state is GpuState.OK)
    assert not exists(first)
    desk.until(lambda: desk.service.status().agent.sampling == "ok")
    # The curves have a gap, not a straight line.
    window = desk.service.window()
    power = next(series for series in window.series if series.metric == "hw.power")
    assert None in power.values
    assert len(desk.service.status().gpus) == rig.count


def test_no_gpu_is_explained(rig: Rig, tmp_path: Path) -> None:
    rig.take_all_gpus()
    desk = Desk(tmp_path, rig)
    desk.start()
    try:
        desk.until(lambda: "reports no GPU" in (desk.service.status().gpu_note or ""))
        assert desk.service.status().gpus == ()
        assert desk.service.status().host.metrics["system.memory.limit"].value > 0
    finally:
        desk.stop()


def test_sigterm_ends_a_collector_whose_driver_hangs(desk: Desk, rig: Rig) -> None:
    rig.hang(1)
    sampler = desk.service._sampler
    desk.until(lambda: sampler._current and sampler._current.signs.busy and sampler._current.signs.busy.seconds > 0.5)
    first = desk.collector
    process = sampler._current.process._process
    os.kill(first, signal.SIGTERM)
    assert process.wait(240) == -signal.SIGTERM


_AGENT = """
import sys, time
from pathlib import Path
from tests.end2end.telemetry.rigs import Desk

class Same:
    arguments = sys.argv[2:]

desk = Desk(Path(sys.argv[1]), Same)
desk.start()
desk.until(lambda: desk.service.status().gpus)
print(desk.collector, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("hung", [False, True])
def test_the_collector_ends_with_its_agent(rig: Rig, root: Path, tmp_path: Path, hung: bool) -> None:
    agent = subprocess.Popen(
        [sys.executable, "-c", _AGENT, str(tmp_path), *rig.arguments],
        stdout=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    with agent:
        collector = int(agent.stdout.readline())
        if hung:
            rig.hang(0)
            time.sleep(1.5)  # let a tick run into it; killing a moment early tests less, but never fails
        agent.kill()
    deadline = time.monotonic() + 240
    while exists(collector) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not exists(collector)
