"""The questions to a GPU that have a call of their own: which metrics each answers, how, and how often to ask."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

import pynvml

from mlops_desk.machine.records.gpu import AccountedProcess
from mlops_desk.machine.telemetry.host.processes import Processes
from mlops_desk.machine.telemetry.nvml.nvml_library import CallError, NvmlDevice, NvmlError

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


# What the driver keeps account of, where an administrator wants that: each process's share of a GPU and most memory.
#
# The driver keeps some thousand processes and overwrites the oldest. One that has ended is asked once, and who it was
# is known if it was seen while it ran. Its pid may belong to another by now.

_SHOWN = 50  # chosen: as many lines as somebody reads
_ASKED_AT_ONCE = 64  # chosen: each costs a call; the rest has its turn at the next look
_HUNDRED = 100
_MOST_BYTES = 1 << 50  # chosen: beyond any GPU's memory; what is more is the driver's word for not known
_MICROSECONDS = 1e6
_MILLISECONDS = 1e3
_FUTURE_SECONDS = 60.0  # chosen: clocks differ by less; later ones are not times


class AccountingReader:
    """Reads the accounts of one GPU."""

    def __init__(self, device: NvmlDevice, processes: Processes) -> None:
        self._device = device
        self._lookup = processes
        self._ended: dict[int, AccountedProcess | None] = {}
        self._shown: tuple[AccountedProcess, ...] | None = None

    def read(self, running: Collection[int]) -> tuple[AccountedProcess, ...] | None:
        """Return the newest, those that run first; the same object while nothing changes, None while it is off.

        ``running`` are the pids on the GPU now: an account of one of them is of another process than it was.
        Raises NvmlError.
        """
        if not self._device.number(pynvml.nvmlDeviceGetAccountingMode):
            self._ended, self._shown = {}, None
            return None
        pids = dict.fromkeys(int(pid) for pid in self._device.ask(pynvml.nvmlDeviceGetAccountingPids))
        self._ended = {pid: one for pid, one in self._ended.items() if pid in pids and pid not in running}
        unknown = sorted((pid for pid in pids if pid not in self._ended), key=lambda pid: pid not in running)
        asked = {pid: self._ask(pid) for pid in unknown[:_ASKED_AT_ONCE]}
        self._ended |= {pid: one for pid, one in asked.items() if one is None or not one.running}
        known = [one for one in {**self._ended, **asked}.values() if one is not None]
        shown = tuple(sorted(known, key=_age)[:_SHOWN])
        if shown != self._shown:
            self._shown = shown
        return self._shown

    def _ask(self, pid: int) -> AccountedProcess | None:
        """Return one account; None when it was overwritten, or is not told. Raises NvmlError if all is gone."""
        try:
            stats = self._device.ask(pynvml.nvmlDeviceGetAccountingStats, pid)
        except CallError:
            return None
        now = time.time()
        started_at = stats.startTime / _MICROSECONDS
        known = 0.0 < started_at <= now + _FUTURE_SECONDS
        who = self._lookup.facts_at(pid, started_at if known else now)
        return AccountedProcess(
            pid,
            running=bool(stats.isRunning),
            started_at=started_at if known else None,
            seconds=None if stats.isRunning else stats.time / _MILLISECONDS,
            gpu_ratio=_ratio(stats.gpuUtilization),
            memory_ratio=_ratio(stats.memoryUtilization),
            max_memory_bytes=_bytes(stats.maxMemoryUsage),
            user=who.user,
            command=who.command,
            container=who.container,
        )


def _age(one: AccountedProcess) -> tuple[bool, float]:
    return not one.running, -(one.started_at or 0.0)


def _ratio(percent: int) -> float | None:
    return percent / _HUNDRED if percent <= _HUNDRED else None


def _bytes(value: Any) -> int | None:
    return int(value) if value is not None and value <= _MOST_BYTES else None
