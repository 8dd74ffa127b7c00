"""How fast data were copied, and how long others take at that. Pure.

Large files go as fast as the share reads and the disk writes, small ones as many a second as the share answers: the
slower of both counts. Earlier copies of the same source tell it best; without one the fastest of all others does.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mlops_desk.jobs.staging.copies import CopyFacts

_LEAST_SECONDS = 0.5  # chosen: of less most is the start of the process that copies (0.2 s)


@dataclass(frozen=True, slots=True)
class Pace:
    """What was reached when data were copied."""

    bytes_per_second: float
    files_per_second: float

    def seconds(self, files: int, size_bytes: int) -> float:
        """Return how long it takes to copy so much."""
        return max(_over(size_bytes, self.bytes_per_second), _over(files, self.files_per_second))


def pace_of(copies: Iterable[CopyFacts], source: str) -> Pace | None:
    """Return at what pace a source is likely to be copied; None: nothing was copied yet."""
    measured = [one for one in copies if one.copied_files and one.copy_seconds >= _LEAST_SECONDS]
    chosen = [one for one in measured if one.source == source] or measured
    if not chosen:
        return None
    return Pace(
        max(one.copied_bytes / one.copy_seconds for one in chosen),
        max(one.copied_files / one.copy_seconds for one in chosen),
    )


def _over(amount: float, speed: float) -> float:
    return amount / speed if speed > 0 else 0.0
