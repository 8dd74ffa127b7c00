"""What really works on Hopper and newer: GPM turns two samples of the hardware's counters into shares of time.

The pair is this tick's sample and the last one's; closer than 100 ms they say nothing. It needs no right of its own and
holds no lock, other than profiling on older GPUs.
"""

import ctypes
import struct
from collections.abc import Mapping
from typing import Any

import pynvml

from mlops_desk.machine.telemetry.nvml.fields import GAP, Value
from mlops_desk.machine.telemetry.nvml.nvml_library import UNABLE, UNABLE_SECONDS, CallError, NvmlDevice, NvmlError

_LEAST_SECONDS = 0.1  # NVML's manual: two samples lie at least 100 ms apart
_LONGEST_SECONDS = 60.0  # chosen: a mean over more than a minute is not what the GPU does now
_RECORD = struct.Struct("<Iid24x")
_PERCENT = 0.01
_MIB = float(1 << 20)
_SLACK = 1.01  # chosen: what two clocks that are read one after the other make of a whole

_SHARES = {
    pynvml.NVML_GPM_METRIC_GRAPHICS_UTIL: "hw.gpu.activity.graphics",
    pynvml.NVML_GPM_METRIC_SM_UTIL: "hw.gpu.activity.sm",
    pynvml.NVML_GPM_METRIC_SM_OCCUPANCY: "hw.gpu.activity.occupancy",
    pynvml.NVML_GPM_METRIC_INTEGER_UTIL: "hw.gpu.activity.integer",
    pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL: "hw.gpu.activity.tensor",
    pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL: "hw.gpu.activity.dram",
    pynvml.NVML_GPM_METRIC_FP64_UTIL: "hw.gpu.activity.fp64",
    pynvml.NVML_GPM_METRIC_FP32_UTIL: "hw.gpu.activity.fp32",
    pynvml.NVML_GPM_METRIC_FP16_UTIL: "hw.gpu.activity.fp16",
}
_RATES = {
    pynvml.NVML_GPM_METRIC_PCIE_TX_PER_SEC: "hw.gpu.io.transmit",
    pynvml.NVML_GPM_METRIC_PCIE_RX_PER_SEC: "hw.gpu.io.receive",
    pynvml.NVML_GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC: "hw.gpu.nvlink.transmit",
    pynvml.NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC: "hw.gpu.nvlink.receive",
}
_ENGINES = {
    **{pynvml.NVML_GPM_METRIC_NVDEC_0_UTIL + number: "hw.gpu.activity.decoder" for number in range(8)},
    **{pynvml.NVML_GPM_METRIC_NVJPG_0_UTIL + number: "hw.gpu.activity.jpeg" for number in range(8)},
    **{pynvml.NVML_GPM_METRIC_NVOFA_0_UTIL + number: "hw.gpu.activity.ofa" for number in range(2)},
}
_NAMES: Mapping[int, str] = {**_SHARES, **_RATES, **_ENGINES}

OF_INSTANCE = tuple(_SHARES)
OF_GPU = tuple(_NAMES)
ACTIVITIES = tuple(dict.fromkeys((*_SHARES.values(), *_ENGINES.values())))
ACTIVITIES_OF_INSTANCE = tuple(_SHARES.values())
NVLINKS = frozenset({"hw.gpu.nvlink.transmit", "hw.gpu.nvlink.receive"})
"""The fields count these as well, so a GPU whose GPM lacks them still has them."""
TRAFFIC = ("hw.gpu.io.transmit", "hw.gpu.io.receive")


