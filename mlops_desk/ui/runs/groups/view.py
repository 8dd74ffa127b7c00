"""The groups of the runs that pass the filter, in the place of the table: a row for each, sorted and filtered here.

Space ticks a group's runs, Enter shows them, and *Overlay* draws the curves of all groups with their bands.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.records.registry.run_window import RunGroup
from mlops_desk.ui.charts.overlay.bands import DEVIATION, SPREAD
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.runs import asking, names, words
from mlops_desk.ui.runs.groups import rows
from mlops_desk.ui.runs.groups.rows import Grouping, RunGroupRow
from mlops_desk.ui.runs.names import METRICS
from mlops_desk.ui.runs.question import RunQuestion
from mlops_desk.ui.runs.ticked.ticks import MOST
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.ui.widgets.states import Empty, StateView
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task

MOST_OVERLAID = 12  # chosen: bands of more cover one another


class GroupsView(QWidget):
    """``toggled`` carries the ids of a group to tick, or to take the ticks from; ``filtered`` words for the filter.

    ``overlaid`` carries the runs to compare, each id with the name of its group, and how their spread is drawn.
    """

    toggled = Signal(object)
    filtered = Signal(str)
    overlaid = Signal(object, str)

    def __init__(self, context: Context, is_ticked: Callable[[str], bool]) -> None:
        super().__init__()
        self.context = context
        self._is_ticked = is_ticked
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted")
        self.spread = ChoiceBox("How the spread is told")
        self.spread.addItem("± deviation", DEVIATION)
        self.spread.addItem("least – largest", SPREAD)
        self.overlay = Button("Overlay", tip="Tick runs of each group and draw their mean with its band")
        self.table = _GroupTable(context)
        self.state = StateView(theme.LIST_WIDTH)
        self.grouping = Grouping(names.read("status"))
        self.groups: dict[str, RunGroup] = {}
        self._question: RunQuestion | None = None
        self._answered: tuple[object, ...] | None = None
        self._task: Task | None = None
        self._arrange()
        self.spread.activated.connect(lambda _place: self._fill())
        self.overlay.clicked.connect(lambda _on=False: self.overlay_groups())
        self.table.marked.connect(self._toggle)
        self.table.doubleClicked.connect(lambda _index: self.show_runs())
        self.table.takes_key = self._takes_key

    def _arrange(self) -> None:
        head = QHBoxLayout()
        head.setContentsMargins(theme.SPACE_4, 0, 0, 0)
        head.setSpacing(theme.SPACE_8)
        head.addWidget(self.says, 1)
        head.addWidget(self.spread)
        head.addWidget(self.overlay)
        self._content = QWidget()
        column = QVBoxLayout(self._content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addLayout(head)
        column.addWidget(self.table, 1)
        self._layers = QStackedLayout(self)
        self._layers.addWidget(self._content)
        self._layers.addWidget(self.state)

    def show_question(self, question: RunQuestion, by: str) -> None:
        """Group the runs that are asked for; the same question is asked anew only by ``look``."""
        metrics = tuple(one for name in question.columns if (one := names.read(name)).kind == METRICS)
        self._question, self.grouping = question, Grouping(names.read(by), metrics)
        if self._answered != self._asked():
            self.look()

    def _asked(self) -> tuple[object, ...]:
        question = self._question
        return () if question is None else (question.uri, question.experiments, question.filter, self.grouping)

    def look(self) -> None:
        """Ask, if it is seen; what was answered before stays until then."""
        question, grouping = self._question, self.grouping
        if question is None or not self.isVisible():
            return
        if self._task is not None:
            self._task.cancel()
        asked = self._asked()
        if self._answered is None or self._answered[:2] != asked[:2]:
            self.state.show_loading("Grouping the runs …", "All of them are read first.", None)
            self._layers.setCurrentWidget(self.state)
        self._task = self.context.ask(
            "groups", lambda desk: rows.by_key(asking.groups(desk, question, grouping.by, grouping.metrics)),
            lambda groups: self._take(asked, groups), self._refused,
        )  # fmt: skip

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.look()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if self._task is not None:
            self._task.cancel()

    def _take(self, asked: tuple[object, ...], groups: dict[str, RunGroup]) -> None:
        self._answered = asked
        self.groups = groups
        if not groups:
            self.state.show_empty(Empty("No groups", "No run passes the filter. Esc clears it."))
            self._layers.setCurrentWidget(self.state)
            return
        n_runs = sum(group.n_runs for group in groups.values())
        self.says.show_text(f"{numbers.count(len(groups), 'group')} · {numbers.count(n_runs, 'run')}")
        self._layers.setCurrentWidget(self._content)
        self._fill()

    def _refused(self, error: DeskError) -> None:
        if error.place is not None and self._answered is not None:
            return  # what is wrong with the filter is said under it
        self._answered = None
        self.state.show_error("The runs can't be grouped", error, self.look)
        self._layers.setCurrentWidget(self.state)

    def _fill(self) -> None:
        self.table.show_columns(rows.columns_of(self.grouping, str(self.spread.currentData())))
        self.tell_ticks()
        if self.table.records.order.sort is None:
            self.table.sort_by(0, Qt.SortOrder.AscendingOrder)
        if self.table.key() is None:
            self.table.select_first()

    def tell_ticks(self) -> None:
        """Count the ticks anew."""
        counts = {key: sum(map(self._is_ticked, group.run_ids)) for key, group in self.groups.items()}
        self.table.show_records({key: RunGroupRow(group, counts[key]) for key, group in self.groups.items()})

    # Acts.

    def current(self) -> RunGroup | None:
        """Return the chosen group."""
        return self.groups.get(self.table.key() or "")

    def _takes_key(self, key: str) -> bool:
        if key == "Return":
            self.show_runs()
        return key == "Return"

    def _toggle(self) -> None:
        group = self.current()
        if group is not None:
            self.toggled.emit(group.run_ids)

    def show_runs(self) -> None:
        """Show the runs of the chosen group, by the filter."""
        group = self.current()
        if group is not None:
            self.filtered.emit(words.equals(self.grouping.by, group.values[0]))

    def overlay_groups(self) -> None:
        """Draw the curves of the first groups as they are sorted now."""
        shown = [self.groups[key] for key in self.table.records.order.keys if key in self.groups][:MOST_OVERLAID]
        chosen = rows.chosen_runs(shown, MOST)
        of_run = {run_id: rows.title_of(self.grouping, group) for group, ids in chosen for run_id in ids}
        if of_run:
            self.overlaid.emit(of_run, str(self.spread.currentData()))

    def as_table(self) -> list[list[str]]:
        """Return the groups as they are sorted, with all digits."""
        ordered = [self.groups[key] for key in self.table.records.order.keys if key in self.groups]
        return rows.table(self.grouping, ordered)


class _GroupTable(RecordTable[RunGroupRow]):
    """``marked``: Space was pressed on a group."""

    marked = Signal()

    def __init__(self, context: Context) -> None:
        super().__init__("Groups of runs", rows.columns_of(Grouping(names.read("status")), DEVIATION),
                         context.memory)  # fmt: skip

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space:
            self.marked.emit()
        else:
            super().keyPressEvent(event)
