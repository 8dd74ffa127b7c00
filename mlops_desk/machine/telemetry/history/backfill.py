"""Fills what the history lacks of the last days with what somebody makes: the demonstration's past. Newest first.

The older, the coarser: the last hour at full rate, the last day in minutes, older days in quarters of an hour. What
is lacking is looked up in the database: what was broken off is completed by the next filling, and nothing is doubled.
"""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event

from mlops_desk.kit.storage.history.backfill import Gap, MadeHistory
from mlops_desk.machine.telemetry.history.disk import DiskHistory
from mlops_desk.machine.telemetry.history.memory import Ring

_log = logging.getLogger(__name__)

SHORTEST_SECONDS = 90.0  # a row of the middle tier and some to spare: what is shorter shows in no coarser chart
_LOOK_SECONDS = 0.2  # chosen: a database is open, and a first row there, within seconds
_HOUR, _DAY = 3600.0, 86_400.0


@dataclass(frozen=True, slots=True)
class _Grade:
    """How what is younger than ``age`` seconds is filled: in rows of ``tier``, from a sample each ``every`` seconds."""

    age: float
    tier: int
    every: float
    piece: float
    edge: float


_GRADES = (
    _Grade(900.0, 0, 1.0, 900.0, 60.0),  # as live curves are, which a narrow bucket would else show full of holes
    _Grade(_HOUR, 0, 2.0, 900.0, 60.0),  # chosen: a bucket of an hour on a wide screen is no narrower
    _Grade(_DAY, 1, 30.0, 6 * _HOUR, 900.0),  # chosen: two samples make a minute's span between least and most
    _Grade(math.inf, 2, 300.0, 5 * _DAY, 900.0),  # chosen: likewise three for a quarter of an hour
)
"""Pieces are what one worker makes within some seconds, and some ten megabytes."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A span to be filled (Unix seconds), with rows of ``tier`` out of a sample each ``every`` seconds."""

    tier: int
    start: float
    end: float
    every: float


Maker = Callable[[Stretch], MadeHistory]
"""Makes a stretch. May raise DeskError."""


def stretches(gaps: Sequence[Gap], now: float) -> list[Stretch]:
    """Return what is to be made to fill ``gaps``, the newest first. Pure."""
    found = []
    newest = math.inf
    for grade in _GRADES:
        oldest = -math.inf if math.isinf(grade.age) else math.floor((now - grade.age) / grade.edge) * grade.edge
        for start, end in gaps:
            for first, last in _pieces(max(start, oldest), min(end, newest), grade.piece):
                found.append(Stretch(grade.tier, first, last, grade.every))
        newest = oldest
    return sorted(found, key=lambda stretch: -stretch.start)


def _pieces(start: float, end: float, seconds: float) -> Iterator[Gap]:
    """Cut a span at whole multiples of ``seconds``, so that it is cut alike whenever it is."""
    while start < end:
        last = min(end, (math.floor(start / seconds) + 1) * seconds)
        yield start, last
        start = last


class Backfill:
    """Fills the history behind what the ring has."""

    def __init__(self, ring: Ring, history: DiskHistory) -> None:
        self._ring = ring
        self._history = history

    def fill(self, make: Maker, seconds: float, ending: Event) -> int:
        """Fill the last ``seconds`` before what is in memory, and return how many stretches that took.

        It waits until there is a database and a first row. Raises DeskError; what was filled by then stays.
        """
        while (until := self._first()) is None or self._history.store is None:
            if ending.wait(_LOOK_SECONDS):
                return 0
        filled = 0
        for stretch in stretches(self._history.gaps(until - seconds, until, SHORTEST_SECONDS), until):
            if ending.is_set():
                break
            made = make(stretch)
            if made.rows:
                self._history.put_in(made)
                filled += 1
        return filled

    def _first(self) -> float | None:
        times = self._ring.curves(()).times
        return float(times[0]) if len(times) else None
