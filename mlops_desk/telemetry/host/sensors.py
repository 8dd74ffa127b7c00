"""Thermometers of the host from /sys/class/hwmon: processors, board, network cards.

A drive's thermometer belongs to the drive and is left out here, and so is that of a GPU which sleeps: asking would
wake it. A chip may take its time to answer, so ``measure`` asks, and ``read`` hands on what is young.

Not by psutil: it asks every chip, also those that sleep and those that hang, and looks for all of them each time.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.base.text import plain
from mlops_desk.records.host import Sensor
from mlops_desk.records.metric import MetricState, Reading
from mlops_desk.telemetry.host.kernel_files import number, word
from mlops_desk.telemetry.metrics.table import SENSOR, ReadingMaker

SENSORS_SECONDS = 5.0  # chosen: temperatures move slowly, and a chip on a slow bus takes milliseconds
_STALE_SECONDS = 3 * SENSORS_SECONDS
_LOOK_AGAIN_SECONDS = 60.0  # chosen: thermometers come with a driver, seldom
_LIMIT = 64  # chosen: more thermometers than boards have
_OF_DRIVES = ("nvme", "drivetemp")
_MILLI = 1000.0


@dataclass(slots=True)
class _Place:
    """One thermometer; ``chip`` is its device, and may sleep."""

    name: str
    chip: Path
    input: Path
    critical: float | None
    kept: ReadingMaker


class Sensors:
    """Reads all thermometers that are no drive's."""

    def __init__(self, sys: Path) -> None:
        self._folder = sys / "class" / "hwmon"
        self._zones = sys / "class" / "thermal"
        self._places: list[_Place] = []
        self._look_due = 0.0
        self._answers: dict[str, tuple[float, dict[str, Reading]]] = {}

    def measure(self) -> None:
        """Ask every thermometer. One that hangs withdraws them all, until it answers."""
        now = time.monotonic()
        if now >= self._look_due:
            self._look_due = now + _LOOK_AGAIN_SECONDS
            self._places = places(self._folder) or zones(self._zones)
        answers = {}
        for place in self._places:
            millidegrees = None if asleep(place.chip) else number(place.input)
            if millidegrees is None:
                continue
            readings = {"hw.temperature": place.kept.measured("hw.temperature", millidegrees / _MILLI)}
            if place.critical is not None:
                readings["hw.temperature.limit"] = place.kept.measured("hw.temperature.limit", place.critical)
            answers[place.name] = now, readings
        self._answers = answers

    def read(self, now: float) -> tuple[Sensor, ...]:
        """Return every thermometer with its last answer; ``now`` is monotonic."""
        return tuple(
            Sensor(name, readings if now - at <= _STALE_SECONDS else _withdrawn(readings))
            for name, (at, readings) in self._answers.items()
        )


def _withdrawn(readings: dict[str, Reading]) -> dict[str, Reading]:
    return {name: Reading(None, reading.unit, MetricState.STALE) for name, reading in readings.items()}


def places(folder: Path) -> list[_Place]:
    """Return the thermometers there are, each with a name of its own."""
    found: list[_Place] = []
    names: dict[str, int] = {}
    try:
        chips = sorted(folder.iterdir(), key=lambda path: (len(path.name), path.name))
    except OSError:
        return []  # a virtual machine has none
    for chip in chips:
        kind = word(chip / "name") or chip.name
        if kind in _OF_DRIVES:
            continue
        for path in sorted(chip.glob("temp*_input"), key=lambda path: (len(path.name), path.name)):
            stem = path.name.removesuffix("_input")
            name = plain(f"{kind} {word(chip / f'{stem}_label') or stem}")
            names[name] = names.get(name, 0) + 1
            if names[name] > 1:
                name = f"{name} #{names[name]}"
            critical = number(chip / f"{stem}_crit")
            limit = critical / _MILLI if critical is not None and critical > 0 else None
            found.append(_Place(name, chip / "device", path, limit, ReadingMaker(SENSOR)))
    return found[:_LIMIT]


def zones(folder: Path) -> list[_Place]:
    """Return the kernel's thermal zones: some boards have nothing else."""
    found = []
    for zone in sorted(folder.glob("thermal_zone*"), key=lambda path: (len(path.name), path.name)):
        name = plain(f"{word(zone / 'type') or 'zone'} {zone.name.removeprefix('thermal_zone')}")
        found.append(_Place(name, zone / "device", zone / "temp", None, ReadingMaker(SENSOR)))
    return found[:_LIMIT]


def asleep(device: Path) -> bool:
    """Say whether reading from this device would wake it."""
    return word(device / "power" / "runtime_status") in ("suspended", "suspending")
