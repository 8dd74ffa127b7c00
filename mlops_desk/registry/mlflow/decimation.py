"""Fewer points of a long curve, and still its shape: which of them are kept. Pure: no MLflow import.

Every second, tenth or hundredth point would lose the one loss that jumped, and with it why a person looks.
"""

import math
from collections.abc import Iterator, Sequence

FEWEST_POINTS = 10  # chosen: fewer tell nothing of a shape
_OF_EACH = 3  # of a stretch: the least, the largest, the first that is no number


def kept(values: Sequence[float], most: int) -> list[int]:
    """Return the places of at most ``most`` values (at least ten): all extremes of its stretches, both ends."""
    count, last = len(values), len(values) - 1
    if count <= most:
        return list(range(count))
    stretches = (most - 2) // _OF_EACH
    inner = count - 2
    found = {0, last}
    for number in range(stretches):
        found.update(_of_stretch(values, 1 + number * inner // stretches, 1 + (number + 1) * inner // stretches))
    return sorted(found)


def _of_stretch(values: Sequence[float], start: int, end: int) -> Iterator[int]:
    finite = [place for place in range(start, end) if math.isfinite(values[place])]
    if finite:
        yield min(finite, key=values.__getitem__)
        yield max(finite, key=values.__getitem__)
    if len(finite) < end - start:
        yield next(place for place in range(start, end) if not math.isfinite(values[place]))
