"""The runs that are ticked, compared: what differs in a table, and below it their curves, of each run or of groups."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.charts.overlay.curve_data import ToldCurves
from mlops_desk.kit.window.charts.overlay.legend import in_groups
from mlops_desk.kit.window.charts.overlay.lines import Subject
from mlops_desk.kit.window.charts.overlay.panel import OverlayPanel
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.parts.compare.comparison import Compared, worded
from mlops_desk.kit.window.parts.compare.pane import ComparePane
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.states import Empty
from mlops_desk.registry.records.comparison import ComparedGroup, ComparedValue
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.window.runs import cells, queries
from mlops_desk.registry.window.runs.detail.values import first_metric
from mlops_desk.registry.window.runs.live_curves import FOLLOW_MS, REST, followed
from mlops_desk.registry.window.runs.queries import LONGEST_KEY, askable
from mlops_desk.registry.window.runs.selection import FEWEST, Ticked

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

T = TypeVar("T")

_BY_PLACE = 2  # in the bar above the curves: behind the metric and what they run over
_GROUPING = frozenset({ComparedGroup.PARAMS, ComparedGroup.TAGS})
_TABLES = "the table's"
"""Stands for the groups of the table, in the place of a parameter to group by."""


class RunComparison(QWidget):
    """``pointed`` carries the id of the run that is meant, or None; ``opened`` of one that is to be shown."""

    pointed = Signal(object)
    opened = Signal(str)

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self.pane = ComparePane("What differs")
        self.curves = OverlayPanel(context)
        self.by = ChoiceBox("Group the curves by")
        self.by.setSizeAdjustPolicy(ChoiceBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.by.setMinimumContentsLength(9)  # letters; the list has them whole
        self.curves.flow.insert(_BY_PLACE, self.by)
        QWidget.setTabOrder(self.curves.over, self.by)
        QWidget.setTabOrder(self.by, self.curves.band)
        self._runs: tuple[Ticked, ...] = ()
        self._uri: str | None = None
        self._values: tuple[ComparedValue, ...] | None = None
        self._groups: dict[str, str] = {}
        self._known: dict[tuple[str, str], RunCurve] = {}
        self._tasks: dict[str, Task] = {}
        self._asked_at = 0.0
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.timeout.connect(self._follow)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        split.addWidget(self.pane)
        split.addWidget(self.curves)
        split.setStretchFactor(0, 1)
        split.setStretchFactor(1, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(split)
        self._wire()
        self._offer_groups()
        self.show_runs((), None)

    def _wire(self) -> None:
        self.pane.pointed.connect(self.point)
        self.pane.opened.connect(self.opened)
        self.curves.pointed.connect(self.point)
        self.curves.picked.connect(self.opened)
        self.curves.wanted.connect(self._ask_curves)
        self.by.activated.connect(lambda _place: self._draw())

    def group_as(self, groups: Mapping[str, str], band: str) -> None:
        """Draw runs as groups of the table, by the name of each one's; ``band`` is how their spread is drawn."""
        self._groups = dict(groups)
        self._offer_groups(_TABLES)
        self.curves.choose_band(band)
        if self._values is not None:
            self._draw()

    def show_runs(self, runs: Sequence[Ticked], uri: str | None) -> None:
        """Compare these; what is known of runs that were compared before is shown at once."""
        if uri != self._uri:
            self._known = {}
        same = [one.run_id for one in runs] == [one.run_id for one in self._runs] and uri == self._uri
        renamed = tuple(runs) != self._runs
        self._runs, self._uri = tuple(runs), uri
        self._groups = {one.run_id: self._groups[one.run_id] for one in runs if one.run_id in self._groups}
        if not same:
            self._values = None
            self.look()
        elif renamed and self._values is not None:
            self._show_values(self._values)
            self._draw()

    def look(self) -> None:
        """Ask for what differs, if it is seen."""
        if not self.isVisible():
            return
        if len(self._runs) < FEWEST:
            self._stop()
            self.curves.hide()
            self.pane.show_nothing(
                Empty(
                    "Tick two runs or more", "By their boxes in the table, by Space, or with Shift. A hundred at most."
                )
            )
            return
        if self._values is None:
            ids, uri = [one.run_id for one in self._runs], self._uri
            self.pane.show_loading("Comparing …")
            self._ask("compare", lambda desk: queries.compared(desk, ids, uri), self._take, self._refused)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._values is None:
            self.look()
        else:
            self._follow()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._stop()

    def _stop(self) -> None:
        self._again.stop()
        for task in self._tasks.values():
            task.cancel()
        self._tasks = {}

    def _ask(
        self, name: str, call: Callable[..., object], done: Callable[..., None], failed: Callable[..., None]
    ) -> None:
        under_way = self._tasks.get(name)
        if under_way is not None:
            under_way.cancel()
        self._tasks[name] = self.context.ask(name, call, done, failed)

    def _take(self, values: list[ComparedValue]) -> None:
        self._values = tuple(values)
        self._show_values(values)
        metrics = askable(one.key for one in values if one.group is ComparedGroup.METRICS)
        self.curves.show()
        self.curves.setVisible(bool(metrics))
        before = self.curves.wish().metric
        self.curves.offer_metrics(metrics, before if before in metrics else first_metric(metrics))
        self._offer_groups()
        if metrics:
            self._ask_curves()

    def _show_values(self, values: Sequence[ComparedValue]) -> None:
        things = [Compared(one.run_id, one.title, one.slot, one.run_id) for one in self._runs]
        self.pane.show_values(things, values)

    def _refused(self, error: DeskError) -> None:
        self.pane.show_error(error, self.look)

    # Curves.

    def _offer_groups(self, wanted: str | None = None) -> None:
        """Offer what the runs can be grouped by: the table's groups, parameters and tags that differ."""
        before = wanted or self.by.currentData()
        self.by.clear()
        self.by.addItem("no groups", None)
        if self._groups:
            self.by.addItem("as in the table", _TABLES)
        for value in self._values or ():
            if value.group in _GROUPING and value.differs and len(value.key) <= LONGEST_KEY:
                self.by.addItem(f"by {plain(value.key, 40)}", _named(value))
        place = self.by.findData(before)
        self.by.setCurrentIndex(max(place, 0))
        self.by.setVisible(self.by.count() > 1)

    def _subjects(self) -> tuple[Subject, ...]:
        subjects = [Subject(one.run_id, one.title, one.slot) for one in self._runs]
        chosen = self.by.currentData()
        if chosen == _TABLES:
            self.curves.offer_groups(on=True)
            return in_groups(subjects, [self._groups.get(one.run_id) for one in self._runs])
        value = next((one for one in self._values or () if chosen == _named(one)), None)
        self.curves.offer_groups(on=value is not None)
        if value is None:
            return tuple(subjects)
        groups = [None if one is None else f"{value.key} = {worded(one)}" for one in value.values]
        return in_groups(subjects, groups)

    def _metrics(self) -> list[str]:
        wish = self.curves.wish()
        return [name for name in dict.fromkeys((wish.metric, wish.x_metric)) if name]

    def _ask_curves(self) -> None:
        """Ask for the curves that are not known; those of runs that go on are followed from there."""
        metrics, uri = self._metrics(), self._uri
        ids = [one.run_id for one in self._runs]
        asked = {metric: [run for run in ids if (run, metric) not in self._known] for metric in metrics}
        if not any(asked.values()):
            self._follow()
            self._draw()
            return
        self._asked_at = time.monotonic()
        self._ask(
            "curves",
            lambda desk: [
                one for metric, runs in asked.items() if runs for one in queries.curves(desk, runs, metric, uri)
            ],
            self._take_curves,
            self._no_curves,
        )

    def _take_curves(self, curves: list[RunCurve]) -> None:
        news = {place: one for one in curves if self._known.get(place := (one.run_id, one.metric)) is not one}
        self._known.update(news)
        if news or not curves:
            self._draw()
        took = (time.monotonic() - self._asked_at) * 1000
        if self._going_on():
            self._again.start(max(FOLLOW_MS, int(took * REST)))

    def _no_curves(self, error: DeskError) -> None:
        if self._known:
            self._again.start(FOLLOW_MS * REST)
        else:
            self.curves.show_state().show_error("The curves can't be shown", error, self._ask_curves)

    def _going_on(self) -> frozenset[str]:
        return frozenset(one.run_id for one in self._runs if one.status in cells.GOING_ON)

    def _follow(self) -> None:
        """Ask for new points of the runs that go on; whole for those that had none of the metric yet."""
        going_on, uri = self._going_on(), self._uri
        if not going_on or not self.isVisible() or self._values is None:
            return
        wanted = [(run_id, metric) for run_id in sorted(going_on) for metric in self._metrics()]
        known = [self._known.get(place, RunCurve(*place, 0)) for place in wanted]
        self._asked_at = time.monotonic()
        self._ask("curves", lambda desk: followed(desk, known, uri), self._take_curves, self._no_curves)

    def _draw(self) -> None:
        metric, *others = [*self._metrics(), ""]
        drawn = [curve for one in self._runs if (curve := self._known.get((one.run_id, metric))) is not None]
        x_metric = others[0]
        xs_of = {one.run_id: curve for one in self._runs if (curve := self._known.get((one.run_id, x_metric)))}
        self.curves.show_curves(ToldCurves(self._subjects(), tuple(drawn), xs_of))

    # What is pointed at.

    def point(self, run_id: object) -> None:
        """Light a run in the table and on the plot."""
        key = run_id if isinstance(run_id, str) else None
        self.light(key)
        self.pointed.emit(key)

    def light(self, run_id: str | None) -> None:
        self.pane.light(run_id)
        self.curves.light(run_id)


def _named(value: ComparedValue) -> str:
    return f"{value.group.value} {value.key}"
