"""The chosen version: its name and aliases, what can be done with it, and tabs, each made when it is first chosen."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.artifacts.pane import ArtifactsPane
from mlops_desk.kit.window.parts.artifacts.source import ArtifactSource
from mlops_desk.kit.window.parts.lineage import export
from mlops_desk.kit.window.parts.lineage.footer import LineageFoot, open_node
from mlops_desk.kit.window.parts.lineage.graph import LineageGraph
from mlops_desk.kit.window.parts.tab_views import TabViews
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.flow import FlowLayout
from mlops_desk.kit.window.widgets.states import Empty, StateView
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.kit.window.words import numbers, time_expressions
from mlops_desk.registry.records.lineage import Lineage, LineageNode
from mlops_desk.registry.window.models import history, words
from mlops_desk.registry.window.models.acts.acts import CHAMPION, VersionActs
from mlops_desk.registry.window.models.detail.facts import FactsView, VersionView
from mlops_desk.registry.window.models.versions.table import paint_badges

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlops_desk.kit.window.live.tasks import Task
    from mlops_desk.registry.records.alias_move import AliasMove
    from mlops_desk.registry.records.version_hit import VersionHit


# Where the aliases of the chosen version's model went: every move that is known, and where they were at a time.
_NOTHING = "No alias of this model has been moved since the desk looks at it."


class HistoryView(VersionView):
    """``put_back`` carries model, alias and version: what the alias is to point at again."""

    put_back = Signal(str, str, str)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._model: str | None = None
        self.moves: tuple[AliasMove, ...] = ()
        self.at = Field("Where aliases were at a time", f"Where were they at …  {time_expressions.EXAMPLES}")
        self.at.textChanged.connect(lambda _text: self._answer())
        self.answer = Label(wrap=True)
        self.says = Label(_NOTHING, tone="muted", wrap=True)
        self.table: RecordTable[AliasMove] = RecordTable("Moves of aliases", _COLUMNS, context.memory)
        self.table.chosen.connect(lambda _key: self._offer())
        self.table.activated.connect(lambda _index: self._put_back())
        self.back = Button(
            "Put back …", tip="Point the alias at the version that it was moved away from (Enter)", asks=True
        )
        self.back.clicked.connect(self._put_back)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.back)
        row.addStretch(1)
        for widget in (self.at, self.answer, self.says):
            self.column.addWidget(widget)
        self.column.addWidget(self.table, 1)
        self.column.addLayout(row)
        self._show([])

    def show_version(self, hit: "VersionHit | None") -> None:
        """Ask for the moves of its model: they may be others each time that they are looked at."""
        self.left()
        self.hit = hit
        model, uri = (None if hit is None else hit.name), self.uri
        if model != self._model:
            self._model = model
            self._show([])
        if model is not None:
            self._task = self.context.ask(
                "history of aliases", lambda desk: desk.models.history(model, uri=uri), self._show, self._failed
            )

    def _show(self, moves: "list[AliasMove]") -> None:
        self._task = None
        self.moves = tuple(sorted(moves, key=lambda move: -move.at))
        self.table.show_records({f"{move.alias} {move.at!r}": move for move in self.moves})
        self.table.setVisible(bool(moves))
        self.at.setVisible(bool(moves))
        self.says.show_text("" if moves else _NOTHING)
        self.says.setVisible(not moves)
        self._answer()
        self._offer()

    def _failed(self, error: DeskError) -> None:
        self._task = None
        self.says.show_text(f"{numbers.ALERT} {error.message} {error.hint or ''}".rstrip())
        self.says.show()

    def _answer(self) -> None:
        """Say where the aliases were at the time that is typed."""
        text = self.at.text().strip()
        now = agent_clock.now()
        wanted = time_expressions.parse(text, now) if text else None
        self.answer.setVisible(bool(text))
        if not text:
            return
        if wanted is None or wanted.subject:
            self.answer.show_text(f"{plain(text, 60)!r} is no time that has been. Try {time_expressions.EXAMPLES}.")
            self.answer.tint("warning")
            return
        moment = wanted.start if wanted.end is None else wanted.end
        self.answer.tint("text")
        self.answer.show_text(said_at(self.moves, moment))

    def _offer(self) -> None:
        move = self._move()
        self.back.setEnabled(move is not None and move.from_version is not None)

    def _move(self) -> "AliasMove | None":
        key = self.table.key()
        return self.table.records.record(key) if key else None

    def _put_back(self) -> None:
        move = self._move()
        if move is not None and move.from_version is not None:
            self.put_back.emit(move.model, move.alias, move.from_version)


def said_at(moves: "tuple[AliasMove, ...]", moment: float) -> str:
    """Say where each alias was at a time, and how sure that is."""
    lines = []
    for alias, (version, move) in sorted(history.at(moves, moment).items()):
        where = "pointed nowhere" if version is None else f"was version {plain(version, 20)}"
        since = "" if move is None else f", since {numbers.day_and_clock(move.at)}, by {history.who(move)}"
        doubt = [one for one in moves if one.alias == alias and one.at > moment]
        unsure = bool(doubt) and not history.is_certain(doubt[-1], moment, moves)
        lines.append(f"{plain(alias, 60)} {where}{since}{' or moved shortly before' if unsure else ''}")
    return f"At {numbers.absolute(moment)}:\n" + ("\n".join(lines) or "no alias was known yet")


_COLUMNS: tuple[Column["AliasMove"], ...] = (
    Column("at", "When", lambda move: Cell(numbers.ago(move.at), move.at, tip=history.when(move))),
    Column("alias", "Alias", lambda move: Cell(move.alias), stretch=True),
    Column("moved", "Version", lambda move: Cell(history.moved(move))),
    Column("who", "By", lambda move: Cell(history.who(move), token=None if move.who else "muted")),
)


# The files of the chosen version.
class FilesView(VersionView):
    """Shows them in the pane that runs have theirs in, too."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.pane = ArtifactsPane(context)
        self.column.addWidget(self.pane)

    def show_version(self, hit: "VersionHit | None") -> None:
        self.hit = hit
        self.pane.show_source(None if hit is None else source_of(hit, self.uri))

    def left(self) -> None:
        super().left()
        self.pane.left()


