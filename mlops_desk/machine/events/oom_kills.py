"""Kills for lack of memory, which two tell of: the kernel, and the engine at the end of a job. Each is one entry.

The kernel's count says that something was killed; its log, where it may be read, says which process, in the container
of which id. The engine says of a job that it was killed. What the kernel says without a name waits a moment for the
engine's word, and whichever comes second joins the entry of the first. Used by the event log's lane alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from mlops_desk.jobs.records.job import Job
from mlops_desk.machine.events import drafts
from mlops_desk.machine.events.drafts import Draft, Killed
from mlops_desk.machine.records.incident import DeviceEvent, Incident

WAIT_SECONDS = 15.0
"""So long a kill without a name waits: the engine tells of a job's end within a few seconds, more on a busy machine."""

MATCH_SECONDS = 30.0
"""A kill without a name this close to a job's end for lack of memory was that job's: where a group is killed as a
whole, the kernel counts each of its processes."""

_LIMIT = 64  # chosen: a cgroup that is out of memory ends a few processes at once


@dataclass(frozen=True, slots=True)
class Outlets:
    """What the kills need: who a container (by the engine's id) is, the log's newest entries, and how to write.

    ``name_of`` and ``job_of`` give the names of a container and of its job, None while nobody knows; ``recent`` the
    entries since a Unix time; ``store`` logs a new entry, ``join`` an entry that has learned more.
    """

    name_of: Callable[[str], str | None]
    job_of: Callable[[str], str | None]
    recent: Callable[[float], Sequence[Incident]]
    store: Callable[[Draft], object]
    join: Callable[[Incident], object]


class Kills:
    """Holds what waits for its name."""

    def __init__(self, outlets: Outlets) -> None:
        self._outlets = outlets
        self._waiting: list[tuple[DeviceEvent, float]] = []

    @property
    def waits(self) -> bool:
        return bool(self._waiting)

    def heard(self, event: DeviceEvent, now: float) -> None:
        """Take what the kernel told at ``now`` (monotonic)."""
        if not self._place(event):
            self._waiting.append((event, now + WAIT_SECONDS))
            for late, _ in self._waiting[:-_LIMIT]:
                self._store(late)
            del self._waiting[:-_LIMIT]

    def look(self, now: float) -> None:
        """Log what has a name by now, and what has waited long enough for one."""
        waiting, self._waiting = self._waiting, []
        for event, due in waiting:
            if self._place(event):
                continue
            if now >= due:
                self._store(event)
            else:
                self._waiting.append((event, due))

    def flush(self) -> None:
        """Log what still waits: nobody will name it any more."""
        self.look(float("inf"))

    def ended(self, job: Job, at: float) -> None:
        """Take the end of a job for lack of memory, at Unix time ``at`` where its own is not known."""
        draft = drafts.of_job(job, at)
        if draft is None:
            return
        if not draft.is_kill:
            self._outlets.store(draft)
            return
        self.look(float("-inf"))  # whose container is known by now is not to be taken for this job's
        ended = draft.incident.at
        known = self._told_of(job, ended)
        if known is not None:
            if "job_id" not in known.details:
                self._outlets.join(_with(known, draft.incident.details, draft.incident.hint))
            return
        mine = [event for event, _ in self._waiting if abs(event.at - ended) <= MATCH_SECONDS]
        self._waiting = [each for each in self._waiting if each[0] not in mine]
        told = next((event for event in mine if event.process is not None), None)
        facts = {} if told is None else drafts.victim_facts(told)
        self._outlets.store(replace(draft, incident=_with(draft.incident, facts, None)))

    def _place(self, event: DeviceEvent) -> bool:
        """Log a kill whose place is known, or join it to a job's end that was told before; False while it waits."""
        name = self._outlets.name_of(event.container) if event.container else None
        is_named = event.process is not None and (event.container is None or name is not None)
        if not (is_named and name is None):
            report = self._report_for(event, name)
            if report is not None:
                if event.process is not None and "pid" not in report.details:
                    self._outlets.join(_with(report, drafts.victim_facts(event), None))
                return True
        if is_named:
            self._store(event)
        return is_named

    def _store(self, event: DeviceEvent) -> None:
        container = event.container
        name = self._outlets.name_of(container) if container else None
        job = self._outlets.job_of(container) if container else None
        self._outlets.store(drafts.of_kill(event, Killed(name or (container or "")[:12] or None, job)))

    def _report_for(self, event: DeviceEvent, name: str | None) -> Incident | None:
        """Return the entry of a job's end that this kill belongs to: its container's, or with no name the nearest."""
        found = [
            entry
            for entry in self._outlets.recent(event.at - MATCH_SECONDS)
            if entry.kind == "oom" and "job_id" in entry.details and entry.details.get("class") == drafts.KERNEL
            and abs(entry.at - event.at) <= MATCH_SECONDS
            and (name is None or entry.details.get("container") == name)
        ]  # fmt: skip
        return min(found, key=lambda entry: abs(entry.at - event.at), default=None)

    def _told_of(self, job: Job, ended: float) -> Incident | None:
        """Return the entry by which the kernel told of a kill in the containers of a job."""
        containers = {attempt.container for attempt in job.attempts} | {job.container}
        began = min(job.started_at or ended, ended) - MATCH_SECONDS
        for entry in self._outlets.recent(began):
            same = entry.details.get("job_id") == job.id
            if entry.kind == "oom" and (same or entry.details.get("container", "") in containers):
                return entry
        return None


def _with(entry: Incident, facts: Mapping[str, str], hint: str | None) -> Incident:
    """Return the entry with what was learned; what stood there stays."""
    return replace(entry, hint=hint or entry.hint, details={**facts, **entry.details})
