"""What the page offers to do: in the menu of a row, in that of a head, and in the palette."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QMenu, QWidget

from mlops_desk.records.registry.run_window import RunRow
from mlops_desk.ui.actions import Action
from mlops_desk.ui.look.text import menu_text
from mlops_desk.ui.runs import cells
from mlops_desk.ui.runs.bar.top import TopBar
from mlops_desk.ui.runs.loading import RowLoader
from mlops_desk.ui.runs.table import RunsTable
from mlops_desk.ui.runs.ticked.ticks import Ticks


class OfferedActs:
    """Of one page. ``right`` returns what stands beside its table, None until it is loaded."""

    def __init__(
        self, parent: QWidget, bar: TopBar, table: RunsTable, ticks: Ticks, loader: RowLoader, right: Callable[[], Any]
    ) -> None:
        self._parent, self._bar, self._table = parent, bar, table
        self._ticks, self._loader, self._right = ticks, loader, right

    def fill_menu(self, menu: QMenu) -> None:
        """Put what can be done with the current run into the menu of its row."""
        table, row = self._table, self._table.current_row()
        if row is None:
            return
        title = "Take its tick away" if row.run_id in self._ticks else "Tick it to compare"
        menu.addAction(title).triggered.connect(lambda: table.tick(table.currentIndex().row()))
        for action in self._with_run(row):
            menu.addAction(menu_text(action.title)).triggered.connect(action.runner())
        menu.addSeparator()

    def open_head(self, section: int, place: QPoint) -> None:
        """Open the menu of a column's head."""
        menu = QMenu(self._parent)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for title, act in self._bar.head_acts(section):
            menu.addAction(menu_text(title)).triggered.connect(act)
        menu.popup(place)

    def here(self, save: Callable[[], None]) -> list[Action]:
        """Return what can be done now; ``save`` asks where to, and saves the table."""
        bar, row = self._bar, self._table.current_row()
        is_grouped = bar.group_by() is not None
        return [
            Action("runs.columns", "Choose columns …", lambda: _let_go(bar.choose_columns())),
            Action("runs.column", "Sort or change the column of the cursor …", self._table.ask_head),
            Action("runs.group", "Group the runs …", bar.groups.showPopup, when=lambda: not is_grouped),
            Action("runs.ungroup", "Show the runs one by one", lambda: bar.group(None), when=lambda: is_grouped),
            Action("runs.save_view", "Save this view …", lambda: _let_go(bar.chips.ask_name())),
            Action("runs.untick", "Take all ticks away", self._table.untick_all, when=lambda: len(self._ticks) > 0),
            Action("runs.export", "Save the table as CSV …", save),
            *(self._with_run(row) if row is not None else []),
        ]

    def _with_run(self, row: RunRow) -> list[Action]:
        right = self._right()
        if right is None:
            return []
        uri = self._loader.question.uri
        acts = right.acts(self._loader.refresh)
        story = right.detail.story
        known = story is not None and story.run.run_id == row.run_id
        ticked = [(one.run_id, one.title) for one in self._ticks.all()] or [(row.run_id, cells.name(row))]
        which = f"the {len(self._ticks)} ticked runs" if len(self._ticks) else "the run"
        return [
            Action("runs.tag", "Tag the run …", lambda: acts.tag(story, uri), when=lambda: known),
            Action("runs.describe", "Describe the run …", lambda: acts.describe(story, uri), when=lambda: known),
            Action("runs.delete", f"Delete {which} …", lambda: acts.delete(ticked, uri)),
        ]


def _let_go(_form: object) -> None:
    """Leave a form to itself: it is open by now."""
