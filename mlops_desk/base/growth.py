"""How much a counter grew lately. Pure: the clock is handed in."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class CounterGrowth:
    """A counter that falls was set back and has not grown. ``steps`` are moments of growth with its amount."""

    last: float
    steps: list[tuple[float, float]] = field(default_factory=list)

    def add(self, value: float, now: float, span: float) -> float:
        """Take in a value and return the growth within ``span`` seconds."""
        if value > self.last:
            self.steps.append((now, value - self.last))
        self.last = value
        self.steps = [item for item in self.steps if now - item[0] < span]
        return sum(amount for _, amount in self.steps)
