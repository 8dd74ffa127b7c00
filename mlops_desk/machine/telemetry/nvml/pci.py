"""What the kernel knows of NVIDIA GPUs without asking the driver: which there are and which sleep.

Reading ``power/runtime_status`` never wakes a device; every NVML call does.
"""

import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_DEVICES = Path("/sys/bus/pci/devices")
_NVIDIA = "0x10de"
_TEXT_LIMIT = 400  # chosen: files of sysfs with one word or list in it
_ASLEEP = {b"suspended\n", b"suspending\n"}
_STATUS_BYTES = 32  # power/runtime_status is one word
_DISPLAY_CLASSES = ("0x0300", "0x0302")


@dataclass(frozen=True, slots=True)
class Pci:
    """The PCI devices under ``root``. What is asked of a device in every tick stays open: that halves what it costs."""

    root: Path = _DEVICES
    _open: dict[str, int] = field(default_factory=dict, compare=False)

    def devices(self) -> frozenset[str]:
        """Return the addresses of all devices of any kind: cheap, to see whether any came or went."""
        try:
            return frozenset(os.listdir(self.root))  # noqa: PTH208 - names alone, four times as fast
        except OSError:
            return frozenset()

    def nvidia_gpus(self) -> tuple[str, ...]:
        """Return the addresses of all NVIDIA display devices, in bus order."""
        try:
            folders = sorted(self.root.iterdir())
        except OSError:
            return ()
        return tuple(folder.name for folder in folders if _is_nvidia_gpu(folder))

    def bound(self) -> frozenset[str] | None:
        """Return the addresses of the devices that NVIDIA's driver has; None when the kernel knows no such driver."""
        try:
            return frozenset(name for name in os.listdir(self.root.parent / "drivers" / "nvidia") if ":" in name)  # noqa: PTH208 - names alone
        except OSError:
            return None

    def is_asleep(self, bus_id: str | None) -> bool:
        """Say whether the device is suspended; one the kernel does not list counts as awake."""
        if bus_id is None:
            return False
        path = f"{self.root}/{address(bus_id)}/power/runtime_status"
        known = self._open.get(path)
        if known is not None:
            try:
                return os.pread(known, _STATUS_BYTES, 0) in _ASLEEP
            except OSError:  # the device is gone; if there is one again, it has a file of its own
                del self._open[path]
                os.close(known)
        try:
            opened = self._open[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            return os.pread(opened, _STATUS_BYTES, 0) in _ASLEEP
        except OSError:
            return False

    def numa_node(self, bus_id: str | None) -> int | None:
        """Return the NUMA node the device hangs on; None when the kernel does not say or there is one only."""
        try:
            node = int(_text(self.root / address(bus_id) / "numa_node")) if bus_id is not None else -1
        except ValueError:
            return None
        return node if node >= 0 else None

    def local_cpus(self, bus_id: str | None) -> str | None:
        """Return the processors near the device as the kernel lists them."""
        text = _text(self.root / address(bus_id) / "local_cpulist") if bus_id is not None else ""
        return text[:_TEXT_LIMIT] or None


@cache
def address(bus_id: str) -> str:
    """Turn NVML's bus id (``00000000:1B:00.0``) into the kernel's (``0000:1b:00.0``)."""
    domain, _, rest = bus_id.lower().partition(":")
    return f"{domain[-4:]}:{rest}"


def _is_nvidia_gpu(folder: Path) -> bool:
    return _text(folder / "vendor") == _NVIDIA and _text(folder / "class").startswith(_DISPLAY_CLASSES)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
