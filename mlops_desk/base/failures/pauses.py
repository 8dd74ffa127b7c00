"""How long to wait before the next try, when tries have failed. Pure: who waits keeps the count or the pause."""

from collections.abc import Sequence


def pause_after(failures: int, pauses: Sequence[float]) -> float:
    """Return the pause after so many failures in a row (0: none yet); the last one holds for all that come after."""
    return pauses[min(max(failures, 0), len(pauses) - 1)]


def longer(pause: float, longest: float) -> float:
    """Return the pause that follows one that was in vain: twice as long, and never longer than ``longest``."""
    return min(2 * pause, longest)
