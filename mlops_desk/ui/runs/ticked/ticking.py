"""Runs ticked by their ids, wherever they stand in the table or where they don't: of a group, or to be compared."""

from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal

from mlops_desk.records.registry.run_window import RunRow
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.runs import asking
from mlops_desk.ui.runs.loading import RowLoader
from mlops_desk.ui.runs.ticked.ticks import Ticks


class Ticking(QObject):
    """``changed`` carries whether there was room for all of them."""

    changed = Signal(bool)

    def __init__(self, context: Context, loader: RowLoader, ticks: Ticks) -> None:
        super().__init__()
        self._context = context
        self._loader = loader
        self._ticks = ticks

    def replace(self, run_ids: Sequence[str]) -> None:
        """Tick these and no others; what they are called is heard with their rows."""
        self._ticks.clear()
        self.toggle(run_ids)

    def toggle(self, run_ids: Sequence[str]) -> None:
        """Tick runs, or take their ticks away where all are ticked; their names come later."""
        if all(run_id in self._ticks for run_id in run_ids):
            has_room = self._ticks.drop(run_ids)
        else:
            has_room = self._ticks.add(RunRow(run_id, None, "UNKNOWN", None, "") for run_id in run_ids)
            self._learn_names(run_ids)
        self.changed.emit(has_room)

    def _learn_names(self, run_ids: Sequence[str]) -> None:
        """Ask what ticked runs are called that never were in the table, and whether they go on."""
        named, uri = [run_id for run_id in run_ids if run_id in self._ticks], self._loader.question.uri

        def told(rows: Sequence[RunRow]) -> None:
            if self._ticks.hear(rows):
                self.changed.emit(True)

        if named:
            self._context.ask("ticked runs", lambda desk: asking.rows_of(desk, named, uri), told)
