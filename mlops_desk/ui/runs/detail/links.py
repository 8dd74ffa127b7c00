"""Where one can go from a run: its job, the versions that were made of it, the run above it and those below it."""

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtWidgets import QMenu, QWidget

from mlops_desk.base.text import plain
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look.text import menu_text
from mlops_desk.ui.runs import cells
from mlops_desk.ui.runs.asking import RunStory
from mlops_desk.ui.runs.detail.facts import PARENT
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.flow import FlowLayout
from mlops_desk.ui.words import numbers

Link = tuple[str, Callable[[], object]]

_MOST_BUTTONS = 3  # chosen: a row of them, two where names are long; a menu has the rest
_MOST_IN_MENU = 40  # chosen: more are found by the filter on runs


def links_of(story: RunStory, context: Context, wanted: Callable[[str], object]) -> list[Link]:
    """Return what leads where; ``wanted`` shows another run by its id."""
    links: list[Link] = []
    if story.job is not None:
        links.append((f"Job {plain(story.job.name, 40)}", partial(context.open_page, "jobs", story.job.id)))
    for one in story.versions:
        aliases = f" ({', '.join(plain(alias, 40) for alias in one.aliases)})" if one.aliases else ""
        title = f"{plain(one.name, 40)} version {plain(one.version, 20)}{aliases}"
        links.append((title, partial(context.open_page, "models", f"{one.name}/{one.version}")))
    parent = story.run.tags.get(PARENT)
    if parent:
        links.append(("Run that started it", partial(wanted, parent)))
    return links + [(f"↳ {plain(cells.name(row), 40)}", partial(wanted, row.run_id)) for row in story.nested]


class RunLinks(QWidget):
    """The first ones as buttons, all others in the menu of one more."""

    def __init__(self) -> None:
        super().__init__()
        self._flow = FlowLayout(self)
        self._others: list[Link] = []

    def show_links(self, links: Sequence[Link]) -> None:
        self._flow.clear()
        for title, act in links[:_MOST_BUTTONS]:
            self._add(title, act)
        self._others = list(links[_MOST_BUTTONS:])
        if self._others:
            self._add(f"{len(self._others):,} more …", self.open_others)
        self.setVisible(bool(links))
        self.updateGeometry()

    def _add(self, title: str, act: Callable[[], object]) -> None:
        button = Button(title)
        button.clicked.connect(lambda _on=False, act=act: act())
        self._flow.addWidget(button)
        button.show()

    def open_others(self) -> QMenu:
        """Open the menu of those that have no button."""
        menu = QMenu(self)
        menu.aboutToHide.connect(menu.deleteLater)
        for title, act in self._others[:_MOST_IN_MENU]:
            menu.addAction(menu_text(title)).triggered.connect(lambda _on=False, act=act: act())
        left = len(self._others) - _MOST_IN_MENU
        if left > 0:
            menu.addAction(f"… and {numbers.count(left, 'other')}").setEnabled(False)
        menu.popup(self.mapToGlobal(self.rect().bottomLeft()))
        return menu
