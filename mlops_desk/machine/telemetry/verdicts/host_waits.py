"""What the processes on a GPU themselves wait for on the host: processors and disks. Pure.

The host's own numbers say that somebody waits, not who: they only explain, never decide. Without a load of the
holder's own nothing is concluded.
"""

from collections.abc import Mapping, Sequence

from mlops_desk.kit.base.text import amount, percent, plain
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, HostLoad
from mlops_desk.machine.records.status import Evidence, Status

Means = Mapping[tuple[str, str], float]

HOST = "host"
CPU_FULL = 0.90  # chosen: the kernel's own work takes the rest
CORE_FULL = 0.95  # chosen: a thread that never waits, less what the clock ticks round away in a minute
CPU_PRESSURE = 0.20  # chosen: tasks waited for a processor for 12 s of the minute
IO_PRESSURE = 0.10  # chosen: 6 s of the minute; waiting for disks is rarer than for processors, so it takes less
DISK_BUSY = 0.90  # a single queue's measure: an NVMe drive is "busy" long before it is full, so latency has to agree
READ_LATENCY = 0.010  # seconds; chosen: about one seek of a rotating disk, and far above what an NVMe drive takes
OTHERS_SHARE = 0.5
"""From this share of the busy cores on it is others who keep a process from its own."""

_MEGABYTE = 1e6
_USE = "system.cpu.utilization"
_CPU_WAIT = ("system.pressure.cpu.some", "system.pressure.cpu.some.avg10")
_IO_WAIT = ("system.pressure.io.some", "system.pressure.io.some.avg10")


def load_of(gpu: Gpu) -> tuple[HostLoad | None, bool]:
    """Return the load of who holds most of a GPU, and whether a container is around it."""
    computing = [process for process in gpu.processes if process.kind != "graphics"]
    for process in sorted(computing, key=_held_bytes, reverse=True):
        if process.load is not None:
            return process.load, process.container is not None
    return None, False


def cores_of(load: HostLoad, *, boxed: bool) -> float | None:
    """Return how many cores the holder keeps busy: a container is its own, any other cgroup may be others' as well."""
    return load.cgroup_cores if boxed and load.cgroup_cores is not None else load.cores


def waits_for_disks(gpu: Gpu, status: Status, means: Means) -> list[Evidence]:
    """Return what shows that the holder itself waits for disks."""
    load, _ = load_of(gpu)
    if load is None or load.io_pressure_ratio is None or load.io_pressure_ratio < IO_PRESSURE:
        return []
    metric = _first(means, _IO_WAIT)
    text = f"its processes wait for disks {percent(load.io_pressure_ratio)} of the time"
    found = [Evidence(text, HOST, metric or _IO_WAIT[0])]
    if load.read_bytes_per_second is not None:
        rate = amount(load.read_bytes_per_second / _MEGABYTE, "MB/s", 1)
        found.append(Evidence(f"they read {rate}", HOST, metric or _IO_WAIT[0]))
    return [*found, *_slow_disks(status, means)]


def waits_for_others(gpu: Gpu, status: Status, means: Means) -> list[Evidence]:
    """Return what shows that the holder waits for processors which others keep busy."""
    load, boxed = load_of(gpu)
    if load is None or load.cpu_pressure_ratio is None or load.cpu_pressure_ratio < CPU_PRESSURE:
        return []
    own, use = cores_of(load, boxed=boxed), means.get((HOST, _USE))
    if own is None or use is None or not status.host.cores or _at_limit(load, own):
        return []
    busy = use * len(status.host.cores)
    others = busy - own
    if busy <= 0 or others / busy < OTHERS_SHARE:
        return []
    waits = f"its processes wait for a processor {percent(load.cpu_pressure_ratio)} of the time"
    told = f"others keep {others:.0f} of {len(status.host.cores)} cores busy, its own processes {own:.1f}"
    return [Evidence(f"{waits}, while {told}", HOST, _first(means, _CPU_WAIT) or _USE), Evidence(told, HOST, _USE)]


def works_all_it_can(gpu: Gpu, status: Status, means: Means) -> list[Evidence]:
    """Return what shows that the holder's own work on the processors is what its GPU waits for."""
    load, boxed = load_of(gpu)
    own = None if load is None else cores_of(load, boxed=boxed)
    if load is None or own is None:
        return []
    if _at_limit(load, own):
        text = f"its processes use all of the {load.cores_limit or 0:g} cores that they may use"
        return [Evidence(text, HOST, _USE)]
    cores = len(status.host.cores)
    if cores and own >= CPU_FULL * cores:
        return [Evidence(f"its processes keep {own:.1f} of {cores} cores busy", HOST, _USE)]
    if load.cpu_pressure_ratio is not None and load.cpu_pressure_ratio >= CPU_PRESSURE:
        text = f"its processes wait for a processor {percent(load.cpu_pressure_ratio)} of the time"
        metric = _first(means, _CPU_WAIT) or _USE
        return [Evidence(text, HOST, metric), Evidence(f"they keep {own:.1f} cores busy", HOST, _USE)]
    if load.busiest_ratio is not None and load.busiest_ratio >= CORE_FULL:
        text = "one of its processes works all the time: a loader with too few workers, or Python, looks like this"
        return [Evidence(text, HOST, _USE), Evidence(f"together they keep {own:.1f} cores busy", HOST, _USE)]
    return []


def of_everybody(status: Status, means: Means) -> list[Evidence]:
    """Return what the host waits for, whoever that is: beside a holder of whom nothing is known."""
    found = []
    use, waits = means.get((HOST, _USE)), _first(means, _CPU_WAIT)
    if use is not None and use >= CPU_FULL:
        found.append(Evidence(f"the machine's processors work {percent(use)} of the time", HOST, _USE))
    if waits is not None and means[HOST, waits] >= CPU_PRESSURE:
        text = f"somebody waits for a processor {percent(means[HOST, waits])} of the time"
        found.append(Evidence(text, HOST, waits))
    waits = _first(means, _IO_WAIT)
    if waits is not None and means[HOST, waits] >= IO_PRESSURE:
        text = f"somebody waits for disks {percent(means[HOST, waits])} of the time"
        found.append(Evidence(text, HOST, waits))
    return [*found, *_slow_disks(status, means)]


def _slow_disks(status: Status, means: Means) -> list[Evidence]:
    found = []
    for disk in status.disks:
        busy = means.get((disk.name, "system.disk.busy"))
        latency = means.get((disk.name, "system.disk.read.latency"))
        if latency is not None and latency >= READ_LATENCY and (busy is None or busy >= DISK_BUSY):
            text = f"a read from {plain(disk.name, 40)} takes {amount(latency * 1000, 'ms')}"
            found.append(Evidence(text, disk.name, "system.disk.read.latency"))
            queue = means.get((disk.name, "system.disk.queue"))
            if queue is not None:
                text = f"{queue:.0f} requests wait at {plain(disk.name, 40)}"
                found.append(Evidence(text, disk.name, "system.disk.queue"))
    return found


def _at_limit(load: HostLoad, own: float) -> bool:
    return load.cores_limit is not None and own >= CPU_FULL * load.cores_limit


def _held_bytes(process: GpuProcess) -> int:
    return process.gpu_memory_bytes or 0


def _first(means: Means, metrics: Sequence[str]) -> str | None:
    return next((metric for metric in metrics if (HOST, metric) in means), None)
