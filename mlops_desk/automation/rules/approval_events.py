"""Tells what waits for a person's word as soon as that is another: windows and trays count it.

Pipelines, firings and moves of aliases are announced in the midst of their own work, so it is looked at in a thread of
its own; what changes while it looks is looked at once more, and not once for each change.
"""

import logging
import threading
from collections.abc import Callable, Sequence

from mlops_desk.automation.records.approval import Approval
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.loop import Lane, Loop
from mlops_desk.machine.records.event import ApprovalsChanged, FiringChanged, GovernanceChanged, PipelineChanged

_log = logging.getLogger(__name__)


class ApprovalNews:
    """``waiting`` returns all that waits; it may raise DeskError, and is asked again with the next change."""

    def __init__(self, waiting: Callable[[], Sequence[Approval]], bus: Bus, loop: Loop) -> None:
        self._waiting = waiting
        self._bus = bus
        self._lane = Lane(loop, "approvals")
        self._lock = threading.Lock()
        self._is_due = False
        self._told: tuple[Approval, ...] | None = None
        self.stops = [bus.subscribe(kind, self._wake) for kind in (PipelineChanged, FiringChanged, GovernanceChanged)]

    def _wake(self, _event: object) -> None:
        with self._lock:
            if self._is_due:
                return
            self._is_due = True
        self._lane.put(self.look)

    def look(self) -> None:
        """Look at what waits, and tell it where it is another than was told."""
        with self._lock:
            self._is_due = False
        try:
            found = tuple(self._waiting())
        except DeskError as error:
            _log.info("What waits for a person's word can't be told: %s", error.message)
            return
        if found != self._told:
            self._told = found
            self._bus.publish(ApprovalsChanged(found))
