"""Which columns of a table somebody chose to see or not to see: remembered by the table's name."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QSettings

from mlops_desk.kit.window.tables.order import Column


class ChosenColumns:
    """What is not chosen is as its column says: hidden, or left out where there is no room for it."""

    def __init__(self, memory: QSettings, name: str) -> None:
        self._memory = memory
        self._hidden_key, self._kept_key = f"tables/{name}/hidden", f"tables/{name}/kept"

    def shows(self, column: Column[Any]) -> bool:
        """Tell whether a column is to be shown, as far as there is room."""
        known = self._memory.contains(self._hidden_key)
        return column.key not in self._keys(self._hidden_key) if known else not column.hidden

    def may_spare(self, column: Column[Any]) -> bool:
        """Tell whether a column may be left out where there is no room for it: who chose it wants to see it."""
        return column.spare and column.key not in self._keys(self._kept_key)

    def choose(self, columns: Sequence[Column[Any]], key: str, *, shown: bool) -> None:
        """Remember that somebody wants to see a column, or not to."""
        hidden = [one.key for one in columns if not self.shows(one) and one.key != key]
        kept = [one for one in self._keys(self._kept_key) if one != key]
        self._memory.setValue(self._hidden_key, ",".join(hidden if shown else [*hidden, key]))
        self._memory.setValue(self._kept_key, ",".join([*kept, key] if shown else kept))

    def _keys(self, name: str) -> list[str]:
        return [key for key in str(self._memory.value(name) or "").split(",") if key]
