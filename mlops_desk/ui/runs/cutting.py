"""What the agent tells of runs, cut to what a screen can show: in the worker that has asked, before Qt is handed it.

MLflow itself takes names of 250 letters and parameters of 6,000; other trackers take any. No Qt here.
"""

from collections.abc import Iterable
from dataclasses import replace

from mlops_desk.base.text import NAME_LIMIT
from mlops_desk.records.registry.run_window import RunColumn, RunRow, RunValue, RunWindow

LONGEST = 1000  # letters, chosen: more than a cell or a tool tip shows; of more than this a filter takes the beginning
LONGEST_KEY = 1000  # letters, chosen: four times what MLflow takes; nobody chooses a column by a longer name


def window(told: RunWindow) -> RunWindow:
    """Return a window whose texts are cut; ids stay whole."""
    return replace(told, rows=tuple(map(_row, told.rows)))


def _row(row: RunRow) -> RunRow:
    name = row.name if row.name is None else row.name[: NAME_LIMIT + 1]
    return replace(row, name=name, status=row.status[:NAME_LIMIT], values=tuple(map(_value, row.values)))


def _value(value: RunValue) -> RunValue:
    return value[:LONGEST] if isinstance(value, str) else value


def columns(told: Iterable[RunColumn]) -> tuple[list[RunColumn], int]:
    """Return the columns that can be offered, and how many are left out because of the length of their names."""
    every = list(told)
    kept = [one for one in every if len(one.name) <= LONGEST_KEY]
    return kept, len(every) - len(kept)


def askable(names: Iterable[str]) -> list[str]:
    """Return the names that can be chosen to be drawn or grouped by."""
    return [name for name in names if len(name) <= LONGEST_KEY]
