"""The value axis of a chart: from zero up to a round number, or in decades where values span them. No Qt here."""

import math
from dataclasses import dataclass

DECADES_FROM = 1000.0  # chosen: what is a thousandth of the largest is no pixel high on a straight scale
HEADROOM = 1.04  # chosen: the highest point is not at the edge
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0, 20.0)  # what people read as round


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from ``low`` to ``high``; with ``decades`` each factor of ten takes the same room."""

    low: float
    high: float
    marks: tuple[float, ...]
    decades: bool = False

    def share(self, value: float) -> float:
        """Return where a value stands: 0 at the bottom, 1 at the top."""
        if self.decades:
            at = math.log10(max(value, self.low))
            return (at - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return (value - self.low) / (self.high - self.low)

    @property
    def floor(self) -> float:
        """Return the bottom in the units that curves are kept in: logarithms for decades."""
        return math.log10(self.low) if self.decades else self.low

    @property
    def ceiling(self) -> float:
        return math.log10(self.high) if self.decades else self.high


def fixed(top: float, marks: int) -> Scale:
    """Return a scale from zero to exactly ``top``, as for shares of a whole."""
    step = _step(top, marks, binary=False)
    return Scale(0.0, top, tuple(step * number for number in range(int(top / step + 1e-9) + 1)))


def fitting(most: float, marks: int, *, binary: bool = False, at_least: float = 0.0) -> Scale:
    """Return a scale from zero to a round number at or above ``most``, or to ``at_least`` where that is higher."""
    most = most * HEADROOM if most > 0 and math.isfinite(most) else 0.0
    if at_least > most:
        step = _step(at_least, marks, binary=binary)
        return Scale(0.0, at_least, tuple(step * number for number in range(int(at_least / step + 1e-9) + 1)))
    most = most or 1.0
    step = _step(most, marks, binary=binary)
    count = max(1, math.ceil(most / step - 1e-9))
    return Scale(0.0, step * count, tuple(step * number for number in range(count + 1)))


def decades(least: float, most: float, marks: int) -> Scale:
    """Return a logarithmic scale that holds ``least`` and ``most``, both above zero."""
    low, high = math.floor(math.log10(least)), math.ceil(math.log10(most * 1.0001))
    high = max(high, low + 1)
    every = max(1, math.ceil((high - low) / max(marks, 1)))
    return Scale(10.0**low, 10.0**high, tuple(10.0**power for power in range(low, high + 1, every)), decades=True)


def _step(most: float, marks: int, *, binary: bool) -> float:
    """Return a round distance between marks: of powers of ten, within the unit of 1024 where ``binary``."""
    wished = most / max(marks, 1)
    unit = 1024.0 ** math.floor(math.log(wished, 1024.0) + 1e-9) if binary and wished >= 1 else 1.0
    decade = 10.0 ** math.floor(math.log10(wished / unit) + 1e-9) * unit
    return next(decade * factor for factor in _ROUND if decade * factor >= wished * 0.9999)
