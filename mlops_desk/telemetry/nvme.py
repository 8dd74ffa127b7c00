"""Disks: throughput, operations, latency and queue from /proc/diskstats, size, model and temperature from /sys.

Whole devices only: no partitions, loop devices, memory disks or device-mapper layers (their traffic is
counted on the device below). Latency is time spent over operations completed since the last pass;
where nothing was read there is no read latency. A drive's temperature is a command to the drive: it is asked for by
``measure``, away from the rest, and withdrawn when the drive does not answer.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.base.text import plain
from mlops_desk.records.metric import MetricState, Reading
from mlops_desk.records.status import Disk
from mlops_desk.telemetry.metrics import DISK, measured, missing
from mlops_desk.telemetry.rates import Counters, KernelFile, integers
from mlops_desk.telemetry.source import MEASURE_SECONDS

_SECTOR_BYTES = 512
_SLOW_SECONDS = 10.0
_TEMPERATURE_SECONDS = 3 * MEASURE_SECONDS
_SKIPPED = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd")
_FIELDS = ("reads", "_", "sectors_read", "read_ms", "writes", "_", "sectors_written", "write_ms", "_", "_", "queue_ms")


@dataclass(slots=True)
class _Device:
    """What changes slowly about a disk, and its last counters."""

    counters: Counters
    model: str | None
    slow: dict[str, Reading]
    slow_due: float


class Disks:
    """Reads all disks in one pass."""

    def __init__(self, proc: Path, sys: Path) -> None:
        self._stats = KernelFile(proc / "diskstats")
        self._block = sys / "block"
        self._devices: dict[str, _Device] = {}
        self._temperatures: dict[str, tuple[float, Reading]] = {}

    def measure(self) -> None:
        """Ask every disk for its temperature. May hang in a drive that is dead."""
        try:
            names = [path.name for path in self._block.iterdir() if not path.name.startswith(_SKIPPED)]
        except OSError:
            return  # a machine without block devices
        for name in names:
            millidegrees = _temperature(self._block / name / "device")
            if millidegrees is not None:
                reading = measured(DISK, "hw.temperature", millidegrees / 1000)
                self._temperatures[name] = time.monotonic(), reading

    def _temperature_of(self, name: str, now: float) -> dict[str, Reading]:
        if name not in self._temperatures:
            return {}
        at, reading = self._temperatures[name]
        if now - at > _TEMPERATURE_SECONDS:
            reading = missing(DISK, "hw.temperature", MetricState.STALE)
        return {"hw.temperature": reading}

    def read(self, now: float) -> tuple[Disk, ...]:
        """Read every disk once; ``now`` is monotonic."""
        stats = disk_counters(self._stats.read())
        self._devices = {name: device for name, device in self._devices.items() if name in stats}
        return tuple(
            self._disk(name, counters, now) for name, counters in sorted(stats.items()) if self._is_whole(name)
        )

    def _is_whole(self, name: str) -> bool:
        return name in self._devices or (self._block / name).is_dir()

    def _disk(self, name: str, counters: dict[str, float], now: float) -> Disk:
        device = self._devices.get(name)
        if device is None:
            device = self._devices[name] = _Device(Counters(), _model(self._block / name), {}, 0.0)
        if now >= device.slow_due:
            device.slow, device.slow_due = _slow(self._block / name), now + _SLOW_SECONDS
        step = device.counters.advance(now, counters)
        readings = {**device.slow, **self._temperature_of(name, now), **(rates(*step) if step else {})}
        return Disk(plain(name), device.model, readings)


def disk_counters(diskstats: str) -> dict[str, dict[str, float]]:
    """Return each real device's counters from /proc/diskstats; partitions are still among them."""
    found = {}
    for line in diskstats.splitlines():
        words = line.split()
        if len(words) < 14 or words[2].startswith(_SKIPPED):
            continue
        try:
            numbers = integers(" ".join(words[3:14]))
        except ValueError:
            continue
        found[words[2]] = {key: float(n) for key, n in zip(_FIELDS, numbers, strict=True) if key != "_"}
    return found


def rates(seconds: float, grown: dict[str, float]) -> dict[str, Reading]:
    """Turn what the counters grew in ``seconds`` into readings."""
    readings = {}
    for way, count, sectors, time_ms in (
        ("read", "reads", "sectors_read", "read_ms"),
        ("write", "writes", "sectors_written", "write_ms"),
    ):
        name = f"system.disk.{way}"
        if sectors in grown:
            readings[name] = measured(DISK, name, grown[sectors] * _SECTOR_BYTES / seconds)
        if count in grown:
            readings[f"{name}.operations"] = measured(DISK, f"{name}.operations", grown[count] / seconds)
        if grown.get(count) and time_ms in grown:
            readings[f"{name}.latency"] = measured(DISK, f"{name}.latency", grown[time_ms] / 1000 / grown[count])
    if "queue_ms" in grown:
        readings["system.disk.queue"] = measured(DISK, "system.disk.queue", grown["queue_ms"] / 1000 / seconds)
    return readings


def _slow(folder: Path) -> dict[str, Reading]:
    readings = {}
    sectors = _number(folder / "size")
    if sectors:
        readings["system.disk.limit"] = measured(DISK, "system.disk.limit", sectors * _SECTOR_BYTES)
    return readings


def _temperature(device: Path) -> int | None:
    """Return the composite temperature in millidegrees.

    The kernel puts an NVMe drive's hwmon below its controller (device/hwmonN) and a SATA drive's below device/hwmon.
    """
    for pattern in ("hwmon*/temp1_input", "hwmon/hwmon*/temp1_input", "device/hwmon*/temp1_input"):
        for path in sorted(device.glob(pattern)):
            found = _number(path)
            if found is not None:
                return found
    return None


def _model(folder: Path) -> str | None:
    try:
        text = (folder / "device" / "model").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
    return plain(text) or None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii", errors="replace"))
    except (OSError, ValueError):
        return None
