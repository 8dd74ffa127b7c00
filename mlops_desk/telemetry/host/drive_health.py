"""Health of drives: wear, spare blocks, media errors. From UDisks2, whom ordinary users may ask; else nvme or smartctl.

UDisks2 is not started for this, and is not asked to wake a drive: it looks by itself every ten minutes. The other two
need the device's file, which belongs to root. Every question has a deadline; a drive that does not answer costs one
child process. Whoever may not ask is told what to do.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from mlops_desk.base import process
from mlops_desk.base.errors import Unavailable

Run = Callable[[list[str], float], str | None]

HEALTH_SECONDS = 300.0  # chosen: wear moves in weeks, and asking costs the drive a command
_BUS_SECONDS = 10.0  # chosen: UDisks2 answers in milliseconds, unless it reads a drive just then
_DRIVE_SECONDS = 10.0  # chosen: a drive that is busy may take seconds
_PERCENT = 100.0
_HOUR = 3600.0
_NVME_UNIT = 512_000  # a data unit of NVMe's SMART log is a thousand times 512 bytes
_WARNINGS = {
    "spare": 1,
    "temperature": 2,
    "degraded": 4,
    "readonly": 8,
    "volatile_mem": 16,
    "pmr_readonly": 32,
}
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
