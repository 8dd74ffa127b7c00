"""The chosen version: its name and aliases, what can be done with it, and tabs, each made when it is first chosen."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.models import history, words
from mlops_desk.ui.models.acts.acts import CHAMPION, VersionActs
from mlops_desk.ui.models.detail.facts import FactsView
from mlops_desk.ui.models.detail.files import FilesView
from mlops_desk.ui.models.detail.history import HistoryView
from mlops_desk.ui.models.detail.lineage import LineageView
from mlops_desk.ui.models.detail.view import VersionView
from mlops_desk.ui.models.versions.table import paint_badges
from mlops_desk.ui.parts.tab_views import TabViews
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.flow import FlowLayout
from mlops_desk.ui.widgets.tabs import Tabs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlops_desk.records.registry.alias_move import AliasMove
    from mlops_desk.records.registry.version_hit import VersionHit
    from mlops_desk.ui.live.tasks import Task

TABS = (("facts", "Facts"), ("files", "Files"), ("lineage", "Lineage"), ("history", "History"))


class VersionPane(Card):
    """``compare`` is told when the chosen version is to be compared with the champion."""

    compare = Signal()

    def __init__(self, context: Context, acts: VersionActs, serving: "Callable[[VersionHit], Sequence[str]]") -> None:
        super().__init__()
        self._context = context
        self._acts = acts
        self._serving = serving
        self._task: Task | None = None
        self._of: tuple[str, str | None] | None = None
        self._moves: tuple[AliasMove, ...] = ()
        self._beside: dict[str, VersionHit] = {}
        self._champion: str | None = None
        self.hit: VersionHit | None = None
        self.title = Label("", points=theme.TITLE_POINTS, bold=True)
        self.badges = _Badges()
        self.alias = Button("Set alias …", asks=True)
        self.back = Button("Previous champion", tip="Put the champion back to the version before, at once", asks=True)
        self.deploy = Button("Deploy …", main=True, asks=True)
        self.compared = Button("Compare", tip="Compare it with the champion; Space in the list ticks others")
        self.more = Button("More …")
        self.tabs = Tabs("What is shown of the version", TABS)
        self._layers: TabViews[VersionView] = TabViews(self._made)
        self._wire()
        self._arrange()
        self.tabs.choose("facts")

    def _wire(self) -> None:
        self.alias.clicked.connect(self._acts.set_alias)
        self.deploy.clicked.connect(self._acts.deploy)
        self.compared.clicked.connect(self.compare)
        self.back.clicked.connect(self._roll_back)
        self.more.clicked.connect(self._open_more)
        self.tabs.chosen.connect(self._choose)

    def _arrange(self) -> None:
        self._row = QWidget()
        flow = FlowLayout(self._row)
        for button in (self.deploy, self.alias, self.compared, self.more, self.back):
            flow.addWidget(button)
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_8)
        head.addWidget(self.title)
        head.addWidget(self.badges, 1)
        self.column.addLayout(head)
        self.column.addWidget(self._row)
        # At the edge that stays where it is when the pane is widened for the graph.
        self.column.addWidget(self.tabs, 0, Qt.AlignmentFlag.AlignRight)
        self.column.addWidget(self._layers, 1)

    def view(self, key: str) -> VersionView:
        """Return a tab's view, made when it is first asked for."""
        return self._layers.view(key)

    def _made(self, key: str) -> VersionView:
        if key == "facts":
            return FactsView(self._context, self._serving)
        if key == "files":
            return FilesView(self._context)
        if key == "lineage":
            return LineageView(self._context)
        view = HistoryView(self._context)
        view.put_back.connect(self._acts.ask_alias)
        return view

    def show_version(self, hit: "VersionHit | None", beside: "dict[str, VersionHit]", champion: str | None) -> None:
        """Show a version; ``beside`` are those of its model by number, ``champion`` is where that alias points."""
        self.hit, self._beside, self._champion = hit, beside, champion
        self.title.show_text("" if hit is None else words.named(hit))
        self.badges.show_texts([] if hit is None else [plain(alias, 40) for alias in hit.aliases])
        for button in (self.alias, self.compared, self.more):
            button.setEnabled(hit is not None)
        self.deploy.setEnabled(hit is not None)
        self.deploy.setVisible(self._context.store.models_uri in {None, "own"})
        self._look_back(hit)
        if self.isVisible():
            self.view(self.tabs.current()).show_version(hit)

    def left(self) -> None:
        """Hear that nothing of it is seen."""
        self._layers.left()

    def _choose(self, key: str) -> None:
        if self.isVisible():
            self._row.setMinimumHeight(self._row.height())  # a wider pane has them in one row, and the tabs would rise
        self._layers.turn(key)
        if self.isVisible():
            self.view(key).show_version(self.hit)

    def _open_more(self) -> None:
        menu = QMenu(self)
        self._acts.fill(menu)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self.more.mapToGlobal(self.more.rect().bottomLeft()))

    # The way back of the champion.

    def _look_back(self, hit: "VersionHit | None") -> None:
        """Ask where the champion was before, whenever it is another one now."""
        of = None if hit is None else (hit.name, self._champion)
        if of == self._of:
            self._offer_back()
            return
        self._of, self._moves = of, ()
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._offer_back()
        if hit is not None and self._champion is not None:
            model, uri = hit.name, self._context.store.models_uri
            self._task = self._context.ask(
                "history of the champion",
                lambda desk: desk.models.history(model, uri=uri, alias=CHAMPION),
                self._know,
                self._know_nothing,
            )

    def _know(self, moves: "list[AliasMove]") -> None:
        self._task, self._moves = None, tuple(moves)
        self._offer_back()

    def _know_nothing(self, _error: DeskError) -> None:
        """Offer no way back where none is known; the tab on history says why."""
        self._task = None

    def _offer_back(self) -> None:
        before = history.previous(self._moves, CHAMPION, self._champion)
        self.back.setVisible(before is not None)
        if before is not None:
            self.back.show_title(f"Previous champion ({said_change(self._beside, self._champion, before)})")
            self.back.updateGeometry()

    def _roll_back(self) -> None:
        if self.hit is not None and self._champion is not None:
            self._acts.roll_back(self.hit.name, CHAMPION, self._champion)


def said_change(beside: "dict[str, VersionHit]", now: str | None, before: str) -> str:
    """Return a version with how the first metric of both changes: ``v3, auc ▼ 0.061``."""
    said = f"v{plain(before, 12)}"
    one, other = beside.get(now or ""), beside.get(before)
    if one is None or other is None:
        return said
    name = next((name for name in one.metrics if name in other.metrics), None)
    if name is None:
        return said
    by = other.metrics[name] - one.metrics[name]
    arrow = "▲" if by > 0 else "▼"
    return said if not by or by != by else f"{said}, {plain(name, 20)} {arrow}\u202f{abs(by):.3g}"  # noqa: PLR0124 - NaN says nothing of a change


class _Badges(QWidget):
    """Aliases as they stand in the table."""

    def __init__(self) -> None:
        super().__init__()
        self._texts: list[str] = []
        self.setFixedHeight(theme.ROW_HEIGHT - theme.SPACE_4)

    def show_texts(self, texts: list[str]) -> None:
        self._texts = texts
        self.setVisible(bool(texts))
        self.setAccessibleName(f"Aliases: {', '.join(texts)}" if texts else "")
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        paint_badges(QPainter(self), self.rect().toRectF(), self._texts)
