"""The machine without GPUs: one pass over the sources of processors, memory, pressure, disks and networks.

What is read every second is a handful of files of /proc and /sys that stay open; no process is looked at. What may be
slow or hang (thermometers, drives, mounts) is asked in lanes of their own, and only handed on here.
"""

import os
import platform
import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.host import Host, Sensor
from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.telemetry.host.cgroups import Pressure
from mlops_desk.machine.telemetry.host.disks import HEALTH_SECONDS, Disks
from mlops_desk.machine.telemetry.host.filesystems import FILESYSTEMS_SECONDS, Filesystems
from mlops_desk.machine.telemetry.host.infiniband import InfiniBand
from mlops_desk.machine.telemetry.host.kernel_files import number, word
from mlops_desk.machine.telemetry.host.memory import Memory
from mlops_desk.machine.telemetry.host.network import Networks
from mlops_desk.machine.telemetry.host.processors import Processors, uptime
from mlops_desk.machine.telemetry.metrics.host import HOST, SENSOR
from mlops_desk.machine.telemetry.metrics.table import ReadingMaker
from mlops_desk.machine.telemetry.source import MEASURE_SECONDS, HostSample, SourceLane


# What seldom changes about the machine: kernel, distribution, processors, NUMA nodes. Read once, title and text.
def facts(proc: Path, sys: Path, etc: Path = Path("/etc")) -> dict[str, str]:
    """Return the facts that this machine tells, in the order they are shown."""
    cpu = sys / "devices" / "system" / "cpu"
    sockets, cores, threads = topology(cpu)
    found = {
        "Machine": _machine(sys),
        "Distribution": distribution(_text(etc / "os-release")),
        "Kernel": f"{platform.system()} {platform.release()}",
        "Architecture": platform.machine(),
        "Processor": processor(_text(proc / "cpuinfo")),
        "Sockets": str(sockets) if sockets else None,
        "Cores": str(cores) if cores else None,
        "Logical processors": str(threads) if threads else None,
        "Frequency governor": word(cpu / "cpu0" / "cpufreq" / "scaling_governor"),
        "Swappiness": word(proc / "sys" / "vm" / "swappiness"),
        **nodes(sys / "devices" / "system" / "node"),
    }
    return {title: plain(text) for title, text in found.items() if text}


def distribution(release: str) -> str | None:
    """Return the distribution's name from os-release(5)."""
    for line in release.splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip().strip("\"'") or None
    return None


def processor(cpuinfo: str) -> str | None:
    """Return the model's name from /proc/cpuinfo; some architectures have none."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "cpu model"):
            return " ".join(value.split()) or None
    return None


def topology(cpu: Path) -> tuple[int, int, int]:
    """Return how many sockets, cores and logical processors there are; 0 where it is not told."""
    packages, cores, threads = set(), set(), 0
    for folder in cpu.glob("cpu[0-9]*"):
        package = number(folder / "topology" / "physical_package_id")
        core = number(folder / "topology" / "core_id")
        if package is None or core is None:
            continue
        threads += 1
        packages.add(package)
        cores.add((package, core))
    return len(packages), len(cores), threads


def nodes(folder: Path) -> dict[str, str]:
    """Return which processors each NUMA node has; nothing on a machine with one node."""
    lists = {}
    for node in sorted(folder.glob("node[0-9]*"), key=lambda path: (len(path.name), path.name)):
        lists[node.name.removeprefix("node")] = word(node / "cpulist") or "none"
    if len(lists) < 2:
        return {}
    return {f"NUMA node {name}": f"processors {processors}" for name, processors in lists.items()}


def _machine(sys: Path) -> str | None:
    folder = sys / "class" / "dmi" / "id"
    return " ".join(part for name in ("sys_vendor", "product_name") if (part := word(folder / name))) or None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(1 << 16).decode("utf-8", "replace")
    except OSError:
        return ""


# Thermometers of the host from /sys/class/hwmon: processors, board, network cards.
# A drive's thermometer belongs to the drive and is left out here, and so is that of a GPU which sleeps: asking would
# wake it. A chip may take its time to answer, so ``measure`` asks, and ``read`` hands on what is young.
# Not by psutil: it asks every chip, also those that sleep and those that hang, and looks for all of them each time.
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


# Processes that the kernel killed for lack of memory.
# That it happened is told to everybody (a count in /proc/vmstat); to whom only the kernel's log knows, which on many
# machines ordinary users may not read. The log is read without waiting, and only when the count grew.
_LINES_A_LOOK = 20_000  # chosen: more than the kernel keeps; a storm of lines must not hold up a tick for ever
_EVENTS_A_LOOK = 32  # chosen: more kills within a tick are one catastrophe
_RECORD_BYTES = 8192  # the kernel's own limit for a record of /dev/kmsg
_KILLED = re.compile(r"Killed process (\d{1,10}) \((.{0,64}?)\),? (?:UID[: ]?\d+|total-vm)")
_WHY = re.compile(r"oom-kill:constraint=(\w+).*?task_memcg=([^,]*),.*?pid=(\d{1,10})")
_CONTAINER = re.compile(r"([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Victim:
    """Who was killed; ``container`` is its engine's id, ``limited`` says that a group's limit was the reason."""

    pid: int
    name: str
    container: str | None = None
    limited: bool = False


class OomKills:
    """Turns the kernel's count into events, each kill once."""

    def __init__(self, log: Path = Path("/dev/kmsg")) -> None:
        self._known: int | None = None
        self._owed = 0
        self._log = _open_at_end(log)

    def look(self, count: int | None) -> tuple[DeviceEvent, ...]:
        """Return what happened since the last look; ``count`` is the kernel's, None where it does not count."""
        before, self._known = self._known, count
        new = count - before if before is not None and count is not None else 0
        if new <= 0 and not self._owed:
            return ()
        at, owed = time.time(), self._owed
        grown = max(new, 0) + owed
        victims = victims_of(self._lines())[-min(grown, _EVENTS_A_LOOK) :]
        events = [
            DeviceEvent(
                at, "oom", HOST, pid=victim.pid, process=victim.name, container=victim.container, limited=victim.limited
            )
            for victim in victims
        ]
        unnamed = grown - len(events)
        self._owed = 0
        if self._log is not None:  # the kernel counts first and writes then: the name may be there at the next look
            self._owed = min(unnamed, max(new, 0))
            unnamed -= self._owed
        if unnamed:
            events.append(DeviceEvent(at, "oom", HOST, count=unnamed))
        return tuple(events)

    def _lines(self) -> list[str]:
        """Return what the log holds that was not read yet; nothing where it may not be read."""
        lines: list[str] = []
        if self._log is None:
            return lines
        for _ in range(_LINES_A_LOOK):
            try:
                record = os.read(self._log, _RECORD_BYTES)
            except BlockingIOError:
                break
            except BrokenPipeError:
                continue  # the log overran what was to be read next: it goes on with what is left
            except OSError:
                break
            if not record:
                break
            lines.append(record.decode("utf-8", "replace").partition(";")[2].partition("\n")[0])
        return lines