def source_of(hit: "VersionHit", uri: str | None) -> ArtifactSource:
    """Return how the agent is asked about the files of a version."""
    name, version = hit.name, hit.version
    return ArtifactSource(
        f"{uri or ''} {words.key_of(hit)}",
        words.named(hit),
        lambda desk, path: desk.models.files(name, version, path, uri=uri),
        lambda desk, path: desk.models.view(name, version, path, uri=uri),
        lambda desk, path, folder: desk.models.download(name, version, path, folder, uri=uri).path,
    )


# Where the chosen version comes from and what stands on it; each node leads to its page.
class LineageView(VersionView):
    """Asks each time that it is seen: endpoints and drift change by the hour."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.graph = LineageGraph()
        self.graph.opened.connect(self.open_node)
        self.state = StateView(theme.LIST_WIDTH)
        self.foot = LineageFoot(self.graph, self.open_node, self._save)
        self._whole = QWidget()
        column = QVBoxLayout(self._whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self.graph, 1)
        column.addLayout(self.foot)
        self._layers = QStackedLayout()
        self._layers.addWidget(self._whole)
        self._layers.addWidget(self.state)
        self.column.addLayout(self._layers, 1)

    def show_version(self, hit: "VersionHit | None") -> None:
        self.left()
        before, self.hit = self.hit, hit
        if hit is None:
            self.state.show_empty(Empty("No lineage", "Choose a version to see where it comes from."))
            self._layers.setCurrentWidget(self.state)
            return
        if before is None or words.key_of(before) != words.key_of(hit):
            self.state.show_loading("Looking where it comes from …", "", None)
            self._layers.setCurrentWidget(self.state)
        name, version, uri = hit.name, hit.version, self.uri
        self._task = self.context.ask(
            "lineage", lambda desk: desk.models.lineage(name, version, uri=uri), self._got, self._failed
        )

    def _got(self, lineage: Lineage) -> None:
        self._task = None
        if self.hit is None:
            return
        if not lineage.nodes:
            text = "Its run logged no data, and nothing serves it. mlflow.log_input(…) tells what it was trained on."
            self.state.show_empty(Empty("Nothing is known of where it comes from", text))
            self._layers.setCurrentWidget(self.state)
            return
        self._layers.setCurrentWidget(self._whole)
        self.foot.left_out = lineage.n_left_out
        self.graph.show_lineage(lineage, words.key_of(self.hit))
        self.foot.tell()

    def _failed(self, error: DeskError) -> None:
        self._task = None
        self.state.show_error("The lineage can't be shown", error, lambda: self.show_version(self.hit))
        self._layers.setCurrentWidget(self.state)

    def _save(self) -> None:
        if self.hit is not None:
            self.chooser = export.save(self, self.context, self.graph, self.hit.name, self.hit.version, self.uri)

    def open_node(self, node: LineageNode | None) -> None:
        """Go to the page of a node."""
        open_node(self.context, node, self.uri)


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
