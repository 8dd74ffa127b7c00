"""Disks: throughput, operations, latency and queue from /proc/diskstats, size, model and temperature from /sys.

Whole devices only: no partitions, loop devices, memory disks or device-mapper layers (their traffic is
counted on the device below). Latency is time spent over operations completed since the last pass;
where nothing was read there is no read latency. A drive's temperature is a command to the drive, its health a question
to another program: both are asked for away from the rest, and withdrawn when there is no answer.

Not by psutil: it tells neither the requests in flight nor the time they wait, of which queue and latency are made, and
takes three times as long (42 µs to 16 µs).
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from mlops_desk.base.text import plain
from mlops_desk.records.host import Disk
from mlops_desk.records.metric import MetricState, Reading
from mlops_desk.telemetry.host import drive_health
from mlops_desk.telemetry.host.counters import Counters, KernelFile, integers
from mlops_desk.telemetry.host.kernel_files import link_name, node_of, number, word
from mlops_desk.telemetry.metrics.table import DISK, ReadingMaker
from mlops_desk.telemetry.source import MEASURE_SECONDS

_SECTOR_BYTES = 512  # the kernel's unit in diskstats, whatever the disk's sectors are
_SLOW_SECONDS = 10.0  # chosen: what changes with a command of the administrator only
_TEMPERATURE_SECONDS = 3 * MEASURE_SECONDS
_HEALTH_STALE_SECONDS = 3 * drive_health.HEALTH_SECONDS
_MILLI = 1000.0
_SKIPPED = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd")
_FIELDS = ("reads", "_", "sectors_read", "read_ms", "writes", "_", "sectors_written", "write_ms", "inflight",
           "busy_ms", "queue_ms")  # fmt: skip
_HEALTH = ("hw.disk.wear", "hw.disk.spare", "hw.disk.media_errors", "hw.disk.critical_warning")
_WITH_HEALTH = ("nvme", "sd")


@dataclass(slots=True)
class _Device:
    """What changes slowly about a disk, and its last counters."""

    model: str | None
    facts: dict[str, str]
    numa_node: int | None
    counters: Counters = field(default_factory=Counters)
    kept: ReadingMaker = field(default_factory=lambda: ReadingMaker(DISK))
    slow: dict[str, Reading] = field(default_factory=dict)
    slow_due: float = 0.0


class Disks:
    """Reads all disks in one pass."""

    def __init__(self, proc: Path, sys: Path, run: drive_health.Run | None = None) -> None:
        self._stats = KernelFile(proc / "diskstats")
        self._block = sys / "block"
        self._run = run
        self._devices: dict[str, _Device] = {}
        self._temperatures: dict[str, tuple[float, dict[str, float]]] = {}
        self._health: dict[str, drive_health.DriveHealth | None] = {}
        self._health_at = 0.0

    def measure(self) -> None:
        """Ask every disk for its temperature. May hang in a drive that is dead."""
        for name in self._names():
            values = temperatures(self._block / name / "device")
            if values:
                self._temperatures[name] = time.monotonic(), values

    def ask_health(self) -> None:
        """Ask for the health of every drive that has one to tell."""
        names = [name for name in self._names() if name.startswith(_WITH_HEALTH)]
        self._health = drive_health.ask(names, self._run) if names else {}
        self._health_at = time.monotonic()

    def _names(self) -> list[str]:
        try:
            return sorted(path.name for path in self._block.iterdir() if not path.name.startswith(_SKIPPED))
        except OSError:
            return []  # a machine without block devices

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
            folder = self._block / name
            device = self._devices[name] = _Device(
                word(folder / "device" / "model"), facts(folder), _node(folder / "device")
            )
        if now >= device.slow_due:
            device.slow, device.slow_due = _slow(device.kept, self._block / name), now + _SLOW_SECONDS
        readings = {**device.slow, **self._temperature_of(name, device.kept, now)}
        readings["system.disk.inflight"] = device.kept.measured("system.disk.inflight", counters["inflight"])
        step = device.counters.advance(now, counters)
        for metric, value in (rates(*step) if step else {}).items():
            readings[metric] = device.kept.measured(metric, value)
        told, note = self._health_of(name, device.kept, now)
        return Disk(plain(name), device.model, {**readings, **told}, device.facts, note, device.numa_node)

    def _temperature_of(self, name: str, kept: ReadingMaker, now: float) -> dict[str, Reading]:
        if name not in self._temperatures:
            return {}
        at, values = self._temperatures[name]
        if now - at > _TEMPERATURE_SECONDS:
            return {metric: kept.missing(metric, MetricState.STALE) for metric in values}
        return {metric: kept.measured(metric, value) for metric, value in values.items()}

    def _health_of(self, name: str, kept: ReadingMaker, now: float) -> tuple[dict[str, Reading], str | None]:
        """Return what is known of a drive's health, and what to do where it may not be read."""
        if name not in self._health:
            return {}, None
        known = self._health[name]
        if known is None:
            if not name.startswith("nvme"):
                return {}, None  # a virtual disk or a stick: there is nothing to be permitted
            return {metric: kept.missing(metric, MetricState.NO_PERMISSION) for metric in _HEALTH}, drive_health.NOTE
        if now - self._health_at > _HEALTH_STALE_SECONDS:
            return {metric: kept.missing(metric, MetricState.STALE) for metric in known.values}, known.note
        return {metric: kept.measured(metric, value) for metric, value in known.values.items()}, known.note


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


