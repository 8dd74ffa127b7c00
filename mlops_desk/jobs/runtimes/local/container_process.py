"""Whether a container that the engine calls running has a process.

An engine whose containerd was restarted goes on saying "running" of a container whose process is long
gone. A process is followed only where /proc shows that it is this container's, so never on another machine.
"""

import time
from collections.abc import Collection
from pathlib import Path

from mlops_desk.engines.engine import ContainerFacts
from mlops_desk.kit.base.process import start_ticks

_GONE_SECONDS = 10.0  # chosen: the engine mostly notices an end by itself before


class Sight:
    """Remembers the first process of each running container."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int]] = {}
        self._missing_since: dict[str, float] = {}

    def gone(self, facts: ContainerFacts) -> bool:
        """Tell whether a known process of this running container has been gone for longer than a restart takes."""
        if facts.pid is None or not facts.id:
            return False
        ticks = start_ticks(facts.pid)
        if facts.id not in self._seen:
            if ticks is not None and _belongs(facts.pid, facts.id):
                self._seen[facts.id] = (facts.pid, ticks)
            return False
        if self._seen[facts.id] == (facts.pid, ticks):
            self._missing_since.pop(facts.id, None)
            return False
        return time.monotonic() - self._missing_since.setdefault(facts.id, time.monotonic()) > _GONE_SECONDS

    def keep(self, container_ids: Collection[str]) -> None:
        """Forget every container but these, which are all that there are."""
        for container_id in self._seen.keys() - set(container_ids):
            self._seen.pop(container_id, None)
            self._missing_since.pop(container_id, None)


def _belongs(pid: int, container_id: str) -> bool:
    try:
        return container_id in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
