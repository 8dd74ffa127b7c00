"""The one door to NVIDIA's management library: every call is timed, named while it runs, and fails with a reason.

What is tamed here: a function that this driver does not have (the binding raises two different errors
for it), the fallbacks for older drivers, text that is no UTF-8, values that mean "not available"
(2^64-1), and the call that never returns, which no thread can interrupt: ``busy`` lets another thread
see it. The 20 ms PCIe throughput call is not offered at all. Nothing else imports pynvml.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pynvml

from mlops_desk.telemetry.pci import Pci
from mlops_desk.telemetry.source import Busy

_NOT_AVAILABLE = {(1 << 64) - 1, (1 << 32) - 1}
_FIELD_MEMBERS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
_THROTTLE_WORDS = (
    (0x040, "thermal (hardware)"),
    (0x080, "power brake"),
    (0x008, "hardware slowdown"),
    (0x020, "thermal (software)"),
    (0x004, "power cap"),
    (0x400, "reliability"),
    (0x200, "board limit"),
    (0x010, "sync boost"),
    (0x002, "clocks set by user"),
    (0x100, "display clocks"),
)
_IDLE = 0x001


class Kind(Enum):
    """What an error of the driver means for the one who asked."""

    NOT_SUPPORTED = "not supported by this GPU"
    NOT_IN_DRIVER = "not supported by this driver"
    NO_PERMISSION = "no permission"
    LOST = "GPU is lost"
    RESET_REQUIRED = "GPU requires a reset"
    CLOSED = "the driver went away"
    OTHER = "error"


_KINDS = {
    pynvml.NVML_ERROR_NOT_SUPPORTED: Kind.NOT_SUPPORTED,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: Kind.NOT_IN_DRIVER,
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH: Kind.NOT_IN_DRIVER,
    pynvml.NVML_ERROR_DEPRECATED: Kind.NOT_IN_DRIVER,
    pynvml.NVML_ERROR_NO_PERMISSION: Kind.NO_PERMISSION,
    pynvml.NVML_ERROR_OPERATING_SYSTEM: Kind.NO_PERMISSION,
    pynvml.NVML_ERROR_GPU_IS_LOST: Kind.LOST,
    pynvml.NVML_ERROR_GPU_NOT_FOUND: Kind.LOST,
    pynvml.NVML_ERROR_RESET_REQUIRED: Kind.RESET_REQUIRED,
    pynvml.NVML_ERROR_UNINITIALIZED: Kind.CLOSED,
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: Kind.CLOSED,
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: Kind.CLOSED,
}


class NvmlError(Exception):
    """A call that failed; ``kind`` says what to make of it, ``code`` is NVML's own number."""

    def __init__(self, code: int, call: str, text: str) -> None:
        super().__init__(f"{call}: {text}")
        self.code = code
        self.kind = _KINDS.get(code, Kind.OTHER)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no GPU to read and what to do.

    ``fresh_process``: only a fresh process can use the driver again; ``certain``: there is no GPU that could be read.
    """

    note: str
    hint: str
    fresh_process: bool = False
    certain: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """A GPU as the driver names it."""

    index: int
    uuid: str
    name: str
    bus_id: str | None


@dataclass(frozen=True, slots=True)
class RawProcess:
    """A process as the driver lists it."""

    pid: int
    memory_bytes: int | None
    kind: str


class Nvml:
    """The library, opened and closed. One thread calls; ``busy`` may be asked from another."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._under_way: tuple[int | None, str | None, str, float] | None = None

    def busy(self) -> Busy | None:
        """Return the call that has not returned yet."""
        under_way = self._under_way
        if under_way is None:
            return None
        index, uuid, call, started = under_way
        return Busy(index, uuid, call, time.monotonic() - started)

    def open(self) -> None:
        """Load and start the library. Raises NvmlError."""
        self._call(None, None, pynvml.nvmlInit)

    def close(self) -> None:
        """Shut the library down, so that nothing keeps a GPU awake. Raises NvmlError."""
        self._call(None, None, pynvml.nvmlShutdown)

    def driver_version(self) -> str:
        return str(self._call(None, None, pynvml.nvmlSystemGetDriverVersion))

    def count(self) -> int:
        return int(self._call(None, None, pynvml.nvmlDeviceGetCount))

    def device(self, index: int, uuid: str | None = None) -> "NvmlDevice":
        """Return the GPU of this index. Raises NvmlError."""
        handle = self._call(index, uuid, pynvml.nvmlDeviceGetHandleByIndex, index)
        return NvmlDevice(self, index, handle, uuid)

    def _call(self, index: int | None, uuid: str | None, function: Callable[..., Any], *arguments: Any) -> Any:
        started = time.monotonic()
        self._under_way = (index, uuid, function.__name__, started)
        try:
            return function(*arguments)
        except pynvml.NVMLError as error:
            raise NvmlError(error.value, function.__name__, str(error)) from error
        except pynvml.NVMLLibraryMismatchError as error:
            code = pynvml.NVML_ERROR_FUNCTION_NOT_FOUND
            raise NvmlError(code, function.__name__, "Function Not Found") from error
        except UnicodeDecodeError as error:
            raise NvmlError(pynvml.NVML_ERROR_UNKNOWN, function.__name__, "not a text") from error
        finally:
            self._under_way = None
            self.seconds += time.monotonic() - started


