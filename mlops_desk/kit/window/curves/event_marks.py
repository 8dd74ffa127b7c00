"""What happened while curves were drawn: flags for events, and bars for who had a GPU from when to when. No Qt here."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mlops_desk.jobs.records.brief import JobRun
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import AuditEntry, AuditState
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.words import alerts, gpus, marks, numbers
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.machine.records.history import ProcessMemory
from mlops_desk.machine.records.incident import Incident

STILL_SECONDS = 40.0
"""Who was seen so shortly before now still runs: lists are written every ten seconds, and one may be late."""

NAME_LIMIT = 40  # chosen: a name and a user in a bar
_ASKED = {
    "endpoints.deploy": ("endpoints", "deployed"),
    "endpoints.promote": ("endpoints", "promoted"),
    "endpoints.rollback": ("endpoints", "rolled back"),
    "endpoints.split": ("endpoints", "shared out"),
    "endpoints.remove": ("endpoints", "removed"),
    "models.alias": ("models", "alias moved"),
}
_OVER = Mark("ok", numbers.IDLE, "over")
_DID = Mark("info", numbers.INFO, "changed")
_DOUBT = Mark("warning", numbers.UNKNOWN, "not known")
_RANK = {"alert": 3, "warning": 2, "info": 1}


@dataclass(frozen=True, slots=True)
class Occupant:
    """A job, or a process outside of one, that had a GPU from ``start`` to ``end`` (None: it has not ended).

    ``job`` is the id of the job; a process has none. ``gpus`` are those it had, by UUID.
    """

    start: float
    end: float | None
    name: str
    user: str | None
    gpus: tuple[str, ...]
    job: str | None = None
    pid: int | None = None

    def ended_by(self, now: float) -> float:
        return now if self.end is None else self.end

    @property
    def title(self) -> str:
        return " · ".join(plain(part, NAME_LIMIT) for part in (self.name, self.user) if part)

    def told(self, now: float) -> str:
        """Return who and from when to when, in one line."""
        kind = "job" if self.job is not None else "outside"
        until = "still runs" if self.end is None else f"to {numbers.day_and_clock(self.end, now)}"
        length = numbers.duration(self.ended_by(now) - self.start)
        return f"{kind} {self.title}, from {numbers.day_and_clock(self.start, now)} {until} ({length})"


@dataclass(frozen=True, slots=True)
class Flag:
    """Something that happened at one moment: how it is marked, what it was, and where it is told of closer."""

    at: float
    mark: Mark
    title: str
    page: str
    thing: str | None

    @property
    def rank(self) -> int:
        return _RANK.get(self.mark.token, 0)

    def told(self, now: float) -> str:
        return f"{numbers.day_and_clock(self.at, now)} {self.mark.shape} {plain(self.title)}"


def occupants(
    processes: Iterable[ProcessMemory], runs: Iterable[JobRun], gpu: str | None, now: float
) -> list[Occupant]:
    """Return who had a GPU (None: any), oldest first; the processes of a job are the job, those of a container one."""
    mine = [run for run in runs if run.gpus and (gpu is None or gpu in run.gpus)]
    found = [Occupant(run.started_at, run.ended_at, run.name, run.user, run.gpus, job=run.job_id) for run in mine]
    of_jobs = {run.container for run in mine}
    grouped: dict[object, list[ProcessMemory]] = defaultdict(list)
    for one in processes:
        if (gpu is None or one.gpu == gpu) and one.container not in of_jobs:
            grouped[one.container or (one.pid, one.command)].append(one)
    found += [_outside(together, now) for together in grouped.values()]
    return sorted(found, key=lambda one: (one.start, one.title))


def _outside(together: Sequence[ProcessMemory], now: float) -> Occupant:
    largest = max(together, key=lambda one: one.peak_bytes)
    last = max(one.last_at for one in together)
    return Occupant(
        min(one.first_at for one in together),
        None if now - last <= STILL_SECONDS else last,
        gpus.memory_name(largest),
        largest.user,
        tuple(sorted({one.gpu for one in together})),
        pid=largest.pid,
    )


def lanes(found: Iterable[Occupant], now: float) -> list[list[Occupant]]:
    """Return occupants in as few rows as there were at once, each in the first one that was free."""
    rows: list[list[Occupant]] = []
    for one in sorted(found, key=lambda one: (one.start, one.job is None)):
        free = next((row for row in rows if row[-1].ended_by(now) <= one.start), None)
        if free is None:
            rows.append([one])
        else:
            free.append(one)
    return rows


def flags(
    incidents: Iterable[Incident], runs: Iterable[JobRun], asked: Iterable[AuditEntry], device: str | None, span: Span
) -> list[Flag]:
    """Return what happened to a device (a GPU's UUID, ``host``, a kernel name) and what was done to all, oldest first.

    A repeated event has a flag where it began and one where it was last seen; a state, where it began and was over.
    """
    found = [flag for one in incidents if _is_of(one, device) for flag in _of_incident(one)]
    for run in runs:
        if run.ended_at is not None and (device == "host" or device in run.gpus):
            mark = marks.JOB_MARKS[run.state]
            found.append(Flag(run.ended_at, mark, f"Job {run.name} {mark.word}", "jobs", run.job_id))
    for entry in asked:
        if entry.verb in _ASKED and entry.error is None and entry.state is not AuditState.BEGAN:
            page, word = _ASKED[entry.verb]
            mark, doubt = (_DID, "") if entry.state is AuditState.ENDED else (_DOUBT, "not known whether ")
            found.append(Flag(entry.at, mark, f"{doubt}{word}: {entry.arguments} ({entry.user})", page, None))
    return sorted((flag for flag in found if span.holds(flag.at)), key=lambda flag: (flag.at, -flag.rank))


def _is_of(incident: Incident, device: str | None) -> bool:
    return (incident.device or "host").partition("/")[0] == device


def _of_incident(incident: Incident) -> list[Flag]:
    first = Flag(incident.at, alerts.incident_mark(incident), incident.title, "events", incident.id)
    if incident.lasting:
        if incident.ended_at is None:
            return [first]
        return [first, replace(first, at=incident.ended_at, mark=_OVER, title=f"Over: {incident.title}")]
    if incident.count > 1 and incident.last_at is not None and incident.last_at != incident.at:
        return [first, replace(first, at=incident.last_at, title=f"{incident.title} ({incident.count:,} times)")]
    return [first]


def at_cursor(found: Iterable[Occupant], moment: float, now: float) -> list[Occupant]:
    """Return who was there at a time."""
    return [one for one in found if one.start <= moment <= one.ended_by(now)]


def clusters(found: Sequence[Flag], apart_seconds: float) -> list[list[Flag]]:
    """Return flags that would lie over one another together."""
    groups: list[list[Flag]] = []
    for flag in found:
        if groups and flag.at - groups[-1][0].at < apart_seconds:
            groups[-1].append(flag)
        else:
            groups.append([flag])
    return groups


def gravest(group: Sequence[Flag]) -> Flag:
    """Return what stands for a group: the gravest of it, and of those the last."""
    return max(group, key=lambda flag: (flag.rank, flag.at))
