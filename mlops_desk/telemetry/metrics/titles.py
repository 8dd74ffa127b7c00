"""What people call a metric, as sentences say it: *utilization of each GPU is at or below 5 %*.

Those that are not here are known to people by their names, or seldom asked for.
"""

from collections.abc import Mapping

TITLES: Mapping[tuple[str, str], str] = {
    ("gpu", "hw.gpu.utilization"): "utilization",
    ("gpu", "hw.gpu.utilization.memory"): "utilization of the memory controller",
    ("gpu", "hw.gpu.memory.usage"): "memory in use",
    ("gpu", "hw.gpu.memory.free"): "free memory",
    ("gpu", "hw.temperature"): "temperature",
    ("gpu", "hw.temperature.memory"): "memory temperature",
    ("gpu", "hw.power"): "power drawn",
    ("gpu", "hw.errors.ecc.volatile.uncorrected"): "number of uncorrected memory errors",
    ("gpu", "hw.errors.ecc.volatile.corrected"): "number of corrected memory errors",
    ("gpu", "hw.gpu.row_remap.failure"): "failure to replace a memory row",
    ("gpu", "hw.gpu.row_remap.pending"): "memory row that waits for a reset to be replaced",
    ("gpu", "hw.gpu.row_remap.uncorrectable"): "number of memory rows replaced after uncorrected errors",
    ("gpu", "hw.gpu.recovery_action"): "repair that the driver asks for (its number)",
    ("gpu", "hw.gpu.nvlink.errors.crc"): "number of damaged NVLink packets",
    ("host", "system.cpu.utilization"): "processor utilization",
    ("host", "system.memory.usage"): "memory in use",
    ("host", "system.memory.available"): "memory available to new work",
    ("host", "system.paging.in"): "data read back from swap",
    ("host", "system.pressure.memory.full.avg10"): "share of time in which everything waits for memory",
    ("disk", "hw.temperature"): "temperature",
    ("disk", "hw.disk.wear"): "share of the promised life used up",
    ("disk", "hw.disk.spare"): "share of spare blocks",
    ("disk", "hw.disk.media_errors"): "number of data errors",
    ("disk", "hw.disk.critical_warning"): "critical warning (its bits)",
    ("filesystem", "system.filesystem.usage"): "space in use",
    ("filesystem", "system.filesystem.available"): "free space",
    ("filesystem", "system.filesystem.utilization"): "share of space in use",
    ("network", "system.network.receive"): "data received",
    ("network", "system.network.transmit"): "data sent",
    ("network", "hw.network.link.downs"): "number of times the link went down",
    ("network", "hw.network.link.errors"): "link errors",
}
