"""The jobs of a sweep or an array as a table, the best of them marked."""

from collections.abc import Callable
from typing import Any

from mlops_desk.base.text import plain
from mlops_desk.cli.cells import number, table
from mlops_desk.records.jobs.filling import INDEX
from mlops_desk.records.jobs.group import GroupMember, JobGroup
from mlops_desk.records.jobs.job import JobState

_REASON = 60  # chosen: half of a line


def group(item: JobGroup) -> str:
    """Return a group as a line about it and a table of its jobs."""
    names = sorted({name for member in item.members for name in member.params if name != INDEX})
    names = [name for name in names if len({member.params.get(name) for member in item.members}) > 1]
    heads = ["#", "JOB", "STATE", *map(plain, names), *([] if item.metric is None else [plain(item.metric)]), "WHY"]
    rows = [_row(item, member, names) for member in item.members]
    ended = sum(member.state.is_final for member in item.members)
    head = f"{plain(item.name)} ({item.id}) of {plain(item.user)}: {ended} of {len(item.members)} jobs are over"
    return "\n".join([head, table(heads, rows), *_after(item)])


def _row(item: JobGroup, member: GroupMember, names: list[str]) -> list[str]:
    best = " (best)" if member.id == item.best else ""
    metric = [] if item.metric is None else [f"{number(member.metric)}{best}"]
    why = "" if member.reason is None or member.state is JobState.SUCCEEDED else plain(member.reason.brief, _REASON)
    place = "–" if member.index is None else str(member.index)
    return [place, member.id, member.state, *(plain(member.params.get(name, "–")) for name in names), *metric, why]


def _after(item: JobGroup) -> list[str]:
    stopped = item.stopped
    if stopped is None:
        return []
    return [part for part in (stopped.text, stopped.evidence, stopped.hint) if part]


FORMS: dict[type, Callable[[Any], str]] = {JobGroup: group}
