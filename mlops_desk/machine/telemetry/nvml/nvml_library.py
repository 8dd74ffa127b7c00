"""The one door to NVIDIA's management library: every call is timed, named while it runs, and fails with a reason.

What is tamed here: a function that this driver does not have (the binding raises two different errors
for it), text that is no UTF-8, and the call that never returns, which no thread can interrupt: ``busy``
lets another thread see it. ``invoke`` calls the library by name with buffers of the caller's own, for
what is asked every second. Only the files named ``nvml…`` import pynvml.
"""

import ctypes
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from threading import get_ident
from typing import Any

import pynvml

from mlops_desk.machine.telemetry.metrics.throttle_reasons import throttle_words
from mlops_desk.machine.telemetry.source import Busy


class ErrorKind(Enum):
    """What an error of the driver means for the one who asked."""

    NOT_SUPPORTED = "not supported by this GPU"
    NOT_IN_DRIVER = "not supported by this driver"
    NO_PERMISSION = "no permission"
    LOST = "GPU is lost"
    RESET_REQUIRED = "GPU requires a reset"
    CLOSED = "the driver went away"
    NOT_FOUND = "nothing of that kind"
    TOO_SMALL = "the buffer is too small"
    TIMEOUT = "nothing happened in time"
    OTHER = "error"


_KINDS = {
    pynvml.NVML_ERROR_NOT_SUPPORTED: ErrorKind.NOT_SUPPORTED,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: ErrorKind.NOT_IN_DRIVER,
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH: ErrorKind.NOT_IN_DRIVER,
    pynvml.NVML_ERROR_DEPRECATED: ErrorKind.NOT_IN_DRIVER,
    pynvml.NVML_ERROR_NO_PERMISSION: ErrorKind.NO_PERMISSION,
    pynvml.NVML_ERROR_OPERATING_SYSTEM: ErrorKind.NO_PERMISSION,
    pynvml.NVML_ERROR_GPU_IS_LOST: ErrorKind.LOST,
    pynvml.NVML_ERROR_GPU_NOT_FOUND: ErrorKind.LOST,
    pynvml.NVML_ERROR_RESET_REQUIRED: ErrorKind.RESET_REQUIRED,
    pynvml.NVML_ERROR_UNINITIALIZED: ErrorKind.CLOSED,
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: ErrorKind.CLOSED,
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: ErrorKind.CLOSED,
    pynvml.NVML_ERROR_NOT_FOUND: ErrorKind.NOT_FOUND,
    pynvml.NVML_ERROR_INSUFFICIENT_SIZE: ErrorKind.TOO_SMALL,
    pynvml.NVML_ERROR_TIMEOUT: ErrorKind.TIMEOUT,
}
_GONE = frozenset({ErrorKind.LOST, ErrorKind.CLOSED})
UNABLE = frozenset({ErrorKind.NOT_SUPPORTED, ErrorKind.NOT_IN_DRIVER})
UNABLE_SECONDS = 60.0  # chosen: what a GPU can't say it may with another setting, and asking in vain costs too


class NvmlError(Exception):
    """A call that failed, one way or the other; ``kind`` says what to make of it, ``code`` is NVML's own number.

    Whoever can go on without an answer catches ``CallError``; ``GpuGone`` passes on to who reads the GPU as a whole.
    """

    def __init__(self, code: int, call: str, text: str) -> None:
        super().__init__(f"{call}: {text}")
        self.code = code
        self.kind = _KINDS.get(code, ErrorKind.OTHER)

    @staticmethod
    def of(code: int, call: str, text: str | None = None) -> "NvmlError":
        """Return the error that NVML's number stands for."""
        kind = GpuGone if _KINDS.get(code) in _GONE else CallError
        return kind(code, call, str(pynvml.NVMLError(code)) if text is None else text)


class CallError(NvmlError):
    """This call has no answer; GPU and driver are there, and others may have one."""


class GpuGone(NvmlError):  # noqa: N818 - reads as a sentence where it is raised
    """GPU or driver is gone: no other question to it has an answer either."""


