"""One GPU's handle and the questions that have a call of their own.

Every method raises NvmlError; units are NVML's (percent, milliwatts, MHz, bytes).
"""

import ctypes
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pynvml

from mlops_desk.telemetry.metrics.throttling import throttle_words
from mlops_desk.telemetry.nvml.door import ErrorKind, Nvml, NvmlError

_KILO = 1000.0  # nvmlDeviceGetPcieThroughput tells KB/s
_PAIR = struct.Struct("<II")
_MEMORY = struct.Struct("<I4xQQQQ")
"""Version, then total, reserved, free and used bytes."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A GPU as the driver names it."""

    index: int
    uuid: str
    name: str
    bus_id: str | None


@dataclass(frozen=True, slots=True)
class MemoryInfo:
    """Bytes; ``used`` leaves out what the driver reserves, where it says how much that is."""

    used: int
    total: int
    free: int
    reserved: int | None


class NvmlDevice:
    """A GPU, or a MIG instance of one, as long as the library stays open."""

    def __init__(self, nvml: Nvml, index: int, handle: Any, uuid: str | None) -> None:
        self.nvml = nvml
        self.handle = handle
        self.index = index
        self.uuid = uuid
        self._number = ctypes.c_uint()
        self._pair = bytearray(_PAIR.size)
        self._pair_buffer = (ctypes.c_char * _PAIR.size).from_buffer(self._pair)
        self._memory = bytearray(_MEMORY.size)
        self._memory_buffer = (ctypes.c_char * _MEMORY.size).from_buffer(self._memory)

    @classmethod
    def at(cls, nvml: Nvml, index: int, uuid: str | None = None) -> "NvmlDevice":
        """Return the GPU of this index."""
        return cls(nvml, index, nvml.call(index, uuid, pynvml.nvmlDeviceGetHandleByIndex, index), uuid)

    def ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function of the binding with this GPU's handle first."""
        return self.nvml.call(self.index, self.uuid, function, self.handle, *arguments)

    def invoke(self, name: str, *arguments: Any) -> None:
        """Call a function of the library with this GPU's handle first."""
        self.nvml.invoke(self.index, self.uuid, name, self.handle, *arguments)

    def _ask_number(self, name: str, *arguments: int) -> int:
        """Ask what is asked every second without the detour over the binding."""
        self.invoke(name, *arguments, ctypes.byref(self._number))
        return self._number.value

    def identity(self) -> Identity:
        """Read who this is."""
        self.uuid = str(self.ask(pynvml.nvmlDeviceGetUUID))
        name = str(self.ask(pynvml.nvmlDeviceGetName))
        return Identity(self.index, self.uuid, name, bus_id_of(self.ask(pynvml.nvmlDeviceGetPciInfo)))

    def utilization(self) -> tuple[int, int]:
        """Return GPU and memory controller utilisation."""
        self.invoke("nvmlDeviceGetUtilizationRates", self._pair_buffer)
        gpu, memory = _PAIR.unpack(self._pair)
        return gpu, memory

    def engine(self, function: Callable[..., Any]) -> int:
        """Return the utilisation of one of the media engines."""
        return int(self.ask(function)[0])

    def memory(self) -> MemoryInfo:
        """Return what the memory is used for.

        Version 1 counts the reserved part as used since R510, the driver that brought version 2; so it
        is asked only where there is no version 2.
        """
        try:
            _MEMORY.pack_into(self._memory, 0, pynvml.nvmlMemory_v2, 0, 0, 0, 0)
            self.invoke("nvmlDeviceGetMemoryInfo_v2", self._memory_buffer)
        except NvmlError as error:
            if error.kind is not ErrorKind.NOT_IN_DRIVER:
                raise
            memory = self.ask(pynvml.nvmlDeviceGetMemoryInfo)
            return MemoryInfo(memory.used, memory.total, memory.free, None)
        _, total, reserved, free, used = _MEMORY.unpack(self._memory)
        return MemoryInfo(used, total, free, reserved)

    def bar1(self) -> tuple[int, int]:
        """Return used and total."""
        memory = self.ask(pynvml.nvmlDeviceGetBAR1MemoryInfo)
        return memory.bar1Used, memory.bar1Total

    def power(self) -> int:
        return int(self.ask(pynvml.nvmlDeviceGetPowerUsage))

    def power_limit(self) -> int:
        return int(self.ask(pynvml.nvmlDeviceGetEnforcedPowerLimit))

    def temperature(self) -> int:
        return self._ask_number("nvmlDeviceGetTemperature", pynvml.NVML_TEMPERATURE_GPU)

    def threshold(self, which: int) -> int:
        return int(self.ask(pynvml.nvmlDeviceGetTemperatureThreshold, which))

    def fan(self) -> int:
        return int(self.ask(pynvml.nvmlDeviceGetFanSpeed))

    def clock(self, which: int) -> int:
        return self._ask_number("nvmlDeviceGetClockInfo", which)

    def clock_limit(self, which: int) -> int:
        return int(self.ask(pynvml.nvmlDeviceGetMaxClockInfo, which))

    def performance_state(self) -> int:
        return self._ask_number("nvmlDeviceGetPerformanceState")

    def pcie_traffic(self) -> tuple[float, float]:
        """Return the bytes a second that the GPU sends and receives; the driver counts for 20 ms each way."""
        ways = (pynvml.NVML_PCIE_UTIL_TX_BYTES, pynvml.NVML_PCIE_UTIL_RX_BYTES)
        sent, received = (float(self.ask(pynvml.nvmlDeviceGetPcieThroughput, way)) * _KILO for way in ways)
        return sent, received

    def number(self, function: Callable[..., Any], *arguments: Any) -> int:
        """Ask what has one number for an answer."""
        return int(self.ask(function, *arguments))

    def throttle_reasons(self) -> tuple[str, ...]:
        """Return why the clocks are not at their highest, in words, the graver first."""
        try:
            bits = self.ask(pynvml.nvmlDeviceGetCurrentClocksEventReasons)
        except NvmlError as error:
            if error.kind is not ErrorKind.NOT_IN_DRIVER:
                raise
            bits = self.ask(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons)
        return throttle_words(bits)


def bus_id_of(pci: Any) -> str | None:
    """Return the bus id of the binding's PCI record."""
    bus = pci.busId
    return bus.decode("ascii", "replace") if isinstance(bus, bytes) else bus
