"""How often something happens usually, and for how long it has not: a job is held against nothing but itself."""

LEAST_TIMES = 5
"""Chosen: of what happened less often nobody knows how often it does; a job that never prints has no rhythm."""
_LONGER = 3.0
"""Chosen: a validation, a checkpoint or a slow share may last twice as long as the longest pause before."""


class Rhythm:
    """Told at each look whether something happened since the last; ``now`` is a clock that only grows."""

    def __init__(self, now: float) -> None:
        self.last = now
        self.times = 0
        self.longest_seconds = 0.0

    def look(self, now: float, *, happened: bool) -> None:
        """Take note of a look."""
        if happened:
            if self.times:
                self.longest_seconds = max(self.longest_seconds, now - self.last)
            self.last = now
            self.times += 1

    def recall(self, times: int, longest_seconds: float) -> None:
        """Take up what an earlier agent's log tells: how often it happened, and the longest pause between."""
        self.times, self.longest_seconds = times, longest_seconds

    def quiet_seconds(self, now: float) -> float:
        return now - self.last

    def has_stopped(self, now: float, least_seconds: float) -> bool:
        """Tell whether nothing has happened for at least so long, and for much longer than ever before."""
        limit = max(least_seconds, _LONGER * self.longest_seconds)
        return self.times >= LEAST_TIMES and self.quiet_seconds(now) >= limit


class Lasting:
    """Since when something has been so without a break."""

    def __init__(self) -> None:
        self._since: float | None = None

    def look(self, now: float, *, is_so: bool | None) -> None:
        """Take note of a look; what is not known is not so."""
        if not is_so:
            self._since = None
        elif self._since is None:
            self._since = now

    def seconds(self, now: float) -> float:
        return 0.0 if self._since is None else now - self._since
