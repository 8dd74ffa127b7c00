"""What is around the GPUs, a line for each kind, in the text of the status: disks, networks and filesystems."""

from collections.abc import Mapping

from mlops_desk.kit.base.text import plain, size_text
from mlops_desk.kit.text.cells import ago, reading, table
from mlops_desk.machine.records.host import HostProcess, HostProcesses
from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.records.status import Status

_NAMED = 6  # chosen: one line of a terminal; --json has all
_NAME = 40  # chosen: kernel names are shorter, mount points may not be


def lines(status: Status) -> list[str]:
    """Return a line for each kind there is; of filesystems those that are fullest come first."""
    disks = [
        f"{plain(disk.name, _NAME)} {_rates(disk.metrics, 'system.disk.read', 'system.disk.write', 'read', 'write')}"
        for disk in status.disks
    ]
    networks = [
        f"{plain(card.name, _NAME)} "
        + ("down" if card.link == "down" else _rates(card.metrics, *_NETWORK, "in", "out"))
        for card in status.networks
    ]
    fullest = sorted(status.filesystems, key=lambda each: -_full(each.metrics))
    filesystems = [
        f"{plain(each.mount, _NAME)} {reading(each.metrics, 'system.filesystem.utilization', 100, '{:.0f} % full')}"
        + _free(each.metrics)
        + (f" ({plain(each.note, _NAME)})" if each.note else "")
        for each in fullest
    ]
    told = {"Disks": disks, "Networks": networks, "Filesystems": filesystems}
    return [f"{kind}: {_listed(items)}" for kind, items in told.items() if items]


_NETWORK = ("system.network.receive", "system.network.transmit")


def _rates(metrics: Mapping[str, Reading], first: str, second: str, one: str, other: str) -> str:
    return f"{reading(metrics, first, 1e-6, '{:.1f}')} MB/s {one}, {reading(metrics, second, 1e-6, '{:.1f}')} {other}"


def _free(metrics: Mapping[str, Reading]) -> str:
    found = metrics.get("system.filesystem.available")
    return "" if found is None or found.value is None else f", {size_text(int(found.value))} free"


def _full(metrics: Mapping[str, Reading]) -> float:
    found = metrics.get("system.filesystem.utilization")
    return -1.0 if found is None or found.value is None else found.value


def _listed(items: list[str]) -> str:
    more = f"; {len(items) - _NAMED} more (--json has all)" if len(items) > _NAMED else ""
    return "; ".join(items[:_NAMED]) + more


# The processes of the whole machine as a table: who takes most of the processors comes first.

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
