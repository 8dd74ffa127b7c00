"""The columns of the queue: each makes its cell of a job in brief, and says by what it is sorted."""

from mlops_desk.base import agent_clock
from mlops_desk.base.text import plain
from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.words import jobs as words
from mlops_desk.ui.words import marks, numbers

_NEVER = 1e12
"""Later than any time that is told: what has none comes last."""
_ON_RANK, _WAITING_RANK, _OVER_RANK = 0, 1, 2
"""What runs comes first, then what waits, then what is over."""


def queue_place(job: JobBrief) -> tuple[int, float, float]:
    """Return where a job stands in the order of the queue: the longest running, the next ones, the newest ended."""
    if job.state in words.ON:
        return _ON_RANK, job.started_at or job.submitted_at, 0.0
    if job.state in words.WAITING:
        return _WAITING_RANK, float(job.position) if job.position is not None else _NEVER, job.submitted_at
    return _OVER_RANK, -(job.ended_at or job.submitted_at), 0.0


def search_text(job: JobBrief) -> str:
    """Return what a filter looks through."""
    why = job.reason.text if job.reason is not None else ""
    return f"{job.name} {job.state} {job.user} {why} {job.image} {job.id} {job.group or ''}"


def _state(job: JobBrief) -> Cell:
    mark = marks.JOB_MARKS[job.state]
    tip = plain(job.reason.text) if job.reason is not None else ""
    if job.cancel_requested and not job.state.is_final:
        return Cell(f"{mark.text}, asked to stop", mark.word, mark.token, tip)
    progress = job.progress if job.state in words.ON else None
    if progress is None or progress.ratio is None:
        return Cell(mark.text, mark.word, mark.token, tip)
    share = f"{mark.text} {numbers.percent(progress.ratio)}"
    return Cell(share, mark.word, mark.token, words.progress_words(progress), bar=progress.ratio)


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
        return Cell(plain(job.reason.text), tip=f"{job.reason.text}\n{job.reason.hint or ''}".strip())
    if job.progress is not None and job.state in words.ON:
        return Cell(plain(words.progress_words(job.progress)))
    return Cell("")


def _submitted(job: JobBrief) -> Cell:
    return Cell(numbers.ago(job.submitted_at), tip=numbers.absolute(job.submitted_at))


def _name(job: JobBrief) -> Cell:
    place = "" if job.group_index is None else f" [{job.group_index}]"
    return Cell(f"{plain(job.name)}{place}", tip=job.name)


COLUMNS: tuple[Column[JobBrief], ...] = (
    Column("name", "Job", _name, order=lambda job: (job.name.lower(), job.group_index or 0)),
    Column("state", "State", _state, order=lambda job: marks.JOB_MARKS[job.state].word),
    Column("user", "By", lambda job: Cell(plain(job.user)), order=lambda job: job.user.lower()),
    Column("gpus", "GPUs", lambda job: Cell(str(job.gpus_asked)), right=True, order=lambda job: job.gpus_asked),
    Column("position", "Pos.", _position, right=True, order=queue_place),
    Column("when", "Starts / ends", _when, right=True, order=_when_order),
    Column("ran", "Ran", _ran, right=True, order=_ran_order),
    Column("why", "Why", _why, stretch=True),
    Column("priority", "Priority", lambda job: Cell(str(job.priority)), right=True, hidden=True,
           order=lambda job: job.priority),
    Column("group", "Group", lambda job: Cell(plain(job.group or "")[:12]), fixed=True, hidden=True,
           order=lambda job: job.group or ""),
    Column("submitted", "Submitted", _submitted, right=True, hidden=True, order=lambda job: job.submitted_at),
    Column("image", "Image", lambda job: Cell(plain(job.image), tip=job.image), hidden=True,
           order=lambda job: job.image),
    Column("id", "Id", lambda job: Cell(job.id[:12]), fixed=True, hidden=True, order=lambda job: job.id),
)  # fmt: skip
