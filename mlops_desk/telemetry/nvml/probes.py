"""The questions to a GPU that have a call of their own: which metrics each answers, how, and how often to ask."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pynvml

from mlops_desk.telemetry.nvml.device import NvmlDevice
from mlops_desk.telemetry.nvml.door import CallError, NvmlError

Values = dict[str, float | NvmlError]

OFTEN_SECONDS = 5.0  # chosen: what somebody may watch
SELDOM_SECONDS = 30.0  # chosen: what changes with a load
RARELY_SECONDS = 300.0  # chosen: what changes with a restart or an act of an administrator


@dataclass(frozen=True, slots=True)
class Probe:
    """One question. ``title`` names it to a person; ``seconds`` is how long an answer holds (0: for one tick)."""

    title: str
    names: tuple[str, ...]
    ask: Callable[[NvmlDevice], Values]
    seconds: float = 0.0


def _utilization(device: NvmlDevice) -> Values:
    gpu, memory = device.utilization()
    return {"hw.gpu.utilization": gpu / 100, "hw.gpu.utilization.memory": memory / 100}


def _memory(device: NvmlDevice) -> Values:
    memory = device.memory()
    values: Values = {
        "hw.gpu.memory.usage": memory.used,
        "hw.gpu.memory.limit": memory.total,
        "hw.gpu.memory.free": memory.free,
    }
    reserved = memory.reserved
    if reserved is None:
        reserved_error = CallError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND, "nvmlDeviceGetMemoryInfo_v2", "not there")
        return {**values, "hw.gpu.memory.reserved": reserved_error}
    return {**values, "hw.gpu.memory.reserved": reserved}


def _bar1(device: NvmlDevice) -> Values:
    used, total = device.bar1()
    return {"hw.gpu.memory.bar1.usage": used, "hw.gpu.memory.bar1.limit": total}


def _fan(device: NvmlDevice) -> Values:
    percent = device.fan()
    return {"hw.fan.speed_ratio": min(percent, 100) / 100 if percent <= 120 else percent / 100}


def _one(title: str, name: str, ask: Callable[[NvmlDevice], int], factor: float = 1.0, seconds: float = 0.0) -> Probe:
    return Probe(title, (name,), lambda device: {name: ask(device) * factor}, seconds)


def _engine(what: str, function: Callable[..., object]) -> Probe:
    name = f"hw.gpu.utilization.{what}"
    return _one(f"the {what}", name, lambda device: device.engine(function), 0.01, OFTEN_SECONDS)


def _clock(name: str, which: int, seconds: float) -> Probe:
    return _one("clocks", f"hw.gpu.clock.{name}", lambda device: device.clock(which), 1e6, seconds)


def _clock_limit(name: str, which: int) -> Probe:
    return _one("highest clocks", f"hw.gpu.clock.{name}.limit", lambda device: device.clock_limit(which), 1e6,
                RARELY_SECONDS)  # fmt: skip


def _threshold(name: str, which: int) -> Probe:
    return _one("temperature limits", f"hw.temperature.limit.{name}", lambda device: device.threshold(which), 1.0,
                RARELY_SECONDS)  # fmt: skip


def _pcie(name: str, function: Callable[..., object], seconds: float) -> Probe:
    return _one("the PCIe link", f"hw.gpu.pcie.{name}", partial(NvmlDevice.number, function=function), 1.0, seconds)


PROBES = (
    Probe("utilisation", ("hw.gpu.utilization", "hw.gpu.utilization.memory"), _utilization),
    Probe("memory", ("hw.gpu.memory.usage", "hw.gpu.memory.limit", "hw.gpu.memory.free", "hw.gpu.memory.reserved"),
          _memory),
    _one("temperature", "hw.temperature", NvmlDevice.temperature),
    _clock("sm", pynvml.NVML_CLOCK_SM, 0.0),
    _clock("memory", pynvml.NVML_CLOCK_MEM, OFTEN_SECONDS),
    _one("the P-state", "hw.gpu.performance_state", NvmlDevice.performance_state, seconds=OFTEN_SECONDS),
    Probe("the fan", ("hw.fan.speed_ratio",), _fan, OFTEN_SECONDS),
    _clock("graphics", pynvml.NVML_CLOCK_GRAPHICS, OFTEN_SECONDS),
    _clock("video", pynvml.NVML_CLOCK_VIDEO, OFTEN_SECONDS),
    _engine("encoder", pynvml.nvmlDeviceGetEncoderUtilization),
    _engine("decoder", pynvml.nvmlDeviceGetDecoderUtilization),
    _engine("jpeg", pynvml.nvmlDeviceGetJpgUtilization),
    _engine("ofa", pynvml.nvmlDeviceGetOfaUtilization),
    _one("the power limit", "hw.power.limit", NvmlDevice.power_limit, 1e-3, 2 * OFTEN_SECONDS),
    Probe("the PCIe window", ("hw.gpu.memory.bar1.usage", "hw.gpu.memory.bar1.limit"), _bar1, 2 * OFTEN_SECONDS),
    _pcie("generation", pynvml.nvmlDeviceGetCurrPcieLinkGeneration, SELDOM_SECONDS),
    _pcie("width", pynvml.nvmlDeviceGetCurrPcieLinkWidth, SELDOM_SECONDS),
    _pcie("generation.limit", pynvml.nvmlDeviceGetMaxPcieLinkGeneration, RARELY_SECONDS),
    _pcie("width.limit", pynvml.nvmlDeviceGetMaxPcieLinkWidth, RARELY_SECONDS),
    _clock_limit("sm", pynvml.NVML_CLOCK_SM),
    _clock_limit("memory", pynvml.NVML_CLOCK_MEM),
    _clock_limit("graphics", pynvml.NVML_CLOCK_GRAPHICS),
    _clock_limit("video", pynvml.NVML_CLOCK_VIDEO),
    _threshold("shutdown", pynvml.NVML_TEMPERATURE_THRESHOLD_SHUTDOWN),
    _threshold("slowdown", pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN),
    _threshold("memory", pynvml.NVML_TEMPERATURE_THRESHOLD_MEM_MAX),
    _threshold("gpu", pynvml.NVML_TEMPERATURE_THRESHOLD_GPU_MAX),
)  # fmt: skip
