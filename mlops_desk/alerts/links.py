"""What of a GPU's links is missing: NVLinks that are down, PCIe speed that it does not get under load. Pure."""

from collections.abc import Iterable
from functools import lru_cache

from mlops_desk.records.gpu import Gpu

UNDER_LOAD = 0.10
"""From this utilisation on a link that is slow is not saving power. A GPU that starves behind it does little more."""

_RATES = {1: 0.25, 2: 0.5, 3: 0.985, 4: 1.969, 5: 3.938, 6: 7.563}
"""GB/s of a lane by PCIe generation, after its coding."""


NVLINKS = ("hw.gpu.nvlink.up", "hw.gpu.nvlink.limit")
PCIE = (
    "hw.gpu.utilization", "hw.gpu.pcie.generation", "hw.gpu.pcie.width", "hw.gpu.pcie.generation.limit",
    "hw.gpu.pcie.width.limit",
)  # fmt: skip


class NvLinks:
    """Remembers which GPUs have had NVLinks: one whose links all are down may have no bridge.

    Only a GPU that had some, or of whose model another one has, is missing them.
    """

    def __init__(self) -> None:
        self._linked: set[str] = set()

    def see(self, gpus: Iterable[Gpu]) -> bool:
        """Take note of who has links; tell whether somebody new has."""
        new = [gpu for gpu in gpus if gpu.uuid not in self._linked and _value(gpu, NVLINKS[0])]
        for gpu in new:
            self._linked |= {gpu.uuid, gpu.name}
        return bool(new)

    def down(self, gpu: Gpu) -> float | None:
        """Return how many links are down; None where that is not known, or nobody knows whether there should be any."""
        up, limit = (_value(gpu, metric) for metric in NVLINKS)
        if up is None or not limit:
            return None
        return max(0.0, limit - up) if up or {gpu.uuid, gpu.name} & self._linked else None


def pcie_share(gpu: Gpu) -> float | None:
    """Return which share of its PCIe link's possible speed a GPU gets (0-1); None while it has nothing to do."""
    use = gpu.metrics.get(PCIE[0])
    if use is None or use.value is None or use.value < UNDER_LOAD:
        return None
    return _share(*[None if each is None else each.value for each in map(gpu.metrics.get, PCIE[1:])])


@lru_cache(256)
def _share(
    generation: float | None, width: float | None, best_generation: float | None, best_width: float | None
) -> float | None:
    """Return the share; a few dozen combinations are all there are."""
    now, most = _speed(generation, width), _speed(best_generation, best_width)
    return None if now is None or not most else min(1.0, now / most)


def _speed(generation: float | None, width: float | None) -> float | None:
    rate = _RATES.get(int(generation)) if generation is not None else None
    return None if rate is None or not width else rate * width


def _value(gpu: Gpu, metric: str) -> float | None:
    reading = gpu.metrics.get(metric)
    return None if reading is None else reading.value
