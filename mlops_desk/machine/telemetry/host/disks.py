"""Disks: throughput, operations, latency and queue from /proc/diskstats, size, model and temperature from /sys.

Whole devices only: no partitions, loop devices, memory disks or device-mapper layers (their traffic is
counted on the device below). Latency is time spent over operations completed since the last pass;
where nothing was read there is no read latency. A drive's temperature is a command to the drive, its health a question
to another program: both are asked for away from the rest, and withdrawn when there is no answer.

Not by psutil: it tells neither the requests in flight nor the time they wait, of which queue and latency are made, and
takes three times as long (42 µs to 16 µs).
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from mlops_desk.kit.base import process
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.host import Disk
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.telemetry.host.counters import Counters, KernelFile, integers
from mlops_desk.machine.telemetry.host.kernel_files import link_name, node_of, number, word
from mlops_desk.machine.telemetry.metrics.host import DISK
from mlops_desk.machine.telemetry.metrics.table import ReadingMaker
from mlops_desk.machine.telemetry.source import MEASURE_SECONDS

# Health of drives: wear, spare blocks, media errors. From UDisks2, whom ordinary users may ask; else nvme or smartctl.
#
# UDisks2 is not started for this, and is not asked to wake a drive: it looks by itself every ten minutes. The other
# two need the device's file, which belongs to root. Every question has a deadline; a drive that does not answer costs
# one child process. Whoever may not ask is told what to do.

Run = Callable[[list[str], float], str | None]

HEALTH_SECONDS = 300.0  # chosen: wear moves in weeks, and asking costs the drive a command
_BUS_SECONDS = 10.0  # chosen: UDisks2 answers in milliseconds, unless it reads a drive just then
_DRIVE_SECONDS = 10.0  # chosen: a drive that is busy may take seconds
_PERCENT = 100.0
_HOUR = 3600.0
_NVME_UNIT = 512_000  # a data unit of NVMe's SMART log is a thousand times 512 bytes
_WARNINGS = {"spare": 1, "temperature": 2, "degraded": 4, "readonly": 8, "volatile_mem": 16, "pmr_readonly": 32}
_UDISKS = "org.freedesktop.UDisks2"
_NVME = f"{_UDISKS}.NVMe.Controller"
_ATA = f"{_UDISKS}.Drive.Ata"
_BUSCTL = ["busctl", "--system", "--auto-start=no", "--json=short", "--timeout=8", "call", _UDISKS]
NOTE = (
    "needs permission: wear and errors of this drive are told by UDisks2 2.10 or newer "
    "(sudo apt install udisks2; sudo systemctl start udisks2)"
)


@dataclass(frozen=True, slots=True)
class DriveHealth:
    """What was learned of one drive, by metric; ``note`` says what else there is to say."""

    values: Mapping[str, float]
    note: str | None = None


def ask(names: list[str], run: Run | None = None) -> dict[str, DriveHealth | None]:
    """Return the health of NVMe and SATA drives by kernel name; None for one whose health may not be read."""
    run = run or run_command
    found: dict[str, DriveHealth | None] = dict.fromkeys(names)
    found.update(from_udisks(names, run))
    for name, health in found.items():
        if health is None and os.access(f"/dev/{name}", os.R_OK):
            found[name] = from_tools(name, run)
    return found


def from_udisks(names: list[str], run: Run) -> dict[str, DriveHealth]:
    """Return what UDisks2 knows of these drives; nothing where it does not run."""
    question = [*_BUSCTL, "/org/freedesktop/UDisks2", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"]
    objects = _answer(run(question, _BUS_SECONDS))
    found = {}
    for path, faces in objects.items():
        name = path.rpartition("/")[2]
        drive = _value(faces.get(f"{_UDISKS}.Block"), "Drive") if isinstance(faces, dict) else None
        if name not in names or not isinstance(drive, str) or not isinstance(objects.get(drive), dict):
            continue
        health = _of_drive(drive, objects[drive], run)
        if health is not None:
            found[name] = health
    return found


def _of_drive(path: str, faces: Mapping[str, Any], run: Run) -> DriveHealth | None:
    nvme, ata = faces.get(_NVME), faces.get(_ATA)
    if isinstance(nvme, dict) and _whole(_value(nvme, "SmartUpdated")):
        attributes = _answer(run([*_BUSCTL, path, _NVME, "SmartGetAttributes", "a{sv}", "0"], _DRIVE_SECONDS))
        return DriveHealth(udisks_values(nvme, attributes))
    if isinstance(ata, dict) and _whole(_value(ata, "SmartUpdated")):
        seconds = _value(ata, "SmartPowerOnSeconds")
        failing = _value(ata, "SmartFailing") is True
        note = "The drive says that it is about to fail: save what is on it." if failing else None
        return DriveHealth({"hw.disk.power_on": float(seconds)} if _whole(seconds) else {}, note)
    return None


def udisks_values(properties: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics from an NVMe controller's properties and attributes as busctl writes them."""
    values = _scaled(
        {name: _value(attributes, name) for name in attributes},
        {
            "hw.disk.wear": ("percent_used", 1 / _PERCENT),
            "hw.disk.spare": ("avail_spare", 1 / _PERCENT),
            "hw.disk.spare.threshold": ("spare_thresh", 1 / _PERCENT),
            "hw.disk.media_errors": ("media_errors", 1.0),
            "hw.disk.unsafe_shutdowns": ("unsafe_shutdowns", 1.0),
            "hw.disk.data.read": ("total_data_read", 1.0),
            "hw.disk.data.written": ("total_data_written", 1.0),
        },
    )
    hours, warnings = _value(properties, "SmartPowerOnHours"), _value(properties, "SmartCriticalWarning")
    if _whole(hours):
        values["hw.disk.power_on"] = hours * _HOUR
    if isinstance(warnings, list):
        values["hw.disk.critical_warning"] = float(sum(_WARNINGS.get(str(each), 0) for each in set(map(str, warnings))))
    return values


