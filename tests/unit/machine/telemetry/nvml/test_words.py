"""What the driver says, in words."""

import errno
import os
from pathlib import Path

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.machine.records.gpu import GpuState
from mlops_desk.machine.records.metric import MetricState
from mlops_desk.machine.telemetry.host.processes import Processes
from mlops_desk.machine.telemetry.metrics.gpu import GPU
from mlops_desk.machine.telemetry.metrics.table import measured
from mlops_desk.machine.telemetry.metrics.throttle_reasons import throttle_words
from mlops_desk.machine.telemetry.nvml.errors import explain
from mlops_desk.machine.telemetry.nvml.gpus import NvmlGpus, overall
from mlops_desk.machine.telemetry.nvml.nvml_library import CallError, ErrorKind, GpuGone, Identity, Nvml, NvmlError
from mlops_desk.machine.telemetry.nvml.pci import Pci, address
from mlops_desk.machine.telemetry.nvml.probes import _fan, _utilization

CODES = [getattr(pynvml, name) for name in dir(pynvml) if name.startswith("NVML_ERROR_")]


@given(st.integers(0, (1 << 64) - 1))
def test_every_reason_has_a_word_and_none_is_dropped(bits: int) -> None:
    words = throttle_words(bits)
    assert bool(words) == bool(bits & ~1)
    assert len(words) == len(set(words))


def test_the_graver_reason_comes_first_and_idling_is_none() -> None:
    assert throttle_words(0x4 | 0x40 | 0x1) == ("thermal (hardware)", "power cap")
    assert throttle_words(0x1) == ()
    assert throttle_words(0x8000) == ("unknown reason 0x8000",)


@pytest.mark.parametrize("code", CODES)
def test_every_error_says_what_and_what_next(code: int, tmp_path: Path) -> None:
    trouble = explain(NvmlError(code, "nvmlInit", "text"), Pci(tmp_path))
    assert trouble.note.endswith(".")
    sentence, _, command = trouble.hint.rpartition(": ")
    assert trouble.hint.endswith(".") or (sentence and command), "it ends as a sentence, or with what to paste"


def test_a_missing_library_reads_differently_where_there_is_a_gpu(tmp_path: Path) -> None:
    error = NvmlError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "nvmlInit", "x")
    assert "No NVIDIA GPU" in explain(error, Pci(tmp_path)).note
    for number in (1, 2):
        device = tmp_path / f"0000:0{number}:00.0"
        device.mkdir()
        (device / "vendor").write_text("0x10de\n")
        (device / "class").write_text("0x030200\n")
    (tmp_path / "0000:03:00.0").mkdir()
    assert "has 2 NVIDIA GPU(s)" in explain(error, Pci(tmp_path)).note
    assert "apt install" in explain(error, Pci(tmp_path)).hint


def test_a_mismatch_wants_a_fresh_process_and_names_the_restart() -> None:
    trouble = explain(NvmlError(pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "nvmlInit", "x"), Pci())
    assert trouble.fresh_process
    assert "Restart the machine" in trouble.hint


def test_errors_are_kinds_not_texts() -> None:
    assert NvmlError(15, "x", "").kind is ErrorKind.LOST
    assert NvmlError(16, "x", "").kind is ErrorKind.RESET_REQUIRED
    assert NvmlError(17, "x", "").kind is ErrorKind.NO_PERMISSION
    assert NvmlError(13, "x", "").kind is ErrorKind.NOT_IN_DRIVER
    assert NvmlError(123456, "x", "").kind is ErrorKind.OTHER


def test_only_what_is_gone_is_an_exception_of_its_own() -> None:
    gone = {15, 28, 1, 9, 18}
    assert {code for code in range(1, 30) if isinstance(NvmlError.of(code, "x"), GpuGone)} == gone
    assert {code for code in range(1, 30) if isinstance(NvmlError.of(code, "x"), CallError)} == {*range(1, 30)} - gone


