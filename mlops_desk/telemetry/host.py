"""The machine without GPUs: processors, memory, load and pressure, from files of /proc that stay open."""

import os
import socket
import time
from pathlib import Path

from mlops_desk.base.text import plain
from mlops_desk.records.metric import MetricState, Reading
from mlops_desk.records.status import Host
from mlops_desk.telemetry.metrics import HOST, measured, missing
from mlops_desk.telemetry.network import Networks
from mlops_desk.telemetry.nvme import Disks
from mlops_desk.telemetry.rates import Counters, KernelFile, integers
from mlops_desk.telemetry.source import MEASURE_SECONDS, HostSample, Lane

Readings = dict[str, Reading]

_PRESSURES = (("cpu", "some"), ("memory", "some"), ("memory", "full"), ("io", "some"), ("io", "full"))


class LinuxHost:
    """Reads host, disks and networks in one pass."""

    def __init__(self, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> None:
        self._name = plain(socket.gethostname())
        self._stat = KernelFile(proc / "stat")
        self._memory = KernelFile(proc / "meminfo")
        self._load = KernelFile(proc / "loadavg")
        self._pressure = {name: KernelFile(proc / "pressure" / name) for name in ("cpu", "memory", "io")}
        self._ticks = Counters()
        self._stalls = Counters()
        self._disks = Disks(proc, sys)
        self._networks = Networks(proc, sys)

    def read(self) -> HostSample:
        """Read everything once. Rates are there from the second pass on."""
        now = time.monotonic()
        readings = {
            **self._processors(now),
            **memory(self._memory.read()),
            **load(self._load.read()),
            **self._pressures(now),
            "system.cpu.logical.count": measured(HOST, "system.cpu.logical.count", os.cpu_count() or 1),
        }
        return HostSample(time.time(), Host(self._name, readings), self._disks.read(now), self._networks.read(now))

    def lanes(self) -> tuple[Lane, ...]:
        """Ask the disks for their temperatures; one that does not answer holds up nothing but this."""
        return (Lane("disk-temperatures", MEASURE_SECONDS, self._disks.measure),)

    def _processors(self, now: float) -> Readings:
        step = self._ticks.advance(now, processor_ticks(self._stat.read()))
        total = sum(step[1].values()) if step else 0.0
        if step is None or total <= 0:
            return {}
        waiting = step[1].get("iowait", 0.0)
        busy = total - step[1].get("idle", 0.0) - waiting
        return {
            "system.cpu.utilization": measured(HOST, "system.cpu.utilization", busy / total),
            "system.cpu.utilization.iowait": measured(HOST, "system.cpu.utilization.iowait", waiting / total),
        }

    def _pressures(self, now: float) -> Readings:
        texts = {name: file.read() for name, file in self._pressure.items()}
        found = {(name, who): values for name, text in texts.items() for who, values in pressure(text).items()}
        step = self._stalls.advance(now, {f"{name}.{who}": total for (name, who), (_, total) in found.items()})
        readings: Readings = {}
        for name, who in _PRESSURES:
            metric = f"system.pressure.{name}.{who}"
            if (name, who) not in found:
                for each in (metric, f"{metric}.avg10"):
                    readings[each] = missing(HOST, each, MetricState.NOT_SUPPORTED)
                continue
            readings[f"{metric}.avg10"] = measured(HOST, f"{metric}.avg10", found[name, who][0])
            if step is not None and f"{name}.{who}" in step[1]:
                share = min(step[1][f"{name}.{who}"] / step[0], 1.0)
                readings[metric] = measured(HOST, metric, share)
        return readings


def processor_ticks(stat: str) -> dict[str, float]:
    """Return the summed ticks of all processors by what they did, from /proc/stat (guests count as user already)."""
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    line = stat.partition("\n")[0]
    if not line.startswith("cpu "):
        return {}
    try:
        return dict(zip(names, map(float, integers(line[4:])), strict=False))
    except ValueError:
        return {}


def memory(meminfo: str) -> Readings:
    """Return memory and swap from /proc/meminfo. Used is what is not available, as ``free`` counts it."""
    values: dict[str, int] = {}
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        word = rest.split()
        if word and word[0].isdecimal():
            values[name] = int(word[0]) * 1024
    pairs = (
        ("system.memory", "MemTotal", "MemAvailable"),
        ("system.paging", "SwapTotal", "SwapFree"),
    )
    readings: Readings = {}
    for metric, total, free in pairs:
        if total in values and free in values:
            readings[f"{metric}.limit"] = measured(HOST, f"{metric}.limit", values[total])
            readings[f"{metric}.usage"] = measured(HOST, f"{metric}.usage", values[total] - values[free])
    return readings


def load(loadavg: str) -> Readings:
    """Return the three load averages from /proc/loadavg."""
    names = [f"system.cpu.load_average.{span}" for span in ("1m", "5m", "15m")]
    try:
        values = [float(word) for word in loadavg.split()[:3]]
    except ValueError:
        return {}
    return {name: measured(HOST, name, value) for name, value in zip(names, values, strict=False)}


def pressure(text: str) -> dict[str, tuple[float, float]]:
    """Return (10 s average as a ratio, stalled seconds since boot) for ``some`` and ``full`` of a pressure file."""
    found = {}
    for line in text.splitlines():
        who, _, rest = line.partition(" ")
        words = dict(word.partition("=")[::2] for word in rest.split())
        try:
            found[who] = (float(words["avg10"]) / 100, int(words["total"]) / 1e6)
        except (KeyError, ValueError):
            continue
    return found
