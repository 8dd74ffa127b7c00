"""The processes on GPUs as a table: what each takes of GPU and host, children below their parents."""

from collections.abc import Sequence

from mlops_desk.kit.base.trees import in_order_of_tree
from mlops_desk.kit.text.cells import table
from mlops_desk.machine.records.gpu import Gpu, GpuProcess

_HEADS = ["PID", "GPU", "USER", "JOB OR CONTAINER", "KIND", "MEMORY", "SM", "BANDWIDTH", "ENC", "DEC", "CPU",
          "HOST MEMORY", "COMMAND"]  # fmt: skip


def listed(gpus: Sequence[Gpu]) -> str:
    """Return a row for each process on each GPU; nothing where there is none."""
    known: dict[int, list[tuple[Gpu, GpuProcess]]] = {}
    for gpu in gpus:
        for process in gpu.processes:
            known.setdefault(process.pid, []).append((gpu, process))
    placed = in_order_of_tree({pid: items[0][1].parent_pid for pid, items in known.items()})
    rows = [_row(gpu, process, depth) for pid, depth in placed for gpu, process in known[pid]]
    return table(_HEADS, rows) if rows else ""


def title(process: GpuProcess) -> str:
    """Return what a process is known by, and what is odd about it."""
    name = f"job {process.job}" if process.job else str(process.container or process.command or process.pid)
    return f"{name} (zombie)" if process.zombie else name


def kind(process: GpuProcess) -> str:
    """Return as what a process uses the GPU: both, where the driver lists it as both; and whether it is dead."""
    both = "+graphics" if process.draws and process.kind != "graphics" else ""
    return f"{process.kind}{both}{', zombie' if process.zombie else ''}"


def _row(gpu: Gpu, process: GpuProcess, depth: int) -> list[str]:
    return [
        str(process.pid),
        str(gpu.index),
        process.user or "?",
        process.job or process.container or "–",
        kind(process),
        _gib(process.gpu_memory_bytes),
        _percent(process.sm_ratio),
        _percent(process.memory_bandwidth_ratio),
        _percent(process.encoder_ratio),
        _percent(process.decoder_ratio),
        _percent(process.cpu_ratio),
        _gib(process.host_memory_bytes),
        f"{'  ' * (depth - 1)}└ {process.command or '–'}" if depth else process.command or "–",
    ]


def _gib(size_bytes: int | None) -> str:
    return "–" if size_bytes is None else f"{size_bytes / 2**30:.1f} GiB"


def _percent(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.0%}"
