"""Where a line passes the columns between its ends: between the nodes that stand there, and under none. No Qt.

It stays in its row as long as nothing stands there, and turns aside by half a row where something does: nodes are whole
rows apart, so half a row beside one there is none.
"""

from collections.abc import Mapping, Sequence

from mlops_desk.ui.parts.lineage.layout import Arrangement, PlacedNode

_ASIDE = 0.5  # rows: the middle between two nodes
_CLEAR = 0.45  # rows; chosen: more than half a box (0.39), and less than the middle between two


def taken_rows(picture: Arrangement) -> dict[int, tuple[float, ...]]:
    """Return the rows in which nodes stand, by their column."""
    found: dict[int, list[float]] = {}
    for placed in picture.placed.values():
        found.setdefault(placed.column, []).append(placed.row)
    return {column: tuple(sorted(rows)) for column, rows in found.items()}


def passed(source: PlacedNode, target: PlacedNode, taken: Mapping[int, Sequence[float]]) -> tuple[float, ...]:
    """Return the row at which a line passes each column between its ends, from the left; none where it leads back."""
    row, ways = source.row, []
    for column in range(source.column + 1, target.column):
        row = _beside(row, target.row, taken.get(column, ()))
        ways.append(row)
    return tuple(ways)


def _beside(row: float, wanted: float, taken: Sequence[float]) -> float:
    """Return the row nearest to ``row`` in which nothing stands; of two as near the one nearer to ``wanted``."""

    def is_clear(one: float) -> bool:
        return all(abs(one - other) >= _CLEAR for other in taken)

    if is_clear(row):
        return row
    free = [one for other in taken for one in (other - _ASIDE, other + _ASIDE) if is_clear(one)]
    return min(free, key=lambda one: (abs(one - row), abs(one - wanted)), default=row)
