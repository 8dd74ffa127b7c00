"""Where the boxes of a graph stand: in columns by what they need where there is room, else in rows. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BoxPlaces:
    """``spots`` are row and column of each box; ``is_layered``: a box stands right of all that it needs."""

    spots: tuple[tuple[int, int], ...]
    rows: int
    across: int
    is_layered: bool


def places(needs: Sequence[Sequence[int]], most_across: int) -> BoxPlaces:
    """Return where boxes stand, each of which needs earlier ones by their places; rows are as even as they can be."""
    if not needs:
        return BoxPlaces((), 1, 1, is_layered=True)
    most = max(1, most_across)
    columns: list[int] = []
    for mine in needs:
        columns.append(max((columns[place] + 1 for place in mine if place < len(columns)), default=0))
    across = max(columns) + 1
    if across <= most:
        filled: dict[int, int] = {}
        spots = []
        for column in columns:
            spots.append((filled.get(column, 0), column))
            filled[column] = filled.get(column, 0) + 1
        return BoxPlaces(tuple(spots), max(filled.values()), across, is_layered=True)
    rows = math.ceil(len(needs) / most)
    across = math.ceil(len(needs) / rows)
    return BoxPlaces(tuple(divmod(number, across) for number in range(len(needs))), rows, across, is_layered=False)
