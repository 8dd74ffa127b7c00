"""The columns of the queue: each makes its cell of a job in brief, and says by what it is sorted."""

from collections.abc import Callable
from typing import Any

from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.window.table import rows
from mlops_desk.jobs.window.table.rows import GroupRow, MemberRow, QueueRow, queue_place
from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.words import jobs as words
from mlops_desk.kit.window.words import marks, numbers

_NEVER = 1e12
"""Later than any time that is told: what has none comes last."""


def search_text(row: QueueRow) -> str:
    """Return what a filter looks through."""
    job = row.lead if isinstance(row, GroupRow) else row.job if isinstance(row, MemberRow) else row
    why = job.reason.told if job.reason is not None else ""
    return f"{job.name} {job.state} {job.user} {why} {job.image} {job.id} {job.group or ''}"


def _state(job: JobBrief) -> Cell:
    """Say how it stands, and of what runs how far it is; that it seems stuck goes before."""
    mark = marks.JOB_MARKS[job.state]
    tip = plain(job.reason.told) if job.reason is not None else ""
    if job.cancel_requested and not job.state.is_final:
        return Cell(f"{mark.text}, asked to stop", mark.word, mark.token, tip)
    if job.state not in words.ON:
        return Cell(mark.text, mark.word, mark.token, tip)
    progress = job.progress
    ratio = progress.ratio if progress is not None else None
    if job.stuck is not None:
        return Cell(f"{numbers.WARNING} stuck?", mark.word, "warning", plain(job.stuck.text), bar=ratio)
    if progress is None or ratio is None:
        return Cell(mark.text, mark.word, mark.token, tip)
    share = f"{mark.text} {numbers.percent(ratio)}"
    return Cell(share, mark.word, mark.token, words.progress_words(progress), bar=ratio)


def _position(job: JobBrief) -> Cell:
    if job.state not in words.WAITING or job.position is None:
        return Cell("")
    return Cell(f"{job.position:,}", tip="It is next." if job.position == 1 else f"{job.position - 1:,} before it")


def _when(job: JobBrief) -> Cell:
    """Say when it starts, or ends, or ended: what lies ahead is about."""
    if job.state in words.WAITING:
        if job.forecast_start is None:
            return Cell(numbers.NOTHING, tip="Nothing that it waits for has said when it ends.")
        return Cell(
            f"starts {words.about(job.forecast_start)}", tip=f"Expected: {numbers.absolute(job.forecast_start)}"
        )
    if job.state in words.ON:
        end = words.expected_end(job, agent_clock.now())
        return Cell(numbers.NOTHING) if end is None else Cell(f"ends {words.about(end)}", tip=numbers.absolute(end))
    return Cell(numbers.ago(job.ended_at), tip=numbers.absolute(job.ended_at) if job.ended_at else "")


def _when_order(job: JobBrief) -> float:
    if job.state in words.WAITING:
        return job.forecast_start if job.forecast_start is not None else _NEVER
    if job.state in words.ON:
        end = words.expected_end(job, 0.0)
        return end if end is not None else _NEVER
    return job.ended_at or 0.0


def _ran(job: JobBrief) -> Cell:
    if job.started_at is None:
        return Cell(numbers.NOTHING)
    if job.ended_at is not None:
        return Cell(numbers.duration(job.ended_at - job.started_at))
    if job.state.is_final:
        return Cell(numbers.NOTHING, tip="Nobody saw how it ended")
    tip = f"since {numbers.absolute(job.started_at)}"
    return Cell(numbers.duration(max(agent_clock.now() - job.started_at, 0.0)), tip=tip)


def _ran_order(job: JobBrief) -> float:
    if job.started_at is None:
        return -1.0
    if job.ended_at is not None:
        return job.ended_at - job.started_at
    return -1.0 if job.state.is_final else _NEVER - job.started_at


