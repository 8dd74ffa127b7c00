"""Which columns the runs that are asked for have: asked once, and again once all runs were read."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mlops_desk.kit.window.live.context import Context
from mlops_desk.registry.window.runs import queries
from mlops_desk.registry.window.runs.query import KnownColumns, RunQuestion
from mlops_desk.registry.window.runs.row_loader import RowLoader

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


class LearnedColumns:
    """``told`` hears of columns as they become known."""

    def __init__(self, context: Context, loader: RowLoader, told: Callable[[KnownColumns], None]) -> None:
        self.known = KnownColumns()
        self._context = context
        self._loader = loader
        self._told = told
        self._of: tuple[object, ...] | None = None
        self._is_of_part = False  # they are those of the runs that were read by then
        self._task: Task | None = None

    def learn(self, question: RunQuestion) -> None:
        """Ask which columns there are, where other runs are asked for."""
        of = (question.uri, question.experiments)
        if of == self._of:
            return
        self._of = of
        window = self._loader.window
        self._is_of_part = window is None or self._loader.is_waiting or window.is_loading
        if self._task is not None:
            self._task.cancel()
        self._task = self._context.ask(
            "columns", lambda desk: queries.known_columns(desk, question), self._learned, lambda _error: self.forget()
        )

    def catch_up(self) -> None:
        """Ask again for what was refused while the registry was opened, and once all runs were read."""
        window = self._loader.window
        if window is not None and (self._of is None or (self._is_of_part and not window.is_loading)):
            self._of = None
            self.learn(self._loader.question)

    def forget(self) -> None:
        """Ask for the columns anew with the next question: what is wrong is said where the rows would be."""
        self._of = None

    def _learned(self, known: KnownColumns) -> None:
        self.known = known
        self._told(known)
