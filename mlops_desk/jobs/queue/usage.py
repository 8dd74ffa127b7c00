"""What each user has used of the GPUs, the past counting less: GPU-seconds that lose half their weight in a half-life.

It is reckoned from when attempts began and ended, and from nothing else; what ended is added as it ends.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from threading import Lock

_FORGOTTEN_HALF_LIVES = 10  # a thousandth is left of it
_REMEMBERED = 5  # chosen: the newest runs of a kind tell how long the next one takes


@dataclass(frozen=True, slots=True)
class HeldSpan:
    """So many GPUs of one user, from one Unix time to another. ``kind`` is the job's, "" if it tells nothing."""

    uid: int
    gpus: int
    start: float
    end: float
    priority: int = 0
    kind: str = ""


def decayed(span: HeldSpan, now: float, half_life_seconds: float) -> float:
    """Return what a span weighs now, in GPU-seconds."""
    start, end = min(span.start, now), min(span.end, now)
    if end <= start:
        return 0.0
    rate = math.log(2) / half_life_seconds
    return span.gpus / rate * (math.exp(-rate * (now - end)) - math.exp(-rate * (now - start)))


class Usage:
    """The spans that are over, added up. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._spans: deque[HeldSpan] = deque()
        self._new: list[HeldSpan] = []
        self._sums: dict[int, float] = {}
        self._at = -math.inf
        self._half_life = 0.0
        self._lasted: dict[tuple[int, str], deque[float]] = {}
        self._last_starts: dict[tuple[int, int], float] = {}
        self._expected: dict[tuple[int, str], float] = {}

    @property
    def last_starts(self) -> Mapping[tuple[int, int], float]:
        """When a job of each user and priority was last started."""
        with self._lock:
            return dict(self._last_starts)

    @property
    def expected(self) -> Mapping[tuple[int, str], float]:
        """How many seconds the newest runs of each user's kind of job took: their median."""
        with self._lock:
            return dict(self._expected)

    def add(self, span: HeldSpan) -> None:
        """Count what has ended."""
        owner = (span.uid, span.priority)
        with self._lock:
            self._new.append(span)
            self._last_starts[owner] = max(self._last_starts.get(owner, -math.inf), span.start)
            if span.kind:
                lasted = self._lasted.setdefault((span.uid, span.kind), deque(maxlen=_REMEMBERED))
                lasted.append(span.end - span.start)
                self._expected[span.uid, span.kind] = median(lasted)

    def by_user(self, now: float, half_life_seconds: float) -> Mapping[int, float]:
        """Return each user's GPU-seconds as they weigh now."""
        with self._lock:
            self._fade(now, half_life_seconds)
            for span in self._new:
                self._sums[span.uid] = self._sums.get(span.uid, 0.0) + decayed(span, now, half_life_seconds)
            self._spans.extend(self._new)
            self._new.clear()
            while self._spans and self._spans[0].end < now - _FORGOTTEN_HALF_LIVES * half_life_seconds:
                self._spans.popleft()
            return dict(self._sums)

    def _fade(self, now: float, half_life_seconds: float) -> None:
        if half_life_seconds != self._half_life or now < self._at:  # or the clock was set back: all is counted anew
            self._half_life, self._sums = half_life_seconds, {}
            self._new = [*self._spans, *self._new]
            self._spans.clear()
        elif now > self._at:
            faded = math.exp(-math.log(2) * (now - self._at) / half_life_seconds)
            self._sums = {uid: amount * faded for uid, amount in self._sums.items()}
        self._at = now
