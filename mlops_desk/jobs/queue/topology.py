"""How the GPUs of a job are joined, in a few words: "on NUMA node 0, NVLink all to all". Pure."""

from collections.abc import Sequence
from itertools import combinations

from mlops_desk.jobs.queue.placement import distance
from mlops_desk.records.jobs.card import GpuCard

_PATHS = (
    "NVLink all to all",
    "behind one PCIe switch",
    "behind PCIe switches",
    "over one PCIe host bridge",
    "over the PCIe host bridges of one NUMA node",
    "over the link between NUMA nodes",
    "by paths that the driver does not name",
)
"""What the farthest two are joined by, by the rank of their distance."""


def topology(cards: Sequence[GpuCard]) -> str:
    """Return how cards are joined; nothing for one alone."""
    if len(cards) <= 1:
        return ""
    paths = [distance(one, other) for one, other in combinations(cards, 2)]
    return ", ".join(part for part in (_nodes(cards), _links(paths)) if part)


def _nodes(cards: Sequence[GpuCard]) -> str:
    nodes = sorted({card.numa_node for card in cards if card.numa_node is not None})
    if not nodes or any(card.numa_node is None for card in cards):
        return ""
    if len(nodes) == 1:
        return f"on NUMA node {nodes[0]}"
    return f"across NUMA nodes {', '.join(map(str, nodes[:-1]))} and {nodes[-1]}"


def _links(paths: Sequence[int]) -> str:
    near, worst = paths.count(0), _PATHS[max(paths)]
    return worst if near in {0, len(paths)} else f"NVLink between {near} of {len(paths)} pairs, the others {worst}"