class NvmlDevice:
    """One GPU's handle. Every method raises NvmlError; units are NVML's (percent, milliwatts, MHz, bytes)."""

    def __init__(self, nvml: Nvml, index: int, handle: Any, uuid: str | None) -> None:
        self._nvml = nvml
        self._handle = handle
        self.index = index
        self.uuid = uuid

    def identity(self) -> Identity:
        """Read who this is."""
        self.uuid = str(self._ask(pynvml.nvmlDeviceGetUUID))
        name = str(self._ask(pynvml.nvmlDeviceGetName))
        bus = self._ask(pynvml.nvmlDeviceGetPciInfo).busId
        return Identity(self.index, self.uuid, name, bus.decode("ascii", "replace") if isinstance(bus, bytes) else bus)

    def utilization(self) -> tuple[int, int]:
        """Return GPU and memory controller utilisation."""
        rates = self._ask(pynvml.nvmlDeviceGetUtilizationRates)
        return rates.gpu, rates.memory

    def memory(self) -> tuple[int, int]:
        """Return used (without what the driver reserves) and total.

        Version 1 counts the reserved part as used since R510, the driver that brought version 2; so it
        is asked only where there is no version 2.
        """
        try:
            memory = self._ask(pynvml.nvmlDeviceGetMemoryInfo, pynvml.nvmlMemory_v2)
        except NvmlError as error:
            if error.kind is not Kind.NOT_IN_DRIVER:
                raise
            memory = self._ask(pynvml.nvmlDeviceGetMemoryInfo)
        return memory.used, memory.total

    def power(self) -> int:
        return int(self._ask(pynvml.nvmlDeviceGetPowerUsage))

    def power_limit(self) -> int:
        return int(self._ask(pynvml.nvmlDeviceGetEnforcedPowerLimit))

    def temperature(self) -> int:
        return int(self._ask(pynvml.nvmlDeviceGetTemperature, pynvml.NVML_TEMPERATURE_GPU))

    def fan(self) -> int:
        return int(self._ask(pynvml.nvmlDeviceGetFanSpeed))

    def clock_sm(self) -> int:
        return int(self._ask(pynvml.nvmlDeviceGetClockInfo, pynvml.NVML_CLOCK_SM))

    def clock_memory(self) -> int:
        return int(self._ask(pynvml.nvmlDeviceGetClockInfo, pynvml.NVML_CLOCK_MEM))

    def performance_state(self) -> int:
        return int(self._ask(pynvml.nvmlDeviceGetPerformanceState))

    def memory_temperature_and_energy(self) -> tuple[float | NvmlError, float | NvmlError]:
        """Return degrees and millijoules, read by one batched call in which each may fail by itself."""
        ids = [pynvml.NVML_FI_DEV_MEMORY_TEMP, pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION]
        degrees, energy = (_field(value) for value in self._ask(pynvml.nvmlDeviceGetFieldValues, ids))
        return degrees, energy

    def throttle_reasons(self) -> tuple[str, ...]:
        """Return why the clocks are not at their highest, in words, the graver first."""
        try:
            bits = self._ask(pynvml.nvmlDeviceGetCurrentClocksEventReasons)
        except NvmlError as error:
            if error.kind is not Kind.NOT_IN_DRIVER:
                raise
            bits = self._ask(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons)
        return throttle_words(bits)

    def processes(self) -> list[RawProcess]:
        """Return who holds a context; a process that computes and draws is listed once, as computing."""
        found: dict[int, RawProcess] = {}
        for kind, calls in (("graphics", _GRAPHICS), ("compute", _COMPUTE)):
            for raw in self._first_known(calls):
                found[raw.pid] = RawProcess(raw.pid, _bytes(raw.usedGpuMemory), kind)
        return list(found.values())

    def _first_known(self, calls: tuple[Callable[..., Any], ...]) -> Any:
        for call in calls[:-1]:
            try:
                return self._ask(call)
            except NvmlError as error:
                if error.kind is not Kind.NOT_IN_DRIVER:
                    raise
        return self._ask(calls[-1])

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return self._nvml._call(self.index, self.uuid, function, self._handle, *arguments)  # noqa: SLF001 - one file


