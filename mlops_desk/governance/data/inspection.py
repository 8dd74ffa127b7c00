"""Looks at data sets: each in a thread of its own, by a worker that is killed where it hangs or is not wanted any more.

What a look found is handed to ``keep``; one that is stopped, or that the agent's end breaks off, leaves what was known.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from mlops_desk.governance.records.data.catalogue import CatalogueEntry, DataPlace, DataVersion, LookProgress
from mlops_desk.kit.base.errors import DeskError, NotFound, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import plain

_log = logging.getLogger(__name__)
MOST_LOOKS = 4  # chosen: as many disks as a workstation has; more only wait for one another


class Watching(Protocol):
    """What a look tells while it goes on, and asks."""

    @property
    def is_stopping(self) -> bool:
        """Whether it is to stop."""
        ...

    def tell(self, files: int, size_bytes: int) -> None:
        """Say how far it is."""
        ...


class LookUnderWay:
    """One of them."""

    def __init__(self, ending: threading.Event) -> None:
        self.stopping = threading.Event()
        self._ending = ending
        self._lock = threading.Lock()
        self._told = LookProgress(time.time())

    @property
    def is_stopping(self) -> bool:
        return self.stopping.is_set() or self._ending.is_set()

    @property
    def told(self) -> LookProgress:
        with self._lock:
            return replace(self._told, is_stopping=self.stopping.is_set())

    def tell(self, files: int, size_bytes: int) -> None:
        with self._lock:
            self._told = replace(self._told, files=files, size_bytes=size_bytes)


Looking = Callable[[CatalogueEntry, Watching], tuple[DataPlace, DataVersion]]
"""Looks: returns the place as it was found to be, and what lies there (its number is 0). Raises DeskError."""
Keep = Callable[[str, DataVersion | None, DataPlace | None, DeskError | None], None]


class LookBook:
    """All looks under way, by the set's name."""

    def __init__(self, loop: Loop, look: Looking, keep: Keep) -> None:
        self._loop = loop
        self._look = look
        self._keep = keep
        self._lock = threading.Lock()
        self._under_way: dict[str, LookUnderWay] = {}

    def begin(self, entry: CatalogueEntry) -> None:
        """Begin one; one that is under way goes on instead. Raises Refused."""
        with self._lock:
            if entry.name in self._under_way:
                return
            if len(self._under_way) >= MOST_LOOKS:
                text = f"{MOST_LOOKS} data sets are looked at already."
                raise Refused(text, f"Wait for one of them: {', '.join(map(plain, sorted(self._under_way)))}.")
            look = self._under_way[entry.name] = LookUnderWay(self._loop.ending)
        self._loop.start("look-at-data", lambda: self._go(entry, look))

    def progress(self, name: str) -> LookProgress | None:
        """Return how far the look at a set is; None where there is none."""
        with self._lock:
            look = self._under_way.get(name)
        return None if look is None else look.told

    def names(self) -> frozenset[str]:
        """Return the sets that are looked at now."""
        with self._lock:
            return frozenset(self._under_way)

    def cancel(self, name: str) -> None:
        """Have a look stop. Raises NotFound."""
        with self._lock:
            look = self._under_way.get(name)
        if look is None:
            raise NotFound(f"Nobody looks at the data set {plain(name)} now.")
        look.stopping.set()

    def _go(self, entry: CatalogueEntry, look: LookUnderWay) -> None:
        try:
            found, trouble = self._found(entry, look)
            if not look.is_stopping:
                place, version = found if found is not None else (None, None)
                self._keep(entry.name, version, place, trouble)
        except DeskError as error:
            _log.warning("What a look at the data set %s found can't be kept: %s", plain(entry.name), error.message)
        finally:  # only now: who sees that the look is over sees what it found
            with self._lock:
                del self._under_way[entry.name]

    def _found(
        self, entry: CatalogueEntry, look: LookUnderWay
    ) -> tuple[tuple[DataPlace, DataVersion] | None, DeskError | None]:
        try:
            return self._look(entry, look), None
        except DeskError as error:
            return None, error
