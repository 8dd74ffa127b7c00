"""The groups of the runs that pass the filter, in the place of the table: a row for each, sorted and filtered here.

Space ticks a group's runs, Enter shows them, and *Overlay* draws the curves of all groups with their bands.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import NAME_LIMIT
from mlops_desk.kit.window.charts.overlay.lines import DEVIATION, NO_GROUP, SPREAD
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.states import Empty, StateView
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.run_window import MetricSpread, RunGroup
from mlops_desk.registry.window.runs import names, queries, words
from mlops_desk.registry.window.runs.names import METRICS, ColumnName
from mlops_desk.registry.window.runs.queries import LONGEST
from mlops_desk.registry.window.runs.query import RunQuestion
from mlops_desk.registry.window.runs.selection import MOST

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

# What stands in the table of groups: what its runs share, how many there are, how each metric lies. No Qt here.
_DIGITS, _SPREAD_DIGITS = 4, 2  # significant ones: as a metric is compared; as far as a spread is known


@dataclass(frozen=True, slots=True)
class Grouping:
    """``by`` which column runs are grouped, and which metrics are told of."""

    by: ColumnName
    metrics: tuple[ColumnName, ...] = ()


@dataclass(frozen=True, slots=True)
class RunGroupRow:
    """A group with how many of its runs are ticked."""

    group: RunGroup
    n_ticked: int = 0


def key_of(group: RunGroup) -> str:
    """Return what tells a group from others, however long the values are that its runs share."""
    whole = json.dumps(group.values)
    return whole if len(whole) <= LONGEST else hashlib.sha256(whole.encode()).hexdigest()


def by_key(groups: Iterable[RunGroup]) -> dict[str, RunGroup]:
    return {key_of(group): group for group in groups}


def title_of(grouping: Grouping, group: RunGroup) -> str:
    """Return what a group is called on a plot."""
    value = group.values[0]
    return f"{grouping.by.title} = {NO_GROUP if value is None else value[: NAME_LIMIT + 1] or '(empty)'}"


def columns_of(grouping: Grouping, spread: str) -> tuple[Column[RunGroupRow], ...]:
    """Return the columns of the table; ``spread`` is how a metric's spread is told, SPREAD or DEVIATION."""
    metrics = [
        Column(
            f"{spread} {column}",
            Cell(title).text,
            partial(_metric, number, spread),
            right=True,
            order=partial(_mean, number),
        )
        for number, (column, title) in enumerate(zip(grouping.metrics, names.titles(grouping.metrics), strict=True))
    ]
    return (
        Column(f"by {grouping.by}", Cell(grouping.by.title).text, _shared, whole=True, stretch=True, order=_ordered),
        Column("runs", "Runs", lambda row: Cell(f"{row.group.n_runs:,}", row.group.n_runs), right=True),
        Column("ticked", "Ticked", _ticked, right=True),
        *metrics,
    )


def _shared(row: RunGroupRow) -> Cell:
    value = row.group.values[0]
    if value is None:
        return Cell(NO_GROUP, None, "muted", "These runs have none")
    return Cell(value or "(empty)", None, None if value else "muted", value[:LONGEST])


def _ordered(row: RunGroupRow) -> tuple[int, float, str]:
    """Sort numbers as numbers, then texts, then what has none."""
    value = row.group.values[0]
    if value is None:
        return 2, 0.0, ""
    try:
        number = float(value[:LONGEST])
    except ValueError:
        return 1, 0.0, value[:LONGEST].lower()
    return (1, 0.0, value) if math.isnan(number) else (0, number, value)


def _ticked(row: RunGroupRow) -> Cell:
    return Cell(f"{row.n_ticked:,}" if row.n_ticked else "", row.n_ticked, "accent")


def _mean(number: int, row: RunGroupRow) -> float:
    mean = row.group.metrics[number].mean
    return -math.inf if mean is None else mean


def _metric(number: int, spread: str, row: RunGroupRow) -> Cell:
    group = row.group
    told = group.metrics[number]
    if told.mean is None:
        return Cell(numbers.NOTHING, None, "muted", "None of these runs has a finite value of it")
    of = "" if told.n_runs == group.n_runs else f"  (n {told.n_runs:,})"
    return Cell(f"{_spread(told, spread)}{of}", None, None, _about(told, group))


def _spread(told: MetricSpread, spread: str) -> str:
    mean = f"{told.mean:.{_DIGITS}g}"
    if told.n_runs == 1:
        return mean
    if spread == SPREAD:
        return f"{mean}  {told.least:.{_DIGITS}g} – {told.largest:.{_DIGITS}g}"
    return f"{mean} ± {told.deviation:.{_SPREAD_DIGITS}g}" if told.deviation is not None else f"{mean} ± ?"


def _about(told: MetricSpread, group: RunGroup) -> str:
    deviation = "" if told.deviation is None else f"\nstandard deviation {told.deviation:.6g}"
    return (
        f"{told.n_runs:,} of {numbers.count(group.n_runs, 'run')}\n"
        f"mean {told.mean:.6g}, least {told.least:.6g}, largest {told.largest:.6g}{deviation}"
    )


def chosen_runs(groups: Sequence[RunGroup], most: int) -> list[tuple[RunGroup, tuple[str, ...]]]:
    """Return as many runs of each group, the first ones, as there is room for in all."""
    room = most
    found: list[tuple[int, RunGroup, tuple[str, ...]]] = []
    for place, group in sorted(enumerate(groups), key=lambda one: one[1].n_runs):
        share = room // (len(groups) - len(found))
        ids = group.run_ids[:share]
        room -= len(ids)
        found.append((place, group, ids))
    return [(group, ids) for _place, group, ids in sorted(found, key=lambda one: one[0])]


def table(grouping: Grouping, groups: Sequence[RunGroup]) -> list[list[str]]:
    """Return the groups as rows of text with all digits, as they are saved."""
    parts = ("n", "mean", "min", "max", "sd")
    head = [str(grouping.by), "n_runs", *(f"{column} {part}" for column in grouping.metrics for part in parts)]
    return [head, *(_row(group) for group in groups)]


def _row(group: RunGroup) -> list[str]:
    told = [
        "" if value is None else repr(value)
        for one in group.metrics
        for value in (one.n_runs, one.mean, one.least, one.largest, one.deviation)
    ]
    return [group.values[0] or "", str(group.n_runs), *told]


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
            "groups", lambda desk: by_key(queries.groups(desk, question, grouping.by, grouping.metrics)),
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
        self.table.show_columns(columns_of(self.grouping, str(self.spread.currentData())))
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
        chosen = chosen_runs(shown, MOST)
        of_run = {run_id: title_of(self.grouping, group) for group, ids in chosen for run_id in ids}
        if of_run:
            self.overlaid.emit(of_run, str(self.spread.currentData()))

    def as_table(self) -> list[list[str]]:
        """Return the groups as they are sorted, with all digits."""
        ordered = [self.groups[key] for key in self.table.records.order.keys if key in self.groups]
        return table(self.grouping, ordered)


class _GroupTable(RecordTable[RunGroupRow]):
    """``marked``: Space was pressed on a group."""

    marked = Signal()

    def __init__(self, context: Context) -> None:
        super().__init__("Groups of runs", columns_of(Grouping(names.read("status")), DEVIATION),
                         context.memory)  # fmt: skip

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space:
            self.marked.emit()
        else:
            super().keyPressEvent(event)
