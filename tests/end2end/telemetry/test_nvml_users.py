"""Who uses a GPU and who used it: clients of MPS told apart, and what the driver's accounting remembers."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlops_desk.machine.records.gpu import GpuState
from tests.end2end.telemetry.rigs import GIB, NvmlRig

pytestmark = [pytest.mark.end2end, pytest.mark.nvml]

H100 = "system driver=580.95.05 cuda=13.0\ngpus 1 model=h100\n"
SHARED = f"""{H100}
proc gpu=0 pid=4194301 type=C mem=30MiB name=nvidia-cuda-mps-server
proc gpu=0 pid=4194302 type=C+M mem=3GiB sm=40
proc gpu=0 pid=4194303 type=M mem=2GiB
proc gpu=0 pid=4194304 type=C+G mem=1GiB
"""
KINDS = {4194301: "compute", 4194302: "mps", 4194303: "mps", 4194304: "compute"}


@pytest.mark.parametrize("lacks", [(), ("_v3",), ("_v3", "_v2")])
def test_clients_of_mps_are_told_apart_and_counted_once(start, tmp_path: Path, lacks: tuple[str, ...]) -> None:
    rig = NvmlRig(tmp_path, SHARED)
    for version in lacks:
        rig.simulator.inject(f"fault fn=nvmlDeviceGet*RunningProcesses{version} error=FUNCTION_NOT_FOUND")
    desk = start(rig)
    desk.until(lambda: desk.service.status().gpus and desk.gpu(0).processes)
    processes = desk.gpu(0).processes
    assert len(processes) == len(KINDS)
    assert {process.pid: process.kind for process in processes} == KINDS
    assert {process.pid: process.gpu_memory_bytes for process in processes} == {
        4194301: 30 << 20,
        4194302: 3 * GIB,
        4194303: 2 * GIB,
        4194304: GIB,
    }
    assert {process.gpu_instance for process in processes} == {None}
    assert [process.pid for process in processes if process.draws] == [4194304]


def test_a_client_of_mps_that_comes_later_is_seen_and_one_that_ended_is_gone(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path, f"{H100}proc gpu=0 pid=4194301 type=C mem=30MiB\n")
    desk = start(rig)
    desk.until(lambda: desk.service.status().gpus and desk.gpu(0).processes)
    rig.simulator.inject("proc gpu=0 pid=4194302 type=M mem=2GiB")
    desk.until(lambda: {process.pid: process.kind for process in desk.gpu(0).processes}.get(4194302) == "mps")
    rig.heal()
    desk.until(lambda: {process.pid for process in desk.gpu(0).processes} == {4194301})


def test_a_driver_that_knows_no_mps_still_lists_who_computes(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path, f"{H100}proc gpu=0 pid=4194301 type=C+M mem=1GiB\n")
    rig.simulator.inject("fault fn=nvmlDeviceGetMPS* error=NOT_SUPPORTED")
    desk = start(rig)
    desk.until(lambda: desk.service.status().gpus and desk.gpu(0).processes)
    assert [(process.pid, process.kind) for process in desk.gpu(0).processes] == [(4194301, "compute")]
    assert desk.gpu(0).processes_known


def test_each_process_tells_what_it_takes_of_gpu_and_host(start, tmp_path: Path) -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        shares = "sm=50 memutil=35 enc=12 dec=7"
        desk = start(NvmlRig(tmp_path, f"{H100}proc gpu=0 pid={busy.pid} mem=1GiB {shares}\n"))
        desk.until(lambda: desk.service.status().gpus and desk.gpu(0).processes)
        (process,) = desk.gpu(0).processes
        assert (process.sm_ratio, process.memory_bandwidth_ratio) == (0.5, 0.35)
        assert (process.encoder_ratio, process.decoder_ratio) == (0.12, 0.07)
        assert process.parent_pid == os.getpid()
        assert process.host_memory_bytes > 1 << 20
        assert (process.draws, process.zombie) == (False, False)
        desk.until(lambda: desk.gpu(0).processes[0].cpu_ratio is not None)
        assert desk.gpu(0).processes[0].cpu_ratio > 0.02
    finally:
        busy.kill()
        busy.wait()


def test_a_zombie_that_holds_memory_is_called_one(start, tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    while Path(f"/proc/{ended.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    try:
        desk = start(NvmlRig(tmp_path, f"{H100}proc gpu=0 pid={ended.pid} mem=20GiB\n"))
        desk.until(lambda: desk.service.status().gpus and desk.gpu(0).processes)
        assert [process.zombie for process in desk.gpu(0).processes] == [True]
    finally:
        ended.wait()


def test_memory_that_no_process_is_seen_to_hold_is_told(start, tmp_path: Path) -> None:
    desk = start(NvmlRig(tmp_path, f"{H100}gpu 0 mem_used=70GiB\n"))
    desk.until(lambda: desk.service.status().gpus and desk.gpu(0).held_by_nobody_bytes)
    assert desk.gpu(0).held_by_nobody_bytes == 70 * GIB
    assert (desk.gpu(0).processes, desk.gpu(0).processes_known) == ((), True)


ACCOUNTED = H100 + "gpu 0 accounting=1\n"


def test_accounts_are_kept_of_those_that_run_and_of_those_that_ended(start, tmp_path: Path) -> None:
    worker = subprocess.Popen(["sleep", "60"])
    try:
        rig = NvmlRig(
            tmp_path,
            f"{ACCOUNTED}proc gpu=0 pid={worker.pid} mem=3GiB sm=60 memutil=30\n"
            "proc gpu=0 pid=4194301 mem=ramp(1GiB,5GiB,0,0.1) sm=20 until=0.2\n",
        )
        desk = start(rig)
        desk.until(lambda: desk.service.status().gpus and desk.gpu(0).accounting)
        running = desk.gpu(0).accounting[0]
        assert (running.pid, running.running, running.seconds) == (worker.pid, True, None)
        assert (running.gpu_ratio, running.memory_ratio, running.max_memory_bytes) == (0.6, 0.3, 3 * GIB)
        assert (running.command, bool(running.user)) == ("sleep 60", True)
        assert running.started_at == pytest.approx(time.time(), abs=60)
        ended = desk.gpu(0).accounting[-1]
        assert (ended.pid, ended.running, ended.command) == (4194301, False, None)
        assert ended.seconds == pytest.approx(0.2)
        assert ended.gpu_ratio == pytest.approx(0.2)
        assert 4 * GIB < ended.max_memory_bytes <= 5 * GIB
        assert desk.gpu(0).facts["Accounting mode"] == "on"
    finally:
        worker.kill()
        worker.wait()


@pytest.mark.parametrize(
    "line", ["gpu 0 accounting=0", "gpu 0 na+=accounting", "fault fn=nvmlDeviceGetAccounting* error=NO_PERMISSION"]
)
def test_without_accounting_there_are_no_accounts_rather_than_empty_ones(start, tmp_path: Path, line: str) -> None:
    rig = NvmlRig(tmp_path, f"{ACCOUNTED}proc gpu=0 pid=4194301 mem=1GiB\n{line}\n")
    desk = start(rig)
    desk.until(lambda: desk.service.status().gpus and desk.gpu(0).facts)
    assert desk.gpu(0).accounting is None
    assert desk.gpu(0).state is GpuState.OK
