"""What the driver keeps account of: who ended is asked once, a pid used again is another process, no number is made up."""

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.machine.telemetry.host.processes import Processes
from mlops_desk.machine.telemetry.nvml.nvml_library import GpuGone, NvmlError
from mlops_desk.machine.telemetry.nvml.probes import AccountingReader

START = int((time.time() - 3600) * 1_000_000)
NOT_FOUND, LOST = pynvml.NVML_ERROR_NOT_FOUND, pynvml.NVML_ERROR_GPU_IS_LOST


def account(*, running: bool = False, gpu: int = 40, memory: int | None = 1 << 30, started: int = START) -> Any:
    return SimpleNamespace(
        gpuUtilization=gpu, memoryUtilization=gpu // 2, maxMemoryUsage=memory, time=0 if running else 1500,
        startTime=started, isRunning=int(running),
    )  # fmt: skip


class Device:
    """A GPU whose driver keeps ``accounts``: what it answers of each pid, or an error's number."""

    def __init__(self) -> None:
        self.mode = 1
        self.accounts: dict[int, Any] = {}
        self.asked: list[int] = []

    def number(self, _function: object) -> int:
        return self.mode

    def ask(self, function: object, *arguments: int) -> Any:
        if function is pynvml.nvmlDeviceGetAccountingPids:
            return list(self.accounts)
        self.asked += arguments
        answer = self.accounts[arguments[0]]
        if isinstance(answer, int):
            raise NvmlError.of(answer, "nvmlDeviceGetAccountingStats")
        return answer


@pytest.fixture
def device() -> Device:
    return Device()


@pytest.fixture
def reader(device: Device, tmp_path: Path) -> AccountingReader:
    return AccountingReader(device, Processes(tmp_path))


def test_who_ended_is_asked_once_and_who_runs_each_time(device: Device, reader: AccountingReader) -> None:
    device.accounts = {1: account(), 2: account(running=True)}
    first = reader.read({2})
    assert first is not None
    assert [(one.pid, one.running, one.seconds) for one in first] == [(2, True, None), (1, False, 1.5)]
    assert reader.read({2}) is first, "an account that did not change is the same object"
    assert sorted(device.asked) == [1, 2, 2]
    device.accounts[2] = account(gpu=90)
    after = reader.read(())
    assert after is not None
    assert {one.pid: one.gpu_ratio for one in after} == {1: 0.4, 2: 0.9}
    assert not any(one.running for one in after)


def test_a_pid_that_is_used_again_is_another_process(device: Device, reader: AccountingReader) -> None:
    device.accounts = {7: account(gpu=10)}
    reader.read(())
    device.accounts = {7: account(gpu=80, running=True, started=START + 9_000_000)}
    again = reader.read({7})
    assert again is not None
    assert [(one.pid, one.running, one.gpu_ratio) for one in again] == [(7, True, 0.8)]


def test_a_full_buffer_is_read_bit_by_bit_and_the_newest_are_shown(device: Device, reader: AccountingReader) -> None:
    device.accounts = {pid: account(started=START + pid * 1_000_000) for pid in range(1, 200)} | {500: NOT_FOUND}
    while len(device.asked) < 200:
        before = len(device.asked)
        shown = reader.read(())
        assert 0 < len(device.asked) - before <= 64
    assert shown is not None
    assert [one.pid for one in shown] == list(range(199, 149, -1))
    reader.read(())
    assert len(device.asked) == 200, "what is known, and what is not told, is not asked again"
    device.accounts = {1: account()}
    assert len(reader.read(()) or ()) == 1, "what the driver forgot is not shown"


def test_off_is_not_the_same_as_nothing_yet(device: Device, reader: AccountingReader) -> None:
    assert reader.read(()) == ()
    device.mode = 0
    assert reader.read(()) is None


def test_a_lost_gpu_is_not_taken_for_a_missing_account(device: Device, reader: AccountingReader) -> None:
    device.accounts = {7: LOST}
    with pytest.raises(GpuGone):
        reader.read(())


sentinels = st.sampled_from([0, 99, 100, 101, (1 << 32) - 1])


@given(sentinels, st.sampled_from([None, 0, 1 << 40, (1 << 64) - 1]), st.integers(0, (1 << 64) - 1))
def test_no_number_is_made_up(gpu: int, memory: int | None, started: int) -> None:
    device = Device()
    device.accounts = {7: account(gpu=gpu, memory=memory, started=started)}
    (one,) = AccountingReader(device, Processes(Path("/nonexistent"))).read(()) or ()
    assert one.gpu_ratio == (gpu / 100 if gpu <= 100 else None)
    assert one.max_memory_bytes == (memory if memory is not None and memory < 1 << 50 else None)
    assert one.started_at is None or 0 < one.started_at < time.time() + 61


def test_who_ended_is_known_if_it_was_seen_while_it_ran(tmp_path: Path) -> None:
    lookup = Processes(tmp_path)
    ticks = os.sysconf("SC_CLK_TCK")
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    folder = tmp_path / "7"
    folder.mkdir()
    rest = " ".join(["0"] * 18)

    def run(command: bytes, second: int) -> None:
        (folder / "stat").write_text(f"7 (x) S {rest} {second * ticks} 0 0")
        (folder / "cmdline").write_bytes(command)
        (folder / "cgroup").write_bytes(b"0::/")
        lookup.facts(7)

    run(b"python\0first.py", 100)
    run(b"python\0second.py", 200)
    assert lookup.facts_at(7, boot + 150).command == "python first.py"
    assert lookup.facts_at(7, boot + 250).command == "python second.py"
    for file in folder.iterdir():
        file.unlink()
    assert lookup.facts_at(7, boot + 250).command == "python second.py", "it has ended"
    assert lookup.facts_at(7, boot + 50).command is None, "this was before any of them began"
    assert lookup.facts_at(8, boot + 250).command is None