class Device:
    """A GPU that says what it is told to."""

    def __init__(self, **says: object) -> None:
        self._says = says

    def fan(self) -> object:
        return self._says["fan"]

    def utilization(self) -> object:
        return self._says["utilization"]


def test_utilization_above_a_hundred_percent_is_an_error() -> None:
    shown = {name: measured(GPU, name, value) for name, value in _utilization(Device(utilization=(900, 40))).items()}
    assert shown["hw.gpu.utilization"].state is MetricState.ERROR
    assert shown["hw.gpu.utilization.memory"].value == 0.4


@pytest.mark.parametrize(("percent", "value"), [(0, 0.0), (44, 0.44), (105, 1.0), (255, None)])
def test_a_fan_may_run_a_little_above_its_maximum(percent: int, value: float | None) -> None:
    assert measured(GPU, "hw.fan.speed_ratio", _fan(Device(fan=percent))["hw.fan.speed_ratio"]).value == value


def test_a_gpu_that_answers_anything_is_fine() -> None:
    assert overall({MetricState.OK, MetricState.NO_PERMISSION}) is GpuState.OK
    assert overall({MetricState.ERROR, MetricState.NO_PERMISSION}) is GpuState.NO_PERMISSION
    assert overall({MetricState.ERROR}) is GpuState.ERROR
    assert overall(set()) is GpuState.OK


def test_bus_ids_are_those_of_the_kernel(tmp_path: Path) -> None:
    assert address("00000000:1B:00.0") == "0000:1b:00.0"
    power = tmp_path / "0000:1b:00.0" / "power"
    power.mkdir(parents=True)
    (power / "runtime_status").write_text("suspended\n")
    assert Pci(tmp_path).is_asleep("00000000:1B:00.0")
    assert not Pci(tmp_path).is_asleep("00000000:1C:00.0")
    assert not Pci(tmp_path).is_asleep(None)


def test_who_sleeps_is_read_from_a_file_that_stays_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = tmp_path / "0000:1b:00.0" / "power" / "runtime_status"
    status.parent.mkdir(parents=True)
    status.write_text("active\n")
    opened: list[str] = []
    really = os.open
    monkeypatch.setattr(os, "open", lambda path, *how: opened.append(str(path)) or really(path, *how))
    pci = Pci(tmp_path)
    assert not pci.is_asleep("00000000:1B:00.0")
    status.write_text("suspended\n")
    assert [pci.is_asleep("00000000:1B:00.0") for _ in range(10)] == [True] * 10
    assert opened == [str(status)]


def test_a_device_that_went_and_came_back_is_looked_at_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = tmp_path / "0000:1b:00.0" / "power" / "runtime_status"
    status.parent.mkdir(parents=True)
    status.write_text("active\n")
    pci = Pci(tmp_path)
    assert not pci.is_asleep("00000000:1B:00.0")
    (known,) = pci._open.values()
    really = os.pread

    def gone(descriptor: int, *how: int) -> bytes:
        if descriptor == known:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))  # what sysfs says of a device that was removed
        return really(descriptor, *how)

    monkeypatch.setattr(os, "pread", gone)
    monkeypatch.setattr(os, "close", lambda _: None)  # so that the next one has another number
    status.unlink()
    status.write_text("suspended\n")
    assert pci.is_asleep("00000000:1B:00.0")
    monkeypatch.undo()
    os.close(known)


def test_of_a_device_that_the_kernel_does_not_list_no_file_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr(Pci, "is_asleep", lambda _, bus_id: asked.append(bus_id) or True)
    gpus = NvmlGpus(Nvml(), Pci(tmp_path), Processes())
    gpus._follow_bus(0.0)
    here, away = (Identity(0, "GPU-1", "H100", f"00000000:{bus}:00.0") for bus in ("1B", "1C"))
    assert not gpus._is_asleep(here)
    (tmp_path / "0000:1b:00.0").mkdir()
    gpus._follow_bus(1e9)
    assert gpus._is_asleep(here)
    assert not gpus._is_asleep(away)
    assert asked == ["00000000:1B:00.0"]
