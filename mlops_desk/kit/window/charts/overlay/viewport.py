"""What part of the plot is seen, and where it lies on the screen: panned, zoomed, read. Pure.

Units are those of the axes: on a logarithmic one, powers of ten.
"""

from dataclasses import dataclass, replace

_NEAREST = 1e-12  # chosen: of what there is to see; nearer, two neighbouring numbers could not be told apart
_FURTHEST = 1e6  # chosen: of the same; nobody comes back from further away


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the plane."""

    left: float
    right: float
    low: float
    high: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.high - self.low

    def grown(self, share: float) -> "Box":
        """Return a box with so much more at all sides."""
        across, up = self.width * share, self.height * share
        return Box(self.left - across, self.right + across, self.low - up, self.high + up)


@dataclass(frozen=True, slots=True)
class Plane:
    """A box of the plane on ``width`` by ``height`` pixels, whose top left corner is at ``x0``, ``y0``."""

    seen: Box
    x0: float
    y0: float
    width: float
    height: float

    def x(self, at: float) -> float:
        return self.x0 + (at - self.seen.left) / self.seen.width * self.width

    def y(self, at: float) -> float:
        return self.y0 + (self.seen.high - at) / self.seen.height * self.height

    def at_x(self, pixel: float) -> float:
        return self.seen.left + (pixel - self.x0) / self.width * self.seen.width

    def at_y(self, pixel: float) -> float:
        return self.seen.high - (pixel - self.y0) / self.height * self.seen.height

    def holds(self, x: float, y: float) -> bool:
        """Tell whether a pixel lies on it."""
        return self.x0 <= x <= self.x0 + self.width and self.y0 <= y <= self.y0 + self.height

    def moved(self, dx: float, dy: float) -> "Plane":
        """Return the plane as it is seen after it was dragged by so many pixels."""
        across, up = dx / self.width * self.seen.width, dy / self.height * self.seen.height
        box = self.seen
        return replace(self, seen=Box(box.left - across, box.right - across, box.low + up, box.high + up))

    def zoomed(
        self, factor: float, x: float, y: float, whole: Box, *, across: bool = True, up: bool = False
    ) -> "Plane":
        """Return the plane seen ``factor`` times nearer around a pixel, no nearer and no further than makes sense."""
        box = self.seen
        left, right = (_closer(box.left, box.right, self.at_x(x), factor, whole.width) if across
                       else (box.left, box.right))  # fmt: skip
        low, high = _closer(box.low, box.high, self.at_y(y), factor, whole.height) if up else (box.low, box.high)
        return replace(self, seen=Box(left, right, low, high))

    def between(self, x1: float, y1: float, x2: float, y2: float) -> Box:
        """Return what lies between two pixels."""
        across, up = sorted((self.at_x(x1), self.at_x(x2))), sorted((self.at_y(y1), self.at_y(y2)))
        return Box(across[0], across[1], up[0], up[1])


def _closer(start: float, end: float, middle: float, factor: float, whole: float) -> tuple[float, float]:
    length = (end - start) / factor
    if not whole * _NEAREST <= length <= whole * _FURTHEST:
        return start, end
    return middle - (middle - start) / factor, middle + (end - middle) / factor
