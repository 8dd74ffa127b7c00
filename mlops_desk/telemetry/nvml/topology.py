"""By what path one GPU reaches another: NVLinks counted, else the PCIe ancestor they share, named as by nvidia-smi."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pynvml

from mlops_desk.records.gpu import NvLink
from mlops_desk.telemetry.nvml.device import NvmlDevice
from mlops_desk.telemetry.nvml.door import CallError
from mlops_desk.telemetry.nvml.links import SWITCH
from mlops_desk.telemetry.nvml.words import PATHS


def read_ancestors(devices: Sequence[NvmlDevice]) -> dict[frozenset[str], str]:
    """Return the PCIe path between each two GPUs, by their UUIDs. Raises NvmlError when the driver is gone."""
    found = {}
    for place, first in enumerate(devices):
        for second in devices[place + 1 :]:
            if first.uuid is None or second.uuid is None:
                continue
            try:
                level = int(first.ask(pynvml.nvmlDeviceGetTopologyCommonAncestor, second.handle))
            except CallError:
                continue
            if level in PATHS:
                found[frozenset((first.uuid, second.uuid))] = PATHS[level]
    return found


def ends_of(links: Sequence[NvLink]) -> dict[str, int]:
    """Count the links that are not down by where they lead."""
    return Counter(link.peer for link in links if link.peer is not None and link.state != "down")


def peers_of(
    uuid: str, ends: Mapping[str, Mapping[str, int]], ancestors: Mapping[frozenset[str], str]
) -> dict[str, str]:
    """Return by what path ``uuid`` reaches each other GPU: NV and the number of links, or the PCIe path."""
    peers = {}
    own = ends.get(uuid, {})
    for other, its in ends.items():
        if other == uuid:
            continue
        count = own.get(other, 0) or min(own.get(SWITCH, 0), its.get(SWITCH, 0))
        path = f"NV{count}" if count else ancestors.get(frozenset((uuid, other)))
        if path is not None:
            peers[other] = path
    return peers
