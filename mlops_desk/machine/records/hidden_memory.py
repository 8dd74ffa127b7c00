"""Memory of a GPU that is in use though no process is seen to hold it: a dead or a hidden holder's."""

from mlops_desk.kit.base.errors import Hint
from mlops_desk.machine.records.gpu import Gpu

LEAST_BYTES = 1 << 30
"""Below it there are explanations: drivers that can't tell their own reserve (some hundred MiB) count it as used, a
console's frame buffers are no process's, and one forgotten context without data leaves room for a job."""
LEAST_RATIO = 0.02
"""The driver's reserve, and what it sets aside against errors, grow with the memory."""


def claimed_bytes(gpu: Gpu) -> int | None:
    """Return how much memory the processes hold; None where the driver does not tell."""
    if not gpu.processes_known:
        return None
    claimed = 0
    for process in gpu.processes:
        if process.gpu_memory_bytes is None:
            return None
        claimed += process.gpu_memory_bytes
    return claimed


def unclaimed_bytes(gpu: Gpu, claimed: int | None) -> float | None:
    """Return how much memory is used beyond what the processes hold (``claimed``); None where one is not known."""
    usage = gpu.metrics.get("hw.gpu.memory.usage")
    if claimed is None or usage is None or usage.value is None:
        return None
    return max(0.0, usage.value - claimed)


def held_by_nobody_bytes(gpu: Gpu) -> float | None:
    """Return the memory that nobody is seen to hold where it is more than driver, console and rounding explain."""
    return unexplained_bytes(gpu, claimed_bytes(gpu))


def unexplained_bytes(gpu: Gpu, claimed: int | None) -> float | None:
    """Return the same where it is known what the processes hold (``claimed``)."""
    unclaimed = unclaimed_bytes(gpu, claimed)
    if unclaimed is None or unclaimed < LEAST_BYTES:
        return None
    limit = gpu.metrics.get("hw.gpu.memory.limit")
    return unclaimed if limit is None or unclaimed >= LEAST_RATIO * (limit.value or 0.0) else None


def finding(gpu: Gpu) -> str:
    """Return what may hold such memory, and how a person finds out and frees it."""
    return Hint(
        f"sudo fuser -v /dev/nvidia{gpu.index}",
        before="Its holder has died without letting go (a zombie, or one that hangs in the driver), or is hidden: a "
        "client of MPS, a virtual machine, or a process that the driver does not list. Who has the device open: ",
        after=". What has ended but stays: ps -eo pid,ppid,stat,cmd | grep ' [ZD]'. "
        f"When nobody needs it: sudo nvidia-smi --gpu-reset -i {gpu.index}",
    )
