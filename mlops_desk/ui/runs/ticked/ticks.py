"""The runs that are ticked, to be compared: each with the colour that it has everywhere. No Qt here."""

from collections.abc import Iterable
from dataclasses import dataclass

from mlops_desk.records.registry.run_window import RunRow
from mlops_desk.ui.runs import cells

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
