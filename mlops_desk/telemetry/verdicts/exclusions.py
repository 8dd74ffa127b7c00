"""What was looked at and found innocent where a GPU waits and nothing explains it, each with its number. Pure."""

from collections.abc import Mapping

from mlops_desk.base.text import percent
from mlops_desk.records.gpu import Gpu
from mlops_desk.records.status import Status
from mlops_desk.telemetry.verdicts.host_waits import cores_of, load_of
from mlops_desk.telemetry.verdicts.link_load import LinkLoad, nvlink_load, pcie_load

Means = Mapping[tuple[str, str], float]

_HELD_BACK = (
    "hw.gpu.throttle.thermal",
    "hw.gpu.throttle.power_brake",
    "hw.gpu.throttle.hardware_slowdown",
    "hw.gpu.throttle.reliability",
    "hw.gpu.throttle.power_cap",
)


def looked_at(gpu: Gpu, status: Status, means: Means) -> str:
    """Return one sentence with what was measured, and one with what could not be."""
    found: dict[str, str | None] = {
        "throttling": _throttling(gpu, means),
        "PCIe": _link(pcie_load(gpu, means)),
        "NVLink": _link(nvlink_load(gpu, means)),
        **_own(gpu, status),
        "network": _network(status, means),
    }
    if not gpu.links:
        del found["NVLink"]  # what is not there needs no number
    known = [f"{name} ({number})" for name, number in found.items() if number is not None]
    lacking = [name for name, number in found.items() if number is None]
    sentences = [f"Looked at: {', '.join(known)}."] if known else []
    return " ".join([*sentences, *([f"Not known: {', '.join(lacking)}."] if lacking else [])])


def _throttling(gpu: Gpu, means: Means) -> str | None:
    shares = [means[gpu.uuid, metric] for metric in _HELD_BACK if (gpu.uuid, metric) in means]
    return f"clocks held down {percent(max(shares))} of the time" if shares else None


def _link(load: LinkLoad | None) -> str | None:
    share = None if load is None else load.share
    return None if share is None else f"{percent(share)} of what the link carries"


def _own(gpu: Gpu, status: Status) -> dict[str, str | None]:
    """Return what the holder's own processes use of the host and wait for."""
    load, boxed = load_of(gpu)
    own = None if load is None else cores_of(load, boxed=boxed)
    waits = None if load is None else load.cpu_pressure_ratio
    cores = f" of {len(status.host.cores)}" if status.host.cores else ""
    used = None if own is None else f"its processes use {own:.1f}{cores} cores"
    if used is not None and waits is not None:
        used = f"{used} and wait for one {percent(waits)} of the time"
    disks = None if load is None else load.io_pressure_ratio
    return {
        "processors": used,
        "disks": None if disks is None else f"its processes wait for them {percent(disks)} of the time",
    }


def _network(status: Status, means: Means) -> str | None:
    fullest = [
        means[card.name, "hw.network.bandwidth.utilization"]
        for card in status.networks
        if (card.name, "hw.network.bandwidth.utilization") in means
    ]
    return f"the fullest link carries {percent(max(fullest))}" if fullest else None
