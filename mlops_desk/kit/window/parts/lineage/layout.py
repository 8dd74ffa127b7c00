"""Where the nodes of a lineage stand: a column for each kind, in it the order that crosses the fewest lines. No Qt.

Each column is put in the order of what its nodes are linked to in the columns before and after, a few times over; that
is not the best order there is, but a thousand nodes have one in a moment, and the same graph has always the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from mlops_desk.registry.records.lineage import Lineage, LineageKind, LineageNode

_SWEEPS = 4  # chosen: later ones hardly move anything
_ORDER = {kind: place for place, kind in enumerate(LineageKind)}


@dataclass(frozen=True, slots=True)
class PlacedNode:
    """A node, its column (from the left, empty ones left out), and its row: whole numbers and halves, from the top."""

    node: LineageNode
    column: int
    row: float


@dataclass(frozen=True, slots=True)
class Arrangement:
    """All nodes by id; ``links`` are source and target of the lines between those that are there."""

    placed: Mapping[str, PlacedNode] = field(default_factory=dict)
    links: tuple[tuple[str, str, str], ...] = ()
    kinds: tuple[LineageKind, ...] = ()
    n_rows: int = 0


def arranged(lineage: Lineage) -> Arrangement:
    """Return where everything stands. Links to nodes that are not there, and to itself, are left out."""
    nodes = {node.node_id: node for node in lineage.nodes}
    links = tuple(
        (edge.source, edge.target, edge.text)
        for edge in lineage.edges
        if edge.source in nodes and edge.target in nodes and edge.source != edge.target
    )
    kinds = tuple(sorted({node.kind for node in nodes.values()}, key=_ORDER.__getitem__))
    columns = [[node_id for node_id, node in nodes.items() if node.kind is kind] for kind in kinds]
    beside = _neighbours(links)
    for sweep in range(_SWEEPS):
        _sweep(columns, beside, forward=sweep % 2 == 0)
    tallest = max(map(len, columns), default=0)
    placed = {
        node_id: PlacedNode(nodes[node_id], number, row + (tallest - len(column)) / 2)
        for number, column in enumerate(columns)
        for row, node_id in enumerate(column)
    }
    return Arrangement(placed, links, kinds, tallest)


def _neighbours(links: Sequence[tuple[str, str, str]]) -> dict[str, list[str]]:
    beside: dict[str, list[str]] = {}
    for source, target, _text in links:
        beside.setdefault(source, []).append(target)
        beside.setdefault(target, []).append(source)
    return beside


def _sweep(columns: list[list[str]], beside: Mapping[str, list[str]], *, forward: bool) -> None:
    """Put each column in the order of the middle of what its nodes are linked to on the side that was done before."""
    order = columns if forward else columns[::-1]
    for before, column in pairwise(order):
        rows = {node_id: row / max(len(before) - 1, 1) for row, node_id in enumerate(before)}
        own = {node_id: row / max(len(column) - 1, 1) for row, node_id in enumerate(column)}

        def middle(node_id: str, rows: Mapping[str, float] = rows, own: Mapping[str, float] = own) -> float:
            linked = [rows[other] for other in beside.get(node_id, ()) if other in rows]
            return sum(linked) / len(linked) if linked else own[node_id]

        column.sort(key=middle)


def step(picture: Arrangement, node_id: str, way: str) -> str:
    """Return the node that an arrow key leads to: left and right along lines, up and down in the column."""
    here = picture.placed[node_id]
    if way in {"up", "down"}:
        by = 1 if way == "down" else -1
        beside = [one for one in picture.placed.values() if one.column == here.column and (one.row - here.row) * by > 0]
        return min(beside, key=lambda one: abs(one.row - here.row), default=here).node.node_id
    by = 1 if way == "right" else -1
    linked = {target for source, target, _ in picture.links if source == node_id}
    linked |= {source for source, target, _ in picture.links if target == node_id}
    there = [picture.placed[other] for other in linked if (picture.placed[other].column - here.column) * by > 0]
    if not there:
        return node_id
    nearest = min(there, key=lambda one: (abs(one.column - here.column), abs(one.row - here.row), one.row))
    return nearest.node.node_id


def along(picture: Arrangement, node_id: str) -> set[str]:
    """Return everything that a node comes from, and that stands on it, with the node itself."""
    found = {node_id}
    for source, target in ((0, 1), (1, 0)):
        waiting = [node_id]
        ways: dict[str, list[str]] = {}
        for link in picture.links:
            ways.setdefault(link[source], []).append(link[target])
        seen = {node_id}
        while waiting:
            for other in ways.get(waiting.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        found |= seen
    return found
