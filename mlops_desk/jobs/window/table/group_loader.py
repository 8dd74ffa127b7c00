"""What is told of sweeps and arrays beyond their jobs: parameters, metrics, which is best. Asked for while one looks.

Of few groups at a time: those that are unfolded or chosen, and some that go on; of each when one of its jobs changed,
and now and then while any runs, since what a run reports is not announced.
"""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from mlops_desk.jobs.records.group import JobGroup
from mlops_desk.jobs.window.table.rows import GroupRow
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.words import jobs as words

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

MOST_UNASKED = 8  # chosen: folded groups whose best is told without being looked at; each costs a question
AGAIN_SECONDS = 10.0  # chosen: as old as what a page says of times may be
_SOON_MILLISECONDS = 300  # chosen: when one job of a group changes, others mostly do too


class GroupNews(QObject):
    """``told`` is what is known, by the groups' ids; ``changed``: there is more."""

    changed = Signal()

    def __init__(self, context: Context, parent: QObject) -> None:
        super().__init__(parent)
        self._context = context
        self.told: dict[str, JobGroup] = {}
        self._asked: dict[str, tuple[tuple[object, ...], float]] = {}
        self._wanted: dict[str, GroupRow] = {}
        self._task: Task | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_SOON_MILLISECONDS)
        self._soon.timeout.connect(self._ask)
        self._again = QTimer(self)
        self._again.setInterval(int(AGAIN_SECONDS * 1000))
        self._again.timeout.connect(self._ask)

    def want(self, groups: Iterable[GroupRow], chosen: str | None) -> None:
        """Hear which groups there are on the page, and which is chosen."""
        known = list(groups)
        looked_at = [row for row in known if row.is_open or row.id == chosen]
        going_on = [row for row in known if not row.is_over and row not in looked_at]
        self._wanted = {row.id: row for row in (*looked_at, *going_on[:MOST_UNASKED])}
        if self._due():
            self._soon.start()
        runs = any(_runs(row) for row in self._wanted.values())
        if runs and not self._again.isActive():
            self._again.start()
        elif not runs:
            self._again.stop()

    def rest(self) -> None:
        """Hear that nobody looks."""
        self._soon.stop()
        self._again.stop()

    def _due(self) -> list[GroupRow]:
        return [row for row in self._wanted.values() if self._is_due(row)]

    def _is_due(self, row: GroupRow) -> bool:
        before = self._asked.get(row.id)
        if before is None or before[0] != _stand(row):
            return True
        return _runs(row) and time.monotonic() - before[1] >= AGAIN_SECONDS

    def _ask(self) -> None:
        due = self._due()
        if not due or (self._task is not None and self._task.running):
            return
        row = due[0]
        self._asked[row.id] = _stand(row), time.monotonic()
        member = row.jobs[0].id
        self._task = self._context.ask(
            "group of jobs", lambda desk: desk.jobs.group(member), lambda found: self._take(row.id, found), self._miss
        )

    def _take(self, group: str, found: JobGroup) -> None:
        if self.told.get(group) != found:
            self.told[group] = found
            self.changed.emit()
        self._go_on()

    def _miss(self, _error: DeskError) -> None:
        """Show what the list tells; the page says where the agent does not answer."""
        self._go_on()

    def _go_on(self) -> None:
        if self._due():
            self._soon.start()


def _stand(row: GroupRow) -> tuple[object, ...]:
    return tuple((job.id, job.state) for job in row.jobs)


def _runs(row: GroupRow) -> bool:
    return any(row.states[state] for state in words.ON)
