"""Memory and swap from /proc/meminfo and /proc/vmstat, and each NUMA node's share from /sys.

Used is what is not available to new work, as ``free`` counts it; for a node the kernel does not say that, so it is what
is neither free nor cache.

Not by psutil: it tells no pages that are dirty, written back, locked or huge, no node and no kill, so both files would
be read a second time for what it leaves out.
"""

import os
from pathlib import Path

from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.telemetry.host.counters import Counters, KernelFile
from mlops_desk.machine.telemetry.host.processors import number_after
from mlops_desk.machine.telemetry.metrics.host import HOST, NUMA_NODES
from mlops_desk.machine.telemetry.metrics.table import ReadingMaker

_NODES_SECONDS = 5.0  # chosen: a node costs a file each, and the whole is read every tick
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PLAIN = {
    "MemTotal": "system.memory.limit",
    "MemAvailable": "system.memory.available",
    "Cached": "system.memory.cached",
    "Dirty": "system.memory.dirty",
    "Writeback": "system.memory.writeback",
    "Shmem": "system.memory.shared",
    "Mlocked": "system.memory.locked",
    "Slab": "system.memory.slab",
    "SwapTotal": "system.paging.limit",
}
_PAGING = {"pswpin": "system.paging.in", "pswpout": "system.paging.out", "pgmajfault": "system.paging.faults.major"}


class Memory:
    """Reads memory and swap; ``oom_kills`` is the kernel's count since its start, None where it does not count."""

    def __init__(self, proc: Path, sys: Path) -> None:
        self._info = KernelFile(proc / "meminfo")
        self._vmstat = KernelFile(proc / "vmstat")
        self._kept = ReadingMaker(HOST)
        self._counters = Counters()
        self._nodes = _node_files(sys)
        self._node_readings: dict[str, Reading] = {}
        self._nodes_due = 0.0
        self.oom_kills: int | None = None

    def read(self, now: float) -> dict[str, Reading]:
        """Read everything once; ``now`` is monotonic."""
        values = {name: self._kept.measured(name, value) for name, value in memory(self._info.read()).items()}
        if now >= self._nodes_due:
            self._nodes_due = now + _NODES_SECONDS
            self._node_readings = self._read_nodes()
        return {**values, **self._node_readings, **self._paging(now)}

    def _paging(self, now: float) -> dict[str, Reading]:
        text = "\n" + self._vmstat.read()
        counts = {name: float(value) for name in _PAGING if (value := number_after(text, name)) is not None}
        self.oom_kills = number_after(text, "oom_kill")
        readings = {}
        if self.oom_kills is not None:
            readings["system.memory.oom_kills"] = self._kept.measured("system.memory.oom_kills", self.oom_kills)
        step = self._counters.advance(now, counts)
        for name, grown in (step[1] if step else {}).items():
            size = 1 if name == "pgmajfault" else _PAGE
            readings[_PAGING[name]] = self._kept.measured(_PAGING[name], grown * size / step[0])  # type: ignore[index]  # there is a step where something grew
        return readings

    def _read_nodes(self) -> dict[str, Reading]:
        readings = {}
        for number, file in self._nodes.items():
            total, spare = node_memory(file.read())
            name = f"system.memory.node{number}"
            if total is not None and spare is not None:
                readings[f"{name}.limit"] = self._kept.measured(f"{name}.limit", total)
                readings[f"{name}.usage"] = self._kept.measured(f"{name}.usage", total - spare)
        return readings


def memory(meminfo: str) -> dict[str, int]:
    """Return the metrics that /proc/meminfo tells, in bytes."""
    values = _kilobytes(meminfo)
    found = {metric: values[name] for name, metric in _PLAIN.items() if name in values}
    for metric, total, free in (
        ("system.memory.usage", "MemTotal", "MemAvailable"),
        ("system.paging.usage", "SwapTotal", "SwapFree"),
    ):
        if total in values and free in values:
            found[metric] = values[total] - values[free]
    size, pages = values.get("Hugepagesize"), values.get("HugePages_Total")
    if size and pages:
        found["system.memory.huge_pages.limit"] = size * pages
        found["system.memory.huge_pages.usage"] = size * (pages - values.get("HugePages_Free", 0))
    return found


def _kilobytes(meminfo: str) -> dict[str, int]:
    """Return every row in bytes; rows that count (huge pages) as they are."""
    values: dict[str, int] = {}
    for line in meminfo.split("\n"):
        name, _, rest = line.partition(":")
        word = rest.split()
        if word and word[0].isascii() and word[0].isdecimal():
            values[name] = int(word[0]) * (1024 if len(word) > 1 else 1)
    return values


def node_memory(meminfo: str) -> tuple[int | None, int | None]:
    """Return (total, spare) in bytes from a node's meminfo, whose rows begin with ``Node 0``.

    Spare is what is free, and the cache that makes room for new work; shared memory counts as files but does not.
    """
    rows = {}
    for line in meminfo.split("\n"):
        words = line.split()
        if len(words) >= 4 and words[0] == "Node" and words[3].isascii() and words[3].isdecimal():
            rows[words[2]] = int(words[3]) * 1024
    total, free = rows.get("MemTotal:"), rows.get("MemFree:")
    if total is None or free is None:
        return total, free
    files = max(0, rows.get("FilePages:", 0) - rows.get("Shmem:", 0))
    return total, min(total, free + files + rows.get("SReclaimable:", 0))


def _node_files(sys: Path) -> dict[int, KernelFile]:
    """Return each node's file; a machine with one node has nothing to tell apart."""
    nodes = {}
    for folder in (sys / "devices" / "system" / "node").glob("node*"):
        number = folder.name.removeprefix("node")
        if number.isascii() and number.isdecimal() and int(number) < NUMA_NODES:
            nodes[int(number)] = KernelFile(folder / "meminfo")
    return dict(sorted(nodes.items())) if len(nodes) > 1 else {}
