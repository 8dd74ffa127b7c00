"""What is measured of the machine without its GPUs: processors, memory, disks, filesystems, network, temperatures.

The rows say where a number's meaning is narrower than its name.
"""

from mlops_desk.machine.records.metric import (
    BYTES,
    BYTES_PER_SECOND,
    COUNT,
    DEGREES,
    FLAG,
    HERTZ,
    PER_SECOND,
    RATIO,
    SECONDS,
    Metric,
)

HOST = "host"
CORE = "core"
SENSOR = "sensor"
DISK = "disk"
FILESYSTEM = "filesystem"
NETWORK = "network"

NUMA_NODES = 16
"""How many NUMA nodes have metrics of their own."""

_AGE = (1.0, 0.0, 1e10)  # whole seconds, up to some 300 years
_WRITTEN = (float(1 << 30), 0.0, 1e19)
_WEAR = (0.01, 0.0, 2.55)  # NVMe tells whole per cent in one byte, up to 255


def _processor(device: str, whose: str) -> tuple[Metric, ...]:
    rows = (
        ("", f"Share of {whose} that is working."),
        (".iowait", f"Share of {whose} that is idle while a task waits for a disk."),
        (".steal", f"Share of {whose} that another virtual machine took."),
    )
    return tuple(Metric(f"system.cpu.utilization{end}", device, "1", "gauge", *RATIO, text) for end, text in rows)


def _pressure() -> tuple[Metric, ...]:
    table = []
    for resource, who in (("cpu", "some"), ("memory", "some"), ("memory", "full"), ("io", "some"), ("io", "full")):
        name = f"system.pressure.{resource}.{who}"
        tasks = "at least one task" if who == "some" else "all tasks"
        text = f"Share of time in which {tasks} waited for {resource}"
        table.append(Metric(name, HOST, "1", "gauge", *RATIO, f"{text}, since the last sample."))
        table.append(Metric(f"{name}.avg10", HOST, "1", "gauge", *RATIO, f"{text}, the kernel's 10 s average."))
    return tuple(table)


def _numa() -> tuple[Metric, ...]:
    table = []
    for node in range(NUMA_NODES):
        name = f"system.memory.node{node}"
        table.append(
            Metric(
                f"{name}.usage", HOST, "By", "gauge", *BYTES, f"Memory of node {node} that is neither free nor cache."
            )
        )
        table.append(Metric(f"{name}.limit", HOST, "By", "gauge", *BYTES, f"Memory of node {node}."))
    return tuple(table)