def victims_of(lines: list[str]) -> list[Victim]:
    """Return who was killed, in the log's order."""
    reasons: dict[int, tuple[bool, str | None]] = {}
    found = []
    for line in lines:
        if why := _WHY.search(line):
            container = _CONTAINER.search(why[2])
            reasons[int(why[3])] = why[1] == "CONSTRAINT_MEMCG", container[1] if container else None
        if killed := _KILLED.search(line):
            pid = int(killed[1])
            limited, inside = reasons.pop(pid, ("Memory cgroup" in line, None))
            found.append(Victim(pid, plain(killed[2]), inside, limited))
    return found


def _open_at_end(log: Path) -> int | None:
    """Open the kernel's log behind its last record; None where that is not permitted."""
    try:
        descriptor = os.open(log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        os.lseek(descriptor, 0, os.SEEK_END)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


class LinuxHost:
    """Reads host, disks, networks and filesystems in one pass."""

    def __init__(
        self,
        proc: Path = Path("/proc"),
        sys: Path = Path("/sys"),
        dev: Path = Path("/dev"),
        filesystems: Filesystems | None = None,
    ) -> None:
        self._name = plain(socket.gethostname())
        self._facts = facts(proc, sys)
        self._processors = Processors(proc, sys)
        self._memory = Memory(proc, sys)
        self._pressure = Pressure(proc)
        self._sensors = Sensors(sys)
        self._oom = OomKills(dev / "kmsg")
        self._disks = Disks(proc, sys)
        self._networks = Networks(proc, sys)
        self._infiniband = InfiniBand(sys)
        self._filesystems = filesystems or Filesystems(proc / "self" / "mountinfo")
        self._kept = ReadingMaker(HOST)

    def read(self) -> HostSample:
        """Read everything once. Rates are there from the second pass on."""
        now = time.monotonic()
        together, cores = self._processors.read(now)
        readings = {
            **together,
            **self._memory.read(now),
            **self._pressure.read(now),
            "system.uptime": self._kept.measured("system.uptime", uptime()),
        }
        return HostSample(
            time.time(),
            Host(self._name, readings, self._facts, cores, self._sensors.read(now), self._processors.booted_at),
            self._disks.read(now),
            (*self._networks.read(now), *self._infiniband.read(now)),
            self._filesystems.read(now),
            self._oom.look(self._memory.oom_kills),
        )

    def lanes(self) -> tuple[SourceLane, ...]:
        """Return what is asked apart: one that does not answer holds up nothing but itself."""
        return (
            SourceLane("sensors", SENSORS_SECONDS, self._sensors.measure),
            SourceLane("disk-temperatures", MEASURE_SECONDS, self._disks.measure),
            SourceLane("disk-health", HEALTH_SECONDS, self._disks.ask_health),
            SourceLane("filesystems", FILESYSTEMS_SECONDS, self._filesystems.measure),
        )
