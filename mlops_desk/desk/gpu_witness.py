"""What was seen of the GPUs of attempts while they ran: errors that the driver told, GPUs that were lost.

Both are announced once and while the job still runs; why it ended is asked for later, so it is remembered until then.
"""

from collections import deque
from collections.abc import Iterable
from threading import Lock

from mlops_desk.jobs.causes.facts import GpuFacts, XidSeen
from mlops_desk.records.incident import DeviceEvent
from mlops_desk.records.jobs.job import Attempt

_EVENTS = 200  # chosen: a storm of one GPU must not push out what the others said an hour ago
_LOSSES = 100  # chosen: many times the attempts that run at once
_SETTLING_SECONDS = 5.0
"""Chosen: what is read from the kernel's log may be stamped a moment after the program has ended by it."""


class GpuWitness:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._xids: dict[str, deque[tuple[float, int]]] = {}
        self._losses: dict[str, dict[str, bool]] = {}

    def take(self, heard: Iterable[DeviceEvent]) -> None:
        """Remember the errors that a driver announced."""
        with self._lock:
            for event in heard:
                if event.kind == "xid" and event.device is not None and event.code is not None:
                    known = self._xids.setdefault(event.device, deque(maxlen=_EVENTS))
                    known.append((event.at, event.code))

    def note_loss(self, attempt_id: str, gpu: str, *, is_closed: bool) -> None:
        """Remember that an attempt has lost a GPU: it is gone, or its container may not open it any more."""
        with self._lock:
            self._losses.setdefault(attempt_id, {})[gpu] = is_closed
            while len(self._losses) > _LOSSES:
                del self._losses[next(iter(self._losses))]

    def facts(self, attempt: Attempt, ended_at: float) -> GpuFacts:
        """Return what is known of an attempt's GPUs that ended at a Unix time."""
        since = attempt.started_at or ended_at
        with self._lock:
            told = [
                XidSeen(code, gpu, max(0.0, ended_at - at))
                for gpu in attempt.gpus
                for at, code in self._xids.get(gpu, ())
                if since <= at <= ended_at + _SETTLING_SECONDS
            ]
            losses = dict(self._losses.get(attempt.id, {}))
        lost = tuple(gpu for gpu, is_closed in losses.items() if not is_closed)
        closed = tuple(gpu for gpu, is_closed in losses.items() if is_closed)
        return GpuFacts(tuple(told), lost, closed)
