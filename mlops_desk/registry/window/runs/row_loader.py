"""Fetches the rows that are seen: two questions under way at most, and what is wanted by then is asked next.

So what was scrolled past is never asked for. While somebody types, the answer to an older filter is thrown away, and
the rows of the last good one stay until new ones are here.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live.context import Context
from mlops_desk.registry.records.run_window import RunWindow
from mlops_desk.registry.window.runs import queries
from mlops_desk.registry.window.runs.cells import GOING_ON
from mlops_desk.registry.window.runs.query import RunQuestion
from mlops_desk.registry.window.runs.rows import CHUNK, SeenRows

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

MOST_UNDER_WAY = 2  # chosen: one that is slow keeps nobody waiting, and the agent is not flooded
LOADING_MS = 250  # chosen: while the agent still reads the registry, counts are seen to grow
LIVE_MS = 1000  # chosen: rows of running jobs; what the agent announces comes at once


def ask_window(question: RunQuestion, offset: int, limit: int) -> Callable[[ClientLike], RunWindow]:
    """Return what asks the agent for some rows."""
    return lambda desk: desk.runs.window(
        question.experiment_words(),
        question.uri,
        question.filter,
        question.sort_words(),
        question.asked_columns(),
        offset,
        limit,
        question.nested,
    )


def ask_shown(question: RunQuestion, offset: int, limit: int) -> Callable[[ClientLike], RunWindow]:
    """Return what asks the agent for some rows that are to be looked at: long texts are cut by the worker that asks."""
    ask = ask_window(question, offset, limit)
    return lambda desk: queries.window(ask(desk))


class RowLoader(QObject):
    """``begun``: the first rows of a new question are here. ``resized``: there are more or fewer of them.

    ``arrived`` carries the places (first, last) of rows that are here now, ``refused`` the error instead of an answer.
    """

    begun = Signal()
    arrived = Signal(int, int)
    resized = Signal()
    refused = Signal(object)

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self.rows = SeenRows()
        self.question = RunQuestion()
        self.window: RunWindow | None = None
        self.error: DeskError | None = None
        self._new = True
        self._seen = (0, 0)
        self._tasks: dict[int, Task] = {}
        self._outdated: set[int] = set()
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.timeout.connect(self.refresh)

    @property
    def is_waiting(self) -> bool:
        """Whether nothing was answered yet for what is asked."""
        return self._new

    def ask(self, question: RunQuestion) -> None:
        """Ask for other rows; those that are here stay until the first of the new ones are."""
        self.stop()
        self.question, self._new, self.error = question, True, None
        self._start(0)

    def look(self, first: int, last: int) -> None:
        """Hear which rows are seen."""
        self._seen = (first, last)
        if not self._new:
            self._ask_wanted()

    def refresh(self) -> None:
        """Ask anew for what is seen: something has changed, maybe after what is under way was looked up."""
        self._outdated |= self._tasks.keys()
        if self._new:
            if not self._tasks:
                self._start(0)
            return
        self.rows.age()
        self._ask_wanted()

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._again.stop()
        for task in self._tasks.values():
            task.cancel()
        self._tasks, self._outdated = {}, set()

    def _ask_wanted(self) -> None:
        for chunk in self.rows.wanted(*self._seen):
            if len(self._tasks) >= MOST_UNDER_WAY:
                return
            if chunk not in self._tasks:
                self._start(chunk)

    def _start(self, chunk: int) -> None:
        asked = self.question
        self._tasks[chunk] = self.context.ask(
            "runs",
            ask_shown(asked, chunk * CHUNK, CHUNK),
            lambda window: self._take(chunk, window),
            lambda error: self._refuse(chunk, error),
        )

    def _take(self, chunk: int, window: RunWindow) -> None:
        self._tasks.pop(chunk, None)
        self.window, self.error = window, None
        is_first, moved = self._new, window.revision != self.rows.revision
        if is_first:
            self._new = False
            self.rows.clear()
        changed = self.rows.take(chunk, window)
        if chunk in self._outdated:
            self._outdated.discard(chunk)
            self.rows.age()
        if is_first:
            self.begun.emit()
        else:
            if changed:
                self.resized.emit()
            self.arrived.emit(window.offset, window.offset + len(window.rows) - 1)
        self._ask_wanted()
        self._look_again(window, moved=moved and not is_first)

    def _look_again(self, window: RunWindow, *, moved: bool) -> None:
        """Ask again before long where rows still move: those around may be of another moment."""
        if window.is_loading or moved:
            self._again.start(LOADING_MS)
        elif any(row.status in GOING_ON for row in window.rows) or window.problem is not None:
            self._again.start(LIVE_MS)

    def _refuse(self, chunk: int, error: DeskError) -> None:
        self._tasks.pop(chunk, None)
        self._outdated.discard(chunk)
        self.error = error
        self.refused.emit(error)
