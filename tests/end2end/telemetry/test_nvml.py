"""What only the driver can do: values as the scenario says them, drivers that are missing, old, changed or forbidden."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlops_desk.machine.records.gpu import GpuState
from mlops_desk.machine.records.metric import MetricState
from tests.end2end.telemetry.rigs import SCENARIO_SAYS, NvmlRig

pytestmark = [pytest.mark.end2end, pytest.mark.nvml]


def test_values_are_those_of_the_scenario(start, tmp_path: Path) -> None:
    desk = start(NvmlRig(tmp_path))
    desk.until(lambda: len(desk.service.status().gpus) == 4)
    for index, values in SCENARIO_SAYS.items():
        gpu = desk.gpu(index)
        shown = {name: gpu.metrics[name].value for name in values}
        assert shown == pytest.approx(values)
    assert desk.gpu(1).metrics["hw.fan.speed_ratio"].state is MetricState.NOT_SUPPORTED
    assert desk.gpu(3).throttle_reasons == ("thermal (hardware)", "power cap")
    assert desk.gpu(0).throttle_reasons == ()
    assert desk.gpu(0).name == "NVIDIA RTX 6000 Ada Generation"
    assert desk.service.status().driver_version == "580.95.05"
    desk.until(lambda: desk.service.status().agent.cost.memory_bytes)


def test_memory_in_use_leaves_out_what_the_driver_reserves(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path, "gpus 1 model=rtx6000ada mem_used=12GiB mem_reserved=700\n")
    desk = start(rig)
    desk.until(lambda: desk.service.status().gpus)
    assert desk.gpu(0).metrics["hw.gpu.memory.usage"].value == 12 << 30


@pytest.mark.parametrize("profile", ["r470", "r535"])
def test_older_drivers_lack_functions_and_nothing_breaks(start, tmp_path: Path, profile: str) -> None:
    desk = start(NvmlRig(tmp_path, profile=profile))
    desk.until(lambda: len(desk.service.status().gpus) == 4)
    gpu = desk.gpu(3)
    assert gpu.state is GpuState.OK
    assert gpu.metrics["hw.gpu.utilization"].value == pytest.approx(0.99)
    assert gpu.metrics["hw.gpu.memory.usage"].value >= 40 << 30
    if profile == "r470":
        assert gpu.metrics["hw.gpu.utilization.jpeg"].state is MetricState.NOT_SUPPORTED_BY_DRIVER
        assert gpu.metrics["hw.gpu.activity.sm"].state is MetricState.NOT_SUPPORTED_BY_DRIVER
    assert gpu.throttle_reasons == ("thermal (hardware)", "power cap")


def test_processes_have_user_command_and_start(start, tmp_path: Path) -> None:
    worker = subprocess.Popen(["sleep", "60"])
    try:
        rig = NvmlRig(
            tmp_path, f"gpus 1 model=h100\nproc gpu=0 pid={worker.pid} mem=3GiB\nproc gpu=0 pid=4194300 mem=na\n"
        )
        desk = start(rig)
        desk.until(lambda: desk.service.status().gpus)
        known, gone = desk.gpu(0).processes
        assert (known.pid, known.command, known.gpu_memory_bytes, known.kind) == (
            worker.pid,
            "sleep 60",
            3 << 30,
            "compute",
        )
        assert known.user
        assert known.start_ticks
        assert known.container is None
        assert (gone.pid, gone.user, gone.command, gone.gpu_memory_bytes) == (4194300, None, None, None)
    finally:
        worker.kill()
        worker.wait()


def test_a_missing_library_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start) -> None:
    rig = NvmlRig(tmp_path)
    empty = tmp_path / "lib"
    empty.mkdir()
    (empty / "libnvidia-ml.so.1").write_text("not a library")
    rig.environment = rig.environment | {"LD_LIBRARY_PATH": str(empty)}
    desk = start(rig)
    desk.until(lambda: "not installed" in (desk.service.status().gpu_note or ""))
    status = desk.service.status()
    assert status.gpus == ()
    assert status.gpu_hint
    assert status.host.metrics["system.memory.limit"].value > 0
    # Once it is installed, nobody has to start anything again.
    new = empty / "new"
    new.symlink_to(Path(rig.simulator.environment["LD_LIBRARY_PATH"]) / "libnvidia-ml.so.1")
    new.replace(empty / "libnvidia-ml.so.1")
    desk.until(lambda: len(desk.service.status().gpus) == 4)
    assert desk.service.status().gpu_note is None


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("mismatch", "different versions"),
        ("unloaded", "not loaded"),
        ("nopermission", "may not use"),
    ],
)
def test_a_driver_that_does_not_open_is_explained_and_tried_again(
    start, tmp_path: Path, fault: str, words: str
) -> None:
    rig = NvmlRig(tmp_path)
    rig.simulator.inject(f"fault driver={fault}")
    desk = start(rig)
    desk.until(lambda: words in (desk.service.status().gpu_note or ""))
    assert desk.service.status().gpus == ()
    assert desk.service.status().gpu_hint
    rig.heal()
    desk.until(lambda: len(desk.service.status().gpus) == 4)
    assert desk.service.status().gpu_note is None
    assert desk.gpu(0).metrics["hw.gpu.utilization"].value == pytest.approx(0.37)


def test_a_driver_that_goes_away_leaves_its_gpus_listed_and_comes_back(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path)
    desk = start(rig)
    desk.until(lambda: len(desk.service.status().gpus) == 4)
    uuids = [gpu.uuid for gpu in desk.service.status().gpus]
    rig.simulator.inject("fault fn=nvmlDevice* error=DRIVER_NOT_LOADED", "fault driver=unloaded")
    desk.until(lambda: {gpu.state for gpu in desk.service.status().gpus} == {GpuState.ERROR})
    assert [gpu.uuid for gpu in desk.service.status().gpus] == uuids
    assert "not loaded" in desk.service.status().gpu_note
    rig.heal()
    desk.until(lambda: {gpu.state for gpu in desk.service.status().gpus} == {GpuState.OK})
    assert [gpu.uuid for gpu in desk.service.status().gpus] == uuids


def test_opening_the_driver_hangs_and_the_host_goes_on(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path)
    rig.simulator.inject("fault fn=nvmlInit* hang")
    desk = start(rig)
    status = desk.service.status()
    assert status.host.metrics["system.memory.limit"].value > 0
    assert "has not answered" in status.gpu_note
    rig.heal()
    desk.until(lambda: len(desk.service.status().gpus) == 4)


def test_a_slow_driver_is_left_in_peace(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path)
    desk = start(rig)
    desk.until(lambda: len(desk.service.status().gpus) == 4)
    first = desk.collector
    rig.simulator.inject("fault gpu=1 fn=nvmlDeviceGetUtilizationRates delay=900ms")
    time.sleep(4)
    assert desk.collector == first
    assert {gpu.state for gpu in desk.service.status().gpus} == {GpuState.OK}
    desk.until(lambda: (desk.service.status().agent.cost.driver_seconds_per_second or 0.0) > 0.1)
    # What costs so much is asked less often, and the window says so.
    desk.until(lambda: "less often: utilisation every" in (desk.gpu(1).note or ""))
    assert desk.gpu(1).state is GpuState.OK
    assert desk.gpu(0).note is None


def _device(root: Path, address: str, state: str) -> Path:
    folder = root / address
    (folder / "power").mkdir(parents=True)
    (folder / "vendor").write_text("0x10de\n")
    (folder / "class").write_text("0x030200\n")
    (folder / "power" / "runtime_status").write_text(f"{state}\n")
    return folder


def test_a_sleeping_gpu_is_not_woken(start, tmp_path: Path) -> None:
    pci = tmp_path / "pci"
    first = _device(pci, "0000:1b:00.0", "suspended")
    rig = NvmlRig(tmp_path, "gpus 1 model=rtx6000ada\n")
    desk = start(rig, "--pci", str(pci))
    desk.until(lambda: len(desk.announced) > 3)
    assert "nvmlInit" not in rig.simulator.calls_of(desk.collector)
    (first / "power" / "runtime_status").write_text("active\n")
    desk.until(lambda: desk.service.status().gpus and desk.gpu(0).state is GpuState.OK)
    awake = desk.gpu(0)
    (first / "power" / "runtime_status").write_text("suspended\n")
    desk.until(lambda: desk.gpu(0).state is GpuState.ASLEEP)
    metrics = dict(desk.gpu(0).metrics)
    total = metrics.pop("hw.gpu.memory.limit")  # no measurement: it has that much, awake or not
    assert (total.state, total.value) == (MetricState.OK, awake.metrics["hw.gpu.memory.limit"].value)
    assert {reading.state for reading in metrics.values()} == {MetricState.ASLEEP}
    assert desk.gpu(0).uuid.startswith("GPU-")


def test_the_collector_loads_nothing_heavy(root: Path) -> None:
    code = (
        "import sys, mlops_desk.machine.telemetry.collector, mlops_desk.machine.telemetry.nvml.gpus, mlops_desk.machine.telemetry.host.machine;"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    heavy = {"numpy", "sqlalchemy", "docker", "asyncio", "psutil", "mlflow", "PySide6", "zstandard"}
    assert not heavy & set(loaded.stdout.split())


def test_the_agent_does_not_load_the_driver_library(start, tmp_path: Path) -> None:
    desk = start(NvmlRig(tmp_path))
    desk.until(lambda: len(desk.service.status().gpus) == 4)
    assert "libnvidia-ml" not in Path(f"/proc/{os.getpid()}/maps").read_text()
    assert "libnvidia-ml" in Path(f"/proc/{desk.collector}/maps").read_text()