def _why(job: JobBrief) -> Cell:
    """Say in a few words why it waits or failed, or how far it is."""
    if job.reason is not None:
        return Cell(plain(job.reason.brief), tip=f"{job.reason.told}\n{job.reason.hint or ''}".strip())
    if job.state not in words.ON:
        return Cell("")
    if job.stuck is not None:
        return Cell(plain(job.stuck.text), None, "warning", f"{job.stuck.text}\n{job.stuck.hint}".strip())
    progress = job.progress
    if progress is None:
        return Cell("")
    broken = f"loss is {progress.loss_broken} · " if progress.loss_broken else ""
    return Cell(plain(broken + words.progress_words(progress)), None, "warning" if broken else None)


def _submitted(job: JobBrief) -> Cell:
    return Cell(numbers.ago(job.submitted_at), tip=numbers.absolute(job.submitted_at))


def _name(job: JobBrief) -> Cell:
    return Cell(words.title(job), tip=job.name)


def _cell(
    of_job: Callable[[JobBrief], Cell],
    of_group: Callable[[GroupRow], Cell],
    of_member: Callable[[MemberRow, Cell], Cell] | None = None,
) -> Callable[[QueueRow], Cell]:
    """Return what makes the cell of any row; a job under its group has that of any job unless it is said."""

    def cell(row: QueueRow) -> Cell:
        if isinstance(row, GroupRow):
            return of_group(row)
        if isinstance(row, MemberRow):
            made = of_job(row.job)
            return made if of_member is None else of_member(row, made)
        return of_job(row)

    return cell


def _lead(order: Callable[[JobBrief], Any]) -> Callable[[QueueRow], Any]:
    """Return by what any row is sorted: a group as the job of it that is furthest in the queue."""

    def value(row: QueueRow) -> Any:
        if isinstance(row, GroupRow):
            return order(row.lead)
        return order(row.job if isinstance(row, MemberRow) else row)

    return value


def _same(of_job: Callable[[JobBrief], Cell]) -> Callable[[QueueRow], Cell]:
    """Return what makes the cell of a row that a group shares with its jobs."""
    return _cell(of_job, lambda row: of_job(row.lead))


COLUMNS: tuple[Column[QueueRow], ...] = (
    Column("name", "Job", _cell(_name, rows.name, rows.member_name),
           order=_lead(lambda job: (job.name.lower(), job.group_index or 0))),
    Column("state", "State", _cell(_state, rows.state),
           order=_lead(lambda job: marks.JOB_MARKS[job.state].word)),
    Column("user", "By", _same(lambda job: Cell(plain(job.user))), order=_lead(lambda job: job.user.lower())),
    Column("gpus", "GPUs", _cell(lambda job: Cell(str(job.gpus_asked)), rows.gpus), right=True,
           order=_lead(lambda job: job.gpus_asked)),
    Column("position", "Pos.", _cell(_position, rows.position), right=True, order=_lead(queue_place)),
    Column("when", "Starts / ends", _cell(_when, rows.when), right=True, order=_lead(_when_order)),
    Column("ran", "Ran", _cell(_ran, rows.ran), right=True, order=_lead(_ran_order)),
    Column("why", "Why", _cell(_why, rows.why, rows.member_why), stretch=True),
    Column("priority", "Priority", _same(lambda job: Cell(str(job.priority))), right=True, hidden=True,
           order=_lead(lambda job: job.priority)),
    Column("group", "Group", _same(lambda job: Cell(plain(job.group or "")[:12])), fixed=True, hidden=True,
           order=_lead(lambda job: job.group or "")),
    Column("submitted", "Submitted", _same(_submitted), right=True, hidden=True,
           order=_lead(lambda job: job.submitted_at)),
    Column("image", "Image", _same(lambda job: Cell(plain(job.image), tip=job.image)), hidden=True,
           order=_lead(lambda job: job.image)),
    Column("id", "Id", _same(lambda job: Cell(job.id[:12])), fixed=True, hidden=True, order=_lead(lambda job: job.id)),
)  # fmt: skip
