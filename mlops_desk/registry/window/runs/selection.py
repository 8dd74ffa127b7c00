"""The runs that are ticked, to be compared.

The runs that are ticked, to be compared: each with the colour that it has everywhere. No Qt here.

Runs ticked by their ids, wherever they stand in the table or where they don't: of a group, or to be compared.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from mlops_desk.kit.window.live.context import Context
from mlops_desk.registry.records.run_window import RunRow
from mlops_desk.registry.window.runs import cells, queries
from mlops_desk.registry.window.runs.row_loader import RowLoader

MOST = 100  # the verb's: more are not told apart
FEWEST = 2  # one alone is compared with nothing


@dataclass(frozen=True, slots=True)
class Ticked:
    """A run with the slot of its colour."""

    run_id: str
    title: str
    slot: int
    status: str


class Ticks:
    """In the order in which they were ticked. A slot that is free again is given out next."""

    def __init__(self) -> None:
        self._runs: dict[str, Ticked] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._runs

    def all(self) -> list[Ticked]:
        return list(self._runs.values())

    def slot_of(self, run_id: str) -> int | None:
        one = self._runs.get(run_id)
        return None if one is None else one.slot

    def add(self, rows: Iterable[RunRow]) -> bool:
        """Tick runs; False where some had no room."""
        for row in rows:
            if row.run_id in self._runs:
                continue
            if len(self._runs) >= MOST:
                return False
            taken = {one.slot for one in self._runs.values()}
            slot = next(slot for slot in range(MOST) if slot not in taken)
            self._runs[row.run_id] = Ticked(row.run_id, cells.name(row), slot, row.status)
        return True

    def drop(self, run_ids: Iterable[str]) -> bool:
        """Take ticks away; there is room then."""
        for run_id in run_ids:
            self._runs.pop(run_id, None)
        return True

    def toggle(self, row: RunRow) -> bool:
        """Tick a run or take its tick away; False where there was no room."""
        if self._runs.pop(row.run_id, None) is not None:
            return True
        return self.add([row])

    def hear(self, rows: Iterable[RunRow]) -> bool:
        """Take what is news of ticked runs; True when something was."""
        changed = False
        for row in rows:
            old = self._runs.get(row.run_id)
            if old is not None and (old.status, old.title) != (row.status, cells.name(row)):
                self._runs[row.run_id] = Ticked(row.run_id, cells.name(row), old.slot, row.status)
                changed = True
        return changed

    def clear(self) -> None:
        self._runs = {}


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
            self._context.ask("ticked runs", lambda desk: queries.rows_of(desk, named, uri), told)
