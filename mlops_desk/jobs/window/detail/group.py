"""The chosen sweep or array: how its jobs stand, which is best, why it is held; each job with what it was given."""

from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.jobs.records.group import GroupMember, JobGroup
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.spec import Goal
from mlops_desk.jobs.window.table.rows import BEST, GroupRow, values_of, varied
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.card import Card, framed
from mlops_desk.kit.window.widgets.command import CommandLine
from mlops_desk.kit.window.words import marks, numbers

_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class _Member:
    """One job of it; ``order`` is its metric as it is sorted by: the best first."""

    told: GroupMember
    values: str
    is_best: bool
    order: float


def _index(one: _Member) -> Cell:
    return Cell("–" if one.told.index is None else str(one.told.index))


def _state(one: _Member) -> Cell:
    mark = marks.JOB_MARKS[one.told.state]
    return Cell(mark.text, mark.word, mark.token)


def _metric(one: _Member) -> Cell:
    if one.told.metric is None:
        return Cell(numbers.NOTHING)
    best = f"{BEST} " if one.is_best else ""
    return Cell(f"{best}{one.told.metric:.5g}", token="ok" if one.is_best else None)


def _why(one: _Member) -> Cell:
    reason = one.told.reason
    if reason is None or one.told.state is JobState.SUCCEEDED:
        return Cell("")
    return Cell(plain(reason.brief), tip=f"{reason.told}\n{reason.hint or ''}".strip())


_COLUMNS: tuple[Column[_Member], ...] = (
    Column("index", "#", _index, right=True, order=lambda one: one.told.index or 0),
    Column("state", "State", _state, order=lambda one: marks.JOB_MARKS[one.told.state].word),
    Column("metric", "Metric", _metric, right=True, order=lambda one: one.order),
    Column("values", "Parameters", lambda one: Cell(one.values or plain(one.told.name)), order=lambda one: one.values),
    Column("why", "Why", _why, stretch=True),
)


class GroupView(QWidget):
    """``opened`` carries the id of a job that was asked for (Enter, double click)."""

    opened = Signal(str)

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.headline = Label(bold=True, wrap=True)
        self.says = Label(tone="muted", wrap=True)
        self.command = CommandLine("What to do next, to paste")
        self.table = RecordTable("Jobs of the group", _COLUMNS, context.memory)
        self.table.sort_by_key("metric", Qt.SortOrder.AscendingOrder)
        self.table.takes_key = self._take_key
        self.table.doubleClicked.connect(lambda _index: self._take_key("Return"))
        self._shown = ""
        head = Card()
        for widget in (self.headline, self.says, self.command):
            head.column.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(head)
        column.addWidget(framed(self.table), 1)

    def show_group(self, row: GroupRow) -> None:
        """Show a group; its jobs in brief until the agent has told more."""
        mark = row.mark
        self.headline.show_text(f"{mark.shape} {plain(row.name)}: {row.summary()}")
        self.headline.tint(mark.token)
        held = row.held or (row.told.stopped if row.told is not None else None)
        said = [row.best(), *([held.text, held.evidence or ""] if held is not None else [])]
        self.says.show_text("\n".join(part for part in said if part))
        self.says.setVisible(any(said))
        self.command.show_command(held.command if held is not None else None)
        self.table.show_records(_members(row))
        if row.id != self._shown:
            self._shown = row.id
            self.table.sort_again()  # later what changes stays where it is

    def _take_key(self, key: str) -> bool:
        chosen = self.table.key()
        if key != "Return" or chosen is None:
            return False
        self.opened.emit(chosen)
        return True


def _members(row: GroupRow) -> dict[str, _Member]:
    told: JobGroup | None = row.told
    states = {job.id: job.state for job in row.jobs}
    if told is None:
        brief = (GroupMember(job.id, job.name, job.group_index, job.state, reason=job.reason) for job in row.jobs)
        return {one.id: _Member(one, "", is_best=False, order=_NEVER) for one in brief}
    names, sign = varied(told), -1.0 if told.goal is Goal.MAXIMIZE else 1.0
    return {
        one.id: _Member(
            one if states.get(one.id, one.state) is one.state else _with_state(one, states[one.id]),
            values_of(one.params, names),
            one.id == told.best,
            _NEVER if one.metric is None else sign * one.metric,
        )
        for one in told.members
    }


def _with_state(one: GroupMember, state: JobState) -> GroupMember:
    """Return a member as it stands by newer news than the group's."""
    return GroupMember(one.id, one.name, one.index, state, one.params, one.metric, None, one.mlflow_run_id)
