"""The rows of the queue: jobs, and sweeps and arrays folded into one row each. No Qt here.

A group is a row that can be unfolded; its jobs come under it then. While words or choices narrow the table there are
only jobs: who looks for the failed ones wants to see them, and no fold.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.records.group import JobGroup
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.tables.order import Cell
from mlops_desk.kit.window.words import jobs as words
from mlops_desk.kit.window.words import marks, numbers
from mlops_desk.kit.window.words.numbers import Mark

FEWEST = 3  # chosen: two jobs take no more room than a fold of them
HELD = frozenset({"group_paused", "group_failing"})
"""Classes of the reasons for which none of a group that waits is started."""
_SHOWN = (
    JobState.FAILED, JobState.UNKNOWN, JobState.BLOCKED, JobState.RUNNING, JobState.STARTING, JobState.QUEUED,
    JobState.SUCCEEDED, JobState.CANCELLED,
)  # fmt: skip
_NEVER = 1e12
"""Later than any time that is told: what has none comes last."""
_ON_RANK, _WAITING_RANK, _OVER_RANK = 0, 1, 2
"""What runs comes first, then what waits, then what is over."""
_INDEX = "index"
"""The parameter of an array that is a member's number, which stands there already."""
_VALUES = 120  # chosen: characters of a member's parameters in a line


@dataclass(frozen=True)
class GroupRow:
    """A sweep or an array: its jobs in their order, and what is told of them (None: not asked yet)."""

    id: str
    jobs: tuple[JobBrief, ...]
    is_open: bool
    told: JobGroup | None = None

    @property
    def name(self) -> str:
        return self.jobs[0].name

    @property
    def user(self) -> str:
        return self.jobs[0].user

    @cached_property
    def states(self) -> Counter[JobState]:
        return Counter(job.state for job in self.jobs)

    @property
    def is_over(self) -> bool:
        return all(job.state.is_final for job in self.jobs)

    @property
    def done(self) -> int:
        return sum(job.state.is_final for job in self.jobs)

    @cached_property
    def held(self) -> Reason | None:
        """Return why what waits of it is not started."""
        reasons = (job.reason for job in self.jobs if job.state in words.WAITING)
        return next((reason for reason in reasons if reason is not None and reason.class_ in HELD), None)

    @cached_property
    def lead(self) -> JobBrief:
        """Return the job by which it is sorted: the one that is furthest in the order of the queue."""
        return min(self.jobs, key=queue_place)

    @property
    def mark(self) -> Mark:
        """Return how it stands as a whole: as its jobs that go on, else as those that ended worst."""
        order = [JobState.RUNNING, JobState.STARTING, JobState.QUEUED, JobState.BLOCKED, *_SHOWN]
        return marks.JOB_MARKS[next(state for state in order if self.states[state])]

    def summary(self) -> str:
        """Return its jobs in a few words: ``12 succeeded, 3 running, 5 queued``."""
        order = (JobState.SUCCEEDED, *(state for state in _SHOWN if state is not JobState.SUCCEEDED))
        return ", ".join(
            f"{self.states[state]:,} {marks.JOB_MARKS[state].word}" for state in order if self.states[state]
        )

    def best(self) -> str:
        """Return the best of a sweep: ``best auc 0.93 (lr=0.1)``; nothing where none has told its metric."""
        told = self.told
        member = next((one for one in told.members if one.id == told.best), None) if told is not None else None
        if told is None or member is None or member.metric is None or told.metric is None:
            return ""
        values = values_of(member.params, varied(told))
        return f"best {plain(told.metric)} {member.metric:.4g}" + (f" ({values})" if values else "")


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A job of a group that is unfolded: its parameters, what it has reached, and whether it is the best."""

    job: JobBrief
    params: str = ""
    metric: str = ""
    is_best: bool = False


QueueRow = JobBrief | GroupRow | MemberRow


def job_of(row: QueueRow | None) -> JobBrief | None:
    """Return the job that a row is; None: it is a group, or nothing."""
    if isinstance(row, MemberRow):
        return row.job
    return row if isinstance(row, JobBrief) else None


def group_key(group: str) -> str:
    """Return the key of a group's row; jobs have their ids."""
    return f"group {group}"


def parent_of(row: QueueRow) -> str | None:
    """Return the key of the row that a row stands under."""
    return group_key(row.job.group) if isinstance(row, MemberRow) and row.job.group is not None else None


def rows(
    jobs: Mapping[str, JobBrief], opened: Collection[str], told: Mapping[str, JobGroup], *, flat: bool
) -> Mapping[str, QueueRow]:
    """Return the rows by their keys, in the order of the jobs; ``flat``: without groups."""
    groups = {} if flat else _groups(jobs.values())
    if not groups:
        return jobs
    found: dict[str, QueueRow] = {}
    for key, job in jobs.items():
        group = job.group
        if group is None or group not in groups:
            found[key] = job
        elif group_key(group) not in found:
            found.update(_unfolded(group, groups[group], told.get(group), is_open=group in opened))
    return found


def _groups(jobs: Iterable[JobBrief]) -> dict[str, list[JobBrief]]:
    found: dict[str, list[JobBrief]] = {}
    for job in jobs:
        if job.group is not None:
            found.setdefault(job.group, []).append(job)
    return {group: members for group, members in found.items() if len(members) >= FEWEST}


