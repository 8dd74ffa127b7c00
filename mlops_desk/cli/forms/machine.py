"""What is around the GPUs, a line for each kind, in the text of the status: disks, networks and filesystems."""

from collections.abc import Mapping

from mlops_desk.base.text import plain, size_text
from mlops_desk.cli.cells import reading
from mlops_desk.records.metric import Reading
from mlops_desk.records.status import Status

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