_COMPUTE = (pynvml.nvmlDeviceGetComputeRunningProcesses_v3, pynvml.nvmlDeviceGetComputeRunningProcesses_v2)
_GRAPHICS = (pynvml.nvmlDeviceGetGraphicsRunningProcesses_v3, pynvml.nvmlDeviceGetGraphicsRunningProcesses_v2)


def throttle_words(bits: int) -> tuple[str, ...]:
    """Turn the bit mask of clock event reasons into words; a bit without a word keeps its number.

    Low clocks because nothing runs are no throttling.
    """
    words = [word for bit, word in _THROTTLE_WORDS if bits & bit]
    rest = bits & ~sum((_IDLE, *(bit for bit, _ in _THROTTLE_WORDS)))
    return (*words, *([f"unknown reason {rest:#x}"] if rest else []))


def explain(error: NvmlError, pci: Pci) -> Trouble:
    """Say why the driver can't be used and what to do about it."""
    present = len(pci.nvidia_gpus())
    if error.code == pynvml.NVML_ERROR_LIBRARY_NOT_FOUND:
        return _library_missing(present)
    if error.code == pynvml.NVML_ERROR_DRIVER_NOT_LOADED:
        note = "The NVIDIA driver is installed but not loaded."
        return Trouble(note, "Load it: sudo modprobe nvidia. If that fails, sudo dmesg | grep -i nvidia says why.")
    if error.code == pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
        note = (
            "The NVIDIA driver in the kernel and its library are of different versions, as after an upgrade"
            f"{_kernel_driver()}. Programs that already run on a GPU go on; new ones can't start."
        )
        return Trouble(note, "Restart the machine when the running jobs are done.", fresh_process=True)
    if error.kind is Kind.NO_PERMISSION:
        note = "This user may not use the NVIDIA driver."
        return Trouble(
            note, "See who may: ls -l /dev/nvidia*. On Debian: sudo usermod -aG video $USER, then log in again."
        )
    note = f"The NVIDIA driver does not start ({error})."
    return Trouble(note, "sudo dmesg | grep -iE 'nvidia|nvrm' says more. A restart of the machine may be needed.")


def no_gpu(pci: Pci) -> Trouble:
    """Say what it means that the driver works and lists nothing."""
    present = len(pci.nvidia_gpus())
    note = "The NVIDIA driver runs but reports no GPU."
    if present:
        note = f"The NVIDIA driver runs but reports none of the machine's {present} NVIDIA GPU(s)."
    hint = "Compare: nvidia-smi -L and lspci -d 10de:. sudo dmesg | grep -i nvrm says more."
    return Trouble(note, hint, certain=present == 0)


def _library_missing(present: int) -> Trouble:
    if present:
        note = f"This machine has {present} NVIDIA GPU(s), but the driver (libnvidia-ml.so.1) is not installed."
        hint = "Debian: sudo apt install nvidia-driver. Ubuntu: sudo ubuntu-drivers install. Then restart the machine."
    else:
        note = "No NVIDIA GPU was found, and the NVIDIA driver is not installed."
        hint = "Everything but GPU jobs works without one. mlops-desk --demo shows a simulated workstation."
    return Trouble(note, hint, certain=present == 0)


def _kernel_driver(path: Path = Path("/proc/driver/nvidia/version")) -> str:
    try:
        words = path.read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return ""
    version = next((word for word in words if word[:1].isdigit() and "." in word), None)
    return f" (kernel: {version})" if version else ""


def _field(value: Any) -> float | NvmlError:
    if value.nvmlReturn != pynvml.NVML_SUCCESS:
        return NvmlError(value.nvmlReturn, "nvmlDeviceGetFieldValues", "field")
    if not 0 <= value.valueType < len(_FIELD_MEMBERS):
        return NvmlError(pynvml.NVML_ERROR_UNKNOWN, "nvmlDeviceGetFieldValues", "unknown type")
    return float(getattr(value.value, _FIELD_MEMBERS[value.valueType]))


def _bytes(value: int | None) -> int | None:
    return None if value is None or value in _NOT_AVAILABLE or value > 1 << 50 else value
