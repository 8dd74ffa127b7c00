"""Which curve is meant by a place on the screen, and what curves have at a place on the axis. Pure."""

import numpy as np

from mlops_desk.ui.charts.overlay.lines import RunLine
from mlops_desk.ui.charts.overlay.plane import Plane


def distance(line: RunLine, plane: Plane, x: float, y: float) -> float:
    """Return how many pixels a curve is away: straight up or down from its line, or from its nearest point."""
    if not line.is_sorted:
        far = np.hypot(plane.x0 + (line.xs - plane.seen.left) / plane.seen.width * plane.width - x,
                       plane.y0 + (plane.seen.high - line.ys) / plane.seen.height * plane.height - y)  # fmt: skip
        return float(np.nanmin(far)) if np.isfinite(far).any() else np.inf
    at = plane.at_x(x)
    after = int(np.searchsorted(line.xs, at))
    near = [place for place in (after - 1, after) if 0 <= place < line.xs.size]
    if len(near) == 2:
        (x1, x2), (y1, y2) = line.xs[near], line.ys[near]
        if np.isfinite(y1) and np.isfinite(y2) and x2 > x1:
            return float(abs(plane.y(y1 + (y2 - y1) * (at - x1) / (x2 - x1)) - y))
    points = [(plane.x(line.xs[place]), plane.y(line.ys[place])) for place in near if np.isfinite(line.ys[place])]
    return min((float(np.hypot(px - x, py - y)) for px, py in points), default=np.inf)


def nearest_point(line: RunLine, at: float) -> int | None:
    """Return the point of a curve that is nearest to a place on the x axis."""
    if line.is_sorted:
        after = int(np.searchsorted(line.xs, at))
        near = [place for place in (after - 1, after) if 0 <= place < line.xs.size]
        return min(near, key=lambda place: abs(float(line.xs[place]) - at)) if near else None
    known = np.isfinite(line.xs)
    return int(np.argmin(np.where(known, np.abs(line.xs - at), np.inf))) if known.any() else None
