"""Where waiting jobs stand: asked for anew while somebody looks, since each start and end moves all that wait.

A place is reckoned when it is asked for, and not announced: an agent would announce a thousand at each end of a job.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.records.job import JobState
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

SOON_MILLISECONDS = 400  # chosen: when one job of many changes, others mostly do too
AGAIN_MILLISECONDS = 10_000  # chosen: as old as what a page says of times may be
MOST = 1000  # as a page of the agent holds; nobody reads the place of one behind


_PLACE = ("position", "forecast_start", "reason")
_place = attrgetter(*_PLACE)
_rest = attrgetter(*(one.name for one in fields(JobBrief) if one.name not in _PLACE))
"""All else that is told of a job. To compare it is cheap; to copy a thousand jobs takes 10 ms (measured)."""


class QueuePlaces(QObject):
    """Puts places into the list of jobs; one for each page that shows them."""

    def __init__(self, context: Context, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._known: tuple[tuple[str, JobState], ...] = ()
        self._awake = False
        self._task: Task | None = None
        self.error: DeskError | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(SOON_MILLISECONDS)
        self._soon.timeout.connect(self._ask)
        self._again = QTimer(self)
        self._again.setInterval(AGAIN_MILLISECONDS)
        self._again.timeout.connect(self._ask)

    def wake(self, *, awake: bool) -> None:
        """Hear whether anybody looks."""
        self._awake = awake
        if not awake:
            self._soon.stop()
            self._again.stop()
            self._known = ()

    def look(self) -> None:
        """Hear that something of the jobs is news: ask if that moves what waits."""
        jobs = self._context.store.jobs.value
        if jobs is None or not self._awake:
            return
        now = tuple((job.id, job.state) for job in jobs.values() if not job.state.is_final)
        if now != self._known:
            self._known = now
            self._soon.start()
        if any(state is JobState.QUEUED for _, state in now):
            if not self._again.isActive():
                self._again.start()
        else:
            self._soon.stop()
            self._again.stop()

    def _ask(self) -> None:
        if self._task is not None and self._task.running:
            return
        self._task = self._context.ask(
            "queue", lambda desk: desk.jobs.page(state=JobState.QUEUED.value, limit=MOST).items, self._take, self._keep
        )

    def _take(self, found: Sequence[JobBrief]) -> None:
        self.error = None
        jobs = self._context.store.jobs.value or {}
        moved = False
        for new in found:
            old = jobs.get(new.id)
            if old is None or old.state is not JobState.QUEUED:
                continue
            if _place(old) != _place(new):
                jobs[new.id] = new if _rest(old) == _rest(new) else _placed(old, new)
                moved = True
        if moved:
            self._context.changed.emit(frozenset({Topic.JOBS}))

    def _keep(self, error: DeskError) -> None:
        """Keep what was said last; whether it is true now the page says, and the next look asks again."""
        self.error = error


def _placed(old: JobBrief, new: JobBrief) -> JobBrief:
    """Return what was announced of a job since it was asked about, with the place that was told."""
    return replace(old, position=new.position, forecast_start=new.forecast_start, reason=new.reason)
