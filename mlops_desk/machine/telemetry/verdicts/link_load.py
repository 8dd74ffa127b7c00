"""How much of what a GPU's PCIe link and NVLinks can carry is carried, over the last minute. Pure.

Only the fuller direction counts: both are links of their own. A mean of 70 % over a minute is a full link: packet
heads and flow control take an eighth to a fifth of the wire (55 of 63 GB/s were the most that was seen of generation 5
with 16 lanes, 370 of 450 of an H100's NVLinks), and between two bursts a program computes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_desk.kit.base.text import amount, percent
from mlops_desk.machine.records.gpu import Gpu
from mlops_desk.machine.records.status import Evidence

Means = Mapping[tuple[str, str], float]

LINK_SHARE_FULL = 0.70  # chosen: headers of packets and the pauses between copies take the rest
PCIE = ("hw.gpu.io.receive", "hw.gpu.io.transmit")
NVLINK = ("hw.gpu.nvlink.receive", "hw.gpu.nvlink.transmit")

_GIGABYTE = 1e9
_LANE_BYTES = {1: 0.25e9, 2: 0.5e9, 3: 0.985e9, 4: 1.969e9, 5: 3.938e9, 6: 7.563e9}
"""Bytes a second of one lane in one direction, by PCIe generation, after its coding."""

_NVLINK_BYTES = {"1.0": 20e9, "2.0": 25e9, "2.2": 25e9, "3.0": 25e9, "3.1": 25e9, "4.0": 25e9, "5.0": 50e9}
"""Bytes a second of one NVLink in one direction, by its version."""


@dataclass(frozen=True, slots=True)
class LinkLoad:
    """What goes over a kind of link in the fuller direction, of ``capacity`` bytes a second; ``words`` describe it."""

    metric: str
    rate: float
    capacity: float
    words: str

    @property
    def share(self) -> float:
        return self.rate / self.capacity

    @property
    def is_full(self) -> bool:
        return self.share >= LINK_SHARE_FULL

    def evidence(self, gpu: Gpu) -> Evidence:
        """Return the fact in words, and its curve."""
        of = amount(self.capacity / _GIGABYTE, "GB/s")
        text = f"{amount(self.rate / _GIGABYTE, 'GB/s')} go over {self.words} of {of}, {percent(self.share)} of it"
        return Evidence(text, gpu.uuid, self.metric)


def pcie_load(gpu: Gpu, means: Means) -> LinkLoad | None:
    """Return how full the PCIe link is; None where its traffic, generation or width is not known."""
    busiest = _busiest(gpu, means, PCIE)
    width, most = _value(gpu, "hw.gpu.pcie.width"), _value(gpu, "hw.gpu.pcie.width.limit")
    generations = [_value(gpu, f"hw.gpu.pcie.generation{end}") for end in ("", ".limit")]
    if busiest is None or not width:
        return None
    metric, rate = busiest
    for generation in generations:  # what is read seldom may be of a moment in which the link saved power
        lane = None if generation is None else _LANE_BYTES.get(int(generation))
        if lane is not None and rate <= lane * width:
            narrow = f" of its {most:.0f}" if most is not None and width < most else ""
            words = f"its PCIe link (generation {generation:.0f}, {width:.0f}{narrow} lanes)"
            return LinkLoad(metric, rate, lane * width, words)
    return None


def nvlink_load(gpu: Gpu, means: Means) -> LinkLoad | None:
    """Return how full the NVLinks that are up are together; None where there are none, or they can't be told."""
    busiest = _busiest(gpu, means, NVLINK)
    speeds = [_NVLINK_BYTES.get(link.version or "") for link in gpu.links if link.state == "up"]
    known = [speed for speed in speeds if speed is not None]
    if busiest is None or not known or len(known) < len(speeds):
        return None
    metric, rate = busiest
    version = next(link.version for link in gpu.links if link.state == "up")
    return LinkLoad(metric, rate, sum(known), f"its {len(known)} NVLinks (version {version})")


def _busiest(gpu: Gpu, means: Means, metrics: Sequence[str]) -> tuple[str, float] | None:
    known = [(means[gpu.uuid, metric], metric) for metric in metrics if (gpu.uuid, metric) in means]
    if not known:
        return None
    rate, metric = max(known)
    return metric, rate


def _value(gpu: Gpu, metric: str) -> float | None:
    reading = gpu.metrics.get(metric)
    return None if reading is None else reading.value
