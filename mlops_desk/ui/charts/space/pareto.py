"""Which points no other point beats in both of two things: the Pareto front. Pure."""

import math
from collections.abc import Sequence


def front(points: Sequence[tuple[float | None, float | None]], *, more_x: bool, more_y: bool) -> list[int]:
    """Return the places of the points that no other one beats, along x; ``more_x``: a larger x is the better one.

    A point beats another that is no better in either and worse in one. What has no finite value takes no part; of
    equal ones all are on the front.
    """
    sign_x, sign_y = (1.0 if more_x else -1.0), (1.0 if more_y else -1.0)
    known = [
        (sign_x * x, sign_y * y, place)
        for place, (x, y) in enumerate(points)
        if x is not None and y is not None and math.isfinite(x) and math.isfinite(y)
    ]
    known.sort(key=lambda one: (-one[0], -one[1]))
    found: list[int] = []
    best = -math.inf
    at, of = math.nan, math.nan
    for x, y, place in known:
        if y > best or (x == at and y == of):
            found.append(place)
            best, at, of = max(best, y), x, y
    return sorted(found, key=lambda place: (points[place][0] or 0.0, points[place][1] or 0.0))
