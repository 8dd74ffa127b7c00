"""A condition that holds for a time: threshold, duration and hysteresis, with gaps. Pure: the clock is handed in.

A value that is missing neither begins nor ends anything, and the time of a gap counts for nothing.
"""

import math
from dataclasses import dataclass, replace

GAP_SECONDS = 180.0
"""Two values further apart than this have a gap between them: nobody looked meanwhile."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Begins when a value was at or beyond ``threshold`` for ``for_seconds``; ends when at or beyond ``clear_at``.

    ``above`` says on which side of the threshold is bad; ``clear_at`` lies on its good side.
    """

    above: bool
    threshold: float
    clear_at: float
    for_seconds: float

    def is_bad(self, value: float) -> bool:
        return value >= self.threshold if self.above else value <= self.threshold

    def is_good(self, value: float) -> bool:
        return value <= self.clear_at if self.above else value >= self.clear_at


@dataclass(frozen=True, slots=True)
class Holding:
    """How a condition stands for one thing.

    ``held_seconds`` is the observed time for which a change was called for; ``seen_at`` the time of the newest value,
    None after a gap.
    """

    on: bool = False
    held_seconds: float = 0.0
    counting: bool = False
    seen_at: float | None = None


def step(condition: Condition, before: Holding, value: float | None, now: float) -> Holding:
    """Return how the condition stands after ``value`` (None: missing) at ``now`` seconds of a clock that only grows."""
    if value is None or math.isnan(value):
        return before if before.seen_at is None else replace(before, seen_at=None)
    calls = condition.is_good(value) if before.on else condition.is_bad(value)
    if not calls:
        return Holding(before.on, seen_at=now)
    passed = now - before.seen_at if before.counting and before.seen_at is not None else 0.0
    held = before.held_seconds + (passed if 0.0 <= passed <= GAP_SECONDS else 0.0)
    if held >= condition.for_seconds:
        return Holding(not before.on, seen_at=now)
    return Holding(before.on, held, counting=True, seen_at=now)
