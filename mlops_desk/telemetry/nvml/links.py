"""The NVLinks of a GPU one by one: state, version, speed, what passes over them, and where they lead.

Two batched calls: what flows every few seconds, the rest seldom. Where a link leads is asked once for each generation
of handles; behind a switch that is the switch.
"""

from contextlib import suppress
from dataclasses import dataclass

import pynvml

from mlops_desk.records.gpu import NvLink
from mlops_desk.records.metric import MetricState, Reading
from mlops_desk.telemetry.metrics import table
from mlops_desk.telemetry.nvml.device import NvmlDevice, bus_id_of
from mlops_desk.telemetry.nvml.door import CallError, NvmlError
from mlops_desk.telemetry.nvml.fields import As, DriverField, FieldReader, Gap, Value
from mlops_desk.telemetry.nvml.pci import address
from mlops_desk.telemetry.nvml.words import LINK_VERSIONS

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
