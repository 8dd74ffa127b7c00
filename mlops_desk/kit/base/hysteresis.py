"""A condition that holds for a time: threshold, duration, span and hysteresis, with gaps. Pure: the clock is handed in.

What flickers is judged by a span longer than the duration: it begins when the value was bad for the duration within
that span, whatever lay between. A value between the two limits takes nothing back. A value that is missing neither
begins nor ends anything, and the time of a gap counts for nothing: the span is one of observed time. Of a counter its
growth is judged so.
"""

import math
from dataclasses import dataclass, field, replace

GAP_SECONDS = 180.0
"""Two values further apart than this have a gap between them: nobody looked meanwhile."""

SPAN_FACTOR = 2.5
"""The span is so many durations long. With 2 a value that is bad exactly half of the time would hang on the rounding
of the ticks; with 2.5 it is enough to be bad for two fifths."""

_LONE_SHARE = 0.25
"""A value that called for a change between two that did not counts on each side for half of the way, and for no more
than this share of the duration: a single glitch is never enough, however seldom somebody looks."""

_PARTS = 64
"""The span is remembered in about so many parts, for a rule may last a day."""

Part = tuple[float, float, float]
"""Of a stretch of time: the seconds observed, those that called for the change, and the sum of value times seconds."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Begins when a value was at or beyond ``threshold`` for ``for_seconds`` within ``span_seconds``.

    It ends when the value was at or beyond ``clear_at`` for as long and never bad between. ``above`` says on which side
    of the threshold is bad; ``clear_at`` lies on its good side. ``averaged`` is for shares of time and rates, which are
    never negative: these begin as well when their mean over the span is bad and ``for_seconds`` lie between the first
    and the newest bad value, and end when the mean over a whole span is good.
    """

    above: bool
    threshold: float
    clear_at: float
    for_seconds: float
    averaged: bool = False

    def __post_init__(self) -> None:
        if self.averaged and not self.above:
            raise ValueError("only what is bad above its threshold is averaged")

    @property
    def span_seconds(self) -> float:
        return SPAN_FACTOR * self.for_seconds

    def is_bad(self, value: float) -> bool:
        return value >= self.threshold if self.above else value <= self.threshold

    def is_good(self, value: float) -> bool:
        return value <= self.clear_at if self.above else value >= self.clear_at


@dataclass(frozen=True, slots=True)
class Holding:
    """How a condition stands for one thing.

    ``parts`` is what of the span speaks for a change; ``counting`` says that the newest value called for one;
    ``seen_at`` is its time, None after a gap.
    """

    on: bool = False
    parts: tuple[Part, ...] = ()
    counting: bool = False
    seen_at: float | None = None

    @property
    def held_seconds(self) -> float:
        """For how long, within the span, a change was called for."""
        return sum(called for _, called, _ in self.parts)

    @property
    def mean(self) -> float | None:
        """The mean of what was observed within the span, since the first value that speaks for a change."""
        observed = sum(seconds for seconds, _, _ in self.parts)
        return sum(total for _, _, total in self.parts) / observed if observed > 0.0 else None

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing would be lost by forgetting it."""
        return not (self.on or self.parts or self.counting)


def step(condition: Condition, before: Holding, value: float | None, now: float) -> Holding:
    """Return how the condition stands after ``value`` (None: missing) at ``now`` seconds of a clock that only grows."""
    if value is None or math.isnan(value):
        return before if before.seen_at is None else replace(before, seen_at=None)
    passed = 0.0 if before.seen_at is None else now - before.seen_at
    if not 0.0 <= passed <= GAP_SECONDS:
        passed = 0.0
    calls = condition.is_good(value) if before.on else condition.is_bad(value)
    if before.on and not condition.averaged and condition.is_bad(value):
        return Holding(on=True, seen_at=now)
    called = _called(passed, calls, before.counting, condition.for_seconds)
    first = not before.parts and not before.on  # what went before the first bad value is no part of it
    seconds = called if first else passed
    parts = _added(before.parts, (seconds, called, value * seconds), condition.span_seconds)
    if not before.on:
        parts = _from_first_call(parts)
    if calls and (_ends if before.on else _begins)(condition, parts):
        return Holding(not before.on, seen_at=now)
    return Holding(before.on, parts, counting=calls, seen_at=now)


def _called(passed: float, calls: bool, called_before: bool, for_seconds: float) -> float:
    """Return how much of the time between two values called for the change."""
    if calls and called_before:
        return passed
    return min(passed / 2.0, _LONE_SHARE * for_seconds) if calls or called_before else 0.0


def _added(parts: tuple[Part, ...], new: Part, span: float) -> tuple[Part, ...]:
    """Put a stretch behind the others, and drop what lies before the span."""
    if new[0] > 0.0:
        if parts and parts[-1][0] + new[0] <= span / _PARTS:
            last = parts[-1]
            parts = (*parts[:-1], (last[0] + new[0], last[1] + new[1], last[2] + new[2]))
        else:
            parts = (*parts, new)
    observed = sum(seconds for seconds, _, _ in parts)
    first = 0
    while first < len(parts) and observed - parts[first][0] >= span:
        observed -= parts[first][0]
        first += 1
    return parts[first:]


def _from_first_call(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    first = next((number for number, part in enumerate(parts) if part[1] > 0.0), len(parts))
    return parts[first:]


def _begins(condition: Condition, parts: tuple[Part, ...]) -> bool:
    if sum(called for _, called, _ in parts) >= condition.for_seconds:
        return True
    if not condition.averaged or sum(seconds for seconds, _, _ in parts) < condition.for_seconds:
        return False
    # What was not observed of the span adds nothing: the mean is at least this.
    return sum(total for _, _, total in parts) >= condition.threshold * condition.span_seconds


def _ends(condition: Condition, parts: tuple[Part, ...]) -> bool:
    if not condition.averaged:
        return sum(called for _, called, _ in parts) >= condition.for_seconds
    observed = sum(seconds for seconds, _, _ in parts)
    return observed >= condition.span_seconds and sum(total for *_, total in parts) <= condition.clear_at * observed


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


def span_words(for_seconds: float, *, averaged: bool) -> str:
    """Say how long it takes: ``for 30 s within 75 s``; "" for what begins at once."""
    if not for_seconds:
        return ""
    span = f"{SPAN_FACTOR * for_seconds:g} s"
    return f"for {for_seconds:g} s within {span}" + (f", or on average over {span}" if averaged else "")
