"""When a write that failed is worth another try. Pure: the clock, and whether there seems to be room, are handed in.

Packing what waits for a disk that is still full is work for nothing. So the filesystem is asked first, which costs
nothing; as it may be wrong (a quota, a broken disk), what it says only makes the tries rarer.
"""

from mlops_desk.base.failures.pauses import longer

SOON_SECONDS = 3.0  # chosen: a writer that holds the database is mostly done by then
LONGEST_SECONDS = 30.0  # chosen: room on a disk that somebody has just made is used so soon


class Retrying:
    """Remembers the last failure and how many came although there was room."""

    def __init__(self) -> None:
        self._failed_at: float | None = None
        self._pause = SOON_SECONDS

    def failed(self, now: float, *, room: bool) -> None:
        """Note a failure; one with room on the disk says that more room will not help, so the pauses grow."""
        if self._failed_at is not None and room:
            self._pause = longer(self._pause, LONGEST_SECONDS)
        elif not room:
            self._pause = SOON_SECONDS
        self._failed_at = now

    def done(self) -> None:
        """Note that writing works."""
        self._failed_at, self._pause = None, SOON_SECONDS

    def is_due(self, now: float, *, room: bool) -> bool:
        """Tell whether to try: soon while there is room, else seldom."""
        if self._failed_at is None:
            return True
        return now - self._failed_at >= (self._pause if room else LONGEST_SECONDS)