_HOST = (
    *_processor(HOST, "all processors"),
    Metric("system.cpu.utilization.user", HOST, "1", "gauge", *RATIO, "Share of all processors that runs programs."),
    Metric("system.cpu.utilization.system", HOST, "1", "gauge", *RATIO,
           "Share of all processors that runs the kernel, interrupts included."),
    Metric("system.cpu.frequency", HOST, "Hz", "gauge", *HERTZ, "Clock of the processors, on average."),
    Metric("system.cpu.load_average.1m", HOST, "1", "gauge", 0.01, 0.0, 1e6, "Tasks that run or wait, over 1 min."),
    Metric("system.cpu.load_average.5m", HOST, "1", "gauge", 0.01, 0.0, 1e6, "Tasks that run or wait, over 5 min."),
    Metric("system.cpu.load_average.15m", HOST, "1", "gauge", 0.01, 0.0, 1e6, "Tasks that run or wait, over 15 min."),
    Metric("system.cpu.logical.count", HOST, "1", "gauge", 1.0, 1.0, 1e5, "Logical processors that are online."),
    Metric("system.cpu.context_switches", HOST, "1/s", "rate", 10.0, 0.0, 1e9, "Changes from task to task, a second."),
    Metric("system.cpu.interrupts", HOST, "1/s", "rate", 10.0, 0.0, 1e9, "Interrupts served, a second."),
    Metric("system.processes.created", HOST, "1/s", "rate", *PER_SECOND, "Processes and threads started, a second."),
    Metric("system.processes.running", HOST, "1", "gauge", 1.0, 0.0, 1e6, "Tasks that run or wait for a processor."),
    Metric("system.processes.blocked", HOST, "1", "gauge", 1.0, 0.0, 1e6, "Tasks that wait for a disk at this moment."),
    Metric("system.memory.usage", HOST, "By", "gauge", *BYTES, "Memory that is not available to new work."),
    Metric("system.memory.limit", HOST, "By", "gauge", *BYTES, "Memory of the machine."),
    Metric("system.memory.available", HOST, "By", "gauge", *BYTES, "Memory available to new work without swapping."),
    Metric("system.memory.cached", HOST, "By", "gauge", *BYTES, "Memory that holds files; most is given up on demand."),
    Metric("system.memory.dirty", HOST, "By", "gauge", *BYTES, "Memory that waits to be written to a disk."),
    Metric("system.memory.writeback", HOST, "By", "gauge", *BYTES, "Memory that is being written to a disk."),
    Metric("system.memory.shared", HOST, "By", "gauge", *BYTES, "Shared memory and tmpfs, /dev/shm included."),
    Metric("system.memory.locked", HOST, "By", "gauge", *BYTES, "Memory that may not be swapped out."),
    Metric("system.memory.slab", HOST, "By", "gauge", *BYTES, "Memory of the kernel's own tables."),
    Metric("system.memory.huge_pages.usage", HOST, "By", "gauge", *BYTES, "Reserved huge pages in use."),
    Metric("system.memory.huge_pages.limit", HOST, "By", "gauge", *BYTES, "Memory reserved as huge pages."),
    *_numa(),
    Metric("system.memory.oom_kills", HOST, "1", "counter", *COUNT, "Processes killed for lack of memory since boot."),
    Metric("system.paging.usage", HOST, "By", "gauge", *BYTES, "Swap space in use."),
    Metric("system.paging.limit", HOST, "By", "gauge", *BYTES, "Swap space of the machine."),
    Metric("system.paging.in", HOST, "By/s", "rate", *BYTES_PER_SECOND, "Read back from swap, a second."),
    Metric("system.paging.out", HOST, "By/s", "rate", *BYTES_PER_SECOND, "Written to swap, a second."),
    Metric("system.paging.faults.major", HOST, "1/s", "rate", *PER_SECOND, "Page faults served from a disk, a second."),
    *_pressure(),
    Metric("system.uptime", HOST, "s", "counter", *_AGE, "Time since the machine started."),
)  # fmt: skip

_CORE = (
    *_processor(CORE, "this processor"),
    Metric("system.cpu.frequency", CORE, "Hz", "gauge", *HERTZ,
           "Clock of this processor; asked a few processors a second, in turns."),
)  # fmt: skip

_SENSOR = (
    Metric("hw.temperature", SENSOR, "Cel", "gauge", *DEGREES, "Temperature at this place."),
    Metric("hw.temperature.limit", SENSOR, "Cel", "gauge", *DEGREES, "Temperature the maker calls critical."),
)

_DISK = (
    Metric("system.disk.read", DISK, "By/s", "rate", *BYTES_PER_SECOND, "Bytes read a second."),
    Metric("system.disk.write", DISK, "By/s", "rate", *BYTES_PER_SECOND, "Bytes written a second."),
    Metric("system.disk.read.operations", DISK, "1/s", "rate", *PER_SECOND, "Reads completed a second."),
    Metric("system.disk.write.operations", DISK, "1/s", "rate", *PER_SECOND, "Writes completed a second."),
    Metric("system.disk.read.latency", DISK, "s", "gauge", *SECONDS,
           "Mean time of the reads completed since the last sample; absent when there was none."),
    Metric("system.disk.write.latency", DISK, "s", "gauge", *SECONDS,
           "Mean time of the writes completed since the last sample; absent when there was none."),
    Metric("system.disk.queue", DISK, "1", "gauge", 0.1, 0.0, 1e6, "Requests waiting or in work, on average."),
    Metric("system.disk.inflight", DISK, "1", "gauge", 1.0, 0.0, 1e6, "Requests given to the device at this moment."),
    Metric("system.disk.busy", DISK, "1", "gauge", *RATIO,
           "Share of time with at least one request in work; an NVMe drive at 1 may still take more."),
    Metric("system.disk.limit", DISK, "By", "gauge", *BYTES, "Size of the device."),
    Metric("hw.temperature", DISK, "Cel", "gauge", *DEGREES, "Temperature of the device."),
    Metric("hw.temperature.limit", DISK, "Cel", "gauge", *DEGREES, "Temperature the maker calls critical."),
    Metric("hw.disk.wear", DISK, "1", "gauge", *_WEAR, "Share of the promised life that is used up; may pass 1."),
    Metric("hw.disk.spare", DISK, "1", "gauge", *RATIO, "Spare blocks that are left."),
    Metric("hw.disk.spare.threshold", DISK, "1", "gauge", *RATIO, "Spare blocks below which the drive warns."),
    Metric("hw.disk.media_errors", DISK, "1", "counter", *COUNT, "Times that data could not be read or checked."),
    Metric("hw.disk.critical_warning", DISK, "1", "gauge", 1.0, 0.0, 255.0,
           "Bits the drive raises: 1 spare low, 2 temperature, 4 unreliable, 8 read only, 16 backup failed."),
    Metric("hw.disk.power_on", DISK, "s", "counter", 3600.0, 0.0, 1e10, "Time the drive was switched on."),
    Metric("hw.disk.unsafe_shutdowns", DISK, "1", "counter", *COUNT, "Times the power went without a warning."),
    Metric("hw.disk.data.read", DISK, "By", "counter", *_WRITTEN, "Bytes read in the drive's life."),
    Metric("hw.disk.data.written", DISK, "By", "counter", *_WRITTEN, "Bytes written in the drive's life."),
)  # fmt: skip

