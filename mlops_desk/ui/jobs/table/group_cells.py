"""The cells of a sweep or an array that is a row of its own, and what its jobs say more under it."""

from dataclasses import replace

from mlops_desk.base import agent_clock
from mlops_desk.base.text import plain
from mlops_desk.ui.jobs.table.rows import GroupRow, MemberRow
from mlops_desk.ui.tables.model import Cell
from mlops_desk.ui.words import jobs as words
from mlops_desk.ui.words import numbers

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
