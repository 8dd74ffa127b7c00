"""What seldom changes of a GPU: its facts by title, what it can do at most, and where it hangs on the host.

A fact that the driver does not tell is left out.

Words for the bits and numbers in which the driver answers.
"""

from collections.abc import Callable
from typing import Any

import pynvml

from mlops_desk.kit.base.text import plain
from mlops_desk.machine.telemetry.nvml.nvml_library import CallError, NvmlDevice

ARCHITECTURES = {
    2: "Kepler", 3: "Maxwell", 4: "Pascal", 5: "Volta", 6: "Turing", 7: "Ampere", 8: "Ada", 9: "Hopper",
    10: "Blackwell", 13: "Rubin",
}  # fmt: skip
COMPUTE_MODES = {0: "shared", 1: "one thread", 2: "prohibited", 3: "one process"}
ON_OFF = {0: "off", 1: "on"}
PATHS = {0: "X", 10: "PIX", 20: "PXB", 30: "PHB", 40: "NODE", 50: "SYS"}
LINK_VERSIONS = {1: "1.0", 2: "2.0", 3: "2.2", 4: "3.0", 5: "3.1", 6: "4.0", 7: "5.0", 8: "6.0"}


_LIMIT = 100  # chosen: one line of facts
_CPU_WORDS = 64  # 4,096 processors; Linux is built for 8,192 at most, and no board hangs on so many
_WORD_BITS = 64  # an unsigned long


def _text(function: Callable[..., Any]) -> Callable[[NvmlDevice], object]:
    return lambda device: device.ask(function)


def _word(function: Callable[..., Any], words: dict[int, str]) -> Callable[[NvmlDevice], object]:
    def ask(device: NvmlDevice) -> object:
        number = int(device.ask(function))
        return words.get(number, str(number))

    return ask


def _mode(function: Callable[..., Any]) -> Callable[[NvmlDevice], object]:
    """Return a question after a mode that is on or off, now and from the next start on."""

    def ask(device: NvmlDevice) -> object:
        now, later = device.ask(function)
        text = ON_OFF.get(now, str(now))
        return text if later == now else f"{text}, {ON_OFF.get(later, str(later))} after a reset"

    return ask


def _capability(device: NvmlDevice) -> object:
    major, minor = device.ask(pynvml.nvmlDeviceGetCudaComputeCapability)
    return f"{major}.{minor}"


def _bus_width(device: NvmlDevice) -> object:
    return f"{device.ask(pynvml.nvmlDeviceGetMemoryBusWidth)} bit"


def _driver_model(device: NvmlDevice) -> object:
    return {0: "WDDM", 1: "WDM", 2: "MCDM"}.get(int(device.ask(pynvml.nvmlDeviceGetCurrentDriverModel)))


_QUESTIONS: tuple[tuple[str, Callable[[NvmlDevice], object]], ...] = (
    ("Architecture", _word(pynvml.nvmlDeviceGetArchitecture, ARCHITECTURES)),
    ("CUDA capability", _capability),
    ("CUDA cores", _text(pynvml.nvmlDeviceGetNumGpuCores)),
    ("Memory bus", _bus_width),
    ("Serial number", _text(pynvml.nvmlDeviceGetSerial)),
    ("Board part number", _text(pynvml.nvmlDeviceGetBoardPartNumber)),
    ("VBIOS", _text(pynvml.nvmlDeviceGetVbiosVersion)),
    ("InfoROM", _text(pynvml.nvmlDeviceGetInforomImageVersion)),
    ("GSP firmware", _text(pynvml.nvmlDeviceGetGspFirmwareVersion)),
    ("Driver model", _driver_model),
    ("Persistence mode", _word(pynvml.nvmlDeviceGetPersistenceMode, ON_OFF)),
    ("Compute mode", _word(pynvml.nvmlDeviceGetComputeMode, COMPUTE_MODES)),
    ("MIG mode", _mode(pynvml.nvmlDeviceGetMigMode)),
    ("ECC mode", _mode(pynvml.nvmlDeviceGetEccMode)),
    ("Accounting mode", _word(pynvml.nvmlDeviceGetAccountingMode, ON_OFF)),
    ("Display", _word(pynvml.nvmlDeviceGetDisplayActive, {0: "none", 1: "connected"})),
    ("Device file", lambda device: f"/dev/nvidia{device.ask(pynvml.nvmlDeviceGetMinorNumber)}"),
)


def read_facts(device: NvmlDevice) -> dict[str, str]:
    """Return what the driver tells, by title. Raises NvmlError only when the GPU or the driver is gone."""
    facts = {}
    for title, ask in _QUESTIONS:
        try:
            answer = ask(device)
        except CallError:
            continue
        if isinstance(answer, bytes):
            answer = answer.decode("utf-8", "replace")
        text = plain(str(answer), _LIMIT).strip() if answer is not None else ""
        if text:
            facts[title] = text
    return facts


def read_affinity(device: NvmlDevice) -> str | None:
    """Return the processors near the GPU as the kernel writes lists (``0-31,64-95``). Raises NvmlError."""
    words = device.ask(pynvml.nvmlDeviceGetCpuAffinity, _CPU_WORDS)
    return cpu_list([int(word) for word in words])


def cpu_list(words: list[int]) -> str | None:
    """Turn a bit mask in words of 64 into the kernel's notation; None when no bit is set."""
    numbers = [
        place * _WORD_BITS + bit for place, word in enumerate(words) for bit in range(_WORD_BITS) if word >> bit & 1
    ]
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in spans) or None
