"""What follows what, as boxes with arrows: steps of retrainings and stages of repositories' pipelines.

Boxes that lead to one another: each with its state, its word and how long it took.

Left and Right go from box to box, Up and Down within a column, Home and End to the first and the last; where there is
no room for one row, the boxes go on below.

A tab of runs that are graphs: the list above; below it the chosen one as boxes, what its box found, and its acts.

A list has briefs. A run that no announcement told of is asked for whole when it is chosen; what was announced since is
newer, and is shown.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QLineEdit, QSizePolicy, QSplitter, QVBoxLayout, QWidget

from mlops_desk.automation.window.loads import PIPELINES_LOADED as LISTED
from mlops_desk.automation.window.panel import AutomationPanel
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.charts.gridlines import paint_focus
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Store, Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role, announce
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.action_panel import ActsBeside
from mlops_desk.kit.window.tables.order import Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card, framed
from mlops_desk.kit.window.widgets.facts import FactGrid
from mlops_desk.kit.window.widgets.field import filter_field
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.states import Empty
from mlops_desk.kit.window.words.numbers import Mark

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


# Where the boxes of a graph stand: in columns by what they need where there is room, else in rows. Pure.
@dataclass(frozen=True, slots=True)
class BoxPlaces:
    """``spots`` are row and column of each box; ``is_layered``: a box stands right of all that it needs."""

    spots: tuple[tuple[int, int], ...]
    rows: int
    across: int
    is_layered: bool


def places(needs: Sequence[Sequence[int]], most_across: int) -> BoxPlaces:
    """Return where boxes stand, each of which needs earlier ones by their places; rows are as even as they can be."""
    if not needs:
        return BoxPlaces((), 1, 1, is_layered=True)
    most = max(1, most_across)
    columns: list[int] = []
    for mine in needs:
        columns.append(max((columns[place] + 1 for place in mine if place < len(columns)), default=0))
    across = max(columns) + 1
    if across <= most:
        filled: dict[int, int] = {}
        spots = []
        for column in columns:
            spots.append((filled.get(column, 0), column))
            filled[column] = filled.get(column, 0) + 1
        return BoxPlaces(tuple(spots), max(filled.values()), across, is_layered=True)
    rows = math.ceil(len(needs) / most)
    across = math.ceil(len(needs) / rows)
    return BoxPlaces(tuple(divmod(number, across) for number in range(len(needs))), rows, across, is_layered=False)


_LEAST_WIDTH = 104.0  # pixels: the longest title and its mark
_MOST_WIDTH = 220.0  # pixels: wider, two boxes look like two cards
_HEIGHT = 54.0  # pixels: a title, and a line below it
_GAP = 18.0  # pixels: an arrow
_ROW_GAP = 10.0  # pixels
_ARROW = 5.0  # pixels
_LEFT_TOP = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
_LEFT_BOTTOM = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom)
_KEYS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
_ROWS = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}


@dataclass(frozen=True, slots=True)
class GraphBox:
    """One box. ``needs`` are the places of those that lead to it, ``said`` is the box in words.

    ``is_quiet``: there is nothing to see of it yet; ``is_over``: what needs it may begin.
    """

    title: str
    mark: Mark
    took: str
    said: str
    needs: tuple[int, ...] = ()
    is_quiet: bool = False
    is_over: bool = False


class BoxGraph(QWidget):
    """``chosen`` carries the place of the box that is chosen, or None."""

    accessible_role = Role.Chart
    chosen = Signal(object)

    def __init__(self, name: str, noun: str) -> None:
        super().__init__()
        self._noun = noun
        self._of: str | None = None
        self._boxes: tuple[GraphBox, ...] = ()
        self.place: int | None = None
        self._by_hand = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(f"Chart: {name}")

    def show_boxes(self, of: str | None, boxes: Sequence[GraphBox], first: int) -> None:
        """Show the boxes of something; ``first`` is the one to see, until somebody chooses another."""
        if of != self._of:
            self._by_hand = False
        self._of, self._boxes = of, tuple(boxes)
        if not boxes:
            self._choose(None)
        elif not self._by_hand or self.place is None or self.place >= len(boxes):
            self._choose(first)
        else:
            self._choose(self.place)
        self._fit()
        self.update()

    def _choose(self, place: int | None) -> None:
        self.place = place
        told = "" if place is None else self._boxes[place].said
        self.setAccessibleDescription(f"{told}. Left and Right go from {self._noun} to {self._noun}." if told else "")
        if told and self.hasFocus():
            announce(self, told)
        self.update()
        self.chosen.emit(place)

    # Room.

    def sizeHint(self) -> QSize:
        return QSize(theme.READING_WIDTH, self._wanted(max(self.width(), 1)))

    def minimumSizeHint(self) -> QSize:
        return QSize(int(_LEAST_WIDTH) * 2, self._wanted(max(self.width(), 1)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        height = self._wanted(self.width())
        if height != self.minimumHeight():
            self.setFixedHeight(height)

    def _wanted(self, width: int) -> int:
        rows = self._places(width).rows
        return int(rows * _HEIGHT + (rows - 1) * _ROW_GAP) + 2 * theme.RING

    def _places(self, width: int) -> BoxPlaces:
        most = int((width + _GAP) // (_LEAST_WIDTH + _GAP))
        return places([one.needs for one in self._boxes], most)

    def box(self, place: int) -> QRectF:
        """Return where a box stands."""
        found = self._places(self.width())
        row, column = found.spots[place]
        room = (self.width() - 2 * theme.RING - (found.across - 1) * _GAP) / found.across
        wide = min(room, _MOST_WIDTH)
        return QRectF(theme.RING + column * (wide + _GAP), theme.RING + row * (_HEIGHT + _ROW_GAP), wide, _HEIGHT)

    # Keys and mouse.

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, count = Qt.Key(event.key()), len(self._boxes)
        if count and key in _KEYS:
            self._go(min(max((self.place or 0) + _KEYS[key], 0), count - 1))
        elif count and key in _ROWS:
            self._go(self._beside(self.place or 0, _ROWS[key]))
        elif count and key in {Qt.Key.Key_Home, Qt.Key.Key_End}:
            self._go(0 if key is Qt.Key.Key_Home else count - 1)
        else:
            super().keyPressEvent(event)

    def _beside(self, place: int, rows: int) -> int:
        """Return the box above or below another; that one where there is none."""
        spots = self._places(self.width()).spots
        wanted = (spots[place][0] + rows, spots[place][1])
        return spots.index(wanted) if wanted in spots else place

    def mousePressEvent(self, event: QMouseEvent) -> None:
        found = next((one for one in range(len(self._boxes)) if self.box(one).contains(event.position())), None)
        if found is not None:
            self._go(found)
        super().mousePressEvent(event)

    def _go(self, place: int) -> None:
        self._by_hand = True
        self._choose(place)

    # Painting.

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        found = self._places(self.width())
        for place, one in enumerate(self._boxes):
            for need in one.needs:
                self._paint_arrow(painter, found, need, place)
        for place, one in enumerate(self._boxes):
            self._paint_box(painter, place, one)
        paint_focus(painter, self)

    def _paint_arrow(self, painter: QPainter, found: BoxPlaces, need: int, place: int) -> None:
        (from_row, from_column), (row, column) = found.spots[need], found.spots[place]
        if not found.is_layered and (row != from_row or column != from_column + 1):
            return  # the row's end says that it goes on below
        before, box = self.box(need), self.box(place)
        tint = theme.colour("accent" if self._boxes[need].is_over else "outline")
        painter.setPen(QPen(tint, theme.LINE))
        start, end = QPointF(before.right(), before.center().y()), QPointF(box.left(), box.center().y())
        bend = start.x() + _GAP / 2
        corners = [start, QPointF(bend, start.y()), QPointF(bend, end.y()), end - QPointF(_ARROW, 0)]
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(corners))
        painter.setBrush(tint)
        painter.drawPolygon(QPolygonF([end, end + QPointF(-_ARROW, -_ARROW), end + QPointF(-_ARROW, _ARROW)]))

    def _paint_box(self, painter: QPainter, place: int, one: GraphBox) -> None:
        box, chosen = self.box(place), place == self.place
        painter.setPen(QPen(theme.colour("accent" if chosen else "outline"), theme.RING if chosen else theme.BORDER))
        painter.setBrush(theme.colour("selection" if chosen else "surface"))
        painter.drawRoundedRect(theme.edge(box), theme.RADIUS, theme.RADIUS)
        inside = box.adjusted(theme.SPACE_8, theme.SPACE_8, -theme.SPACE_8, -theme.SPACE_8)
        below = " · ".join(filter(None, (one.mark.text, one.took)))
        painter.setFont(theme.font(bold=chosen))
        _paint_line(painter, inside, _LEFT_TOP, one.title, "muted" if one.is_quiet else "text", chosen=chosen)
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        _paint_line(painter, inside, _LEFT_BOTTOM, below, one.mark.token, chosen=chosen)


def _paint_line(painter: QPainter, inside: QRectF, where: int, text: str, token: str, *, chosen: bool) -> None:
    ink = theme.colour(token)
    painter.setPen(theme.on_selection(ink) if chosen else ink)
    cut = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(inside.width()))
    painter.drawText(inside, where, cut)


class _Whole(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def revision(self) -> int: ...


class _Brief(Protocol):
    @property
    def id(self) -> str: ...


class _Listed(Protocol):
    @property
    def brief(self) -> _Brief: ...

    @property
    def run(self) -> Any: ...


Seen = TypeVar("Seen", bound=_Listed)
Run = TypeVar("Run", bound=_Whole)


class GraphPanel(AutomationPanel, Generic[Seen, Run]):
    """Subclasses say which topic lists the runs, how one is asked for, and what is shown of it.

    ``what`` names one of them (``pipeline``), ``part`` what it is made of (``step``); ``command`` lists them all.
    """

    topic: ClassVar[Topic]
    title: ClassVar[str]
    what: ClassVar[str]
    part: ClassVar[str]
    command: ClassVar[str]

    def __init__(
        self, context: Context, columns: tuple[Column[Seen], ...], table_title: str, filter_title: str
    ) -> None:
        super().__init__(context)
        self._task: Task | None = None
        self._asked: dict[str, Run] = {}
        self.list: RecordTable[Seen] = RecordTable(table_title, columns, context.memory)
        self.list.chosen.connect(lambda _key: self._show_chosen())
        self.list.takes_key = self.take_key
        self.list.sort_by_key("began", Qt.SortOrder.DescendingOrder)
        self.narrowing = filter_field(filter_title)
        self.narrowing.textChanged.connect(self.list.narrow)
        self.says = Label(bold=True, wrap=True)
        self.facts = FactGrid()
        self.older = Label(points=theme.CAPTION_POINTS, tone="muted")
        self.older.hide()

    def arrange(self, graph: BoxGraph, acts: tuple[Button, ...]) -> None:
        """Put everything where it stands; called once, by what has the graph and its acts."""
        graph.chosen.connect(lambda _place: self.show_part_of(self.run()))
        card = Card()
        self._head = ActsBeside(self.says, acts, first_grows=True)
        card.column.addLayout(self._head)
        inner = QWidget()
        found = QVBoxLayout(inner)
        found.setContentsMargins(0, 0, 0, 0)
        found.setSpacing(theme.SPACE_8)
        found.addWidget(graph)
        found.addWidget(self.facts)
        found.addStretch(1)
        card.column.addWidget(scrolled(inner, f"The {self.part}s, and what the chosen one found"), 1)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        listed = framed(self.list)
        listed.column.addWidget(self.older)
        split.addWidget(listed)
        split.addWidget(card)
        split.setSizes([theme.DIALOG_TALL // 3, 2 * theme.DIALOG_TALL // 3])
        self.body.addWidget(split, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fold()

    def fold(self) -> None:
        """Put the acts beside the words or below them, as there is room."""
        self._head.fold(self.width() - theme.DETAIL_WIDTH)

    # What subclasses say.

    @abstractmethod
    def known(self, store: Store) -> dict[str, Seen]:
        """Return all runs by their ids."""

    @abstractmethod
    def empty(self) -> Empty:
        """Return what is said where there are none."""

    @abstractmethod
    def ask_whole(self, identifier: str) -> Callable[[ClientLike], Run]:
        """Return the question for one run as a whole."""

    @abstractmethod
    def show_run(self, one: Seen | None, run: Run | None) -> None:
        """Show the chosen run; ``run`` is None while it is asked for."""

    @abstractmethod
    def show_part_of(self, run: Run | None) -> None:
        """Show what the chosen box of a run found."""

    # What is shown.

    def refresh(self, store: Store, topics: frozenset[Topic]) -> None:  # noqa: ARG002 - the base's
        if not self.show_part(self.topic, self.title, self.empty):
            return
        known = self.known(store)
        self.list.show_records(known)
        self.older.setVisible(len(known) >= LISTED)
        self.older.show_text(f"The newest {len(known):,}. All of them: {self.command}")
        if self.list.key() is None:
            self.list.select_first()
        self._show_chosen()

    def chosen(self) -> Seen | None:
        """Return the run whose row is chosen."""
        key = self.list.key()
        return self.list.records.record(key) if key else None

    def run(self) -> Run | None:
        """Return the chosen one whole; None while it is asked for."""
        one = self.chosen()
        if one is None:
            return None
        asked = self._asked.get(one.brief.id)
        told: Run | None = one.run
        if told is None or (asked is not None and asked.revision > told.revision):
            return asked
        return told

    def _show_chosen(self) -> None:
        one, run = self.chosen(), self.run()
        if one is not None and run is None:
            self._ask(one.brief.id)
        self.show_run(one, run)
        self.show_part_of(run)

    def _ask(self, identifier: str) -> None:
        name = f"{self.what} {identifier}"
        if self._task is not None and self._task.running and self._task.name == name:
            return
        self.left()
        self._task = self.context.ask(name, self.ask_whole(identifier), self._got, self._failed)

    def _got(self, run: Run) -> None:
        self._task = None
        self._asked = {run.id: run}
        self._show_chosen()

    def _failed(self, error: DeskError) -> None:
        self._task = None
        self.says.show_text(f"Its {self.part}s can't be shown: {error.message} {error.hint or ''}".strip())
        self.says.tint("alert")

    def changed(self, run: Run) -> None:
        """Wait for the announcement; what is shown of the chosen one is read from there."""
        self._asked.pop(run.id, None)

    def table(self) -> RecordTable[Seen]:
        return self.list

    def filter_field(self) -> QLineEdit | None:
        return self.narrowing

    def left(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