def from_tools(name: str, run: Run) -> DriveHealth | None:
    """Ask the drive through nvme-cli, else through smartctl; both must be allowed to."""
    if name.startswith("nvme"):
        log = _object(run(["nvme", "smart-log", "--output-format=json", f"/dev/{name}"], _DRIVE_SECONDS))
        if values := nvme_values(log):
            return DriveHealth(values)
    report = _object(run(["smartctl", "--json=c", "--attributes", "--nocheck=standby", f"/dev/{name}"], _DRIVE_SECONDS))
    values = nvme_values(_part(report, "nvme_smart_health_information_log"))
    hours = _part(report, "power_on_time").get("hours")
    if _whole(hours):
        values["hw.disk.power_on"] = hours * _HOUR
    return DriveHealth(values) if values else None


def _part(report: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = report.get(name)
    return part if isinstance(part, dict) else {}


def nvme_values(log: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics from a SMART log as nvme-cli and smartctl write it; their names differ in two places."""
    names = {
        "hw.disk.wear": (("percentage_used", "percent_used"), 1 / _PERCENT),
        "hw.disk.spare": (("available_spare", "avail_spare"), 1 / _PERCENT),
        "hw.disk.spare.threshold": (("available_spare_threshold", "spare_thresh"), 1 / _PERCENT),
        "hw.disk.media_errors": (("media_errors",), 1.0),
        "hw.disk.unsafe_shutdowns": (("unsafe_shutdowns",), 1.0),
        "hw.disk.data.read": (("data_units_read",), _NVME_UNIT),
        "hw.disk.data.written": (("data_units_written",), _NVME_UNIT),
        "hw.disk.power_on": (("power_on_hours",), _HOUR),
        "hw.disk.critical_warning": (("critical_warning",), 1.0),
    }
    flat = {metric: next((log[key] for key in keys if key in log), None) for metric, (keys, _) in names.items()}
    return _scaled(flat, {metric: (metric, factor) for metric, (_, factor) in names.items()})


def _scaled(values: Mapping[str, Any], rows: Mapping[str, tuple[str, float]]) -> dict[str, float]:
    return {metric: values[key] * factor for metric, (key, factor) in rows.items() if _whole(values.get(key))}


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _value(face: object, name: str) -> Any:
    """Return a variant's value: busctl writes {"type": "u", "data": 7}."""
    variant = face.get(name) if isinstance(face, dict) else None
    return variant.get("data") if isinstance(variant, dict) else None


def _answer(text: str | None) -> dict[str, Any]:
    """Return the one dictionary that a method answered with."""
    data = _object(text).get("data")
    return data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else {}


def _object(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def run_command(command: list[str], timeout_seconds: float) -> str | None:
    """Return what a command wrote, or None when it is not there, does not answer in time, or says nothing."""
    try:
        done = process.run_command(command, timeout_seconds)
    except Unavailable:
        return None
    return done.output.decode("utf-8", "replace") or None


_SECTOR_BYTES = 512  # the kernel's unit in diskstats, whatever the disk's sectors are
_SLOW_SECONDS = 10.0  # chosen: what changes with a command of the administrator only
_TEMPERATURE_SECONDS = 3 * MEASURE_SECONDS
_HEALTH_STALE_SECONDS = 3 * HEALTH_SECONDS
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

    def __init__(self, proc: Path, sys: Path, run: Run | None = None) -> None:
        self._stats = KernelFile(proc / "diskstats")
        self._block = sys / "block"
        self._run = run
        self._devices: dict[str, _Device] = {}
        self._temperatures: dict[str, tuple[float, dict[str, float]]] = {}
        self._health: dict[str, DriveHealth | None] = {}
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
        self._health = ask(names, self._run) if names else {}
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
            return {metric: kept.missing(metric, MetricState.NO_PERMISSION) for metric in _HEALTH}, NOTE
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