def rates(seconds: float, grown: dict[str, float]) -> dict[str, float]:
    """Turn what the counters grew in ``seconds`` into metrics."""
    values = {}
    for way, count, sectors, time_ms in (
        ("read", "reads", "sectors_read", "read_ms"),
        ("write", "writes", "sectors_written", "write_ms"),
    ):
        name = f"system.disk.{way}"
        if sectors in grown:
            values[name] = grown[sectors] * _SECTOR_BYTES / seconds
        if count in grown:
            values[f"{name}.operations"] = grown[count] / seconds
        if grown.get(count) and time_ms in grown:
            values[f"{name}.latency"] = grown[time_ms] / 1000 / grown[count]
    if "queue_ms" in grown:
        values["system.disk.queue"] = grown["queue_ms"] / 1000 / seconds
    if "busy_ms" in grown:
        values["system.disk.busy"] = min(1.0, grown["busy_ms"] / 1000 / seconds)  # it is booked in whole requests
    return values


def temperatures(device: Path) -> dict[str, float]:
    """Return the composite temperature and its critical value in degrees.

    The kernel puts an NVMe drive's hwmon below its controller (device/hwmonN) and a SATA drive's below device/hwmon.
    """
    for pattern in ("hwmon*/temp1_input", "hwmon/hwmon*/temp1_input", "device/hwmon*/temp1_input"):
        for path in sorted(device.glob(pattern)):
            found = number(path)
            if found is None:
                continue
            critical = number(path.with_name("temp1_crit"))
            limit = {"hw.temperature.limit": critical / _MILLI} if critical is not None and critical > 0 else {}
            return {"hw.temperature": found / _MILLI, **limit}
    return {}


def facts(folder: Path) -> dict[str, str]:
    """Return what the kernel says of a disk, title and text."""
    device = folder / "device"
    rotating = number(folder / "queue" / "rotational")
    found = {
        "Kind": None if rotating is None else ("rotating" if rotating else "solid state"),
        "Transport": word(device / "transport"),
        "Firmware": word(device / "firmware_rev") or word(device / "rev"),
        "Serial": word(device / "serial"),
        "Scheduler": word(folder / "queue" / "scheduler"),
        "PCI address": address if (address := link_name(device / "device")) and ":" in address else None,
    }
    return {title: text for title, text in found.items() if text}


def _node(device: Path) -> int | None:
    node = node_of(device)
    return node if node is not None else node_of(device / "device")


def _slow(kept: ReadingMaker, folder: Path) -> dict[str, Reading]:
    sectors = number(folder / "size")
    return {"system.disk.limit": kept.measured("system.disk.limit", sectors * _SECTOR_BYTES)} if sectors else {}
