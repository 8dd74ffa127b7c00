"""Notices jobs whose container has lost a GPU that is leased to them: it is gone, or may no longer be opened."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from types import MappingProxyType

from mlops_desk.gpus.leases.files import Lease
from mlops_desk.gpus.leases.host import Process
from mlops_desk.jobs.records.failure_facts import GpuFacts, KernelKill, XidSeen
from mlops_desk.jobs.records.job import Attempt
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.event import Notice
from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.incident import DeviceEvent

_ATTEMPT = re.compile(r"(.+)-a\d+")
_LOOKS = 2  # chosen: the collector may be replaced, or a container end, between two looks

_CLOSED = (
    "its container may no longer open it, as after systemd has set its units anew (daemon-reload); the files are "
    "there, and every call to the GPU fails"
)
_EVENTS = 200  # chosen: a storm of one GPU must not push out what the others said an hour ago
_LOSSES = 100  # chosen: many times the attempts that run at once
_SETTLING_SECONDS = 5.0
"""Chosen: what is read from the kernel's log may be stamped a moment after the program has ended by it."""
Lost = Callable[[str, Reason], None]
"""Hear that an attempt (its id) has lost a GPU, and why."""


class GpuWitness:
    """What was seen of the GPUs of attempts while they ran, for when it is asked why one ended.

    Errors and losses are announced once, and while the job still runs. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._xids: dict[str, deque[tuple[float, int]]] = {}
        self._losses: dict[str, dict[str, bool]] = {}
        self._kills: deque[tuple[float, DeviceEvent, str | None]] = deque(maxlen=_EVENTS)

    def note_kill(self, event: DeviceEvent, container: str | None) -> None:
        """Remember a kill for lack of memory, and the name of the container whose process it was, if it is known."""
        with self._lock:
            self._kills.append((event.at, event, container))

    def kills(self, attempt: Attempt, ended_at: float) -> tuple[KernelKill, ...]:
        """Return the kills during an attempt's life that were in its container, or nobody knows where."""
        since, until = attempt.started_at or ended_at, ended_at + _SETTLING_SECONDS
        with self._lock:
            known = list(self._kills)
        return tuple(
            KernelKill(max(0.0, ended_at - at), event.process, None if event.container is None else True, event.limited)
            for at, event, container in known
            if since <= at <= until
            and (event.process is None or (event.container is not None and container == attempt.container))
        )

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

    def facts(self, attempt: Attempt, ended_at: float, parents: Mapping[str, str] = MappingProxyType({})) -> GpuFacts:
        """Return what is known of an attempt's GPUs that ended at a Unix time.

        ``parents`` has the GPUs of MIG instances, by UUID: errors are announced of those.
        """
        since = attempt.started_at or ended_at
        with self._lock:
            told = [
                XidSeen(code, gpu, max(0.0, ended_at - at))
                for gpu in attempt.gpus
                for at, code in self._xids.get(parents.get(gpu, gpu), ())
                if since <= at <= ended_at + _SETTLING_SECONDS
            ]
            losses = dict(self._losses.get(attempt.id, {}))
        lost = tuple(gpu for gpu, is_closed in losses.items() if not is_closed)
        closed = tuple(gpu for gpu, is_closed in losses.items() if is_closed)
        return GpuFacts(tuple(told), lost, closed)


class GpuLoss:
    """``held`` are our own leases, ``may_open`` asks for a container's process, ``publish`` tells people.

    ``witness`` remembers each loss, ``lost`` hears of it.
    """

    def __init__(
        self,
        held: Callable[[], Iterable[Lease]],
        may_open: Callable[[Process], bool | None],
        publish: Callable[[Notice], None],
        witness: GpuWitness | None = None,
        lost: Lost | None = None,
    ) -> None:
        self._witness = witness or GpuWitness()
        self._lost_to = lost
        self._held = held
        self._may_open = may_open
        self._publish = publish
        self._seen: dict[tuple[str, str], int] = {}

    def look(self, gpus: Sequence[Gpu]) -> None:
        """Look at all our leases of containers that run; what is lost for two looks is told, once."""
        shown = {gpu.uuid: gpu for gpu in gpus}
        shown |= {part.uuid: gpu for gpu in gpus for part in gpu.mig if part.uuid is not None}
        answers = any(gpu.state is GpuState.OK for gpu in gpus)
        seen: dict[tuple[str, str], int] = {}
        for lease in self._held():
            why = self._lost(lease, shown.get(lease.gpu), answers=answers) if lease.container_process else None
            if why is None:
                continue
            key = lease.attempt, lease.gpu
            seen[key] = self._seen.get(key, 0) + 1
            if seen[key] == _LOOKS:
                self._tell(lease, shown.get(lease.gpu), why)
        self._seen = seen

    def _lost(self, lease: Lease, gpu: Gpu | None, *, answers: bool) -> str | None:
        if gpu is None:
            return "the driver does not show it any more" if answers else None
        if gpu.state is GpuState.LOST:
            return "it has fallen off the bus, or the driver does not show it any more"
        process = lease.container_process
        return _CLOSED if process is not None and self._may_open(process) is False else None

    def _tell(self, lease: Lease, gpu: Gpu | None, why: str) -> None:
        found = _ATTEMPT.fullmatch(lease.attempt)
        job_id = found[1] if found else lease.attempt
        named = f"GPU {gpu.index}" if gpu is not None else f"a GPU ({plain(lease.gpu, 60)})"
        text = f"Job {plain(lease.label, 100)} has lost {named} while it runs. Why: {why}."
        again = "A new container gets it back: " if why == _CLOSED else "Cancel it, and run it again on another GPU: "
        hint = Hint(f"mlops-desk jobs rerun {job_id}", before=f"What it does there fails. {again}")
        self._publish(Notice("alert", "gpus", text, hint, about=("job", job_id)))
        class_ = "gpu_access_lost" if why == _CLOSED else "gpu_lost"
        self._witness.note_loss(lease.attempt, lease.gpu, is_closed=why == _CLOSED)
        if self._lost_to is not None:
            self._lost_to(
                lease.attempt,
                Reason(class_, text, evidence=f"Seen at two looks: {why}.", hint=hint, title=f"Has lost {named}"),
            )