_FILESYSTEM = (
    Metric("system.filesystem.usage", FILESYSTEM, "By", "gauge", *BYTES, "Space in use."),
    Metric("system.filesystem.limit", FILESYSTEM, "By", "gauge", *BYTES, "Size of the filesystem."),
    Metric("system.filesystem.available", FILESYSTEM, "By", "gauge", *BYTES, "Space that is left to ordinary users."),
    Metric("system.filesystem.utilization", FILESYSTEM, "1", "gauge", *RATIO,
           "Share of the space ordinary users may fill that is in use."),
    Metric("system.filesystem.inodes.usage", FILESYSTEM, "1", "gauge", *COUNT, "Files and folders there are."),
    Metric("system.filesystem.inodes.limit", FILESYSTEM, "1", "gauge", *COUNT, "Files and folders there can be."),
    Metric("system.filesystem.latency", FILESYSTEM, "s", "gauge", *SECONDS,
           "Time a network filesystem took to answer, the start of the process that asks included."),
)  # fmt: skip

_NETWORK = (
    Metric("system.network.receive", NETWORK, "By/s", "rate", *BYTES_PER_SECOND, "Bytes received a second."),
    Metric("system.network.transmit", NETWORK, "By/s", "rate", *BYTES_PER_SECOND, "Bytes sent a second."),
    Metric("system.network.receive.packets", NETWORK, "1/s", "rate", *PER_SECOND, "Packets received a second."),
    Metric("system.network.transmit.packets", NETWORK, "1/s", "rate", *PER_SECOND, "Packets sent a second."),
    Metric("system.network.receive.errors", NETWORK, "1/s", "rate", *PER_SECOND,
           "Packets received with an error or dropped, a second."),
    Metric("system.network.transmit.errors", NETWORK, "1/s", "rate", *PER_SECOND,
           "Packets not sent because of an error or dropped, a second."),
    Metric("system.network.receive.drops", NETWORK, "1/s", "rate", *PER_SECOND,
           "Of the errors: packets received and dropped, a second."),
    Metric("system.network.transmit.drops", NETWORK, "1/s", "rate", *PER_SECOND,
           "Of the errors: packets dropped before they were sent, a second."),
    Metric("system.network.transmit.wait", NETWORK, "1/s", "rate", *PER_SECOND,
           "InfiniBand: ticks in which data waited for the other side's credit, a second."),
    Metric("hw.network.bandwidth.limit", NETWORK, "By/s", "gauge", *BYTES_PER_SECOND, "Speed of the link."),
    Metric("hw.network.bandwidth.utilization", NETWORK, "1", "gauge", *RATIO,
           "Traffic of the busier direction, of the link's speed."),
    Metric("hw.network.up", NETWORK, "1", "gauge", *FLAG, "1 while the link is up, else 0."),
    Metric("hw.network.link.downs", NETWORK, "1", "counter", *COUNT, "Times the link went down since boot."),
    Metric("hw.network.link.errors", NETWORK, "1/s", "rate", *PER_SECOND,
           "InfiniBand: symbol and integrity errors and recoveries of the link, a second."),
)  # fmt: skip

HOST_METRICS: tuple[Metric, ...] = (*_HOST, *_CORE, *_SENSOR, *_DISK, *_FILESYSTEM, *_NETWORK)
