"""The processes of the whole machine as a table: who takes most of the processors comes first."""

from mlops_desk.base.text import plain, size_text
from mlops_desk.cli.cells import ago, table
from mlops_desk.records.host import HostProcess, HostProcesses

_HEADS = ["PID", "USER", "CPU", "MEMORY", "THREADS", "STATE", "STARTED", "GPUS", "JOB OR CONTAINER", "COMMAND"]


def listed(found: HostProcesses) -> str:
    """Return a row for each process, and how many there are that are not shown."""
    ordered = sorted(found.processes, key=lambda one: (-(one.cpu_ratio or 0.0), -(one.memory_bytes or 0), one.pid))
    shown = len(ordered)
    lines = [table(_HEADS, [_row(one) for one in ordered])] if ordered else []
    lines.append(f"{shown} of {found.count} processes: who takes most of processors or memory, and who is on a GPU.")
    if found.note:
        lines.append(plain(found.note))
    return "\n".join(lines)


def _row(process: HostProcess) -> list[str]:
    return [
        str(process.pid),
        process.user or "–",
        "–" if process.cpu_ratio is None else f"{process.cpu_ratio:.0%}",
        "–" if process.memory_bytes is None else size_text(process.memory_bytes),
        "–" if process.threads is None else str(process.threads),
        process.state or "–",
        ago(process.started_at),
        str(len(process.gpus)) if process.gpus else "–",
        process.job or process.container or "–",
        process.command or "–",
    ]
