"""What the engine in memory says was written when."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from mlops_desk.engines.engine import LogPiece

_OVERLAP_SECONDS = 2.0  # what a real engine is asked for again before a time


def stamped(lines: Iterable[str], begun: float, since: float) -> Iterator[LogPiece]:
    """Yield lines as if each had been written a millisecond after the one before, from shortly before a time on."""
    for number, line in enumerate(lines):
        at = begun + number / 1000
        if at >= since - _OVERLAP_SECONDS:
            yield LogPiece(at, datetime.fromtimestamp(at, UTC).isoformat(), f"{line}\n".encode("utf-8", "replace"))
