"""What the page offers to do: in the menu of a row, in that of a head, and in the palette."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QMenu

from mlops_desk.records.registry.run_window import RunRow
from mlops_desk.ui.actions import Action
from mlops_desk.ui.look.text import menu_text
from mlops_desk.ui.runs import cells

if TYPE_CHECKING:
    from mlops_desk.ui.runs.page import AllRunsPage


class OfferedActs:
    """Of one page."""

    def __init__(self, page: "AllRunsPage") -> None:
        self._page = page

    def fill_menu(self, menu: QMenu) -> None:
        """Put what can be done with the current run into the menu of its row."""
        table, row = self._page.table, self._page.table.current_row()
        if row is None:
            return
        title = "Take its tick away" if row.run_id in self._page.ticks else "Tick it to compare"
        menu.addAction(title).triggered.connect(lambda: table.tick(table.currentIndex().row()))
        for action in self._with_run(row):
            menu.addAction(menu_text(action.title)).triggered.connect(action.runner())
        menu.addSeparator()

    def open_head(self, section: int, place: QPoint) -> None:
        """Open the menu of a column's head."""
        menu = QMenu(self._page)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for title, act in self._page.bar.head_acts(section):
            menu.addAction(menu_text(title)).triggered.connect(act)
        menu.popup(place)

    def here(self) -> list[Action]:
        """Return what can be done now."""
        page, row = self._page, self._page.table.current_row()
        is_grouped = page.bar.group_by() is not None
        return [
            Action("runs.columns", "Choose columns …", lambda: _let_go(page.bar.choose_columns())),
            Action("runs.column", "Sort or change the column of the cursor …", page.table.ask_head),
            Action("runs.group", "Group the runs …", page.bar.groups.showPopup, when=lambda: not is_grouped),
            Action("runs.ungroup", "Show the runs one by one", lambda: page.bar.group(None), when=lambda: is_grouped),
            Action("runs.save_view", "Save this view …", lambda: _let_go(page.bar.chips.ask_name())),
            Action("runs.untick", "Take all ticks away", page.table.untick_all, when=lambda: len(page.ticks) > 0),
            Action("runs.export", "Save the table as CSV …", page.save_csv),
            *(self._with_run(row) if row is not None else []),
        ]

    def _with_run(self, row: RunRow) -> list[Action]:
        page = self._page
        right = page.right
        if right is None:
            return []
        uri = page.loader.question.uri
        acts = right.acts(page.reload)
        story = right.detail.story
        known = story is not None and story.run.run_id == row.run_id
        ticked = [(one.run_id, one.title) for one in page.ticks.all()] or [(row.run_id, cells.name(row))]
        which = f"the {len(page.ticks)} ticked runs" if len(page.ticks) else "the run"
        return [
            Action("runs.tag", "Tag the run …", lambda: acts.tag(story, uri), when=lambda: known),
            Action("runs.describe", "Describe the run …", lambda: acts.describe(story, uri), when=lambda: known),
            Action("runs.delete", f"Delete {which} …", lambda: acts.delete(ticked, uri)),
        ]


def _let_go(_form: object) -> None:
    """Leave a form to itself: it is open by now."""
