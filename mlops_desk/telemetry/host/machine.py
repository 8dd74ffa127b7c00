"""The machine without GPUs: one pass over the sources of processors, memory, pressure, disks and networks.

What is read every second is a handful of files of /proc and /sys that stay open; no process is looked at. What may be
slow or hang (thermometers, drives, mounts) is asked in lanes of their own, and only handed on here.
"""

import socket
import time
from pathlib import Path

from mlops_desk.base.text import plain
from mlops_desk.records.host import Host
from mlops_desk.telemetry.host.disks import Disks
from mlops_desk.telemetry.host.drive_health import HEALTH_SECONDS
from mlops_desk.telemetry.host.facts import facts
from mlops_desk.telemetry.host.filesystems import FILESYSTEMS_SECONDS, Filesystems
from mlops_desk.telemetry.host.infiniband import InfiniBand
from mlops_desk.telemetry.host.memory import Memory
from mlops_desk.telemetry.host.network import Networks
from mlops_desk.telemetry.host.oom_kills import OomKills
from mlops_desk.telemetry.host.pressure import Pressure
from mlops_desk.telemetry.host.processors import Processors, uptime
from mlops_desk.telemetry.host.sensors import SENSORS_SECONDS, Sensors
from mlops_desk.telemetry.metrics.table import HOST, ReadingMaker
from mlops_desk.telemetry.source import MEASURE_SECONDS, HostSample, SourceLane


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
