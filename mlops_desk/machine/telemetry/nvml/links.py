"""The NVLinks of a GPU one by one: state, version, speed, what passes over them, and where they lead.

Two batched calls: what flows every few seconds, the rest seldom. Where a link leads is asked once for each generation
of handles; behind a switch that is the switch.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pynvml

from mlops_desk.machine.records.gpu import NvLink
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.telemetry.metrics import table
from mlops_desk.machine.telemetry.nvml.facts import LINK_VERSIONS, PATHS
from mlops_desk.machine.telemetry.nvml.fields import As, DriverField, FieldReader, Gap, Value
from mlops_desk.machine.telemetry.nvml.nvml_library import CallError, NvmlDevice, NvmlError, bus_id_of
from mlops_desk.machine.telemetry.nvml.pci import address

_MOST_LINKS = 36  # chosen: twice the 18 of an H100; each costs calls
_KIB = 1024.0  # the driver's unit of these fields
_MEGABYTES = 1e6  # the driver's unit of this field
_SWITCH = 2  # NVML_NVLINK_DEVICE_TYPE_SWITCH
_STATE, _VERSION = "state", "version"
SWITCH = "switch"

_FLOWS = (
    (pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, "hw.gpu.nvlink.transmit", _KIB, As.RATE),
    (pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, "hw.gpu.nvlink.receive", _KIB, As.RATE),
)
_HEALTH = (
    (pynvml.NVML_FI_DEV_NVLINK_GET_STATE, _STATE, 1.0, As.VALUE),
    (pynvml.NVML_FI_DEV_NVLINK_GET_VERSION, _VERSION, 1.0, As.VALUE),
    (pynvml.NVML_FI_DEV_NVLINK_GET_SPEED, "hw.gpu.nvlink.bandwidth.limit", _MEGABYTES, As.VALUE),
    (pynvml.NVML_FI_DEV_NVLINK_ERROR_DL_CRC, "hw.gpu.nvlink.errors.crc", 1.0, As.VALUE),
    (pynvml.NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY, "hw.gpu.nvlink.errors.replay", 1.0, As.VALUE),
    (pynvml.NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY, "hw.gpu.nvlink.errors.recovery", 1.0, As.VALUE),
)


@dataclass(slots=True)
class _Link:
    number: int
    state: str = "unknown"
    version: str | None = None
    peer: str | None = None
    readings: dict[str, Reading] | None = None


class LinkReader:
    """Reads the links of one GPU; there are none until ``find`` was called."""

    def __init__(self, device: NvmlDevice) -> None:
        self._device = device
        self._links: list[_Link] = []
        self._flows: FieldReader | None = None
        self._health: FieldReader | None = None
        self._shown: tuple[NvLink, ...] | None = ()

    def find(self, count: int) -> None:
        """Say how many links the GPU has, and ask where each leads. Raises NvmlError when GPU or driver is gone."""
        count = min(count, _MOST_LINKS)
        if count == len(self._links):
            return
        self._links = [_Link(number, readings={}) for number in range(count)]
        self._flows, self._health = (
            FieldReader(
                self._device,
                [DriverField(field, f"{link}\t{name}", factor, kind, link) for link in range(count)
                 for field, name, factor, kind in fields],
            )
            for fields in (_FLOWS, _HEALTH)
        )  # fmt: skip
        for link in self._links:
            link.peer = self._peer(link.number)
        self._shown = None

    def read_flows(self, now: float) -> None:
        """Read what passes over each link. Raises NvmlError."""
        if self._links and self._flows is not None:
            self._take(self._flows.read(now))

    def read_health(self, now: float) -> None:
        """Read state, version, speed and errors of each link. Raises NvmlError."""
        if self._links and self._health is not None:
            self._take(self._health.read(now))

    @property
    def up(self) -> int | None:
        """How many links are up; None while that is not known of all."""
        if any(link.state == "unknown" for link in self._links):
            return None
        return sum(link.state == "up" for link in self._links)

    def links(self, names: dict[str, str]) -> tuple[NvLink, ...]:
        """Return the links; ``names`` gives the UUID of the GPU at a kernel's bus address."""
        if self._shown is None:
            self._shown = tuple(
                NvLink(link.number, link.state, link.version, names.get(link.peer or "", link.peer),
                       dict(link.readings or {}))
                for link in self._links
            )  # fmt: skip
        return self._shown

    def renamed(self) -> None:
        """Make the links anew: other GPUs have names now."""
        self._shown = None if self._links else ()

    def _take(self, found: dict[str, Value]) -> None:
        if not found:
            return
        self._shown = None
        for key, value in found.items():
            number, name = key.split("\t")
            link = self._links[int(number)]
            if name == _STATE:
                link.state = "unknown" if isinstance(value, (NvmlError, Gap)) else ("up" if value else "down")
            elif name == _VERSION:
                link.version = None if isinstance(value, (NvmlError, Gap)) else LINK_VERSIONS.get(int(value))
            elif link.readings is not None:
                link.readings[name] = _reading(name, value)

    def _peer(self, number: int) -> str | None:
        """Return what is at the other end: a GPU's bus id, a switch, or None when the driver does not say."""
        with suppress(CallError):
            if int(self._device.ask(pynvml.nvmlDeviceGetNvLinkRemoteDeviceType, number)) == _SWITCH:
                return SWITCH
        try:
            bus_id = bus_id_of(self._device.ask(pynvml.nvmlDeviceGetNvLinkRemotePciInfo, number))
        except CallError:
            return None
        return address(bus_id) if bus_id is not None else None


def _reading(name: str, value: Value) -> Reading:
    if isinstance(value, Gap):
        return table.missing(table.LINK, name, MetricState.STALE)
    if isinstance(value, NvmlError):
        return table.missing(table.LINK, name, MetricState.NOT_SUPPORTED)
    return table.measured(table.LINK, name, value)


# By what path one GPU reaches another: NVLinks counted, else the PCIe ancestor they share, named as by nvidia-smi.


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
