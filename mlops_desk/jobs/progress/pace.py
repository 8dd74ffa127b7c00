"""How fast the whole goes on lately, and so how long the rest takes.

Lately is the newest third of what was seen: what a start costs (compiling, caches) is forgotten then, and stretches
without an advance that come again, as a validation after each epoch, are in it.
"""

from collections import deque

_MOST = 240  # chosen: a third of it still holds eighty points
_LATELY = 1 / 3  # chosen: long enough for what comes again, and soon past a start
_LEAST_SECONDS = 5.0  # chosen: of less the first steps, which are slow, are the most
_LEAST_SAMPLES = 3  # chosen: of two the first is the slow one


class Pace:
    """Samples of what is done, as a share of the whole, at a time (Unix seconds)."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque()
        self._apart_seconds = 0.0

    def reset(self) -> None:
        """Begin anew: the whole is another one."""
        self._samples.clear()
        self._apart_seconds = 0.0

    def add(self, at: float, done: float) -> None:
        """Note that so much is done; of samples close to one another the first is kept, and the newest always."""
        samples = self._samples
        if samples and (at <= samples[-1][0] or done <= samples[-1][1]):
            return  # nothing was done, or another rank tells late, or the clock was set back
        if len(samples) > 1 and at - samples[-2][0] < self._apart_seconds:
            samples[-1] = (at, done)
            return
        samples.append((at, done))
        if len(samples) > _MOST:
            self._apart_seconds = 2 * max(self._apart_seconds, (samples[-1][0] - samples[0][0]) / _MOST)
            self._samples = deque([*list(samples)[:-1:2], samples[-1]])

    def left_seconds(self, epoch_share: float | None = None) -> float | None:
        """Return how long the rest takes; None while too little was seen.

        ``epoch_share`` is how much of the whole an epoch is: two of them are looked back on at least.
        """
        samples = self._samples
        if len(samples) < _LEAST_SAMPLES:
            return None
        (end, done), begin = samples[-1], samples[1 if len(samples) > _LEAST_SAMPLES else 0]
        since = end - (end - begin[0]) * _LATELY
        below = done if epoch_share is None else done - 2 * epoch_share
        for at, share in reversed(samples):
            begin = at, share
            if (at <= since and share <= below and end - at >= _LEAST_SECONDS) or (at, share) == samples[1]:
                break
        seconds, advance = end - begin[0], done - begin[1]
        if advance <= 0 or seconds < _LEAST_SECONDS:
            return None
        return max(0.0, (1.0 - done) * seconds / advance)
