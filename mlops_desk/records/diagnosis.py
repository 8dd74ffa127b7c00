"""Why a GPU that somebody uses does not work as hard as it could."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """One measured fact: in words, and the curve (device, metric) that shows it."""

    text: str
    device: str
    metric: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A verdict on one GPU.

    ``cause``: busy, loader, processors, storage, network, pcie, nvlink, link, peers, throttled, small_batches, idle,
    unknown. pcie and nvlink are full, link is one that is slower than it should be.
    ``device`` is the GPU's UUID, ``label`` who uses it.
    """

    device: str
    cause: str
    title: str
    text: str
    evidence: tuple[Evidence, ...] = ()
    label: str | None = None