@dataclass(slots=True)
class CallingThread:
    """A thread that calls: the seconds that it spent inside the driver, and the call that has not returned yet."""

    seconds: float = 0.0
    under_way: tuple[int | None, str | None, str, float] | None = None


class Nvml:
    """The library, opened and closed. One thread calls, unless it is stuck and another goes on in its place.

    ``busy`` may be asked from any thread.

    ``calls`` calls were made since the start.
    """

    def __init__(self) -> None:
        self.calls = 0
        self._callers: dict[int, CallingThread] = {}
        self._functions: dict[str, Callable[..., int]] = {}

    def busy(self) -> Busy | None:
        """Return the call that has not returned yet, of several the oldest."""
        under_way = [call for each in list(self._callers.values()) if (call := each.under_way) is not None]
        if not under_way:
            return None
        index, uuid, name, started = min(under_way, key=lambda one: one[3])
        return Busy(index, uuid, name, time.monotonic() - started)

    @property
    def seconds(self) -> float:
        """What all threads together spent inside the driver since the start, calls that have returned."""
        return sum(each.seconds for each in list(self._callers.values()))

    @property
    def caller(self) -> CallingThread:
        """The calling thread's own count: what a GPU cost is not what another one did meanwhile."""
        known = self._callers.get(get_ident())
        return self._callers.setdefault(get_ident(), CallingThread()) if known is None else known

    def open(self) -> None:
        """Load and start the library. Raises NvmlError."""
        self.call(None, None, pynvml.nvmlInit)

    def close(self) -> None:
        """Shut the library down, so that nothing keeps a GPU awake. Raises NvmlError."""
        self.call(None, None, pynvml.nvmlShutdown)

    def driver_version(self) -> str:
        return str(self.call(None, None, pynvml.nvmlSystemGetDriverVersion))

    def cuda_version(self) -> str:
        """Return the newest CUDA that the driver can run. Raises NvmlError."""
        number = int(self.call(None, None, pynvml.nvmlSystemGetCudaDriverVersion))
        return f"{number // 1000}.{number % 1000 // 10}"

    def count(self) -> int:
        return int(self.call(None, None, pynvml.nvmlDeviceGetCount))

    def function(self, name: str) -> Callable[..., int]:
        """Return a function of the loaded library; one that it lacks is looked for again the next time.

        Raises NvmlError.
        """
        found = self._functions.get(name)
        if found is None:
            found = getattr(pynvml.nvmlLib, name, None) if pynvml.nvmlLib is not None else None
            if found is None:
                raise CallError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND, name, "Function Not Found")
            self._functions[name] = found
        return found

    def invoke(self, index: int | None, uuid: str | None, name: str, *arguments: Any) -> None:
        """Call a function of the library with the C arguments ``arguments``. Raises NvmlError."""
        function = self._functions.get(name) or self.function(name)  # a hundred times a second
        caller = self._callers.get(get_ident()) or self.caller
        started = time.monotonic()
        caller.under_way = (index, uuid, name, started)
        try:
            code = function(*arguments)
        finally:
            caller.under_way = None
            self.calls += 1
            caller.seconds += time.monotonic() - started
        if code:
            raise NvmlError.of(code, name)

    def call(self, index: int | None, uuid: str | None, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function of the binding. Raises NvmlError."""
        caller = self.caller
        started = time.monotonic()
        caller.under_way = (index, uuid, function.__name__, started)
        try:
            return function(*arguments)
        except pynvml.NVMLError as error:
            raise NvmlError.of(error.value, function.__name__, str(error)) from error
        except pynvml.NVMLLibraryMismatchError as error:
            code = pynvml.NVML_ERROR_FUNCTION_NOT_FOUND
            raise CallError(code, function.__name__, "Function Not Found") from error
        except UnicodeDecodeError as error:
            raise CallError(pynvml.NVML_ERROR_UNKNOWN, function.__name__, "not a text") from error
        finally:
            caller.under_way = None
            self.calls += 1
            caller.seconds += time.monotonic() - started


# One GPU's handle and the questions that have a call of their own.
#
# Every method raises NvmlError; units are NVML's (percent, milliwatts, MHz, bytes).

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