class GpmReader:
    """Reads the activity of one GPU, or with ``instance`` of one of its MIG instances."""

    def __init__(self, device: NvmlDevice, metrics: tuple[int, ...] = OF_GPU, instance: int | None = None) -> None:
        self._device = device
        self._metrics = metrics
        self._instance = instance
        self._samples: list[Any] = []
        self._taken_at: float | None = None
        self._bytes = bytearray(ctypes.sizeof(pynvml.c_nvmlGpmMetricsGet_t))
        self._question = pynvml.c_nvmlGpmMetricsGet_t.from_buffer(self._bytes)
        self._question.version = pynvml.NVML_GPM_METRICS_GET_VERSION
        self._ask_all = 0.0

    def read(self, now: float) -> dict[str, Value]:
        """Return what was measured since the last call, by name; a gap for all at the first. Raises NvmlError."""
        self._prepare()
        before, taken = self._taken_at, now
        if before is not None and now - before < _LEAST_SECONDS:
            return {}
        self._samples.reverse()
        self._taken_at = None
        self._take(self._samples[1])
        self._taken_at = taken
        if before is None or now - before > _LONGEST_SECONDS:
            return {_NAMES[number]: GAP for number in self._metrics}
        return self._compute(now)

    def close(self) -> None:
        """Give the samples back to the library."""
        samples, self._samples = self._samples, []
        for sample in samples:
            try:
                self._device.nvml.call(self._device.index, self._device.uuid, pynvml.nvmlGpmSampleFree, sample)
            except NvmlError:
                return  # the library is shut or the driver gone, and its memory with it

    def _prepare(self) -> None:
        """Make the two samples, on a GPU that has GPM. Raises NvmlError."""
        if self._samples:
            return
        if not self._device.ask(pynvml.nvmlGpmQueryDeviceSupport).isSupportedDevice:
            raise CallError(pynvml.NVML_ERROR_NOT_SUPPORTED, "nvmlGpmQueryDeviceSupport", "Not Supported")
        nvml = self._device.nvml
        self._samples = [
            nvml.call(self._device.index, self._device.uuid, pynvml.nvmlGpmSampleAlloc),
            nvml.call(self._device.index, self._device.uuid, pynvml.nvmlGpmSampleAlloc),
        ]

    def _take(self, sample: Any) -> None:
        if self._instance is None:
            self._device.invoke("nvmlGpmSampleGet", sample)
        else:
            self._device.invoke("nvmlGpmMigSampleGet", ctypes.c_uint(self._instance), sample)

    def _compute(self, now: float) -> dict[str, Value]:
        question = self._question
        if now >= self._ask_all:
            self._ask(self._metrics)
        question.sample1, question.sample2 = self._samples
        self._device.nvml.invoke(self._device.index, self._device.uuid, "nvmlGpmMetricsGet", ctypes.byref(question))
        start = type(question).metrics.offset
        data = memoryview(self._bytes)[start : start + _RECORD.size * question.numMetrics]
        answers = list(_RECORD.iter_unpack(data))
        if now >= self._ask_all:
            self._ask_all = now + UNABLE_SECONDS
            able = tuple(number for number, code, _ in answers if not code or NvmlError.of(code, "").kind not in UNABLE)
            self._ask(able or self._metrics[:1])
        return values(answers)

    def _ask(self, numbers: tuple[int, ...]) -> None:
        for place, number in enumerate(numbers):
            self._question.metrics[place].metricId = number
        self._question.numMetrics = len(numbers)


def values(answers: list[tuple[int, int, float]]) -> dict[str, Value]:
    """Turn GPM's answers (metric, error, value) into values by name; the engines of a kind become their mean."""
    found: dict[str, Value] = {}
    engines: dict[str, list[float]] = {}
    for number, code, value in answers:
        name = _NAMES.get(number)
        if name is None:
            continue
        if code:
            found.setdefault(name, NvmlError.of(code, f"GPM metric {number}"))
        elif number in _RATES:
            found[name] = value * _MIB
        elif number in _ENGINES:
            engines.setdefault(name, []).append(_share(value))
        else:
            found[name] = _share(value)
    return {**found, **{name: sum(shares) / len(shares) for name, shares in engines.items()}}


def _share(percent: float) -> float:
    share = percent * _PERCENT
    return 1.0 if 1.0 < share <= _SLACK else share
