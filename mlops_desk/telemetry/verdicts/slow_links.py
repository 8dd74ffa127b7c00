"""Links of a GPU that are narrower or fewer than they should be: the verdict where nothing else explains its pauses.

Pure. A link that is narrow by the slot's design looks the same as a bad seat, so this is said last, and what is said is
what was measured.
"""

from collections.abc import Mapping, Sequence

from mlops_desk.records.diagnosis import Diagnosis, Evidence
from mlops_desk.records.gpu import Gpu

WORKS = 0.10
"""From this utilisation on a link is awake: an idle one saves power with fewer lanes and a lower generation."""

NARROW = 0.5
"""Half of the lanes or fewer."""

Means = Mapping[tuple[str, str], float]

_WIDTH, _UP = "hw.gpu.pcie.width", "hw.gpu.nvlink.up"


def judge(gpu: Gpu, peers: Sequence[Gpu], use: float, means: Means) -> Diagnosis | None:
    """Return the verdict on a GPU that waits; ``peers`` are the others of its job. None: its links explain nothing."""
    if use < WORKS:
        return None
    evidence = [*_pcie(gpu, means), *(_nvlink(gpu, peers) if peers else ())]
    if not evidence:
        return None
    advice = "Check the board's seat, risers, bridges and switches, and the slot's settings in the firmware."
    found = "; ".join(each.text for each in evidence)
    text = f"{found[0].upper()}{found[1:]}, and nothing else that was measured explains its pauses. {advice}"
    return Diagnosis(gpu.uuid, "link", "Waits, and a link of it is slow", text, tuple(evidence))


def _pcie(gpu: Gpu, means: Means) -> list[Evidence]:
    width, limit = means.get((gpu.uuid, _WIDTH)), _value(gpu, f"{_WIDTH}.limit")
    if not width or not limit or width > NARROW * limit:
        return []
    return [Evidence(f"its PCIe link has {width:.0f} of {limit:.0f} lanes", gpu.uuid, _WIDTH)]


def _nvlink(gpu: Gpu, peers: Sequence[Gpu]) -> list[Evidence]:
    up, limit = _value(gpu, _UP), _value(gpu, "hw.gpu.nvlink.limit")
    linked = bool(up) or any(_value(peer, _UP) for peer in peers if peer.name == gpu.name)
    if up is None or not limit or up >= limit or not linked:
        return []
    return [Evidence(f"{limit - up:.0f} of its {limit:.0f} NVLinks are down", gpu.uuid, _UP)]


def _value(gpu: Gpu, metric: str) -> float | None:
    reading = gpu.metrics.get(metric)
    return None if reading is None else reading.value
