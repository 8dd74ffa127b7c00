"""What the desks of other users on this machine need, and telling them what is needed here.

An agent tells when jobs come or go, a moment later, and looks once a minute whether its word is there still: shared
folders are emptied at a restart of the machine.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from mlops_desk.base.bus import Bus
from mlops_desk.base.loop import Loop
from mlops_desk.records.event import JobChanged

_LOOK_SECONDS = 60.0  # chosen: endpoints change without a word to this, and a look costs a few milliseconds
_SHARE = 50  # chosen: with ten thousand jobs a telling takes a second, and at most one in fifty goes into it
_LEAST_SECONDS = 1.0  # chosen: a sweep that is submitted is told of once


class Neighbours(Protocol):
    """The desks of all users of this machine."""

    def needed(self, images: Mapping[str, Iterable[str]]) -> Mapping[str, tuple[tuple[int, str], ...]]:
        """Return (uid, user) of other desks that need images, by their ids; ``images`` has those with their names."""
        ...

    def tell(self, names: Iterable[str]) -> None:
        """Leave word of the ids and names of images that are needed here."""
        ...


class NoNeighbours:
    """Nobody else is on this machine."""

    def needed(self, images: Mapping[str, Iterable[str]]) -> Mapping[str, tuple[tuple[int, str], ...]]:  # noqa: ARG002 - nobody needs any
        return {}

    def tell(self, names: Iterable[str]) -> None:
        """Tell nobody."""


NO_NEIGHBOURS = NoNeighbours()


class NeedTelling:
    """Tells the neighbours what is ``wanted`` here, whenever that may have changed."""

    def __init__(self, bus: Bus, loop: Loop, wanted: Callable[[], Iterable[str]], neighbours: Neighbours) -> None:
        self._loop = loop
        self._wanted = wanted
        self._neighbours = neighbours
        self._news = threading.Event()
        bus.subscribe(JobChanged, lambda _event: self._news.set())

    def start(self) -> None:
        self._loop.beat("images-needs", _LOOK_SECONDS, self._tell, first=self._tell, bell=self._news)

    def _tell(self) -> None:
        began = time.monotonic()
        self._neighbours.tell(self._wanted())
        self._loop.ending.wait(max(_LEAST_SECONDS, _SHARE * (time.monotonic() - began)))
