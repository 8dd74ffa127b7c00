"""The facts of listed containers, each asked for anew only where the listing shows something new of it.

A listing is one question, whatever is listed; what it leaves out (the process, how it ended) is one more for each
container. Fifty of them once a second cost a twentieth of a core.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_desk.engines.docker.answers import ENDED, container_facts
from mlops_desk.engines.docker.connection import sdk
from mlops_desk.engines.engine import ContainerFacts

_FRESH_SECONDS = 15.0  # chosen: what a running container's listing hides (one that was restarted at once) waits so long
_FORGOTTEN_SECONDS = 600.0  # chosen: no listing is that rare
_TELLING = ("State", "Names", "Ports")
"""What says that something happened. The rest moves by itself ("Up 5 minutes"), or comes in another order each time."""


@dataclass(frozen=True, slots=True)
class _Known:
    facts: ContainerFacts
    shown: tuple[str, ...]
    asked_at: float
    listed_at: float


class ListedContainers:
    """Remembers what was asked about listed containers. Safe for threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def facts(self, client: Any, entry: Mapping[str, Any]) -> ContainerFacts | None:
        """Return the facts of a listed container; None for one that was removed since."""
        now = self._clock()
        still = tuple(_settled(entry.get(key)) for key in _TELLING)
        with self._lock:
            known = self._known.get(entry["Id"])
        if known is None or known.shown != still or not _holds(known, now):
            docker = sdk()
            try:
                found = container_facts(client.inspect_container(entry["Id"]), client.dialect)
            except docker.errors.NotFound:
                return None
            known = _Known(found, still, now, now)
        self._keep(_Known(known.facts, still, known.asked_at, now))
        return known.facts

    def _keep(self, known: _Known) -> None:
        with self._lock:
            self._known[known.facts.id] = known

    def forget_gone(self) -> None:
        """Forget what no listing has named for long."""
        limit = self._clock() - _FORGOTTEN_SECONDS
        with self._lock:
            self._known = {name: known for name, known in self._known.items() if known.listed_at >= limit}


def _settled(value: Any) -> str:
    """Return a value of a listing as a word that is the same in whatever order its parts come."""
    return str(sorted(map(str, value)) if isinstance(value, list) else value)


def _holds(known: _Known, now: float) -> bool:
    """Tell whether facts still hold whose listing is the same: always once a container has ended, else for a while."""
    return known.facts.status in ENDED or (known.facts.status == "running" and now - known.asked_at < _FRESH_SECONDS)
