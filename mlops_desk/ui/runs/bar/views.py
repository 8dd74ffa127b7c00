"""The views that a person keeps: remembered across restarts, renamed, replaced, removed and put back."""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject

from mlops_desk.base.text import plain
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.runs.bar.chips import ViewChips
from mlops_desk.ui.runs.question import RunQuestion, SavedView, read_views, renamed, with_view, written

_VIEWS = "runs/views"


class KeptViews(QObject):
    """``asked`` tells what is asked now, and by what it is grouped: that is what is kept under a name."""

    def __init__(self, context: Context, chips: ViewChips, asked: Callable[[], tuple[RunQuestion, str | None]]) -> None:
        super().__init__(chips)
        self._context = context
        self._chips = chips
        self._asked = asked
        self._views = read_views(str(context.memory.value(_VIEWS) or ""))
        chips.saved.connect(self.save)
        chips.renamed.connect(self.rename)
        chips.removed.connect(self.remove)

    def show(self) -> None:
        """Show them, the one among them that is seen now marked."""
        question, group_by = self._asked()
        now = next((one.name for one in self._views if one.fits(question, group_by)), None)
        self._chips.show_views(self._views, now)

    def save(self, name: str) -> None:
        """Keep what is asked for under a name."""
        question, group_by = self._asked()
        view = SavedView(name, question.filter.strip(), question.sort, question.columns, group_by)
        self._keep(with_view(self._views, view))

    def rename(self, old: str, new: str) -> None:
        self._keep(renamed(self._views, old, new))

    def remove(self, name: str) -> None:
        gone = [one for one in self._views if one.name == name]
        place = next((at for at, one in enumerate(self._views) if one.name == name), 0)
        self._keep([one for one in self._views if one.name != name])
        for one in gone:
            said = f"The view {plain(name, 60)} is removed."
            self._context.offer(said, "Undo", partial(self._put_back, one, place))

    def _put_back(self, view: SavedView, place: int) -> None:
        kept = [one for one in self._views if one.name != view.name]
        self._keep([*kept[:place], view, *kept[place:]])

    def _keep(self, views: list[SavedView]) -> None:
        self._views = views
        self._context.memory.setValue(_VIEWS, written(views))
        self.show()