def _unfolded(group: str, members: list[JobBrief], told: JobGroup | None, *, is_open: bool) -> dict[str, QueueRow]:
    ordered = sorted(members, key=lambda job: (job.group_index or 0, job.id))
    found: dict[str, QueueRow] = {group_key(group): GroupRow(group, tuple(ordered), is_open, told)}
    if is_open:
        known = {one.id: one for one in told.members} if told is not None else {}
        names = varied(told) if told is not None else ()
        for job in ordered:
            one = known.get(job.id)
            if one is None or told is None:
                found[job.id] = MemberRow(job)
                continue
            metric = f"{plain(told.metric)} {one.metric:.4g}" if told.metric and one.metric is not None else ""
            found[job.id] = MemberRow(job, values_of(one.params, names), metric, is_best=told.best == job.id)
    return found


def varied(told: JobGroup) -> tuple[str, ...]:
    """Return the parameters in which the jobs of a group differ; a member's number is none of them."""
    names = sorted({name for one in told.members for name in one.params} - {_INDEX})
    return tuple(name for name in names if len({one.params.get(name) for one in told.members}) > 1)


def values_of(params: Mapping[str, str], names: Iterable[str]) -> str:
    """Return parameters in a line."""
    return plain(" ".join(f"{name}={params[name]}" for name in names if name in params), _VALUES)


def queue_place(job: JobBrief) -> tuple[int, float, float]:
    """Return where a job stands in the order of the queue: the longest running, the next ones, the newest ended."""
    if job.state in words.ON:
        return _ON_RANK, job.started_at or job.submitted_at, 0.0
    if job.state in words.WAITING:
        return _WAITING_RANK, float(job.position) if job.position is not None else _NEVER, job.submitted_at
    return _OVER_RANK, -(job.ended_at or job.submitted_at), 0.0


# The cells of a sweep or an array that is a row of its own, and what its jobs say more under it.

OPEN, FOLDED = "▾", "▸"
BEST = "★"
_INDENT = "    "


def name(row: GroupRow) -> Cell:
    fold = OPEN if row.is_open else FOLDED
    how = "Left folds it." if row.is_open else "Right unfolds it."
    return Cell(f"{fold} {plain(row.name)} ({len(row.jobs):,})", tip=f"{row.name}: {row.summary()}. {how}")


def state(row: GroupRow) -> Cell:
    """Say how many go on, or that it is over or paused; the bar is how many are over."""
    mark = row.mark
    running = sum(row.states[state] for state in words.ON)
    if row.held is not None:
        text = f"{numbers.PAUSED} paused" if row.held.class_ == "group_paused" else f"{numbers.WARNING} stopped"
        token = "paused" if row.held.class_ == "group_paused" else "warning"
        return Cell(text, mark.word, token, plain(row.held.text), bar=row.done / len(row.jobs))
    text = f"{mark.shape} {running:,} running" if running else mark.text
    return Cell(text, mark.word, mark.token, row.summary(), bar=None if row.is_over else row.done / len(row.jobs))


def gpus(row: GroupRow) -> Cell:
    """Return how many GPUs it has now; where it is over, how many each of its jobs asked for."""
    held = sum(job.gpus_asked for job in row.jobs if job.state in words.ON)
    asked = row.lead.gpus_asked
    return Cell(str(held if not row.is_over else asked), tip=f"{numbers.count(asked, 'GPU')} each")


def position(row: GroupRow) -> Cell:
    places = [job.position for job in row.jobs if job.state in words.WAITING and job.position is not None]
    return Cell(f"{min(places):,}", tip="The next of its jobs") if places else Cell("")


def when(row: GroupRow) -> Cell:
    starts = [job.forecast_start for job in row.jobs if job.state in words.WAITING and job.forecast_start is not None]
    if starts:
        return Cell(f"next {words.about(min(starts))}", tip=f"Expected: {numbers.absolute(min(starts))}")
    if row.is_over:
        ended = max((job.ended_at or job.submitted_at for job in row.jobs), default=0.0)
        return Cell(numbers.ago(ended), tip=numbers.absolute(ended))
    ends = [words.expected_end(job, agent_clock.now()) for job in row.jobs if job.state in words.ON]
    known = [end for end in ends if end is not None]
    # The last of them, and only where all that run have said when.
    return Cell(f"ends {words.about(max(known))}") if known and len(known) == len(ends) else Cell(numbers.NOTHING)


def ran(row: GroupRow) -> Cell:
    """Return how long it has been from the first start to the last end, or to now."""
    began = [job.started_at for job in row.jobs if job.started_at is not None]
    if not began:
        return Cell(numbers.NOTHING)
    ends = [job.ended_at for job in row.jobs if job.ended_at is not None]
    end = max(ends, default=min(began)) if row.is_over else agent_clock.now()
    return Cell(numbers.duration(max(end - min(began), 0.0)), tip=f"since {numbers.absolute(min(began))}")


def why(row: GroupRow) -> Cell:
    parts = [part for part in (row.summary(), row.best()) if part]
    text = " · ".join(parts)
    return Cell(text, tip=text if row.held is None else f"{row.held.text} {row.held.hint or ''}\n{text}")


def member_name(row: MemberRow, cell: Cell) -> Cell:
    """Return the name of a job under its group: its number there, and whether it is the best."""
    place = "" if row.job.group_index is None else f"[{row.job.group_index}] "
    best = f"{BEST} best  " if row.is_best else ""
    text = f"{_INDENT}{best}{place}{row.params or plain(row.job.name)}"
    return replace(cell, text=text, token="ok" if row.is_best else None, tip=f"{row.job.name} {row.params}".strip())


def member_why(row: MemberRow, cell: Cell) -> Cell:
    """Return what a job has reached before why it waits or failed."""
    text = " · ".join(part for part in (row.metric, cell.text) if part)
    return replace(cell, text=text)
